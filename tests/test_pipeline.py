"""The pipeline as a Python user meets it."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as PILImage

import gpen
from gpen import model_set


@pytest.fixture
def pixels(portrait: Path) -> np.ndarray:
    return np.asarray(PILImage.open(portrait).convert("RGB"))


def test_identity_network_returns_the_photo(
    pixels: np.ndarray, identity_model: Path, demo_points: np.ndarray
) -> None:
    result = gpen.Restorer(model=str(identity_model)).restore(pixels, points_xy=demo_points)
    difference = np.abs(result.image.astype(int) - pixels)
    assert len(result.restored) == 1
    assert difference.max() <= 1


def test_changes_the_face_and_nothing_far_from_it(
    pixels: np.ndarray, negative_model: Path, demo_points: np.ndarray
) -> None:
    result = gpen.Restorer(model=str(negative_model)).restore(pixels, points_xy=demo_points)
    changed = (result.image != pixels).any(axis=2)
    x, y = demo_points[2].astype(int)
    assert changed[y, x]
    assert not changed[300:].any()
    assert not changed[:, 400:].any()


@pytest.mark.parametrize(
    "make_source",
    [
        pytest.param(str, id="path_as_text"),
        pytest.param(Path, id="path"),
        pytest.param(lambda path: path.read_bytes(), id="bytes"),
        pytest.param(lambda path: io.BytesIO(path.read_bytes()), id="open_file"),
        pytest.param(PILImage.open, id="pillow"),
        pytest.param(lambda path: np.asarray(PILImage.open(path)), id="array"),
    ],
)
def test_takes_every_kind_of_source(
    make_source, demo_photo: Path, negative_model: Path, demo_points: np.ndarray
) -> None:
    expected = gpen.Restorer(model=str(negative_model)).restore(demo_photo, points_xy=demo_points)
    result = gpen.Restorer(model=str(negative_model)).restore(
        make_source(demo_photo), points_xy=demo_points
    )
    np.testing.assert_array_equal(expected.image, result.image)


def test_default_model_and_detector_sharpen_the_demo_face(demo_photo: Path, portrait: Path) -> None:
    """Edges come back where the truth has them, and colours stay.

    The mean square error stays about what it was: sharp edges a pixel off cost as much as blur.
    """
    result = gpen.restore(demo_photo)
    assert len(result.faces) == 1
    assert result.faces[0].score > 0.5
    box = [round(v) for v in result.faces[0].box_xyxy]
    face = np.s_[box[1] : box[3], box[0] : box[2]]
    truth = np.asarray(PILImage.open(portrait).convert("RGB"))[face].astype(float)
    before = result.source.pixels[face].astype(float)
    after = result.image[face].astype(float)
    assert np.square(after - truth).mean() < 1.1 * np.square(before - truth).mean()

    def edges(image: np.ndarray) -> np.ndarray:
        gray = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2GRAY)
        return np.hypot(cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1))

    def agreement(image: np.ndarray) -> float:
        return float(np.corrcoef(edges(image).ravel(), edges(truth).ravel())[0, 1])

    def sharpness(image: np.ndarray) -> float:
        return float(cv2.Laplacian(cv2.GaussianBlur(image, (0, 0), 1), cv2.CV_64F).var())

    assert agreement(after) > agreement(before) + 0.04
    assert sharpness(after) > 1.2 * sharpness(before)


def test_a_photo_without_faces_comes_back_unchanged() -> None:
    sky = np.tile(np.linspace(80, 200, 320).astype(np.uint8)[None, :, None], (240, 1, 3))
    result = gpen.restore(sky)
    assert result.faces == []
    np.testing.assert_array_equal(sky, result.image)


def test_upscale_enlarges_photo_alpha_and_face(
    pixels: np.ndarray, negative_model: Path, demo_points: np.ndarray
) -> None:
    alpha = np.full(pixels.shape[:2], 128, np.uint8)
    restorer = gpen.Restorer(model=str(negative_model), fusion=False, upscale=2)
    result = restorer.restore(np.dstack([pixels, alpha]), points_xy=demo_points)
    assert result.image.shape == (1024, 1024, 4)
    assert (result.image[..., 3] == 128).all()
    x, y = (demo_points[2] * 2 + 0.5).round().astype(int)
    plain = cv2.resize(pixels, (1024, 1024), interpolation=cv2.INTER_LANCZOS4)
    assert np.abs(result.image[y, x, :3].astype(int) + plain[y, x] - 255).max() < 20


def test_aligned_input_gives_the_size_of_the_network(
    pixels: np.ndarray, negative_model: Path
) -> None:
    restorer = gpen.Restorer(model=str(negative_model), fusion=False, aligned=True)
    result = restorer.restore(pixels)
    assert result.image.shape == (64, 64, 3)
    small = cv2.resize(pixels, (64, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(result.image.astype(int) + small - 255).max() <= 2


@pytest.mark.parametrize("shape", [(300, 600), (600, 300), (500, 30)])
@pytest.mark.parametrize("alpha", [False, True])
def test_aligned_input_that_is_not_square_is_padded_and_cut_back(
    shape: tuple[int, int], alpha: bool, pixels: np.ndarray, negative_model: Path
) -> None:
    image = cv2.resize(pixels, (600, 600))[: shape[0], : shape[1]]
    source = np.dstack([image, image[..., 0]]) if alpha else image
    restorer = gpen.Restorer(model=str(negative_model), aligned=True, fusion=False)
    result = restorer.restore(source)
    height, width = (max(1, round(side * 64 / max(shape))) for side in shape)
    assert result.image.shape == (height, width, 4 if alpha else 3)
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    assert np.abs(result.image[..., :3].astype(int) + small - 255).max() <= 2
    (note,) = result.notes
    assert note.startswith(f"{shape[1]} × {shape[0]} px is no square")
    assert note.endswith(f"cut back to {width} × {height} px")


def test_padding_shows_the_mirror_image_and_the_matrix_says_where(
    pixels: np.ndarray, identity_model: Path
) -> None:
    image = cv2.resize(pixels, (64, 32))
    result = gpen.Restorer(model=str(identity_model), aligned=True).restore(image)
    crop = result.restored[0].crop
    np.testing.assert_array_equal(crop.pixels, np.vstack([image[15::-1], image, image[:15:-1]]))
    np.testing.assert_allclose(crop.crop_from_image, [[1, 0, 0], [0, 1, 16]])
    square = gpen.Restorer(model=str(identity_model), aligned=True).restore(pixels)
    assert square.notes == ()


def test_blend_zero_keeps_the_photo(
    pixels: np.ndarray, negative_model: Path, demo_points: np.ndarray
) -> None:
    restorer = gpen.Restorer(model=str(negative_model), blend=0)
    assert np.abs(restorer.restore(pixels, points_xy=demo_points).image - pixels).max() == 0


def test_sixteen_bit_photo_stays_sixteen_bit(
    pixels: np.ndarray, identity_model: Path, demo_points: np.ndarray
) -> None:
    deep = pixels.astype(np.uint16) * 257 + 3
    result = gpen.Restorer(model=str(identity_model)).restore(deep, points_xy=demo_points)
    assert result.image.dtype == np.uint16
    assert np.abs(result.image.astype(int) - deep).max() <= 257


def test_gray_photo_stays_gray(
    pixels: np.ndarray, negative_model: Path, demo_points: np.ndarray, tmp_path: Path
) -> None:
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    result = gpen.Restorer(model=str(negative_model)).restore(gray, points_xy=demo_points)
    assert (result.image == result.image[..., :1]).all()
    with PILImage.open(result.save(tmp_path / "gray.png")) as image:
        assert image.mode == "L"


def test_a_list_gives_the_same_as_one_by_one(demo_photo: Path, photo_with_two_faces: Path) -> None:
    together = gpen.restore([demo_photo, photo_with_two_faces])
    for result, path in zip(together, [demo_photo, photo_with_two_faces], strict=True):
        np.testing.assert_array_equal(gpen.restore(path).image, result.image)


@pytest.mark.parametrize("jobs", [1, 3])
def test_many_photos_come_in_order_and_are_the_same_as_one_by_one(
    jobs: int, demo_photo: Path, photo_with_two_faces: Path, negative_model: Path
) -> None:
    sky = np.full((60, 80, 3), 180, np.uint8)
    sources = [photo_with_two_faces, sky, demo_photo, sky, demo_photo, photo_with_two_faces]
    restorer = gpen.Restorer(model=str(negative_model))
    results = list(restorer.restore_many(sources, jobs=jobs))
    expected = [restorer.restore(source) for source in sources]
    assert [len(r.restored) for r in results] == [2, 0, 1, 0, 1, 2]
    for result, one in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result.image, one.image)


def test_many_photos_are_taken_only_as_they_are_needed(negative_model: Path) -> None:
    taken: list[int] = []

    def sources() -> Iterator[np.ndarray]:
        for n in range(1000):
            taken.append(n)
            yield np.full((20, 20, 3), n % 256, np.uint8)

    results = gpen.Restorer(model=str(negative_model)).restore_many(sources(), jobs=2)
    assert [int(next(results).image[0, 0, 0]) for _ in range(3)] == [0, 1, 2]
    assert len(taken) <= 3 + 4


def test_a_bad_photo_among_many_ends_them_or_is_given_back(
    negative_model: Path, tmp_path: Path
) -> None:
    gray = np.full((20, 20, 3), 90, np.uint8)
    sources = [gray, tmp_path / "absent.jpg", gray]
    restorer = gpen.Restorer(model=str(negative_model))
    first, error, last = restorer.restore_many(sources, return_errors=True)
    assert isinstance(error, gpen.ReadError)
    assert "absent.jpg" in str(error)
    for result in (first, last):
        assert isinstance(result, gpen.Restoration)
    results = restorer.restore_many(sources)
    assert next(results).image.shape == (20, 20, 3)
    with pytest.raises(gpen.ReadError, match=r"absent\.jpg"):
        next(results)


def test_one_restorer_serves_many_threads(demo_photo: Path) -> None:
    restorer = gpen.Restorer()
    expected = gpen.restore(demo_photo).image
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(restorer.restore, [demo_photo] * 4):
            np.testing.assert_array_equal(expected, result.image)


def test_aligned_input_can_be_finished(demo_photo: Path) -> None:
    crop = gpen.restore(demo_photo).restored[0].crop.pixels
    plain = gpen.restore(crop, aligned=True).image
    kept = gpen.restore(crop, aligned=True, keep="eyes", match_grain=True, occlusion=True).image
    eye, chin = np.s_[115:127, 95:107], np.s_[215:225, 120:136]
    before = crop.astype(int)
    assert np.abs(kept[eye] - before[eye]).mean() < 0.3 * np.abs(plain[eye] - before[eye]).mean()
    assert np.abs(kept[chin] - before[chin]).mean() > 0


def test_loading_opens_each_network_once(
    identity_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(model_set, "open_engine", lambda *a, **o: opened.append("engine") or "e")
    monkeypatch.setattr(
        model_set, "load_detector", lambda *a, **o: opened.append("detector") or "d"
    )
    restorer = gpen.Restorer(model=str(identity_model))
    restorer.load()
    restorer.load()
    assert sorted(opened) == ["detector", "engine"]
    assert restorer.engine is restorer.engine
    assert restorer.detector == "d"
    opened.clear()
    gpen.Restorer(model=str(identity_model), aligned=True).load()
    assert opened == ["engine"]


@pytest.mark.parametrize(
    ("change", "opened_again"),
    [
        ({"blend": 0.5, "faces": "largest"}, []),
        ({"aligned": True}, []),
        ({"precision": "f32"}, ["engine"]),
        ({"model": "gpen-default-256"}, ["engine"]),
        ({"detector": "yunet.onnx"}, ["detector"]),
        ({"device": "cpu"}, ["detector", "engine", "identity"]),
    ],
)
def test_with_shares_networks_that_stay_the_same(
    change: dict[str, Any],
    opened_again: list[str],
    identity_model: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[str] = []

    def opens(name: str) -> Callable[..., object]:
        return lambda *_, **__: opened.append(name) or object()

    monkeypatch.setattr(model_set, "open_engine", opens("engine"))
    monkeypatch.setattr(model_set, "load_detector", opens("detector"))
    monkeypatch.setattr(model_set, "open_identity", opens("identity"))
    first = gpen.Restorer(model=str(identity_model))
    other = first.with_(**change)  # before anything is open
    for restorer in (first, other, other.with_(blend=0.1), first.with_(blend=0.1)):
        _ = restorer.engine, restorer.detector, restorer.identity
    assert sorted(opened) == sorted(["detector", "engine", "identity", *opened_again])
    assert first.settings == gpen.Settings(model=str(identity_model))
    assert other.settings == first.settings.with_(**change)


def test_largest_restores_only_the_largest(photo_with_two_faces: Path) -> None:
    result = gpen.restore(photo_with_two_faces, faces="largest")
    assert len(result.faces) == 2
    assert [face.index for face in result.restored] == [0]


def test_a_face_is_as_alike_as_it_was_left(
    pixels: np.ndarray, negative_model: Path, demo_points: np.ndarray
) -> None:
    restorer = gpen.Restorer(model=str(negative_model))

    def similarity(**options: Any) -> float:
        with_options = restorer.with_(**options)
        return with_options.restore(pixels, points_xy=demo_points).restored[0].similarity

    whole, half, none = (similarity(blend=blend) for blend in (1, 0.3, 0))
    assert 0 <= whole < 0.5 < half < none == 1  # a negative is nobody's face
    assert similarity(blend=0, upscale=2) > 0.95


def test_an_aligned_crop_is_compared_by_the_points_that_crops_have(demo_photo: Path) -> None:
    crop = gpen.restore(demo_photo).restored[0].crop.pixels
    assert 0.6 < gpen.restore(crop, aligned=True).restored[0].similarity < 1


def test_results_say_how_alike_faces_are_without_their_restorer(
    demo_photo: Path, negative_model: Path
) -> None:
    restored = gpen.restore(demo_photo).restored[0]
    copied = pickle.loads(pickle.dumps(restored))  # noqa: S301
    assert copied.similarity == pytest.approx(restored.similarity)
    missing = gpen.restore(demo_photo, model=str(negative_model), embedding="nobody")
    with pytest.raises(gpen.UnknownModelError, match="no model 'nobody'"):
        _ = missing.restored[0].similarity


def test_only_the_person_on_a_photo_is_restored(
    demo_photo: Path, portrait: Path, demo_points: np.ndarray
) -> None:
    """The person is known again, blurred as she is; what is no face of hers is left."""
    restorer = gpen.Restorer(faces=f"like:{portrait}")
    somewhere = demo_points * 0.6 + [200, 200]
    result = restorer.restore(demo_photo, points_xy=np.stack([somewhere, demo_points]))
    (chosen,) = result.restored
    np.testing.assert_allclose(result.faces[chosen.index].points_xy, demo_points)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"blend": 1.5}, "blend is 1.5; expected a number from 0 to 1"),
        ({"upscale": 3}, "expected 1, 2 or 4"),
        ({"faces": "some"}, "faces is 'some'; expected all, largest"),
        ({"mask": "round"}, "expected one of head, face, box"),
        ({"blur": 1}, "unknown option blur"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(gpen.SettingsError, match=message):
        gpen.Restorer(**options)


def test_a_box_restores_the_face_in_it(
    pixels: np.ndarray, demo_points: np.ndarray, negative_model: Path
) -> None:
    """In Python, and by the option that all doors have; the face is restored where it was."""
    restorer = gpen.Restorer(model=str(negative_model))
    low, high = demo_points.min(axis=0), demo_points.max(axis=0)
    box = [*(low - 0.7 * (high - low)), *(high + 0.4 * (high - low))]
    result = restorer.restore(pixels, boxes_xyxy=[box])
    eyes = np.hypot(*(demo_points[1] - demo_points[0]))
    away = np.hypot(*(result.faces[0].points_xy - demo_points).T).mean()
    assert away < 0.12 * eyes
    assert len(result.restored) == 1
    x, y = demo_points.mean(axis=0)
    by_option = restorer.with_(at=f"{x:.1f},{y:.1f}").restore(pixels)
    again = np.hypot(*(by_option.faces[0].points_xy - demo_points).T).mean()
    assert again < 0.12 * eyes


def test_points_and_boxes_are_numbered_in_that_order(
    pixels: np.ndarray, demo_points: np.ndarray, identity_model: Path
) -> None:
    restorer = gpen.Restorer(model=str(identity_model), faces="0")
    result = restorer.restore(pixels, points_xy=[demo_points], boxes_xyxy=[(0, 0, 40, 40)])
    assert len(result.faces) == 2
    np.testing.assert_array_equal(result.faces[0].points_xy, demo_points)
    assert [face.index for face in result.restored] == [0]


def test_a_photo_that_is_one_face_is_restored_whole_though_nothing_is_found(
    negative_model: Path,
) -> None:
    grey = np.full((120, 120, 3), 90, np.uint8)
    restorer = gpen.Restorer(model=str(negative_model), fusion=False)
    assert not restorer.restore(grey).restored
    whole = restorer.with_(faces="whole").restore(grey)
    assert len(whole.restored) == 1
    assert whole.image.shape == grey.shape
    assert abs(int(whole.image[60, 60, 0]) - 165) <= 2


def test_points_of_the_wrong_shape_are_refused(pixels: np.ndarray, identity_model: Path) -> None:
    with pytest.raises(gpen.SettingsError, match=r"expected \(faces, 5, 2\)"):
        gpen.Restorer(model=str(identity_model)).restore(pixels, points_xy=np.zeros((4, 2)))
