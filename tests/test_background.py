"""A network enlarges what is around the faces."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import gpen
from gpen.blending.reliability_estimator import Reliability, ReliabilityEstimator
from gpen.images import transforms
from gpen.upscaling.upscaler import load_upscaler
from support.upscaler_files import save, save_enlarging_graph, small_compact


@pytest.fixture(scope="module")
def upscaler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(small_compact(2), tmp_path_factory.mktemp("upscaler") / "small-x2.pth")


@pytest.fixture(scope="module")
def pixels(demo_photo: Path) -> np.ndarray:
    return np.ascontiguousarray(cv2.imread(str(demo_photo))[..., ::-1])


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_faces_are_pasted_on_the_upscaler_s_image(
    factor: int,
    pixels: np.ndarray,
    negative_model: Path,
    upscaler: Path,
    demo_points: np.ndarray,
) -> None:
    options = {"model": negative_model, "fusion": False, "upscale": factor}
    restorer = gpen.Restorer(**options, background=upscaler)
    result = restorer.restore(pixels, points_xy=demo_points).image
    around = load_upscaler(upscaler).enlarge(pixels, factor)
    assert result.shape == around.shape == (512 * factor, 512 * factor, 3)
    changed = (result != around).any(axis=2)
    assert 0.02 < changed.mean() < 0.5
    without = gpen.Restorer(**options).restore(pixels, points_xy=demo_points).image
    x, y = transforms.scale_points(demo_points[2], factor).round().astype(int)
    assert np.abs(result[y, x].astype(int) - without[y, x]).max() < 12


def test_no_line_shows_where_a_face_ends(
    pixels: np.ndarray, identity_model: Path, demo_points: np.ndarray, tmp_path: Path
) -> None:
    nearest = save_enlarging_graph(tmp_path / "x2.onnx", 2)
    restorer = gpen.Restorer(model=identity_model, fusion=False, upscale=2, background=nearest)
    result = restorer.restore(pixels, points_xy=demo_points).image.astype(int)
    plain = transforms.enlarge(pixels, 2).astype(int)
    around = pixels.repeat(2, axis=0).repeat(2, axis=1).astype(int)
    low, high = np.minimum(plain, around), np.maximum(plain, around)
    assert (result >= low - 1).all()
    assert (result <= high + 1).all()
    assert np.abs(result - plain)[200:280, 410:490].max() <= 1  # the nose
    assert np.array_equal(result[-50:], around[-50:])


def test_the_background_is_cleaned_without_a_face_too(upscaler: Path) -> None:
    sky = np.tile(np.linspace(80, 200, 90).astype(np.uint8)[None, :, None], (70, 1, 3))
    result = gpen.restore(sky, background=upscaler)
    assert result.faces == []
    assert np.array_equal(result.image, load_upscaler(upscaler).enlarge(sky, 1))
    assert result.seconds["background"] > 0


def test_a_sharp_face_is_left_to_the_upscaler(
    pixels: np.ndarray,
    upscaler: Path,
    demo_points: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trusted = Reliability(np.ones((2, 4, 16, 16), np.float32))
    monkeypatch.setattr(ReliabilityEstimator, "estimate", lambda self, crop: trusted)
    result = gpen.Restorer(background=upscaler).restore(pixels, points_xy=demo_points)
    assert "already sharp, left as it was" in result.notes
    assert np.array_equal(result.image, load_upscaler(upscaler).enlarge(pixels, 1))


def test_gray_photos_stay_gray(tmp_path: Path, demo_photo: Path, upscaler: Path) -> None:
    cv2.imwrite(str(tmp_path / "gray.png"), cv2.imread(str(demo_photo), cv2.IMREAD_GRAYSCALE))
    result = gpen.restore(tmp_path / "gray.png", background=upscaler)
    assert result.photo.is_gray
    assert np.ptp(result.image, axis=2).max() == 0


def test_networks_are_shared_between_restorers(upscaler: Path) -> None:
    restorer = gpen.Restorer(background=upscaler)
    assert restorer.with_(upscale=2).upscaler is restorer.upscaler
    assert restorer.with_(background="").upscaler is None
    assert gpen.Restorer().upscaler is None


def test_tiles_are_counted(upscaler: Path, pixels: np.ndarray) -> None:
    restorer = gpen.Restorer(background=upscaler)
    seen: list[tuple[int, int]] = []
    restorer.on_tile = lambda done, total: seen.append((done, total))
    restorer.enlarge(pixels[:300, :600])
    assert seen == [(1, 6), (2, 6), (3, 6), (4, 6), (5, 6), (6, 6)]


def test_a_restorer_is_refused_as_an_upscaler(negative_model: Path, demo_photo: Path) -> None:
    with pytest.raises(gpen.WeightsError, match="expected an upscaler, such as RealESRGAN_x4plus"):
        gpen.restore(demo_photo, background=negative_model)


def test_names_that_can_be_fetched_are_told(demo_photo: Path) -> None:
    with pytest.raises(gpen.UnknownModelError, match="`gpen models get RealESRGAN_x4plus` fetches"):
        gpen.restore(demo_photo, background="RealESRGAN_x4plus")
