"""Compression: JPEG once or twice, WebP, H.264."""

from __future__ import annotations

import importlib.util
import io
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import PIL.Image

from ...errors import MissingExtraError
from .pixel_types import Random, UInt8Array

_BLOCK = 16  # macroblock of H.264; x264 wants even sides, and tiny images are padded to one


def jpeg(image: UInt8Array, random: Random, *, quality: float) -> UInt8Array:
    """Write and read a JPEG of this quality, 1 to 100.

    Source: the published training code of GPEN (arXiv 2105.06070).
    """
    del random
    return _jpeg(image, quality)


def double_jpeg(image: UInt8Array, random: Random, *, first: float, second: float) -> UInt8Array:
    """Two JPEGs whose 8 px blocks do not meet: the image was cropped in between.

    Args:
        image: uint8 RGB, (h, w, 3).
        random: Decides how far the blocks of the first are shifted.
        first: Quality of the first.
        second: Quality of the second.
    """
    top, left = (int(shift) for shift in random.integers(1, 8, 2))
    padded = cv2.copyMakeBorder(image, top, 0, left, 0, cv2.BORDER_REPLICATE)
    once = _jpeg(np.asarray(padded, np.uint8), first)[top:, left:]
    return _jpeg(once, second)


def _jpeg(image: UInt8Array, quality: float) -> UInt8Array:
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, code = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, round(quality)])
    decoded: Any = cv2.imdecode(code, cv2.IMREAD_COLOR)
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)


def webp(image: UInt8Array, random: Random, *, quality: float) -> UInt8Array:
    """Write and read a WebP of this quality, 0 to 100."""
    del random
    file = io.BytesIO()
    # Method 0 is four times as fast as OpenCV's writer and smears in the same way.
    PIL.Image.fromarray(image).save(file, "WEBP", quality=round(quality), method=0)
    return np.array(PIL.Image.open(file).convert("RGB"))


def h264(image: UInt8Array, random: Random, *, crf: float) -> UInt8Array:
    """The last frame of a video of one to three frames, in which the image moves a little.

    Args:
        image: uint8 RGB, (h, w, 3).
        random: Decides the frames and the movement.
        crf: x264's constant rate factor: 18 is hardly visible, 51 is the worst.

    Raises:
        MissingExtraError: PyAV is not installed.
    """
    height, width = image.shape[:2]
    below, right = -height % _BLOCK, -width % _BLOCK
    padded = np.asarray(
        cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE), np.uint8
    )
    frames = [padded]
    for shift in random.integers(-2, 3, (int(random.integers(3)), 2)):
        frames.insert(0, np.roll(frames[0], tuple(int(s) for s in shift), axis=(0, 1)))
    return np.ascontiguousarray(_coded(frames, crf)[:height, :width])


def _coded(frames: list[UInt8Array], crf: float) -> UInt8Array:
    """The last of some frames, RGB (h, w, 3), after x264."""
    require_av()
    import av

    encoder = av.CodecContext.create("libx264", "w")
    encoder.height, encoder.width = frames[0].shape[:2]
    encoder.pix_fmt, encoder.time_base = "yuv420p", Fraction(1, 25)
    encoder.thread_count = 1  # the same bytes on every machine, and no threads to start
    encoder.options = {"crf": f"{crf:.2f}", "preset": "superfast", "tune": "zerolatency"}
    packets = []
    for number, pixels in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    decoded = [frame for packet in packets for frame in decoder.decode(packet)]
    decoded += decoder.decode(None)
    return np.asarray(decoded[-1].to_ndarray(format="rgb24"), np.uint8)


def require_av() -> None:
    """Make sure that H.264 can be written.

    Raises:
        MissingExtraError: PyAV is not installed.
    """
    if importlib.util.find_spec("av") is None:
        raise MissingExtraError("Damage by H.264", extra="train")
