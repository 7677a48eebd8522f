"""Restoring videos: the public function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..pipeline import Restorer
from ..settings import VideoSettings
from .io.muxing import check_target
from .io.target_checks import check_apart
from .job import Job
from .video_result import OnProgress, VideoResult


def restore_video(
    source: str | Path,
    target: str | Path,
    *,
    video: VideoSettings | None = None,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
    restorer: Restorer | None = None,
    faces_log: Path | None = None,
    **options: Any,
) -> VideoResult:
    """Restore the faces of a video.

    A run that was stopped, by Ctrl-C, an error or a power cut, goes on when it is started again
    with the same source, target and settings, and gives the same file as one that was not. After
    Ctrl-C `<target>.partial.<suffix>` can be played.

    Args:
        source: A video file, or a folder of numbered images.
        target: A .mp4, .mkv, .mov or .webm file, or a pattern of images such as `out/%06d.png`.
        video: How the video is stabilised and written.
        overwrite: Replace the target if it is there.
        on_progress: Called after each frame with the stage, frames done and frames in all.
        restorer: Restores the faces with the networks that it has open; else a new one is made.
        faces_log: Where `gpen.video.analysis.analyse` has noted the faces of the same part of the
            source, so that they are not looked for again.
        **options: Fields of `Settings`; where there is a restorer, they override its own.

    Raises:
        ReadError: The source is no video that can be read.
        OutputExistsError: The target is there and `overwrite` is false.
        SettingsError: The target is the source, or no video that can be written.
        WriteError: The target cannot be written; what is done stays, and the same command goes on.
        GpenError: See `gpen.errors`.

    Example:
        >>> import gpen
        >>> gpen.restore_video("video.mp4", "restored.mp4", blend=0.8)  # doctest: +SKIP
    """
    if restorer is None:
        restorer = Restorer(**options)
    elif options:
        restorer = restorer.with_(**options)
    check_apart(Path(source), Path(target))
    check_target(Path(target), overwrite=overwrite)
    job = Job(
        restorer, Path(source), Path(target), video or VideoSettings(), on_progress, faces_log
    )
    return job.run(overwrite=overwrite)
