"""Converts between the colours of a video (matrix, range) and RGB.

Code points are those of ITU-T H.273 (matrix, primaries, transfer) and 1 limited, 2 full (range).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from ...types import Pixels
from .pyav import av

UNSPECIFIED = 2
LIMITED, FULL = 1, 2
#: H.273 matrix to the number by which swscale knows it; the others are taken for unspecified.
_SWSCALE = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
_BT601, _BT709 = 5, 1
#: Into planes swscale converts YUV three times as fast, to the same numbers.
_PLANAR = {"rgb24": "gbrp", "rgb48le": "gbrp16le"}


@dataclass(frozen=True, slots=True)
class Colors:
    """The colour space of a video.

    Attributes:
        matrix: H.273 code of the YUV matrix as the video has it; 2 is unspecified.
        range: 0 unspecified, 1 limited (16-235), 2 full.
        primaries: H.273 code.
        transfer: H.273 code.
    """

    matrix: int = UNSPECIFIED
    range: int = 0
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED


def colors_of(av_frame: av.VideoFrame) -> Colors:
    """The colours that a decoded frame is tagged with."""
    value = av_frame.color_range
    if not value and (av_frame.format.name.startswith("yuvj") or av_frame.format.is_rgb):
        value = FULL
    return Colors(
        int(av_frame.colorspace), int(value), int(av_frame.color_primaries), int(av_frame.color_trc)
    )


def to_rgb(
    av_frame: av.VideoFrame,
    colors: Colors,
    format: str,
    *,
    size_wh: tuple[int, int] | None = None,
) -> Pixels:
    """The frame as RGB, full range, as it is coded (not turned).

    Args:
        av_frame: As decoded, or a part of it.
        colors: Of the video.
        format: "rgb24", "rgb48le", "rgba" or "rgba64le".
        size_wh: Shrink to this size on the way.

    Returns:
        (height, width, 3 or 4), uint8 or uint16.
    """
    width, height = size_wh or (av_frame.width, av_frame.height)
    is_yuv = not (av_frame.format.is_rgb or av_frame.format.has_palette)
    # Where it shrinks, the numbers are not the same.
    planar = _PLANAR.get(format) if is_yuv and size_wh is None else None
    matrix = _matrix(colors, av_frame)
    full = colors.range == FULL or av_frame.format.is_rgb
    result = av_frame.reformat(
        width=width,
        height=height,
        format=planar or format,
        src_colorspace=matrix,
        dst_colorspace=matrix,
        src_color_range=FULL if full else LIMITED,
        dst_color_range=FULL,
        interpolation=_exact() if size_wh is None else _shrinking(),
        threads=1,
    )
    pixels = _interleaved(result) if planar else cast("Pixels", result.to_ndarray())
    return _widened(pixels) if _is_narrow(pixels, av_frame.format) else pixels


def from_rgb(pixels: Pixels, format: str, colors: Colors, like: av.VideoFrame) -> av.VideoFrame:
    """RGB pixels as a frame in the format and the colours of a video.

    Args:
        pixels: (height, width, 3 or 4), uint8 or uint16, full range.
        format: Name of the pixel format wanted.
        colors: Of the video.
        like: A frame of the video; its size decides what an unspecified matrix means.
    """
    wide = "48le" if pixels.dtype == np.uint16 else "24"
    name = f"rgb{wide}" if pixels.shape[2] == 3 else ("rgba64le" if wide == "48le" else "rgba")
    target = av.VideoFormat(format)
    if _is_narrow(pixels, target):
        pixels = _narrowed(pixels)
    source = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=name)  # type: ignore[arg-type]
    matrix = _matrix(colors, like)
    full = colors.range == FULL or target.is_rgb
    av_frame = source.reformat(
        format=format,
        src_colorspace=matrix,
        dst_colorspace=matrix,
        src_color_range=FULL,
        dst_color_range=FULL if full else LIMITED,
        interpolation=_exact(),
        threads=1,
    )
    tag(av_frame, colors)
    return av_frame


def converted(av_frame: av.VideoFrame, format: str, colors: Colors) -> av.VideoFrame:
    """The frame in another pixel format, in the same colours."""
    source_full = colors.range == FULL or av_frame.format.is_rgb
    target_full = colors.range == FULL or av.VideoFormat(format).is_rgb
    matrix = _matrix(colors, av_frame)
    result = av_frame.reformat(
        format=format,
        src_colorspace=matrix,
        dst_colorspace=matrix,
        src_color_range=FULL if source_full else LIMITED,
        dst_color_range=FULL if target_full else LIMITED,
        interpolation=_exact(),
        threads=1,
    )
    tag(result, colors)
    return result


def tag(av_frame: av.VideoFrame, colors: Colors) -> None:
    """Write the colours of the video on a frame."""
    av_frame.colorspace = colors.matrix
    av_frame.color_range = colors.range
    av_frame.color_primaries = colors.primaries
    av_frame.color_trc = colors.transfer


def _is_narrow(pixels: Pixels, other: av.VideoFormat) -> bool:
    """Between YUV and 16-bit RGB swscale takes 255 × 256 for white, not 65535."""
    return pixels.dtype == np.uint16 and not other.is_rgb


def _interleaved(av_frame: av.VideoFrame) -> Pixels:
    """A frame in planes of G, B and R as (height, width, 3)."""
    import cv2

    dtype = np.uint8 if av_frame.format.components[0].bits == 8 else np.dtype("<u2")
    green, blue, red = (
        np.frombuffer(plane, dtype).reshape(plane.height, -1)[:, : plane.width]  # type: ignore[call-overload]
        for plane in av_frame.planes
    )
    return cast("Pixels", cv2.merge([red, green, blue]))


def _widened(pixels: Pixels) -> Pixels:
    """Times 257 / 256, rounded down, at most 65535."""
    import cv2

    return cast("Pixels", cv2.add(pixels, pixels >> 8))  # saturates


def _narrowed(pixels: Pixels) -> Pixels:
    """Times 256 / 257, rounded to nearest."""
    # 128 more would not fit beyond 65407, where the quotient is 255 all the way.
    return cast("Pixels", pixels - (np.minimum(pixels, 65407) + 128) // 257)


def _matrix(colors: Colors, av_frame: av.VideoFrame) -> int:
    """The number of the matrix in swscale; untagged it is BT.709 for HD and BT.601 else."""
    is_hd = av_frame.width >= 1280 or av_frame.height > 576
    return _SWSCALE.get(colors.matrix, _BT709 if is_hd else _BT601)


def _exact() -> int:
    flags = av.video.reformatter.Interpolation
    return int(
        flags.BICUBIC
        | flags.ACCURATE_RND
        | flags.FULL_CHR_H_INT
        | flags.FULL_CHR_H_INP
        | flags.BITEXACT
    )


def _shrinking() -> int:
    flags = av.video.reformatter.Interpolation
    return int(flags.AREA | flags.BITEXACT)
