"""What the generator is asked to do, and how runs are scored."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from gpen.training.batches import Batch  # noqa: E402
from gpen.training.config_sections import Loss  # noqa: E402
from gpen.training.objective import Objective  # noqa: E402
from gpen.training.perceptual_losses import PerceptualLosses  # noqa: E402
from gpen.training.validation import measure  # noqa: E402

QUIET = Loss(adversarial=0, feature_matching=0)


def batch(damage: list[float], inside: list[float]) -> Batch:
    """Grey faces, each `damage` off its truth."""
    truth = torch.zeros(len(damage), 3, 16, 16)
    points = torch.full((len(damage), 5, 2), 8.0)
    off = torch.tensor(damage).view(-1, 1, 1, 1)
    return Batch.of_sharp_faces(truth + off, truth, points, torch.tensor(inside))


def total(faces: Batch, restored: torch.Tensor, loss: Loss) -> float:
    return float(Objective(PerceptualLosses(), None).score(restored, faces, loss).total)


def test_losses_are_added_up_with_their_weights() -> None:
    faces = batch([0.5, 0.5], [1.0, 1.0])
    restored = faces.truth + 0.1
    loss = Loss(l1=2, l2=3, adversarial=0, feature_matching=0)
    outcome = Objective(PerceptualLosses(), None).score(restored, faces, loss)
    assert set(outcome.terms) == {"l1", "l2"}
    assert float(outcome.total) == pytest.approx(2 * 0.1 + 3 * 0.01, rel=1e-4)


def test_mirrored_margins_count_less() -> None:
    restored = torch.full((2, 3, 16, 16), 0.1)
    whole = total(batch([0.5, 0.5], [1, 1]), restored, QUIET)
    half = total(batch([0.5, 0.5], [1, 0]), restored, QUIET)
    assert half == pytest.approx(whole / 2)


def test_relative_losses_weigh_a_spoiled_good_face_more_than_a_bad_one_not_mended() -> None:
    off = torch.full((1, 3, 16, 16), 0.05)
    good, bad = batch([0.01], [1.0]), batch([0.3], [1.0])
    assert total(good, off, QUIET) == pytest.approx(total(bad, off, QUIET))
    relative = Loss(adversarial=0, feature_matching=0, relative=1)
    assert total(good, off, relative) > 10 * total(bad, off, relative)


def test_eyes_count_more() -> None:
    faces = batch([0.5], [1.0])
    restored = faces.truth.clone()
    restored[..., 8, 8] = 1
    loss = Loss(adversarial=0, feature_matching=0, eyes=3)
    assert total(faces, restored, loss) > 1.5 * total(faces, restored, QUIET)


def test_best_weights_are_those_with_the_least_lpips_or_else_l1() -> None:
    assert measure({"lpips": 0.2, "l1": 0.5}) == "lpips"
    assert measure({"l1": 0.5, "psnr": 20}) == "l1"
