from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpen.blending.masks import face_mask
from gpen.face_templates import template_points
from gpen.faces.alignment import align_face
from gpen.settings import MaskShape
from support.drawn_faces import face_points

bounded = settings(max_examples=40, deadline=None, derandomize=True)
SHAPES: list[MaskShape] = ["head", "face", "box"]


@bounded
@given(st.sampled_from(SHAPES), st.integers(0, 10**6), st.integers(16, 200))
def test_mask_of_any_points_is_soft_and_zero_on_the_border(
    shape: MaskShape, seed: int, size: int
) -> None:
    points = np.random.default_rng(seed).normal(size / 2, size / 3, (5, 2))
    mask = face_mask(size, points, shape)
    assert mask.shape == (size, size)
    assert mask.dtype == np.float32
    assert mask.min() >= 0
    assert mask.max() <= 1
    rim = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    assert (rim == 0).all()
    steepest = max(np.abs(np.diff(mask, axis=axis)).max() for axis in (0, 1))
    # A smoothstep over a width in proportion to the size: 1.5 / width at most.
    assert steepest < 24 / size


@pytest.mark.parametrize("turn", [-1.0, -0.5, 0.0, 0.5, 1.0])
@pytest.mark.parametrize("template", ["gpen", "ffhq_512", "arcface_128"])
def test_face_mask_covers_the_face_from_brow_to_lip(turn: float, template: str) -> None:
    photo = np.zeros((400, 400, 3), np.uint8)
    points = face_points((200, 200), 40, 0.1, turn)
    crop = align_face(photo, points, size=256, template=template)
    mask = face_mask(256, crop.points_xy)
    for x, y in crop.points_xy.round().astype(int):
        assert mask[y, x] > 0.75
    assert 0.15 < mask.mean() < 0.7


def test_face_mask_follows_a_turned_head() -> None:
    """The back of a head lies on the far side of its nose."""

    def middle(turn: float) -> float:
        mask = face_mask(256, face_points((128, 150), 54, turn=turn))
        return float((mask.sum(axis=0) * np.arange(256)).sum() / mask.sum())

    assert middle(-1) > middle(0) + 10
    assert middle(1) < middle(0) - 10


def test_face_mask_leaves_the_corners_that_the_box_takes() -> None:
    points = template_points("gpen", 256)
    face, box = face_mask(256, points), face_mask(256, points, "box")
    assert face[50, 50] == 0
    assert box[50, 50] == 1
    assert face.mean() < 0.7 * box.mean()
