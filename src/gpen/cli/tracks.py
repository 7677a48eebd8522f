"""`gpen tracks`: lists the face tracks of a video."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpen.errors import OutputExistsError
from gpen.settings import Settings, VideoSettings

from . import console
from .option_parameters import values_of, with_options
from .time_arguments import time_range

if TYPE_CHECKING:
    from gpen.video.io.frames import VideoInfo
    from gpen.video.tracking.face_tracks import Track, Tracks

EPILOG = """
**Examples**

`gpen tracks video.mp4` — a list, and an image of each face in video_tracks/

`gpen restore video.mp4 --faces track:1,3` — restores only those

`gpen tracks film.mkv --start 1:30 --preview 10` — numbers for `gpen restore` with the same range
"""
#: Side of a thumbnail in pixels.
THUMBNAIL_PX = 256


@with_options("min_face", "detector", "models_dir", "start_s", "end_s")
def tracks(
    video_path: Annotated[
        Path, typer.Argument(metavar="VIDEO", help="A video, or a folder of images.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for the images; default <video>_tracks."),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")] = False,
    preview: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Process only the first seconds.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing images.")
    ] = False,
    **options: Any,
) -> None:
    """List the faces of a video, each followed through its shot, for `--faces track:N`.

    Numbers count from the start of the range: restore with the same --start.
    """
    from gpen import Restorer
    from gpen.video.analysis import analyse
    from gpen.video.io.decode import open_video
    from gpen.video.work_folder import LineLog

    start_s, end_s = time_range(options["start"], options["end"], preview)
    video = VideoSettings(start_s=start_s, end_s=end_s)
    folder_out = output or video_path.with_name(f"{video_path.stem}_tracks")
    if not overwrite:
        _check_free(folder_out)
    opened = open_video(video_path)
    settings = Settings(**values_of(Settings, options))
    with (
        tempfile.TemporaryDirectory(prefix="gpen-") as folder,
        console.progress_bar("Finding faces", opened.frames_between(start_s, end_s)) as bar,
    ):
        found = analyse(
            opened,
            Restorer(settings).detector,
            video,
            LineLog(Path(folder) / "faces.jsonl"),
            lambda done: bar.update(bar.task_ids[0], completed=done),
            min_face=settings.min_face,
        ).tracks
    images = _write_images(found, opened, video, folder_out, overwrite=overwrite)
    rows = [_row(track, opened, start_s, images.get(track.id)) for track in found.tracks]
    if json_:
        console.say(json.dumps(rows, indent=1))
    else:
        _show(rows, found, folder_out)


def _check_free(folder: Path) -> None:
    """Refuse to replace images before the video is searched, not after it."""
    old = next(folder.glob("track-*.png"), None)
    if old is not None:
        raise OutputExistsError(
            f"{old} is already there; choose another folder or allow overwriting", path=old
        )


def _row(track: Track, video_path: VideoInfo, start_s: float, image: Path | None) -> dict[str, Any]:
    rate = float(video_path.rate)
    x, y = track.points_xy.mean(axis=(0, 1))
    return {
        "track": track.id,
        "first_frame": track.first,
        "last_frame": track.last,
        "from_s": round(start_s + track.first / rate, 3),
        "to_s": round(start_s + (track.last + 1) / rate, 3),
        "size_px": round(float(track.sizes.mean()), 1),
        "middle_xy": [round(float(x), 1), round(float(y), 1)],
        "picture": None if image is None else str(image),
    }


def _write_images(
    found: Tracks, video_path: VideoInfo, video: VideoSettings, folder: Path, *, overwrite: bool
) -> dict[int, Path]:
    """One image of each face, where it is seen best."""
    from gpen.faces.alignment import crop_around
    from gpen.images.write import write_image
    from gpen.types import Image
    from gpen.video.track_identity import best_frames

    images: dict[int, Path] = {}
    for track_id, pixels, face in best_frames(found.tracks, video_path, video, 1):
        thumbnail = crop_around(pixels, face, THUMBNAIL_PX)
        path = folder / f"track-{track_id:03}.png"
        images[track_id] = write_image(Image(thumbnail), path, overwrite=overwrite)
    return images


def _show(rows: list[dict[str, Any]], found: Tracks, folder: Path) -> None:
    from rich.table import Table

    if not rows:
        console.say("no face found")
        return
    table = Table("track", "from", "to", "size", "at (x, y)", box=None)
    for row in rows:
        x, y = row["middle_xy"]
        table.add_row(
            str(row["track"]),
            f"{row['from_s']:.2f} s",
            f"{row['to_s']:.2f} s",
            f"{row['size_px']:.0f} px",
            f"{x:.0f}, {y:.0f}",
        )
    console.out.print(table)
    shots = len(found.cuts) + 1
    faces = f"{len(rows)} face{'' if len(rows) == 1 else 's'}"
    console.say(f"{faces} in {shots} shot{'' if shots == 1 else 's'} · {folder}")
