"""Measures of face crops: resolution, sharpness, pose, and a hash of looks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...face_templates import template_points
from ...images import transforms
from ...types import Float64Array

UInt8Array = NDArray[np.uint8]

#: Where a crop shows the face itself, in units of its side: rows and columns.
_FACE_ROWS, _FACE_COLUMNS = (0.30, 0.85), (0.25, 0.75)
#: Bands of spatial frequency in cycles per pixel: finest detail, and two octaves below it.
_FINE_BAND, _COARSE_BAND = (1 / 4, 1 / 2), (1 / 16, 1 / 4)
_HASH_SIDE = 16
_GRID = 64


def native_side(crop_from_image: Float64Array, size: int) -> float:
    """Side of the crop in pixels of the photo."""
    return size / transforms.scale_of(crop_from_image)


def inside_share(crop_from_image: Float64Array, size: int, image_size_wh: tuple[int, int]) -> float:
    """Share of the crop that shows the photo and not its mirror image, on a grid of 64 × 64."""
    ticks = (np.arange(_GRID) + 0.5) * size / _GRID - 0.5
    crop_xy = np.stack(np.meshgrid(ticks, ticks), axis=-1)
    image_xy = transforms.apply(transforms.invert(crop_from_image), crop_xy)
    inside = (image_xy >= -0.5) & (image_xy <= np.array(image_size_wh) - 0.5)
    return float(inside.all(axis=-1).mean())


def sharpness(crop: UInt8Array, native: float) -> float:
    """Finest detail of the face over coarser detail, at the resolution that the photo has.

    The amplitude between 1/4 and 1/2 cycles per pixel over that between 1/16 and 1/4. Contrast and
    size of the face cancel out. Spectra of sharp photos fall as 1/f (Field, "Relations between the
    statistics of natural images and the response properties of cortical cells", JOSA A 1987), and
    blur takes from the first band only.

    Returns:
        On `shared/faces` 0.13 to 0.30 for sharp photos, half of that after a blur of 0.7 px or
        after enlarging twice, 0.05 after a blur of 1 px, above 0.4 for noise.

    Args:
        crop: RGB, (S, S, 3).
        native: Side of the crop in pixels of the photo; what was enlarged is shrunk back first.
    """
    import cv2

    side = max(_GRID, min(len(crop), round(native)))
    gray = cv2.cvtColor(transforms.resize(crop, (side, side)), cv2.COLOR_RGB2GRAY)
    rows, columns = (
        slice(int(low * side), int(high * side)) for low, high in (_FACE_ROWS, _FACE_COLUMNS)
    )
    face = gray[rows, columns].astype(np.float64)
    # Without a window the borders of the patch would count as detail.
    window = np.outer(np.hanning(face.shape[0]), np.hanning(face.shape[1]))
    power = np.abs(np.fft.rfft2((face - face.mean()) * window)) ** 2
    frequency = np.hypot(
        np.fft.fftfreq(face.shape[0])[:, None], np.fft.rfftfreq(face.shape[1])[None]
    )
    fine, coarse = (
        power[(frequency >= low) & (frequency < high)].sum()
        for low, high in (_FINE_BAND, _COARSE_BAND)
    )
    return float(np.sqrt(fine / max(coarse, 1.0)))


def turn(points_xy: Float64Array) -> float:
    """How far a face looks away, from its five points in the crop, where its eyes are level.

    The larger of two ratios. To the side: the nose's horizontal distances to the eyes, their
    difference over their sum. Up and down: how far the nose lies off its usual share of the way
    from eyes to mouth, over that share.

    Returns:
        0 into the camera; 1 where the nose is over an eye or as high as the eyes; more beyond.
    """
    usual = _nose_share(template_points("gpen", 1))
    left, right, nose = points_xy[0, 0], points_xy[1, 0], points_xy[2, 0]
    sideways = abs((nose - left) - (right - nose)) / max(abs(right - left), 1e-6)
    return float(max(sideways, abs(_nose_share(points_xy) / usual - 1)))


def _nose_share(points_xy: Float64Array) -> float:
    eyes, mouth = points_xy[:2, 1].mean(), points_xy[3:, 1].mean()
    down = mouth - eyes
    return float((points_xy[2, 1] - eyes) / (down if abs(down) > 1e-6 else 1e-6))


def looks(crop: UInt8Array) -> bytes:
    """A hash that stays nearly the same when an image is resized, compressed or brightened.

    The signs, about their median, of the 16 × 16 lowest frequencies of its DCT (Zauner,
    "Implementation and benchmarking of perceptual image hash functions", 2010, with more
    frequencies: aligned faces are too much alike in the usual 8 × 8).

    Args:
        crop: RGB, (S, S, 3).

    Returns:
        32 bytes, to be compared bit by bit. Of the 2,360 faces of `shared/faces` to train on, the
        nearest two that do not look like copies differ in 38 bits; a face and its compressed,
        shrunk or brightened copy differ in at most 22.
    """
    import cv2

    small = transforms.resize(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), (64, 64))
    spectrum = cv2.dct(small.astype(np.float32))[:_HASH_SIDE, :_HASH_SIDE].ravel()
    spectrum[0] = 0  # brightness
    return np.packbits(spectrum > np.median(spectrum)).tobytes()
