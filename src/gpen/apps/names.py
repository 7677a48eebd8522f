"""Which inputs are clips, and how results are named."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

#: Endings of clips that are read. A GIF is a clip where it moves.
CLIP_SUFFIXES = frozenset(
    [".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif", ".mpg", ".mpeg", ".ts", ".wmv"]
)
#: Endings of clips that are written.
WRITTEN_SUFFIXES = (".mp4", ".mkv", ".mov", ".webm")


def is_clip_target(output: str | None) -> bool:
    """Whether a result with this name is a clip: a video file, or numbered pictures."""
    return output is not None and ("%" in output or Path(output).suffix in WRITTEN_SUFFIXES)


def is_clip(name: str) -> bool:
    """Whether a file is a clip: by its ending; a GIF has to have several pictures."""
    path = Path(name)
    if path.suffix.lower() != ".gif":
        return path.suffix.lower() in CLIP_SUFFIXES
    return path.is_file() and _moves(path)


def split_clips(inputs: Sequence[str], output: str | None) -> tuple[list[str], list[str]]:
    """Clips and all the rest. A folder is a clip if the result is to be one.

    Folders and patterns of photos stay photos, so that no film is restored by accident; clips are
    named one by one or by a pattern that ends like one (`*.mp4`).
    """
    clips: list[str] = []
    others: list[str] = []
    for name in inputs:
        found = sorted(glob.glob(name, recursive=True)) if _is_pattern(name) else [name]  # noqa: PTH207
        for item in found or [name]:
            clip = is_clip(item) or (Path(item).is_dir() and is_clip_target(output))
            (clips if clip else others).append(item if clip else name)
    return clips, list(dict.fromkeys(others))


def clip_target(source: Path, output: str | None, *, several: bool) -> Path:
    """Where the result of a clip goes: `<stem>_gpen.<ext>` beside it unless told otherwise."""
    suffix = source.suffix.lower() if source.suffix.lower() in WRITTEN_SUFFIXES else ".mp4"
    if output is not None and not several and is_clip_target(output):
        return Path(output)
    folder = source.parent if output is None else Path(output)
    return folder / f"{source.stem}_gpen{suffix}"


def _is_pattern(name: str) -> bool:
    return glob.has_magic(name) and not Path(name).exists()


def _moves(path: Path) -> bool:
    import PIL.Image

    try:
        with PIL.Image.open(path) as picture:
            return getattr(picture, "n_frames", 1) > 1
    except Exception:  # a broken GIF is told to be broken where photos are read
        return False
