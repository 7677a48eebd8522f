"""The planes of a frame as arrays: copied, and replaced in part."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...types import Pixels
from .pyav import av
from .video_colors import Colors, from_rgb, tag

Box = tuple[int, int, int, int]
#: Pixels around a part that is converted, so that its chroma is that of the whole frame.
_MARGIN = 16


def has_plain_planes(format: av.VideoFormat) -> bool:
    """Each component is a plane of its own, of bytes or of little-endian words, and not RGB."""
    planes = [component.plane for component in format.components]
    return not (
        format.is_rgb
        or format.has_palette
        or format.is_bit_stream
        or format.is_big_endian
        or len(set(planes)) != len(planes)
    )


def plane_view(av_frame: av.VideoFrame, index: int) -> NDArray[Any]:
    """Samples of one plane, (height, width) uint8 or uint16; writing to it writes to the frame.

    Only for formats with plain planes.
    """
    plane = av_frame.planes[index]
    words = av_frame.format.components[index].bits > 8
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, -1)  # type: ignore[call-overload]
    if words:
        rows = rows.view("<u2")
    return np.asarray(rows[:, : plane.width])


def copy_frame(av_frame: av.VideoFrame, colors: Colors, format: str = "") -> av.VideoFrame:
    """A copy that shares no memory.

    Args:
        av_frame: With plain planes.
        colors: Written on the copy.
        format: Another name for the same layout, such as yuv420p for yuvj420p.
    """
    result = av.VideoFrame(av_frame.width, av_frame.height, format or av_frame.format.name)
    for index in range(len(av_frame.planes)):
        plane_view(result, index)[...] = plane_view(av_frame, index)
    tag(result, colors)
    return result


def replace_parts(
    av_frame: av.VideoFrame, pixels: Pixels, boxes: Iterable[Box], colors: Colors
) -> av.VideoFrame:
    """A copy in which the samples within the boxes come from RGB pixels.

    Luma outside the boxes keeps its bits. So does chroma, except samples that cover pixels on
    both sides of an edge: those are taken from `pixels` too.

    Args:
        av_frame: With plain planes.
        pixels: RGB of the whole frame as it is coded, (height, width, 3).
        boxes: Within the frame; x_max and y_max excluded.
        colors: Of the video.
    """
    result = copy_frame(av_frame, colors)
    name = av_frame.format.name
    step_x = 16 // av_frame.format.chroma_width(16) if len(av_frame.planes) > 2 else 1
    step_y = 16 // av_frame.format.chroma_height(16) if len(av_frame.planes) > 2 else 1
    for x_min, y_min, x_max, y_max in boxes:
        left, top = _down(x_min - _MARGIN, step_x), _down(y_min - _MARGIN, step_y)
        patch = from_rgb(
            pixels[top : y_max + _MARGIN, left : x_max + _MARGIN], name, colors, av_frame
        )
        for index, component in enumerate(av_frame.format.components):
            if component.is_alpha:
                continue
            x, y = (step_x, step_y) if component.is_chroma else (1, 1)
            rows = slice(y_min // y, -(-y_max // y))
            columns = slice(x_min // x, -(-x_max // x))
            plane_view(result, index)[rows, columns] = plane_view(patch, index)[
                rows.start - top // y : rows.stop - top // y,
                columns.start - left // x : columns.stop - left // x,
            ]
    return result


def _down(value: int, step: int) -> int:
    """The nearest multiple at or below, not below 0."""
    return max(0, value // step * step)
