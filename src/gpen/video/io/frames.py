"""Video metadata, frames, and frames with new pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import cast

import numpy as np

from ...images.tones import in_depth_of
from ...types import Pixels
from .planes import Box, copy_frame, has_plain_planes, replace_parts
from .pyav import av
from .video_colors import Colors, from_rgb, to_rgb


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """Metadata of a video file or a folder of images.

    Attributes:
        path: The file or folder.
        size_wh: Width and height as coded.
        shown_size_wh: The same after the rotation that a player applies.
        rotation_deg: That rotation, clockwise: 0, 90, 180 or 270.
        sample_aspect: Width of a pixel divided by its height, as coded.
        rate: Frames per second, on average.
        time_base: Seconds that one tick of `Frame.pts` lasts.
        start_pts: Ticks at which the video begins; `Frame.time_s` counts from there.
        frame_count: How many frames there are about, or None where the file does not say.
        duration_s: Seconds, or None where the file does not say.
        pixel_format: FFmpeg's name of the format as decoded.
        bits: Of a sample: 8 or more.
        colors: Matrix, range, primaries and transfer as the video is tagged.
        interlaced: Frames hold two fields; `read_frames` deinterlaces them.
        has_alpha: Pixels are transparent somewhere.
        codec: Of the video, as FFmpeg calls it.
        container: FFmpeg's name of the file format; "" for a folder.
        image_files: The files of a folder, in order; empty for a video file.
        notes: Remarks for the user, one line each.
    """

    path: Path
    size_wh: tuple[int, int]
    rotation_deg: int = 0
    sample_aspect: Fraction = Fraction(1)
    rate: Fraction = Fraction(25)
    time_base: Fraction = Fraction(1, 25)
    start_pts: int = 0
    frame_count: int | None = None
    duration_s: float | None = None
    pixel_format: str = "rgb24"
    bits: int = 8
    colors: Colors = field(default_factory=Colors)
    interlaced: bool = False
    has_alpha: bool = False
    codec: str = ""
    container: str = ""
    image_files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def shown_size_wh(self) -> tuple[int, int]:
        """Width and height after the rotation that a player applies."""
        width, height = self.size_wh
        return (height, width) if self.rotation_deg % 180 else (width, height)

    def frames_between(self, start_s: float, end_s: float | None) -> int | None:
        """How many frames a range has about; None where the file does not say."""
        rate, count = float(self.rate), self.frame_count
        last = count if end_s is None else round(end_s * rate)
        if last is None:
            return None
        return max(1, min(last, count or last) - round(start_s * rate))

    def ticks(self, time_s: float) -> int:
        """The first tick at or after a time that counts from the start of the video."""
        # Times of frames are fractions such as 1001/30000 that a user types in decimals.
        return self.start_pts + math.ceil(time_s / float(self.time_base) - 1e-3)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame of a video.

    Attributes:
        info: Where it comes from.
        index: 0 is the first frame of the range that is read.
        pts: Presentation time in `info.time_base`, exactly as stored.
        replaced: It could not be decoded; the frame is that of its neighbour.
        av_frame: As decoded (deinterlaced where the video is interlaced).
    """

    info: VideoInfo
    index: int
    pts: int
    av_frame: av.VideoFrame
    replaced: bool = False

    @property
    def time_s(self) -> float:
        """Seconds since the start of the video."""
        return float((self.pts - self.info.start_pts) * self.info.time_base)

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height, upright."""
        width, height = self.av_frame.width, self.av_frame.height
        return (height, width) if self.info.rotation_deg % 180 else (width, height)

    def pixels(self) -> Pixels:
        """RGB, (height, width, 3), upright, full range; uint16 where the video has over 8 bits."""
        name = "rgb24" if self.info.bits == 8 else "rgb48le"
        return upright(to_rgb(self.av_frame, self.info.colors, name), self.info)

    def small(self, longer_side: int) -> Pixels:
        """RGB, uint8, upright, shrunk so that its longer side has at most this many pixels."""
        width, height = self.av_frame.width, self.av_frame.height
        factor = min(1.0, longer_side / max(width, height))
        size_wh = max(1, round(width * factor)), max(1, round(height * factor))
        coded = to_rgb(
            self.av_frame, self.info.colors, "rgb24", size_wh=size_wh if factor < 1 else None
        )
        return upright(coded, self.info)


def replace_pixels(
    frame: Frame, pixels: Pixels, boxes_xyxy: Iterable[tuple[float, float, float, float]]
) -> Frame:
    """The frame with only the pixels within the boxes taken from `pixels`.

    The samples of YUV planes outside the boxes keep their bits, up to chroma samples that an edge
    of a box cuts through. RGB and palette frames are handled whole, which loses nothing either.

    Args:
        frame: Of any video.
        pixels: RGB, (height, width, 3), upright, of the size and type of `frame.pixels()`.
        boxes_xyxy: Upright; rounded outwards to whole pixels and clipped to the frame.

    Returns:
        A frame of its own; `frame` is as it was.
    """
    info, av_frame = frame.info, frame.av_frame
    coded = _coded(_typed(pixels, info), info)
    boxes = [box for box in (_coded_box(box, frame) for box in boxes_xyxy) if box is not None]
    if has_plain_planes(av_frame.format):
        return replace(frame, av_frame=replace_parts(av_frame, coded, boxes, info.colors))
    name = (
        ("rgba64le" if info.bits > 8 else "rgba")
        if info.has_alpha
        else ("rgb48le" if info.bits > 8 else "rgb24")
    )
    whole = to_rgb(av_frame, info.colors, name).copy()
    for x_min, y_min, x_max, y_max in boxes:
        whole[y_min:y_max, x_min:x_max, :3] = coded[y_min:y_max, x_min:x_max]
    return replace(frame, av_frame=from_rgb(whole, name, info.colors, av_frame))


def whole_frame(frame: Frame, pixels: Pixels) -> Frame:
    """The frame with all its pixels new, for a result of another size.

    Args:
        frame: Of any video.
        pixels: RGB, (height, width, 3), upright, of any size.

    Returns:
        A frame in the video's pixel format (RGB where the video's is RGB or a palette).
    """
    coded = _coded(_typed(pixels, frame.info), frame.info)
    name = frame.av_frame.format.name
    if not has_plain_planes(frame.av_frame.format):
        name = "rgb48le" if frame.info.bits > 8 else "rgb24"
    return replace(frame, av_frame=from_rgb(coded, name, frame.info.colors, frame.av_frame))


def own_copy(frame: Frame) -> Frame:
    """A frame that shares no memory with the decoder."""
    if not has_plain_planes(frame.av_frame.format):
        return frame
    return replace(frame, av_frame=copy_frame(frame.av_frame, frame.info.colors))


def upright(coded: Pixels, info: VideoInfo) -> Pixels:
    """Pixels as coded, turned as a player turns them."""
    return _turned(coded, info.rotation_deg)


def _coded(pixels: Pixels, info: VideoInfo) -> Pixels:
    """Upright pixels, turned back to how they are coded."""
    return _turned(pixels, -info.rotation_deg)


def _turned(pixels: Pixels, degrees: int) -> Pixels:
    """Pixels turned clockwise by a multiple of 90 degrees."""
    import cv2

    pixels = cast("Pixels", np.ascontiguousarray(pixels))
    if degrees % 360 == 0:
        return pixels
    turn = (cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_COUNTERCLOCKWISE)
    return cast("Pixels", cv2.rotate(pixels, turn[degrees % 360 // 90 - 1]))


def _typed(pixels: Pixels, info: VideoInfo) -> Pixels:
    """Pixels in the type that the video's frames have."""
    return in_depth_of(pixels, np.uint16 if info.bits > 8 else np.uint8)


def _coded_box(box: tuple[float, float, float, float], frame: Frame) -> Box | None:
    """An upright box in whole pixels of the coded frame; None where nothing of it is inside."""
    width, height = frame.size_wh
    left, top = max(0, math.floor(box[0])), max(0, math.floor(box[1]))
    right, bottom = min(width, math.ceil(box[2])), min(height, math.ceil(box[3]))
    if left >= right or top >= bottom:
        return None
    if frame.info.rotation_deg == 90:
        return top, width - right, bottom, width - left
    if frame.info.rotation_deg == 180:
        return width - right, height - bottom, width - left, height - top
    if frame.info.rotation_deg == 270:
        return height - bottom, left, height - top, right
    return left, top, right, bottom
