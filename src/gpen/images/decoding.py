"""Decodes opened files to arrays: colour modes, alpha, 16 bits, EXIF orientation."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from typing import Any, TypeVar, cast

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from ..errors import ReadError
from ..types import Pixels
from .color_profiles import to_srgb
from .png16 import SIGNATURE, without_metadata
from .tiff import BITS, PHOTOMETRIC, PLANES

AnyPixels = TypeVar("AnyPixels", NDArray[np.uint8], NDArray[np.uint16], Pixels)

logger = logging.getLogger("gpen")

#: Modes whose pixels come out as sRGB, so that the file's own profile no longer describes them.
CONVERTED_MODES = ("CMYK", "LAB")
#: EXIF orientations that flip the image: its columns (1), its rows (0) or both (-1).
FLIPS = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}
#: Rows that are copied at once.
STRIP_ROWS = 64

_opencv_lock = threading.Lock()


def from_pil(pil_image: PIL.Image.Image) -> tuple[Pixels, Pixels | None, bool]:
    """The channels of a loaded image of any mode.

    CMYK and LAB come out as sRGB; 1-bit as grey 0 and 255.

    Returns:
        RGB (height, width, 3), alpha (height, width) or None, and whether the image is grey.

    Raises:
        ReadError: 32-bit samples outside of what 16 bits hold.
    """
    if pil_image.mode[0] in "IF":
        gray, alpha = _deep_gray(pil_image)
        return repeat_gray(gray), alpha, True
    is_gray = pil_image.mode in ("1", "L", "LA", "La")
    if pil_image.mode in CONVERTED_MODES:
        pil_image = to_srgb(pil_image, pil_image.info.get("icc_profile"))
    wanted = ("L" if is_gray else "RGB") + ("A" if pil_image.has_transparency_data else "")
    array: Any = _samples(pil_image.convert(wanted) if pil_image.mode != wanted else pil_image)
    if is_gray:
        channels = array if array.ndim == 3 else array[..., None]
        alpha = channels[..., 1].copy() if channels.shape[2] == 2 else None
        return repeat_gray(channels[..., 0]), alpha, True
    alpha = array[..., 3].copy() if array.shape[2] == 4 else None
    return np.ascontiguousarray(array[..., :3]), alpha, False


def _samples(pil_image: PIL.Image.Image) -> NDArray[np.uint8]:
    """The 8-bit samples of an image, (height, width) or (height, width, channels).

    Through copies of a few rows, which stay in the processor's cache: Pillow's own way to an array
    makes two of the whole.
    """
    width, height = pil_image.size
    depth = len(pil_image.getbands())
    array = np.empty((height, width, depth) if depth > 1 else (height, width), np.uint8)
    try:
        for top in range(0, height, STRIP_ROWS):
            bottom = min(height, top + STRIP_ROWS)
            array[top:bottom] = np.asarray(pil_image.crop((0, top, width, bottom)))
    except (
        PIL.Image.DecompressionBombError
    ):  # its limit is not ours; Pillow 12 has it for crops too
        array[:] = np.asarray(pil_image)
    return array


def repeat_gray(gray: Pixels) -> Pixels:
    """One channel, (height, width), as three."""
    return cast("Pixels", np.repeat(gray[..., None], 3, axis=2))


def turn_upright(array: AnyPixels, orientation: int) -> AnyPixels:
    """The array as the EXIF orientation (1-8) wants it shown.

    Source: Exif 2.32, section 4.6.4, tag 0x0112.
    """
    import cv2  # which is four times as fast as a copy of numpy's view

    turned: Any = np.ascontiguousarray(array)
    if orientation >= 5:  # rows and columns are swapped
        turned = cv2.transpose(turned)
    if orientation in FLIPS:
        turned = cv2.flip(turned, FLIPS[orientation])
    return cast("AnyPixels", turned)


def deep_layout(pil_image: PIL.Image.Image) -> str | None:
    """Pillow's name for a layout of 16-bit colour of which it keeps 8 bits, such as "RGB;16B".

    None for all other files. Ask before loading the image.
    """
    tiles = getattr(pil_image, "tile", ())
    if not tiles or pil_image.mode not in ("RGB", "RGBA"):
        return None
    arguments = tiles[0].args
    layout = arguments if isinstance(arguments, str) else (arguments or ("",))[0]
    return layout if ";16" in str(layout) else None


def has_deep_planes(pil_image: PIL.Image.Image) -> bool:
    """Whether the colours lie in separate planes of 16 bits, which Pillow mistakes."""
    tags = getattr(pil_image, "tag_v2", {})
    return bool(tags.get(PLANES) == 2 and len(tags.get(BITS, ())) > 1 and tags[BITS][0] > 8)


def decode_deep_color(
    data: bytes, pil_image: PIL.Image.Image, layout: str, orientation: int
) -> tuple[NDArray[np.uint16], NDArray[np.uint16] | None, bool] | None:
    """The channels of a PNG or TIFF file of 16-bit colour, decoded by OpenCV.

    Args:
        data: The file.
        pil_image: The same file loaded by Pillow; its 8 bits vouch for OpenCV's reading.
        layout: From `deep_layout`.
        orientation: The turn that Pillow has done while loading and OpenCV does not.

    Returns:
        As `from_pil`; nothing where OpenCV cannot read the file or sees something else in
        it than Pillow.
    """
    stored = _decode_16bit(data)
    if stored is None:
        return None
    is_premultiplied = layout.startswith("RGBa")
    # Whether OpenCV turns TIFF files depends on its version.
    for samples in (stored, turn_upright(stored, orientation)):
        if _agree(samples, pil_image, is_premultiplied=is_premultiplied):
            break
    else:
        return None
    pixels = np.ascontiguousarray(samples[..., 2::-1])
    if not pil_image.has_transparency_data:
        return pixels, None, False
    alpha = np.ascontiguousarray(samples[..., 3])
    if is_premultiplied:
        pixels = _divide_by_alpha(pixels, alpha)
    return pixels, alpha, layout.startswith("LA")


def _decode_16bit(data: bytes) -> NDArray[np.uint16] | None:
    """Samples as stored, in OpenCV's order BGR(A), or nothing."""
    stored = decode_with_opencv(data)
    if stored is not None and stored.dtype == np.uint16 and stored.ndim == 3:
        return cast("NDArray[np.uint16]", stored)
    return None


def decode_with_opencv(data: bytes) -> NDArray[Any] | None:
    """Samples as OpenCV reads them, in its order BGR(A), or nothing."""
    import cv2

    if data.startswith(SIGNATURE):
        data = without_metadata(data)  # libpng prints warnings about it
    with _quiet_opencv(), contextlib.suppress(cv2.error):
        stored: NDArray[Any] | None = cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED
        )
        return stored
    return None


def _agree(
    samples: NDArray[np.uint16], pil_image: PIL.Image.Image, *, is_premultiplied: bool
) -> bool:
    """Whether OpenCV's 16 bits, BGR(A), show the same as Pillow's 8."""
    known = np.asarray(pil_image.convert("RGBA")).astype(np.int16)
    depth = 4 if pil_image.has_transparency_data else 3
    if samples.shape[:2] != known.shape[:2] or samples.shape[2] < depth:
        return False
    high = (samples >> 8).astype(np.int16)
    same_color = is_premultiplied or np.abs(high[..., 2::-1] - known[..., :3]).max() <= 1
    same_alpha = pil_image.mode != "RGBA" or np.abs(high[..., 3] - known[..., 3]).max() <= 1
    return bool(same_color and same_alpha)


def _deep_gray(pil_image: PIL.Image.Image) -> tuple[NDArray[np.uint16], NDArray[np.uint16] | None]:
    """Grey samples of modes I;16 (any byte order), I (integers) and F (0 to 1)."""
    array = np.asarray(pil_image)
    if pil_image.mode == "F":
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            raise ReadError("it has floating-point samples outside 0 to 1; save it with 16 bits")
        return np.rint(array * np.float32(65535)).astype(np.uint16), None
    if array.min() < 0 or array.max() > 65535:
        raise ReadError("it has 32-bit samples outside 0 to 65535; save it with 16 bits")
    gray = array.astype(np.uint16)
    clear = pil_image.info.get("transparency")  # PNG: the one sample that is transparent
    alpha = None if clear is None else np.where(gray == clear, 0, 65535).astype(np.uint16)
    if (
        pil_image.format == "TIFF" and getattr(pil_image, "tag_v2", {}).get(PHOTOMETRIC) == 0
    ):  # white is 0
        gray = (65535 - gray).astype(np.uint16)
    return gray, alpha


def _divide_by_alpha(pixels: NDArray[np.uint16], alpha: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Straight colours from premultiplied ones; black where alpha is 0."""
    divisor = np.maximum(alpha, 1)[..., None].astype(np.float32)
    straight = np.rint(pixels.astype(np.float32) * 65535 / divisor)
    return cast("NDArray[np.uint16]", np.minimum(straight, 65535).astype(np.uint16))


@contextlib.contextmanager
def _quiet_opencv() -> Iterator[None]:
    """Keep OpenCV from printing about private TIFF tags, which Photoshop files are full of."""
    import cv2

    with _opencv_lock:
        level = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            yield
        finally:
            cv2.utils.logging.setLogLevel(level)
