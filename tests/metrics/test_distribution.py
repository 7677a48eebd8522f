"""FID and KID of sets whose figures follow by hand."""

from __future__ import annotations

import numpy as np
import pytest

from gpen.errors import TrainingError
from gpen.metrics.distribution import frechet_distance, kernel_distance


def _gaussian(mean: list[float], root: np.ndarray, count: int = 50, seed: int = 0) -> np.ndarray:
    """Samples whose mean and covariance (root · rootᵀ) are exact."""
    raw = np.random.default_rng(seed).standard_normal((count, len(mean)))
    raw -= raw.mean(axis=0)
    white = np.linalg.solve(np.linalg.cholesky(np.cov(raw, rowvar=False)), raw.T).T
    return white @ root.T + mean


def test_fid_of_gaussians_with_equal_spread_is_the_squared_shift() -> None:
    one = _gaussian([0, 0, 0], np.eye(3))
    other = _gaussian([3, 0, 4], np.eye(3), seed=1)
    assert frechet_distance(one, other) == pytest.approx(25)


def test_fid_of_concentric_gaussians_is_the_squared_difference_of_deviations() -> None:
    one = _gaussian([1, 1], np.diag([1.0, 2.0]))
    other = _gaussian([1, 1], np.diag([4.0, 2.5]), count=70, seed=1)
    assert frechet_distance(one, other) == pytest.approx((4 - 1) ** 2 + (2.5 - 2) ** 2)


def test_fid_of_covariances_that_do_not_commute() -> None:
    # Of 2×2 matrices, Tr (A B)^½ = (Tr AB + 2 (det AB)^½)^½. Here A = diag(1, 4) and B has ones
    # beside halves, so AB has trace 5 and determinant 3.
    one, other = np.diag([1.0, 2.0]), np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
    found = frechet_distance(_gaussian([0, 0], one), _gaussian([0, 0], other, seed=1))
    assert found == pytest.approx(1 + 4 + 1 + 1 - 2 * np.sqrt(5 + 2 * np.sqrt(3)))


def test_fid_of_a_set_with_itself_is_0_also_with_fewer_pictures_than_features() -> None:
    few = np.random.default_rng(0).standard_normal((4, 20))
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-6)


def test_kid_by_hand() -> None:
    # k(x, y) = (x·y + 1)³ in one dimension: 27 within {1, 2}, 1 within {0, 3}, and
    # (1 + 64 + 1 + 343) / 4 across.
    found = kernel_distance([[1.0], [2.0]], [[0.0], [3.0]])
    assert found == pytest.approx(27 + 1 - 2 * 409 / 4)


def test_kid_of_the_same_kind_is_near_0_and_of_another_kind_is_not() -> None:
    random = np.random.default_rng(0)
    one, same = random.standard_normal((2, 400, 8))
    other = random.standard_normal((400, 8)) + 1
    assert abs(kernel_distance(one, same)) < 0.05
    assert kernel_distance(one, other) > 1


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_one_picture_or_other_features_are_refused(distance) -> None:
    with pytest.raises(TrainingError, match="at least 2"):
        distance(np.zeros((1, 3)), np.zeros((5, 3)))
    with pytest.raises(TrainingError, match=r"\(N, D\)"):
        distance(np.zeros((4, 3)), np.zeros((5, 2)))
