"""Faces of grey photos get colours, and keep their light."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import gpen
from gpen.images.tones import LUMA


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that makes everything orange, as dark as it was seen."""
    port = helper.make_tensor_value_info
    shift = np.array([0.3, 0.0, -0.4], np.float32).reshape(1, 3, 1, 1)
    graph = helper.make_graph(
        [helper.make_node("Add", ["input", "shift"], ["output"])],
        "orange",
        [port("input", TensorProto.FLOAT, [1, 3, 64, 64])],
        [port("output", TensorProto.FLOAT, [1, 3, 64, 64])],
        [numpy_helper.from_array(shift, "shift")],
    )
    path = tmp_path_factory.mktemp("models") / "Colorization-64.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


@pytest.fixture(scope="module")
def gray(tmp_path_factory: pytest.TempPathFactory, demo_photo: Path) -> Path:
    path = tmp_path_factory.mktemp("photo") / "gray.png"
    cv2.imwrite(str(path), cv2.imread(str(demo_photo), cv2.IMREAD_GRAYSCALE))
    return path


def luma(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float64) @ LUMA


def test_faces_get_colors_and_keep_their_luma(
    model: Path, gray: Path, demo_points: np.ndarray
) -> None:
    result = gpen.Colorizer(model=model).restore(gray, points_xy=demo_points)
    source = result.source.pixels
    assert np.abs(luma(result.image) - luma(source)).max() <= 0.51
    colored = np.ptp(result.image, axis=2) > 2
    assert 0.02 < colored.mean() < 0.5
    x, y = demo_points[2].round().astype(int)
    red, green, blue = (int(value) for value in result.image[y, x])
    assert red > green > blue
    assert np.array_equal(result.image[-40:], source[-40:])
    assert not result.photo.is_gray


def test_likeness_is_that_of_the_result(model: Path, gray: Path, demo_points: np.ndarray) -> None:
    colorizer = gpen.Colorizer(model=model)
    result = colorizer.restore(gray, points_xy=demo_points[None])
    measured = colorizer.identity.compare(result.source.pixels, result.image, demo_points)
    assert result.restored[0].similarity == pytest.approx(measured, abs=1e-6)


def test_saturation_scales_the_colors(model: Path, gray: Path, demo_points: np.ndarray) -> None:
    x, y = demo_points[2].round().astype(int)

    def spread(saturation: float) -> int:
        colorizer = gpen.Colorizer(model=model, saturation=saturation)
        return int(np.ptp(colorizer.restore(gray, points_xy=demo_points).image[y, x].astype(int)))

    assert spread(0) == 0
    assert abs(2 * spread(0.25) - spread(0.5)) <= 2


def test_crops_are_colored_whole(model: Path, gray: Path) -> None:
    result = gpen.colorize(gray, model=model, aligned=True)
    assert result.image.shape == (64, 64, 3)
    assert (np.ptp(result.image, axis=2) > 2).mean() > 0.9


def test_16_bit_photos_keep_their_depth(
    model: Path, gray: Path, demo_points: np.ndarray, tmp_path: Path
) -> None:
    deep = cv2.imread(str(gray), cv2.IMREAD_GRAYSCALE).astype(np.uint16) * 257
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    result = gpen.Colorizer(model=model).restore(tmp_path / "deep.png", points_xy=demo_points)
    assert result.image.dtype == np.uint16
    assert np.abs(luma(result.image) - luma(result.source.pixels)).max() <= 0.51


def test_a_color_photo_is_said_to_be_one(
    model: Path, demo_photo: Path, demo_points: np.ndarray
) -> None:
    result = gpen.Colorizer(model=model).restore(demo_photo, points_xy=demo_points)
    assert any("has colours already" in note for note in result.notes)
    source = result.source.pixels
    assert np.array_equal(result.image[-40:], source[-40:])
    assert np.abs(luma(result.image) - luma(source)).max() <= 0.51


def test_weights_of_another_task_are_warned_of(
    model: Path,
    negative_model: Path,
    gray: Path,
    demo_points: np.ndarray,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        gpen.Colorizer(model=negative_model).restore(gray, points_xy=demo_points)
        gpen.Restorer(model=model, fusion=False).restore(gray, points_xy=demo_points)
    assert [record.getMessage() for record in caplog.records] == [
        "negative.onnx is made to restore, by its name; it is used to colorize all the same",
        "Colorization-64.onnx is made to colorize, by its name; it is used to restore all the same",
    ]


def test_the_network_that_is_missing_can_be_fetched(gray: Path) -> None:
    with pytest.raises(gpen.UnknownModelError, match="gpen models get GPEN-Colorization-1024"):
        gpen.colorize(gray)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"saturation": 3}, "saturation is 3.0; expected a number from 0 to 2"),
        ({"saturation": "x"}, "saturation is 'x'"),
        ({"fusion": True}, "fusion means nothing for colours"),
        ({"strength": 1}, "unknown option strength"),
    ],
)
def test_options_without_meaning_are_refused(
    options: dict[str, object], message: str, model: Path
) -> None:
    with pytest.raises(gpen.SettingsError, match=message):
        gpen.Colorizer(model=model, **options)
