"""What losses look at."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from gpen.training.batches import Batch  # noqa: E402
from gpen.training.config_sections import Loss  # noqa: E402
from gpen.training.losses import texture  # noqa: E402
from gpen.training.objective import Objective  # noqa: E402
from gpen.training.perceptual_losses import PerceptualLosses  # noqa: E402
from gpen.training.views import look_closely, without_missing_detail  # noqa: E402


def noise(count: int = 2, size: int = 64) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_views_are_cuts_at_full_size_or_the_whole_shrunk() -> None:
    images = noise()
    cut, whole = look_closely(images, torch.tensor([[0.0, 1.0], [-1.0, -1.0]]), 32)
    assert torch.equal(cut, images[0, :, 32:, :32])
    assert torch.allclose(whole, torch.nn.functional.avg_pool2d(images[1], 2))


@pytest.mark.parametrize("side", [0, 64, 128])
def test_views_of_all_of_a_face_are_the_face(side: int) -> None:
    images = noise()
    assert look_closely(images, torch.zeros(2, 2), side) is images


def test_missing_detail_is_no_error() -> None:
    truth = noise()
    restored = truth + torch.tensor([[0.1, -0.1], [-0.1, 0.1]]).repeat(32, 32)
    loss = Loss(adversarial=0, feature_matching=0)
    points, inside = torch.zeros(2, 5, 2), torch.ones(2)

    def l1(sharp: list[float]) -> float:
        batch = Batch(truth, truth, points, inside, torch.tensor(sharp), -torch.ones(2, 2))
        return float(Objective(PerceptualLosses(), None).score(restored, batch, loss).terms["l1"])

    assert l1([1, 1]) == pytest.approx(0.1, rel=1e-3)
    assert l1([1, 0]) == pytest.approx(0.05, rel=1e-3)
    assert l1([0, 0]) == pytest.approx(0, abs=1e-6)


def test_sharp_faces_keep_their_detail() -> None:
    images = noise()
    seen = without_missing_detail(images, torch.tensor([1.0, 0.0]))
    assert torch.equal(seen[0], images[0])
    assert torch.allclose(seen[1].mean(dim=(1, 2)), images[1].mean(dim=(1, 2)), atol=1e-6)
    assert seen[1].std() < images[1].std()


def test_texture_asks_for_as_much_detail_wherever_it_lies() -> None:
    truth = noise(1)
    smooth = torch.nn.functional.avg_pool2d(truth, 5, stride=1, padding=2)
    elsewhere = truth.roll(1, dims=-1)
    assert float(texture(truth, truth)) == 0
    assert float(texture(elsewhere, truth)) < 0.5 * float(texture(smooth, truth))
    assert float((elsewhere - truth).abs().mean()) > float((smooth - truth).abs().mean())
