from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpen.errors import AlignError, SettingsError
from gpen.face_templates import TEMPLATES, template_points
from gpen.faces.alignment import align_face
from gpen.images import transforms
from support.drawn_faces import face_points, textured

bounded = settings(max_examples=30, deadline=None, derandomize=True)


@bounded
@given(
    st.floats(-np.pi, np.pi),
    st.floats(2, 400),
    st.floats(-50, 350),
    st.floats(-50, 250),
    st.sampled_from(sorted(TEMPLATES)),
    st.sampled_from([64, 256]),
)
def test_points_of_an_upright_face_meet_the_template(
    angle: float, eye_distance: float, x: float, y: float, template: str, size: int
) -> None:
    points = face_points((x, y), eye_distance, angle)
    crop = align_face(textured((300, 200)), points, size=size, template=template)
    assert crop.pixels.shape == (size, size, 3)
    np.testing.assert_allclose(
        transforms.apply(crop.crop_from_image, points), crop.points_xy, atol=1e-9 * size
    )
    # The templates differ in shape, so that only the published one is met exactly.
    tolerance = 1e-6 if template == "gpen" else 0.06
    np.testing.assert_allclose(
        crop.points_xy, template_points(template, size), atol=tolerance * size
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("quarter_turns", [0, 1, 2, 3])
def test_a_turned_photo_gives_the_same_crop(quarter_turns: int, dtype: type) -> None:
    photo = textured((300, 300), dtype)
    points = face_points((140, 160), 40, 0.2)
    upright = align_face(photo, points, size=128)
    turned = np.ascontiguousarray(np.rot90(photo, quarter_turns))
    centred = (points - 149.5) @ np.array([1, 1j]) * (-1j) ** quarter_turns
    turned_points = np.stack([centred.real, centred.imag], axis=1) + 149.5
    crop = align_face(turned, turned_points, size=128)
    assert crop.pixels.dtype == dtype
    levels = np.iinfo(dtype).max / 255
    assert np.abs(crop.pixels.astype(float) - upright.pixels).max() <= 6 * levels


def test_crop_shows_the_mirror_image_beyond_the_photo() -> None:
    photo = textured((200, 200))
    points = face_points((20, 100), 40)
    padded = cv2.copyMakeBorder(photo, 200, 200, 200, 200, cv2.BORDER_REFLECT)
    expected = align_face(padded, points + 200, size=128)
    crop = align_face(photo, points, size=128)
    assert np.abs(crop.pixels.astype(int) - expected.pixels).max() <= 3


def test_leaves_crops_of_the_published_template_where_they_are(shared: Path) -> None:
    faces = shared / "faces"
    lines = (faces / "crops.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    rows = [row for row in rows if "/val/" in row["file"]][:40]
    for row in rows:
        points = np.array(row["points_xy"])
        crop = align_face(
            cv2.imread(str(faces / row["file"])), points, size=row["size"], template="gpen"
        )
        assert transforms.scale_of(crop.crop_from_image) == pytest.approx(1, abs=0.1)
        centre = np.full(2, row["size"] / 2)
        moved = transforms.apply(crop.crop_from_image, centre) - centre
        assert np.abs(moved).max() < 0.06 * row["size"]


@pytest.mark.parametrize(
    ("points", "message"),
    [
        pytest.param(np.full((5, 2), 30.0), "all in one place", id="one_place"),
        pytest.param(np.full((5, 2), np.nan), "not finite", id="nan"),
        pytest.param(np.zeros((4, 2)), r"shape \(4, 2\); expected \(5, 2\)", id="four_points"),
    ],
)
def test_refuses_points_that_no_face_can_have(points: np.ndarray, message: str) -> None:
    with pytest.raises(AlignError, match=message):
        align_face(textured((60, 60)), points, size=64)


def test_refuses_an_unknown_template() -> None:
    with pytest.raises(SettingsError, match="'round'; expected one of arcface_128, ffhq_512, gpen"):
        align_face(textured((60, 60)), face_points((30, 30), 10), size=64, template="round")


def test_templates_cannot_be_changed_by_accident() -> None:
    with pytest.raises(ValueError, match="read-only"):
        TEMPLATES["gpen"][0] = 0
