"""Restoring videos: the public names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..pipeline import Restorer
from ..settings import VideoSettings
from .io.muxing import check_target
from .io.target_checks import check_apart
from .job import Job, partial_of
from .video_result import ClipResult, OnProgress

__all__ = ["partial_of", "restore_clip", "restore_video"]


def restore_video(
    source: str | Path,
    target: str | Path,
    *,
    video: VideoSettings | None = None,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
    **options: Any,
) -> ClipResult:
    """Restore the faces of a video; see `restore_clip`.

    Args:
        source: A video file, or a folder of numbered images.
        target: A .mp4, .mkv, .mov or .webm file, or a pattern of images such as `out/%06d.png`.
        video: How the video is held still and written.
        overwrite: Replace the target if it is there.
        on_progress: Called after each frame with the stage, frames done and frames in all.
        **options: Fields of `Settings`.

    Raises:
        GpenError: See `gpen.errors`.

    Example:
        >>> import gpen
        >>> gpen.restore_video("clip.mp4", "restored.mp4", blend=0.8)  # doctest: +SKIP
    """
    restorer = Restorer(**options)
    return restore_clip(
        restorer, source, target, video, overwrite=overwrite, on_progress=on_progress
    )


def restore_clip(
    restorer: Restorer,
    source: str | Path,
    target: str | Path,
    video: VideoSettings | None = None,
    *,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
    faces_log: Path | None = None,
) -> ClipResult:
    """Restore the faces of a video.

    A run that was stopped, by Ctrl-C, an error or a power cut, goes on when it is started again
    with the same source, target and settings, and gives the same file as one that was not. After
    Ctrl-C `<target>.partial.<suffix>` can be played.

    Args:
        restorer: How faces are restored.
        source: A video file, or a folder of numbered images.
        target: A .mp4, .mkv, .mov or .webm file, or a pattern of images such as `out/%06d.png`.
        video: How the video is held still and written.
        overwrite: Replace the target if it is there.
        on_progress: Called after each frame of each pass.
        faces_log: Where `gpen.video.analysis.analyse` has noted the faces of the same part of the
            source, so that they are not looked for again.

    Raises:
        ReadError: The source is no video that can be read.
        OutputExistsError: The target is there and `overwrite` is false.
        SettingsError: The target is the source, or no video that can be written.
        WriteError: The target cannot be written; what is done stays, and the same command goes on.
        GpenError: See `gpen.errors`.
    """
    check_apart(Path(source), Path(target))
    check_target(Path(target), overwrite=overwrite)
    job = Job(
        restorer, Path(source), Path(target), video or VideoSettings(), on_progress, faces_log
    )
    return job.run(overwrite=overwrite)
