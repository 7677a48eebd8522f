"""A folder of numbered images, read and written as a video."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import OutputExistsError, ReadError, SettingsError, WriteError
from ...files import written_whole
from ...images.read import find_images, read_image
from ...images.tones import in_depth_of
from ...images.write import encode_image
from ...types import Image
from .pyav import av
from .video_colors import FULL, Colors

if TYPE_CHECKING:
    from .frames import Frame, VideoInfo

_DEFAULT_RATE = Fraction(25)
_NAME = "%06d.png"


def open_folder(path: Path, rate: Fraction | float | None) -> VideoInfo:
    """Probe a folder of images, in natural order (2 before 10).

    Raises:
        ReadError: The folder has no image, or the first one cannot be read.
        SettingsError: The rate is not above 0.
    """
    from .frames import VideoInfo

    image_files, errors = find_images([path])
    if errors or not image_files:
        raise ReadError(
            f"cannot read {path}: the folder holds no images; expected numbered frames such as "
            f"000001.png",
            path=path,
        )
    speed = _DEFAULT_RATE if rate is None else Fraction(rate).limit_denominator(1001)
    if speed <= 0:
        raise SettingsError(f"rate is {rate}; expected frames per second above 0")
    first = read_image(image_files[0])
    deep = first.pixels.dtype == np.uint16
    return VideoInfo(
        path=path,
        size_wh=first.size_wh,
        rate=speed,
        time_base=1 / speed,
        frame_count=len(image_files),
        duration_s=float(len(image_files) / speed),
        pixel_format="rgb48le" if deep else "rgb24",
        bits=16 if deep else 8,
        colors=Colors(matrix=0, range=FULL),
        image_files=tuple(image_files),
    )


def read_folder(info: VideoInfo) -> Iterator[tuple[int, av.VideoFrame, bool]]:
    """Tick, frame and whether the frame is its neighbour's, for each file of a folder.

    Raises:
        ReadError: An image differs in size from the first, or none can be read.
    """
    last: av.VideoFrame | None = None
    waiting: list[int] = []
    for tick, path in enumerate(info.image_files):
        try:
            image = read_image(path)
        except ReadError:
            if last is None:
                waiting.append(tick)
            else:
                yield tick, last, True
            continue
        last = av_frame = _av_frame(info, image)
        for missed in waiting:
            yield missed, av_frame, True
        waiting.clear()
        yield tick, av_frame, False


def _av_frame(info: VideoInfo, image: Image) -> av.VideoFrame:
    if image.size_wh != info.size_wh:
        raise ReadError(
            f"cannot read {info.path}: {image.path} has {image.size_wh[0]}×{image.size_wh[1]} "
            f"pixels and the first frame "
            f"{info.size_wh[0]}×{info.size_wh[1]}; expected frames of one size",
            path=image.path,
        )
    pixels = in_depth_of(image.pixels, np.uint16 if info.bits > 8 else np.uint8)
    whole = np.ascontiguousarray(pixels)
    return av.VideoFrame.from_ndarray(whole, format=info.pixel_format)  # type: ignore[arg-type]


class FolderWriter:
    """Frames as PNG files numbered from 1, each written whole or not at all."""

    def __init__(self, target: Path | str, *, overwrite: bool = False) -> None:
        """Make the folder.

        Args:
            target: A folder, or a pattern such as `out/%06d.png`.
            overwrite: Replace files that are there.

        Raises:
            SettingsError: The pattern is not valid.
            WriteError: The folder cannot be made.
        """
        self.folder, self._name = folder_pattern(target)
        self._overwrite = overwrite
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WriteError(
                f"cannot make the folder {self.folder} ({error.strerror or error}): choose another",
                path=self.folder,
            ) from error

    def write(self, frame: Frame) -> Path:
        """Write one frame, upright. A file that is there and has the same bytes stays.

        Raises:
            OutputExistsError: Another file is there and overwriting was not asked for.
            WriteError: The disk is full, the folder is not writable, …
        """
        path = self.folder / (self._name % (frame.index + 1))
        data = encode_image(Image(frame.pixels()), format="png")
        if path.exists() and not self._overwrite:
            if path.read_bytes() == data:
                return path
            raise OutputExistsError(
                f"{path} is already there; choose another folder or allow overwriting", path=path
            )
        with written_whole(path) as temporary:
            temporary.write_bytes(data)
        return path


def is_folder_target(target: Path | str) -> bool:
    """Whether the target is a folder of images: it is one, ends with a slash, or has a pattern."""
    return str(target).endswith("/") or "%" in Path(target).name or Path(target).is_dir()


def folder_pattern(target: Path | str) -> tuple[Path, str]:
    """The folder of the frames and the pattern of their names.

    Raises:
        SettingsError: The pattern has no number, or is not for PNG.
    """
    path = Path(target)
    if "%" not in path.name:
        return path, _NAME
    try:
        fits = (path.name % 1) != (path.name % 2) and path.suffix.lower() == ".png"
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise SettingsError(f"{target} is no pattern for frames; expected one like out/%06d.png")
    return path.parent, path.name
