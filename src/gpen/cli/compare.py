"""`gpen compare`: two photos or two videos side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from gpen.errors import SettingsError

from . import console
from .output_names import WRITTEN_SUFFIXES, is_video
from .result_parameters import Overwrite

EPILOG = """
**Examples**

`gpen compare video.mp4 video_gpen.mp4` — writes video_compare.mp4

`gpen compare video.mp4 video_gpen.mp4 --wipe --stills 6`

`gpen compare old.jpg new.jpg -o both.jpg`
"""


def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="A photo, video or folder of frames.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another one, usually the result.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Default: <A>_compare beside A.")
    ] = None,
    wipe: Annotated[
        bool, typer.Option("--wipe", help="For videos: one image with a moving divider.")
    ] = False,
    stills: Annotated[
        int, typer.Option(min=0, metavar="N", help="For videos: also write N frames as an image.")
    ] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Put two photos or videos side by side."""
    videos = [path.is_dir() or is_video(str(path)) for path in (first, second)]
    if videos[0] != videos[1]:
        raise SettingsError(f"{first} and {second} are a photo and a video; expected two of a kind")
    if not videos[0]:
        _compare_photos(first, second, output, overwrite=overwrite)
        return
    suffix = first.suffix.lower() if first.suffix.lower() in WRITTEN_SUFFIXES else ".mp4"
    target = output or first.with_name(f"{first.stem}_compare{suffix}")
    layout: Literal["side", "wipe"] = "wipe" if wipe else "side"
    from gpen.video.compare_videos import compare_videos

    with console.progress_bar("Comparing", None) as bar:
        n_frames = compare_videos(
            first,
            second,
            target,
            layout=layout,
            stills=stills,
            overwrite=overwrite,
            on_frame=lambda done: bar.update(bar.task_ids[0], completed=done),
        )
    console.say(f"{target} · {n_frames} frames")


def _compare_photos(first: Path, second: Path, output: Path | None, *, overwrite: bool) -> None:
    import numpy as np

    from gpen.images import transforms
    from gpen.images.read import read_image
    from gpen.images.write import write_image
    from gpen.types import Image

    before, after = (read_image(path).to_pil().convert("RGB") for path in (first, second))
    size_wh = max(before.size, after.size)
    both = [transforms.resize(np.asarray(image), size_wh) for image in (before, after)]
    target = output or first.with_name(f"{first.stem}_compare.png")
    console.say(str(write_image(Image(np.hstack(both)), target, overwrite=overwrite)))
