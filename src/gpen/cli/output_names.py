"""Tells videos from photos, and names their results."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from gpen.errors import SettingsError
from gpen.images.formats import find_format

#: Endings of videos that are read. A GIF is a video where it moves.
VIDEO_SUFFIXES = frozenset(
    [".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif", ".mpg", ".mpeg", ".ts", ".wmv"]
)
#: Endings of videos that are written.
WRITTEN_SUFFIXES = (".mp4", ".mkv", ".mov", ".webm")


def is_video_target(output: str | None) -> bool:
    """Whether a result with this name is a video: a video file, or numbered images."""
    if output is None or Path(output).is_dir():
        return False
    return "%" in Path(output).name or Path(output).suffix.lower() in WRITTEN_SUFFIXES


def is_video(name: str) -> bool:
    """Whether a file is a video: by its ending; a GIF has to have several images."""
    path = Path(name)
    if path.suffix.lower() != ".gif":
        return path.suffix.lower() in VIDEO_SUFFIXES
    return path.is_file() and _moves(path)


def split_videos(inputs: Sequence[str], output: str | None) -> tuple[list[str], list[str]]:
    """Videos and all the rest. A folder is a video if the result is to be one.

    Folders and patterns of photos stay photos, so that no film is restored by accident; videos are
    named one by one or by a pattern that ends like one (`*.mp4`).
    """
    videos: list[str] = []
    others: list[str] = []
    for name in inputs:
        found = sorted(glob.glob(name, recursive=True)) if _is_pattern(name) else [name]  # noqa: PTH207
        for item in found or [name]:
            video = is_video(item) or (Path(item).is_dir() and is_video_target(output))
            (videos if video else others).append(item if video else name)
    return list(dict.fromkeys(videos)), list(dict.fromkeys(others))


def check_folder(output: str | None) -> None:
    """Refuse one output file for several inputs.

    Raises:
        SettingsError: The output is a file, or would be one by its name.
    """
    if output is None or Path(output).is_dir() or output.endswith(("/", os.sep)):
        return
    if Path(output).is_file() or _is_file_name(output):
        raise SettingsError(
            f"{output} is one file; expected a folder for the results of several inputs"
        )


def folders(inputs: Sequence[str]) -> list[Path]:
    """Those inputs that are folders, whose own folders results keep below `-o`."""
    return [Path(name) for name in inputs if Path(name).is_dir()]


def video_targets(
    videos: Sequence[str], output: str | None, earlier: Mapping[Path, Path] | None = None
) -> list[Path]:
    """Where the results of videos go: `<stem>_gpen.<ext>` beside each unless told otherwise.

    Names that would meet (`a.avi` and `a.gif`) are numbered, as those of photos are.

    Args:
        videos: Files, or folders of frames.
        output: A video, a folder, or None.
        earlier: See `gpen.images.write.output_paths`.

    Raises:
        SettingsError: The output is neither a folder nor a video, or one video for several.
    """
    if is_video_target(output):
        if len(videos) > 1:
            raise SettingsError(f"{output} is one video; several inputs need a folder for results")
        return [Path(str(output))]
    if output is not None and not Path(output).is_dir() and _is_file_name(output):
        raise SettingsError(
            f"{output} is no video that can be written; expected a folder, "
            f"{', '.join(WRITTEN_SUFFIXES)}, or numbered images such as out/%06d.png"
        )
    from gpen.images.write import free_targets

    paths = [Path(video) for video in videos]
    places = [path.parent if output is None else Path(output) for path in paths]
    suffixes = [path.suffix.lower() for path in paths]
    endings = [f"_gpen{suffix if suffix in WRITTEN_SUFFIXES else '.mp4'}" for suffix in suffixes]
    return free_targets(paths, places, endings, earlier or {})


def _is_file_name(output: str) -> bool:
    """Whether somebody means a file by it, or standard output."""
    suffix = Path(output).suffix.lower()
    return output == "-" or suffix in VIDEO_SUFFIXES or bool(suffix and find_format(suffix))


def _is_pattern(name: str) -> bool:
    return glob.has_magic(name) and not Path(name).exists()


def _moves(path: Path) -> bool:
    import PIL.Image

    try:
        with PIL.Image.open(path) as image:
            return getattr(image, "n_frames", 1) > 1
    except Exception:  # a broken GIF is told to be broken where photos are read
        return False
