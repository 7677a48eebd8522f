"""Losses that need files: which are opened, what is missing, and what they teach."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from gpen import ConfigError  # noqa: E402
from gpen.training.batches import Batch  # noqa: E402
from gpen.training.config import Config  # noqa: E402
from gpen.training.objective import Objective  # noqa: E402
from gpen.training.perceptual_losses import open_perceptual_losses  # noqa: E402

CPU = torch.device("cpu")
MISSING = {
    "perceptual": "set files.vgg19 to its path",
    "lpips": "set files.lpips_backbone to its path",
}


@pytest.fixture
def lpips_files(shared: Path) -> tuple[str, str]:
    """Settings that name SqueezeNet and its heads."""
    models = shared / "models"
    return (
        f"files.lpips_backbone={models / 'squeezenet1_1.safetensors'}",
        f"files.lpips_heads={models / 'lpips_v0.1_squeeze.pth'}",
    )


@pytest.fixture
def batch() -> Batch:
    random = torch.Generator().manual_seed(0)
    truth = torch.rand(2, 3, 32, 32, generator=random) * 2 - 1
    points = torch.tensor([[10, 12], [22, 12], [16, 17], [12, 23], [20, 23]]).float()
    inside = torch.tensor([1.0, 0.5])
    return Batch.of_sharp_faces(truth * 0.5, truth, points.expand(2, 5, 2), inside)


def test_losses_without_files_open_nothing(tiny: Config) -> None:
    perceptual_losses = open_perceptual_losses(tiny, CPU)
    assert (perceptual_losses.perceptual, perceptual_losses.lpips, perceptual_losses.identity) == (
        None,
        None,
        None,
    )
    assert list(perceptual_losses.distances(tiny.loss)) == []


@pytest.mark.parametrize("name", MISSING)
def test_loss_without_its_file_names_the_setting(
    tiny_with: Callable[..., Config], name: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        open_perceptual_losses(tiny_with(f"loss.{name}=1"), CPU)
    assert MISSING[name] in str(caught.value)


def test_all_missing_files_are_named_at_once(
    tiny_with: Callable[..., Config], tmp_path: Path
) -> None:
    wanted = [f"loss.{name}=1" for name in MISSING]
    gone = f"files.vgg19={tmp_path / 'gone.pth'}"
    with pytest.raises(ConfigError) as caught:
        open_perceptual_losses(tiny_with(*wanted, gone), CPU)
    message = str(caught.value)
    assert f"there is no file {tmp_path / 'gone.pth'}; set files.vgg19" in message
    assert MISSING["lpips"] in message
    assert "\n" not in message
    assert caught.value.key == "files"


def test_loss_of_a_later_stage_needs_its_file_at_the_start(
    tiny_with: Callable[..., Config],
) -> None:
    stages = "stages=[{steps=9}, {steps=9, loss={lpips=1}}]"
    with pytest.raises(ConfigError, match=r"files\.lpips_backbone"):
        open_perceptual_losses(tiny_with(stages), CPU)


def test_identity_is_told_by_the_embedding_that_gpen_brings(
    tiny_with: Callable[..., Config], batch: Batch
) -> None:
    opened = open_perceptual_losses(tiny_with("loss.identity=1"), CPU)
    assert opened.identity is not None
    assert opened.identity.name == "dlib (gpen-face-embedding)"
    distance = opened.identity(batch.damaged, batch.truth, batch.points_xy)
    assert bool((distance > 0).all())


def test_file_of_something_else_is_refused(
    tiny_with: Callable[..., Config], tmp_path: Path
) -> None:
    torch.save({"weight": torch.zeros(2)}, tmp_path / "other.pth")
    config = tiny_with("loss.perceptual=1", f"files.vgg19={tmp_path / 'other.pth'}")
    with pytest.raises(ConfigError, match=r"other\.pth does not fit.*VGG-19"):
        open_perceptual_losses(config, CPU)


def test_named_lpips_is_opened_to_validate_even_without_weight(
    tiny_with: Callable[..., Config], lpips_files: tuple[str, str]
) -> None:
    config = tiny_with(*lpips_files)
    perceptual_losses = open_perceptual_losses(config, CPU)
    assert perceptual_losses.lpips is not None
    assert not list(perceptual_losses.distances(config.loss))


def test_lpips_joins_the_loss_and_its_gradient_reaches_the_picture(
    tiny_with: Callable[..., Config], lpips_files: tuple[str, str], batch: Batch
) -> None:
    config = tiny_with(*lpips_files, "loss.lpips=2", "loss.l1=0")
    perceptual_losses = open_perceptual_losses(config, CPU)
    restored = batch.damaged.clone().requires_grad_()
    outcome = Objective(perceptual_losses, discriminator_step=None).score(
        restored, batch, config.loss
    )
    assert perceptual_losses.lpips is not None
    expected = (perceptual_losses.lpips(batch.damaged, batch.truth) * batch.inside).mean()
    torch.testing.assert_close(outcome.terms, {"lpips": expected})
    torch.testing.assert_close(outcome.total.detach(), 2 * expected)
    outcome.total.backward()
    assert restored.grad is not None
    assert all(grad.abs().sum() > 0 for grad in restored.grad)
    assert not any(parameter.requires_grad for parameter in perceptual_losses.lpips.parameters())
