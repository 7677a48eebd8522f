"""A device cuts out and pastes what the CPU does, to within a level."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from gpen import geometry
from gpen.align import align_face
from gpen.engines import photo_on_device, torch_faces
from gpen.engines.torch_faces import DevicePhoto
from gpen.paste import Patch, paste_faces
from gpen.types import Crop

#: OpenCV 4 knows places between pixels to 1/32 only.
TOLERANCE = 1 if int(cv2.__version__.split(".")[0]) >= 5 else 12
SCALES = pytest.mark.parametrize("scale", [0.3, 1, 2.5], ids="enlarged_{}".format)
SIZES = pytest.mark.parametrize("size", [64, 256])
DTYPES = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
DEVICES = pytest.mark.parametrize(
    "device",
    ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)] if torch.cuda.is_available() else ["cpu"],
)


@pytest.fixture(scope="module")
def noisy() -> np.ndarray:
    """The portrait with noise, in which every error of place shows."""
    path = Path(__file__).resolve().parents[2] / "examples/portrait.jpg"
    picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    noise = np.random.default_rng(0).normal(0, 15, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def photo_and_points(noisy, points, scale, dtype) -> tuple[np.ndarray, np.ndarray]:
    height, width = noisy.shape[:2]
    photo = geometry.resize(noisy, (int(width * scale), int(height * scale)))
    photo = photo if dtype == np.uint8 else photo.astype(np.uint16) * 257
    return photo, geometry.scale_points(points, scale)


def levels(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference, in levels of 8-bit colour."""
    assert (one.dtype, one.shape) == (other.dtype, other.shape)
    return np.abs(one.astype(float) - other.astype(float)).max() * 255 / np.iinfo(one.dtype).max


def sharpened(crop: Crop) -> np.ndarray:
    values = crop.pixels.astype(np.float32)
    top = np.iinfo(crop.pixels.dtype).max
    changed = 2 * values - cv2.GaussianBlur(values, (0, 0), 2)
    return np.clip(changed, 0, top).astype(crop.pixels.dtype)


def cleaned(crop: Crop) -> np.ndarray:
    return cv2.GaussianBlur(crop.pixels, (0, 0), 1)


def replaced(crop: Crop) -> np.ndarray:
    return np.iinfo(crop.pixels.dtype).max - crop.pixels


@DEVICES
@DTYPES
@SIZES
@SCALES
def test_a_device_cuts_out_what_the_cpu_does(
    noisy, demo_points, scale: float, size: int, dtype: type, device: str
) -> None:
    photo, points = photo_and_points(noisy, demo_points, scale, dtype)
    beyond_the_border = points - 150 * scale
    for at in (points, beyond_the_border):
        by_cpu = align_face(photo, at, size=size)
        by_device = align_face(photo, at, size=size, photo=DevicePhoto(photo, device))
        assert levels(by_device.pixels, by_cpu.pixels) <= TOLERANCE
        assert by_cpu.pixels.std() > 10
        np.testing.assert_array_equal(by_device.crop_from_image, by_cpu.crop_from_image)


@DEVICES
@DTYPES
@SIZES
@SCALES
@pytest.mark.parametrize("network", [sharpened, cleaned, replaced])
def test_a_device_pastes_what_the_cpu_does(
    noisy, demo_points, scale: float, size: int, dtype: type, device: str, network: Callable
) -> None:
    photo, points = photo_and_points(noisy, demo_points, scale, dtype)
    beside = points + 40 * scale  # the masks overlap
    crops = [align_face(photo, at, size=size) for at in (points, beside)]
    patches = [Patch(crop, network(crop)) for crop in crops]
    by_cpu = paste_faces(photo, patches)
    by_device = paste_faces(photo, patches, photo=DevicePhoto(photo, device))
    assert levels(by_device, by_cpu) <= TOLERANCE
    assert levels(by_cpu, photo) > 5


def test_what_a_network_leaves_alone_stays_bit_by_bit(noisy, demo_points) -> None:
    crop = align_face(noisy, demo_points, size=64)
    pasted = paste_faces(noisy, [Patch(crop, crop.pixels)], photo=DevicePhoto(noisy, "cpu"))
    np.testing.assert_array_equal(pasted, noisy)


def test_colours_are_matched_on_the_cpu(noisy, demo_points) -> None:
    crop = align_face(noisy, demo_points, size=64)
    patch = Patch(crop, replaced(crop))
    expected = paste_faces(noisy, [patch], match_color=True)
    found = paste_faces(noisy, [patch], match_color=True, photo=DevicePhoto(noisy, "cpu"))
    np.testing.assert_array_equal(found, expected)


def test_a_device_that_is_full_leaves_the_work_to_the_cpu(
    noisy, demo_points, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    photo = DevicePhoto(noisy, "cpu")
    expected = align_face(noisy, demo_points, size=64)
    patch = Patch(expected, cleaned(expected))
    monkeypatch.setattr(torch_faces, "_sampled", full)
    found = align_face(noisy, demo_points, size=64, photo=photo)
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    np.testing.assert_array_equal(
        paste_faces(noisy, [patch], photo=photo), paste_faces(noisy, [patch])
    )


def test_other_errors_of_a_device_pass(noisy, demo_points, monkeypatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(torch_faces, "_sampled", broken)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        align_face(noisy, demo_points, size=64, photo=DevicePhoto(noisy, "cpu"))


class Fake:
    """An engine, as far as a photo asks for it."""

    def __init__(self, name: str, device: str) -> None:
        self.name, self.device = name, device


@pytest.mark.parametrize(
    "engine", [Fake("openvino", "CPU"), Fake("torch", "cpu"), Fake("torch", "mps")]
)
def test_photos_stay_where_the_network_is_not_on_cuda(noisy, engine: Fake) -> None:
    assert photo_on_device(noisy, engine) is None


def test_a_photo_that_a_device_has_no_room_for_stays(noisy, monkeypatch) -> None:
    places: list[str] = []

    def open_(pixels: np.ndarray, device: str) -> None:
        places.append(device)
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(torch_faces, "DevicePhoto", open_)
    assert photo_on_device(noisy, Fake("torch", "cuda:1")) is None
    assert places == ["cuda:1"]
