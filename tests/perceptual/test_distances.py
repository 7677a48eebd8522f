"""LPIPS and VGG-19 distances: recognised files, values by an independent reckoning, bad files."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from gpen.errors import TrainingError  # noqa: E402
from gpen.networks.imagenet_features import alexnet_for_lpips, vgg16_for_lpips, vgg19_before_relu  # noqa: E402
from gpen.perceptual.lpips import Lpips  # noqa: E402
from gpen.perceptual.vgg_distance import VggDistance  # noqa: E402
from support.perceptual_networks import picture, save, save_heads  # noqa: E402

WIDTHS = {"alex": [64, 192, 384, 256, 256], "vgg": [64, 128, 256, 512, 512]}


@pytest.fixture(scope="module")
def alex(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("alex")
    heads = save_heads(WIDTHS["alex"], folder / "heads.pth")
    return save(alexnet_for_lpips(), folder / "alexnet.pth"), heads


@pytest.fixture(scope="module")
def vgg19(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(vgg19_before_relu(), tmp_path_factory.mktemp("vgg") / "vgg19.safetensors")


def test_lpips_of_alexnet_equals_its_definition(alex: tuple[Path, Path]) -> None:
    one, other = picture(64, 1), picture(64, 2)
    weights = torch.load(alex[0], weights_only=True)

    def features(x: torch.Tensor) -> list[torch.Tensor]:
        x = (x - torch.tensor([-0.030, -0.088, -0.188]).view(3, 1, 1)) / torch.tensor(
            [0.458, 0.448, 0.450]
        ).view(3, 1, 1)
        found = []
        for number, stride, padding in ((0, 4, 2), (3, 1, 2), (6, 1, 1), (8, 1, 1), (10, 1, 1)):
            if number in (3, 6):
                x = functional.max_pool2d(x, 3, 2)
            weight, bias = (weights[f"features.{number}.{part}"] for part in ("weight", "bias"))
            x = functional.conv2d(x, weight, bias, stride, padding).relu()
            found.append(x / x.norm(dim=1, keepdim=True))
        return found

    expected = sum(
        (k + 1) * (a - b).square().sum(dim=1).mean(dim=(1, 2))
        for k, (a, b) in enumerate(zip(features(one), features(other), strict=True))
    )
    torch.testing.assert_close(Lpips(*alex)(one, other), expected, rtol=1e-4, atol=1e-5)


def test_lpips_recognises_vgg16(tmp_path: Path) -> None:
    backbone = save(vgg16_for_lpips(), tmp_path / "vgg16.pth")
    distance = Lpips(backbone, save_heads(WIDTHS["vgg"], tmp_path / "heads.pth"))
    assert distance.name == "LPIPS-vgg"
    assert [x.shape[3] for x in distance.net(picture(32, 0))] == [32, 16, 8, 4, 2]


def test_lpips_of_squeezenet_grows_with_blur(shared: Path) -> None:
    models = shared / "models"
    distance = Lpips(models / "squeezenet1_1.safetensors", models / "lpips_v0.1_squeeze.pth")
    assert distance.name == "LPIPS-squeeze (Caffe weights)"
    sharp = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    soft, softer = (functional.avg_pool2d(sharp, k, 1, k // 2) for k in (3, 5))
    assert float(distance(sharp, sharp)) == 0
    assert 0.1 < float(distance(sharp, soft)) < float(distance(sharp, softer))


@pytest.mark.parametrize("name", ["alex", "vgg"])
def test_published_heads_fit_their_backbone(shared: Path, tmp_path: Path, name: str) -> None:
    make = {"alex": alexnet_for_lpips, "vgg": vgg16_for_lpips}[name]
    backbone = save(make(), tmp_path / "backbone.pth")
    distance = Lpips(backbone, shared / "models" / f"lpips_v0.1_{name}.pth")
    assert float(distance(picture(64, 1), picture(64, 2))) > 0


def test_vgg_distance_is_weighted_l1_of_features_before_relu(vgg19: Path) -> None:
    distance, one, other = VggDistance(vgg19), picture(32, 1, 2), picture(32, 2, 2)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    scaled = [((x / 2 + 0.5) - mean.view(3, 1, 1)) / deviation.view(3, 1, 1) for x in (one, other)]
    a, b = (distance.net(x) for x in scaled)
    assert [x.shape[1] for x in a] == [64, 128, 256, 512, 512]
    assert all(float(x.min()) < 0 for x in a)
    weights = (0.1, 0.1, 1, 1, 1)
    expected = sum(
        w * (x - y).abs().mean(dim=(1, 2, 3)) for w, x, y in zip(weights, a, b, strict=True)
    )
    torch.testing.assert_close(distance(one, other), expected)
    assert (distance(one, one) == 0).all()


def test_distances_pull_the_restored_picture_towards_the_truth(
    alex: tuple[Path, Path], vgg19: Path
) -> None:
    truth = picture(64, 1)
    for distance in (Lpips(*alex), VggDistance(vgg19)):
        restored = (truth + 0.1 * picture(64, 2)).requires_grad_()
        before = distance(restored, truth).sum()
        before.backward()
        step = 1e-3 * restored.grad / restored.grad.norm()
        assert distance(restored.detach() - step, truth).sum() < before
        assert not any(parameter.requires_grad for parameter in distance.parameters())


def test_distances_run_in_bf16_and_answer_in_f32(alex: tuple[Path, Path], vgg19: Path) -> None:
    one, other = picture(64, 1), picture(64, 2)
    for distance in (Lpips(*alex), VggDistance(vgg19)):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = distance(one, other)
        assert half.dtype == torch.float32
        torch.testing.assert_close(half, distance(one, other), rtol=0.05, atol=0.01)


def test_missing_file_is_named_with_its_setting_and_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"nowhere\.pth does not exist; files\.vgg19 .*torchv"):
        VggDistance(tmp_path / "nowhere.pth")


def test_files_that_are_something_else_are_refused(
    alex: tuple[Path, Path], vgg19: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.pth"
    torch.save(nn.Linear(2, 2).state_dict(), other)
    with pytest.raises(TrainingError, match=r"files\.vgg19.*VGG-19"):
        VggDistance(other)
    with pytest.raises(TrainingError, match=r"files\.vgg19.*VGG-19"):
        VggDistance(alex[0])
    with pytest.raises(TrainingError, match=r"no backbone of LPIPS.*files\.lpips_backbone"):
        Lpips(other, alex[1])
    with pytest.raises(TrainingError, match="no backbone of LPIPS"):
        Lpips(vgg19, alex[1])
    with pytest.raises(TrainingError, match=r"0 heads where LPIPS-alex has 5.*files\.lpips_heads"):
        Lpips(alex[0], other)
    with pytest.raises(TrainingError, match=r"shape \(1, 192, 1, 1\), found one of shape"):
        Lpips(alex[0], save_heads(WIDTHS["vgg"], tmp_path / "heads.pth"))


def test_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vgg19.pth"
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(TrainingError, match=r"cannot be read .*web page.*files\.vgg19"):
        VggDistance(path)
