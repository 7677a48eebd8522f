"""Faces framed as alignment in use does."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gpen.face_templates import template_points  # noqa: E402
from gpen.training.config_sections import Data  # noqa: E402
from gpen.training.framing import reframe, vary_tone  # noqa: E402

SIZE = 64
POINTS = template_points("gpen", SIZE).astype(np.float32)


def spotted() -> np.ndarray:
    """Black, with a soft white spot on each point."""
    y, x = np.mgrid[:SIZE, :SIZE]
    spots = [np.exp(-((x - px) ** 2 + (y - py) ** 2) / 8) for px, py in POINTS]
    return np.repeat((255 * np.max(spots, axis=0)).astype(np.uint8)[..., None], 3, axis=2)


def test_exact_crops_stay_as_they_are() -> None:
    pixels, points = reframe(spotted(), POINTS, np.random.default_rng(0), Data())
    assert np.array_equal(pixels, spotted())
    assert np.array_equal(points, POINTS)


@pytest.mark.parametrize("seed", range(8))
def test_points_move_with_the_pixels(seed: int) -> None:
    data = Data(templates=("gpen", "ffhq_512"), rotate=8, zoom=0.08, shift=0.05)
    pixels, points = reframe(spotted(), POINTS, np.random.default_rng(seed), data)
    assert pixels.shape == (SIZE, SIZE, 3)
    assert not np.allclose(points, POINTS, atol=0.1)
    for x, y in points.round().astype(int):
        near = pixels[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
        assert near.max() > 200


def test_other_templates_put_the_points_where_they_say() -> None:
    data = Data(templates=("ffhq_512",))
    _, points = reframe(spotted(), POINTS, np.random.default_rng(0), data)
    assert np.abs(points - template_points("ffhq_512", SIZE)).max() < 1


def test_errors_stay_within_their_bounds() -> None:
    data = Data(shift=0.05)
    moved = [
        reframe(spotted(), POINTS, np.random.default_rng(seed), data)[1] - POINTS
        for seed in range(50)
    ]
    assert 0.5 < np.abs(moved).max() <= 0.05 * SIZE + 1e-3


def test_tone_changes_all_pixels_of_a_level_alike() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (8, 8, 1), np.uint8).repeat(3, axis=2)
    varied = vary_tone(grey, np.random.default_rng(1), 1.0)
    assert not np.array_equal(varied, grey)
    pairs = zip(grey.reshape(-1, 3).tolist(), varied.reshape(-1, 3).tolist(), strict=True)
    levels: dict[int, set[tuple[int, ...]]] = {}
    for (before, *_), after in pairs:
        levels.setdefault(before, set()).add(tuple(after))
    assert all(len(found) == 1 for found in levels.values())
    assert np.array_equal(vary_tone(grey, np.random.default_rng(1), 0.0), grey)
