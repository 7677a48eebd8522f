"""Taking over a StyleGAN2 prior: same answers, a row for every tensor, strange files."""

from __future__ import annotations

import pickle
import re
from itertools import pairwise
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from gpen.errors import UnsafeFileError, WeightsError  # noqa: E402
from gpen.networks.gpen import GPEN, GPENConfig  # noqa: E402
from gpen.networks.layers import BiasActivation, Linear, ModulatedConv, PixelNorm, Upsample  # noqa: E402
from gpen.training.prior import PriorImport, PriorRow, load_prior  # noqa: E402

CHANNELS, STYLE_DIM, N_MLP = (8, 8, 8, 4), 16, 3


class Layer(nn.Module):
    """A styled convolution of StyleGAN2 with its noise left out."""

    def __init__(self, inputs: int, outputs: int, *, upsample: bool = False) -> None:
        super().__init__()
        kind = "blur" if upsample else None
        self.conv = ModulatedConv(inputs, outputs, 3, STYLE_DIM, upsampling=kind, reference=True)
        self.noise = nn.Module()
        self.noise.weight = nn.Parameter(torch.randn(1))
        self.activate = BiasActivation(outputs)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        return self.activate(self.conv(x, w))


class ToRGB(nn.Module):
    def __init__(self, inputs: int, *, upsample: bool = True) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.randn(1, 3, 1, 1))
        self.conv = ModulatedConv(inputs, 3, 1, STYLE_DIM, demodulate=False, reference=True)
        if upsample:
            self.upsample = Upsample()

    def forward(self, x: Tensor, w: Tensor, rgb: Tensor | None = None) -> Tensor:
        x = self.conv(x, w) + self.bias
        return x if rgb is None else x + self.upsample(rgb)


class StyleGAN2(nn.Module):
    """With the names of the common checkpoints."""

    def __init__(self, channels: tuple[int, ...] = CHANNELS, n_mlp: int = N_MLP) -> None:
        super().__init__()
        layers = [Linear(STYLE_DIM, STYLE_DIM, lr=0.01, activated=True) for _ in range(n_mlp)]
        self.style = nn.Sequential(PixelNorm(), *layers)
        self.input = nn.Module()
        self.input.input = nn.Parameter(torch.randn(1, channels[0], 4, 4))
        self.conv1 = Layer(channels[0], channels[0])
        self.to_rgb1 = ToRGB(channels[0], upsample=False)
        self.convs, self.to_rgbs = nn.ModuleList(), nn.ModuleList()
        self.noises = nn.Module()
        self.noises.register_buffer("noise_0", torch.randn(1, 1, 4, 4))
        for below, width in pairwise(channels):
            self.convs.append(Layer(below, width, upsample=True))
            self.convs.append(Layer(width, width))
            self.to_rgbs.append(ToRGB(width))

    def forward(self, z: Tensor) -> Tensor:
        w = self.style(z)
        x = self.conv1(self.input.input.expand(len(z), -1, -1, -1), w)
        rgb = self.to_rgb1(x, w)
        for i, to_rgb in enumerate(self.to_rgbs):
            x = self.convs[2 * i + 1](self.convs[2 * i](x, w), w)
            rgb = to_rgb(x, w, rgb)
        return rgb


def stylegan2(channels: tuple[int, ...] = CHANNELS, n_mlp: int = N_MLP) -> StyleGAN2:
    torch.manual_seed(1)
    prior = StyleGAN2(channels, n_mlp)
    for name, parameter in prior.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter, 1.0 if "modulation" in name else 0.0, 0.3)
    return prior


def gpen(channels: tuple[int, ...] = CHANNELS, n_mlp: int = N_MLP, **parts: object) -> GPEN:
    torch.manual_seed(2)
    size = 2 << len(channels)
    config = GPENConfig(size, size, STYLE_DIM, n_mlp, channels, **parts)
    net = GPEN(config)
    for name, parameter in net.named_parameters():
        if name.endswith("noise.weight"):
            nn.init.ones_(parameter)
    return net


def save(prior: StyleGAN2, path: Path) -> Path:
    torch.save({"g_ema": prior.state_dict(), "latent_avg": torch.zeros(STYLE_DIM)}, path)
    return path


def features(net: GPEN, batch: int, strength: float) -> list[Tensor]:
    return [
        strength * torch.randn(batch, width, 4 << level, 4 << level)
        for level, width in enumerate(net.config.channels)
    ]


def by_name(found: PriorImport) -> dict[str, PriorRow]:
    assert len({row.name for row in found.rows}) == len(found.rows)
    return {row.name: row for row in found.rows}


@torch.no_grad()
def difference(net: GPEN, prior: StyleGAN2, strength: float) -> float:
    z = torch.randn(3, STYLE_DIM)
    output = net.synthesise(net.style(z), features(net, 3, strength))
    expected = prior(z)
    return float((output - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("injection", ["concat", "add"])
def test_without_features_the_network_answers_as_the_prior(injection: str, tmp_path: Path) -> None:
    prior, net = stylegan2(), gpen(injection=injection)
    assert difference(net, prior, strength=0) > 0.1
    load_prior(save(prior, tmp_path / "prior.pt"), net)
    assert difference(net, prior, strength=0) < 1e-5


def test_joined_features_change_nothing_at_first_and_can_be_learnt(tmp_path: Path) -> None:
    prior, net = stylegan2(), gpen()
    load_prior(save(prior, tmp_path / "prior.pt"), net)
    assert difference(net, prior, strength=1) < 1e-5
    z = torch.randn(2, STYLE_DIM)
    net.synthesise(net.style(z), features(net, 2, 1.0)).square().mean().backward()
    weight = net.generator.convs[1].conv.weight
    assert weight.grad[:, :, weight.shape[2] // 2 :].abs().sum() > 0


def test_every_tensor_is_accounted_for(tmp_path: Path) -> None:
    prior, net = stylegan2(), gpen()
    rows = by_name(load_prior(save(prior, tmp_path / "prior.pt"), net))
    ours = {f"generator.{name}" for name, _ in net.generator.named_parameters()}
    theirs = {name for name in prior.state_dict() if f"generator.{name}" not in rows}
    assert ours | theirs <= rows.keys()
    assert rows["generator.style.1.weight"].status == "taken"
    assert rows["generator.conv1.conv.weight"].status == "taken"
    assert rows["generator.to_rgb1.bias"].status == "taken"
    part = rows["generator.convs.0.conv.weight"]
    assert (part.status, "starts at zero" in part.why) == ("taken in part", True)
    assert rows["generator.conv1.noise.weight"].status == "new"
    assert rows["conv1.noise.weight"].status == "left out"
    assert "noise" in rows["noises.noise_0"].why
    assert "built in" in rows["convs.0.conv.blur.kernel"].why
    assert all(row.why for row in rows.values() if row.status != "taken")
    halved = net.generator.convs[0].conv.modulation
    assert (halved.bias[8:] == 1).all()
    torch.testing.assert_close(halved.weight[:8], prior.convs[0].conv.modulation.weight)


def test_report_counts_and_lists(tmp_path: Path) -> None:
    found = load_prior(save(stylegan2(), tmp_path / "prior.pt"), gpen())
    lines = found.report().splitlines()
    assert lines[0] == found.summary()
    assert len(lines) == len(found.rows) + 2
    counts = re.findall(r"(\d+) (taken in part|taken|new|left out)", lines[0])
    assert sum(int(count) for count, _ in counts) == len(found.rows)
    assert {status for _, status in counts} == {"taken in part", "taken", "new", "left out"}


@pytest.mark.parametrize("injection", ["concat", "add"])
def test_summary_says_that_the_output_is_the_prior_s(injection: str, tmp_path: Path) -> None:
    found = load_prior(save(stylegan2(), tmp_path / "prior.pt"), gpen(injection=injection))
    assert found.distance == pytest.approx(0, abs=1e-5)
    assert "output off the prior's own by 0.0% of its deviation" in found.summary()


def test_summary_says_how_far_the_output_is_where_parts_are_other_ones(tmp_path: Path) -> None:
    prior, net = stylegan2(), gpen(injection="adain", upsampling="nearest")
    found = load_prior(save(prior, tmp_path / "prior.pt"), net)
    assert found.distance is not None
    assert found.distance > 0.2
    assert f"by {found.distance:.1%}" in found.summary()


def test_output_of_another_size_is_compared_too(tmp_path: Path) -> None:
    """A level more draws upon the levels below; one less is the prior cut off."""
    larger = load_prior(save(stylegan2((*CHANNELS, 4)), tmp_path / "prior.pt"), gpen())
    assert larger.distance == pytest.approx(0, abs=1e-5)
    net = gpen((*CHANNELS, 4))
    nn.init.zeros_(net.generator.to_rgbs[-1].conv.weight)
    smaller = load_prior(save(stylegan2(), tmp_path / "prior.pt"), net)
    assert smaller.distance is not None
    assert smaller.distance < 0.2


def test_measuring_the_distance_draws_nothing_from_the_run_s_chance(tmp_path: Path) -> None:
    path, net = save(stylegan2(), tmp_path / "prior.pt"), gpen()
    torch.manual_seed(5)
    expected = torch.randn(3)
    torch.manual_seed(5)
    load_prior(path, net)
    assert torch.equal(torch.randn(3), expected)


def nvidia(n_mlp: int = N_MLP) -> dict[str, Tensor]:
    """Tensors under the names of NVIDIA's PyTorch code, as its G_ema has them."""
    torch.manual_seed(4)
    tensors = {"mapping.w_avg": torch.randn(STYLE_DIM)}
    for layer in range(n_mlp):
        tensors[f"mapping.fc{layer}.weight"] = 100 * torch.randn(STYLE_DIM, STYLE_DIM)
        tensors[f"mapping.fc{layer}.bias"] = torch.randn(STYLE_DIM)
    tensors["synthesis.b4.const"] = torch.randn(CHANNELS[0], 4, 4)
    for level, width in enumerate(CHANNELS):
        block, below = f"synthesis.b{4 << level}", CHANNELS[max(0, level - 1)]
        tensors[f"{block}.resample_filter"] = BLUR
        layers = {"conv0": (below, width, 3), "conv1": (width, width, 3), "torgb": (width, 3, 1)}
        for name, (inputs, outputs, side) in layers.items():
            if level == 0 and name == "conv0":
                continue
            tensors[f"{block}.{name}.weight"] = torch.randn(outputs, inputs, side, side)
            tensors[f"{block}.{name}.bias"] = 0.3 * torch.randn(outputs)
            tensors[f"{block}.{name}.affine.weight"] = torch.randn(inputs, STYLE_DIM)
            tensors[f"{block}.{name}.affine.bias"] = 1 + 0.3 * torch.randn(inputs)
            if name != "torgb":
                tensors[f"{block}.{name}.noise_strength"] = torch.randn(())
                tensors[f"{block}.{name}.noise_const"] = torch.randn(4 << level, 4 << level)
                tensors[f"{block}.{name}.resample_filter"] = BLUR
    return tensors


BLUR = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 64


def spread(x: Tensor) -> Tensor:
    """A zero between all pixels."""
    wide = x.new_zeros(*x.shape[:2], 2 * x.shape[2] - 1, 2 * x.shape[3] - 1)
    wide[:, :, ::2, ::2] = x
    return wide


def blurred(x: Tensor, pads: tuple[int, int, int, int]) -> Tensor:
    kernel = (4 * BLUR).expand(x.shape[1], 1, 4, 4)
    return functional.conv2d(functional.pad(x, pads), kernel, groups=x.shape[1])


def drawn_by_nvidia(tensors: dict[str, Tensor], z: Tensor) -> Tensor:
    """What those weights mean, for one code, without noise: upsampling layers truly convolve."""
    w = z * (z.square().mean() + 1e-8).rsqrt()
    for layer in range(N_MLP):
        weight, bias = (tensors[f"mapping.fc{layer}.{end}"] for end in ("weight", "bias"))
        w = leaky(w @ (weight * 0.01 / STYLE_DIM**0.5).T + 0.01 * bias)
    x, image = tensors["synthesis.b4.const"][None], None
    for level in range(len(CHANNELS)):
        for name in ("conv0", "conv1", "torgb"):
            layer = f"synthesis.b{4 << level}.{name}"
            if f"{layer}.weight" not in tensors:
                continue
            weight, bias = tensors[f"{layer}.weight"], tensors[f"{layer}.bias"][None, :, None, None]
            affine = tensors[f"{layer}.affine.weight"] / STYLE_DIM**0.5
            style = (w @ affine.T + tensors[f"{layer}.affine.bias"])[0]
            weight = weight * style[None, :, None, None]
            if name == "torgb":
                here = functional.conv2d(x, weight / weight.shape[1] ** 0.5) + bias
                image = here if image is None else here + blurred(spread(image), (2, 2, 2, 2))
                continue
            weight = weight * (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).rsqrt()
            if name == "conv0":
                x = functional.conv2d(spread(x), weight.flip(2, 3), padding=2)
                x = blurred(x, (1, 1, 1, 1))
            else:
                x = functional.conv2d(x, weight, padding=1)
            x = leaky(x + bias)
    assert image is not None
    return image


def leaky(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, 0.2) * 2**0.5


@pytest.mark.parametrize("wrapped", [True, False])
def test_nvidia_s_layout_is_taken_and_answers_as_it_is_meant(wrapped: bool, tmp_path: Path) -> None:
    tensors, net = nvidia(), gpen()
    torch.save({"G_ema": tensors} if wrapped else tensors, tmp_path / "ffhq.pt")
    found = load_prior(tmp_path / "ffhq.pt", net)
    z = torch.randn(1, STYLE_DIM)
    with torch.no_grad():
        output, expected = (
            net.synthesise(net.style(z), features(net, 1, 1.0)),
            drawn_by_nvidia(tensors, z),
        )
    torch.testing.assert_close(output, expected, rtol=1e-3, atol=1e-3 * float(expected.std()))
    assert found.distance == pytest.approx(0, abs=1e-4)
    rows = by_name(found)
    assert rows["generator.conv1.conv.weight"].status == "taken"
    left = {name: row.why for name, row in rows.items() if row.status == "left out"}
    assert set(left) == {
        name for name in tensors if name.endswith(("filter", "noise_strength", "noise_const"))
    } | {"mapping.w_avg"}
    assert left["synthesis.b8.conv0.resample_filter"] == "a blur's constant, which is built in"
    assert "noise" in left["synthesis.b8.conv0.noise_strength"]
    assert left["mapping.w_avg"] == "the mean style, which truncation needs"


def test_nvidia_s_layout_with_labels_starts_the_mapping_anew(tmp_path: Path) -> None:
    tensors = nvidia()
    tensors["mapping.fc0.weight"] = torch.randn(STYLE_DIM, 2 * STYLE_DIM)
    tensors["mapping.embed.weight"] = torch.randn(STYLE_DIM, 10)
    torch.save(tensors, tmp_path / "labelled.pt")
    found = load_prior(tmp_path / "labelled.pt", gpen())
    rows = by_name(found)
    assert rows["generator.style.2.weight"].status == "new"
    assert rows["generator.convs.1.conv.weight"].status == "taken in part"
    assert found.distance is None
    assert "not compared" in found.summary()


def test_bare_state_dict_and_safetensors_are_read_too(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    prior = stylegan2()
    torch.save(prior.state_dict(), tmp_path / "bare.pth")
    save_file(prior.state_dict(), tmp_path / "prior.safetensors")
    for name in ("bare.pth", "prior.safetensors"):
        net = gpen()
        load_prior(tmp_path / name, net)
        assert difference(net, prior, strength=0) < 1e-5


def test_larger_prior_gives_its_lower_levels(tmp_path: Path) -> None:
    prior, net = stylegan2((*CHANNELS, 4)), gpen()
    rows = by_name(load_prior(save(prior, tmp_path / "prior.pt"), net))
    above = rows["convs.6.conv.weight"]
    assert (above.status, above.why) == ("left out", "level of 64 px, above the network's 32")
    assert rows["generator.convs.5.conv.weight"].status == "taken in part"
    for lost in (prior.convs, prior.to_rgbs):
        del lost[6 if lost is prior.convs else 3 :]
    assert difference(net, prior, strength=0) < 1e-5


def test_smaller_prior_leaves_the_highest_levels_new(tmp_path: Path) -> None:
    rows = load_prior(save(stylegan2(), tmp_path / "prior.pt"), gpen((*CHANNELS, 4)))
    row = by_name(rows)["generator.convs.6.conv.weight"]
    assert (row.status, row.why) == ("new", "the prior ends at 32 px")


def test_other_mapping_depth_starts_the_mapping_anew_but_keeps_synthesis(tmp_path: Path) -> None:
    net = gpen(n_mlp=2)
    rows = by_name(load_prior(save(stylegan2(), tmp_path / "prior.pt"), net))
    assert rows["generator.style.1.weight"].status == "new"
    assert "3 layers in the prior, 2 here" in rows["generator.style.1.weight"].why
    assert rows["style.3.weight"].status == "left out"
    assert rows["generator.convs.1.conv.weight"].status == "taken in part"


def test_level_of_another_width_is_new_as_a_whole(tmp_path: Path) -> None:
    rows = by_name(load_prior(save(stylegan2(), tmp_path / "prior.pt"), gpen((8, 8, 8, 6))))
    assert rows["generator.convs.3.conv.weight"].status == "taken in part"
    for name in ("convs.4.conv.weight", "convs.4.activate.bias", "to_rgbs.2.bias"):
        assert rows[f"generator.{name}"].status == "new", name
        assert "is needed" in rows[f"generator.{name}"].why
        assert rows[name].status == "left out"


def test_adain_takes_mapping_constant_and_kernels(tmp_path: Path) -> None:
    prior, net = stylegan2(), gpen(injection="adain", upsampling="nearest")
    rows = by_name(load_prior(save(prior, tmp_path / "prior.pt"), net))
    assert rows["generator.input.input"].status == "taken"
    assert rows["generator.convs.1.adain.weight"].status == "new"
    assert rows["convs.1.conv.modulation.weight"].why == "modulation, in whose place AdaIN is"
    torch.testing.assert_close(net.generator.convs[1].conv.weight, prior.convs[1].conv.weight[0])
    turned = prior.convs[0].conv.weight[0].flip(-1, -2)
    torch.testing.assert_close(net.generator.convs[0].conv.weight, turned)


def test_network_without_features_has_no_place_for_noise(tmp_path: Path) -> None:
    prior, net = stylegan2(), gpen(injection="add", encoder_features=False)
    rows = by_name(load_prior(save(prior, tmp_path / "prior.pt"), net))
    assert rows["conv1.noise.weight"].status == "left out"
    z = torch.randn(2, STYLE_DIM)
    torch.testing.assert_close(net.synthesise(net.style(z), []), prior(z), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("tensor", "what"),
    [
        ("synthesis.b4.const", "NVIDIA's without RGB layers"),
        ("synthesis.L0_36_512.weight", "StyleGAN3"),
        ("style_mlp.1.weight", "BasicSR's layout"),
        ("layer1.weight", "no prior"),
    ],
)
def test_unknown_layout_is_told_with_what_was_expected(
    tensor: str, what: str, tmp_path: Path
) -> None:
    torch.save({tensor: torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(WeightsError, match=rf"other\.pt is .*{what}.*expected a StyleGAN2"):
        load_prior(tmp_path / "other.pt", gpen())


def test_gpen_weights_are_no_prior(tmp_path: Path) -> None:
    torch.save(gpen().state_dict(), tmp_path / "gpen.pth")
    with pytest.raises(WeightsError, match=r"a GPEN generator, which network\.init takes"):
        load_prior(tmp_path / "gpen.pth", gpen())


def test_nvidias_pickle_is_refused_without_being_run(tmp_path: Path) -> None:
    class Network:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (str(tmp_path / "ran"),)

    (tmp_path / "ffhq.pkl").write_bytes(pickle.dumps({"G_ema": Network()}))
    with pytest.raises(UnsafeFileError, match="expected a StyleGAN2 generator"):
        load_prior(tmp_path / "ffhq.pkl", gpen())
    assert not (tmp_path / "ran").exists()


def test_prior_of_other_widths_throughout_is_refused(tmp_path: Path) -> None:
    path = save(stylegan2((6, 6, 6, 6)), tmp_path / "prior.pt")
    net = gpen()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(WeightsError, match=r"nothing of prior\.pt fits .*input\.input has shape"):
        load_prior(path, net)
    for name, value in net.state_dict().items():
        if not name.startswith("generator.style"):
            torch.testing.assert_close(value, before[name])
