"""ResNet encoders that start from torchvision's weights for ImageNet."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from gpen.errors import ConfigError, TrainingError  # noqa: E402
from gpen.networks.gpen import GPEN, GPENConfig  # noqa: E402
from gpen.networks.resnet import ResNet  # noqa: E402
from gpen.training.encoder_init import load_encoder  # noqa: E402

WIDTH = 16
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def gpen(encoder: str = "resnet50", width: int = WIDTH) -> GPEN:
    torch.manual_seed(2)
    config = GPENConfig(
        32, 32, 16, 2, (8, 8, 8, 4), encoder, injection="adain", encoder_width=width
    )
    return GPEN(config)


class BatchResNet(ResNet):
    """The same with batch normalisation, as torchvision has it, on faces that it has seen."""

    def __init__(self) -> None:
        torch.manual_seed(1)
        super().__init__((3, 4, 6, 3), WIDTH, 16)
        for name, module in list(self.named_modules()):
            if isinstance(module, nn.GroupNorm):
                parent, _, last = name.rpartition(".")
                norm = nn.BatchNorm2d(module.num_channels, momentum=None)
                nn.init.uniform_(norm.weight, 0.2, 1.0)
                nn.init.normal_(norm.bias, std=0.3)
                setattr(self.get_submodule(parent), last, norm)
        self.eval()

    def see(self, images: Tensor) -> None:
        """Record means and variances, in several rounds: each layer's follow from those before."""
        self.train()
        with torch.no_grad():
            self(images)
        self.eval()


def images(count: int) -> Tensor:
    """RGB in [-1, 1], smooth like photos."""
    random = torch.Generator().manual_seed(count)
    coarse = torch.rand(count, 3, 12, 12, generator=random) * 1.6 - 0.8
    return nn.functional.interpolate(coarse, size=(96, 96), mode="bicubic")


def as_torchvision_takes_it(image: Tensor) -> Tensor:
    mean, deviation = (torch.tensor(x).view(1, 3, 1, 1) for x in (MEAN, DEVIATION))
    return ((image + 1) / 2 - mean) / deviation


@pytest.fixture(scope="module")
def trained() -> BatchResNet:
    net = BatchResNet()
    net.see(as_torchvision_takes_it(images(16)))
    return net


def state_of(net: ResNet) -> dict[str, Tensor]:
    """Under torchvision's names, with a classifier and counters."""
    state = {name.replace("norm", "bn"): value for name, value in net.state_dict().items()}
    return state | {"fc.weight": torch.randn(1000, 32 * WIDTH), "fc.bias": torch.randn(1000)}


def off(one: list[Tensor], other: list[Tensor]) -> list[float]:
    """Differences of maps, of their deviation; the image itself left out."""
    pairs = zip(one[1:], other[1:], strict=True)
    return [float((a - b).square().mean().sqrt() / b.std()) for a, b in pairs]


def test_encoder_answers_nearly_as_the_network_that_was_trained(
    trained: BatchResNet, tmp_path: Path
) -> None:
    torch.save(state_of(trained), tmp_path / "resnet50.pth")
    net, image = gpen(), images(8)
    code = net.encoder.fc.weight.clone()
    with torch.no_grad():
        wanted = trained(as_torchvision_takes_it(image))[1]
        before = off(net.encoder(image)[1], wanted)
        told = load_encoder(tmp_path / "resnet50.pth", net)
        after = off(net.encoder(image)[1], wanted)
    assert told.startswith("265 tensors taken for the encoder")
    assert torch.equal(net.encoder.fc.weight, code)
    # A face's own statistics are not those of all; in a random network that adds up with depth.
    assert after[0] < 0.15
    assert after[1] < 0.4
    assert all(a < 0.9 * b for a, b in zip(after, before, strict=True))


def test_kernels_alone_would_not_do(trained: BatchResNet, tmp_path: Path) -> None:
    torch.save(state_of(trained), tmp_path / "resnet50.pth")
    copied, folded, image = gpen().encoder, gpen(), images(8)
    own = {k: v for k, v in copied.state_dict().items() if k.startswith("fc.")}
    learnt = {k: v for k, v in trained.state_dict().items() if k in copied.state_dict()}
    copied.load_state_dict(learnt | own)
    with torch.no_grad():
        load_encoder(tmp_path / "resnet50.pth", folded)
        wanted = trained(as_torchvision_takes_it(image))[1]
        plain = off(copied(as_torchvision_takes_it(image))[1], wanted)
        better = off(folded.encoder(image)[1], wanted)
    assert all(a < 0.9 * b for a, b in zip(better, plain, strict=True))


@pytest.mark.parametrize(
    ("encoder", "width", "message"),
    [
        ("resnet101", WIDTH, "layer3.6.conv1.weight is missing"),
        ("resnet50", 8, r"conv1\.weight has shape \(16, 3, 7, 7\), \(8, 3, 7, 7\) is needed"),
    ],
)
def test_weights_of_another_network_are_refused_and_change_nothing(
    trained: BatchResNet, encoder: str, width: int, message: str, tmp_path: Path
) -> None:
    torch.save(state_of(trained), tmp_path / "resnet50.pth")
    net = gpen(encoder, width)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(ConfigError, match=message) as caught:
        load_encoder(tmp_path / "resnet50.pth", net)
    assert caught.value.key == "network.encoder_init"
    assert "\n" not in str(caught.value)
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])


def test_deeper_weights_are_refused_too(trained: BatchResNet, tmp_path: Path) -> None:
    deeper = state_of(trained) | {"layer3.6.conv1.weight": torch.zeros(1)}
    torch.save(deeper, tmp_path / "resnet101.pth")
    with pytest.raises(ConfigError, match=r"it has layer3\.6\.conv1\.weight, which a resnet50 has"):
        load_encoder(tmp_path / "resnet101.pth", gpen())


def test_missing_file_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"network\.encoder_init must name torchvision's"):
        load_encoder(tmp_path / "none.pth", gpen())
