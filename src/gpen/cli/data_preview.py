"""`gpen data preview`: draws a sheet of damaged faces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpen.errors import OutputExistsError, ReadError, TrainingError

from . import console

if TYPE_CHECKING:
    from gpen.training.degradation import UInt8Array
    from gpen.training.degradation.preview_sheet import Column

EPILOG = """
**Examples**

`gpen data preview faces/val` — writes preview.png: four faces, three draws of every recipe

`gpen data preview faces/val --preset real --draws 8 --count 6 -o real.png`

`gpen data preview face.png --steps --size 192 -o steps.png` — every step alone, at half strength
"""

_DEFAULT_PRESETS = ("published", "gfpgan", "codeformer", "real", "tiny")


def preview(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SRC...", help="Aligned faces: images, folders or shards (.tar) of them."
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The sheet to write.")] = Path(
        "preview.png"
    ),
    preset: Annotated[
        list[str] | None,
        typer.Option(
            help="A recipe to draw: published, gfpgan, codeformer, real, tiny, none, resized, "
            "soft, phone, web, video; repeat for more.",
            show_default="all",
        ),
    ] = None,
    steps: Annotated[
        bool, typer.Option("--steps", help="Draw each degradation step alone, at half strength.")
    ] = False,
    draws: Annotated[int, typer.Option(min=1, help="Columns per recipe.")] = 3,
    count: Annotated[
        int, typer.Option(min=1, help="Number of faces, spread over the sources.")
    ] = 4,
    size: Annotated[int, typer.Option(min=32, max=2048, help="Side of a face in pixels.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the sheet.")] = False,
) -> None:
    """Preview the damage of a training recipe."""
    if steps and preset:
        raise typer.BadParameter("--steps draws every step and takes no --preset")
    code = write_preview(
        sources,
        output,
        presets=() if steps else preset or _DEFAULT_PRESETS,
        draws=draws,
        count=count,
        size=size,
        seed=seed,
        overwrite=overwrite,
    )
    raise typer.Exit(code)


def write_preview(
    sources: Sequence[str],
    output: Path,
    *,
    presets: Sequence[str],
    draws: int,
    count: int,
    size: int,
    seed: int,
    overwrite: bool,
) -> int:
    """Write a sheet of damaged faces.

    Args:
        sources: Images, folders and shards of aligned faces.
        output: The sheet; its suffix chooses the format.
        presets: Recipes; without any, every step alone.
        draws: Columns of each recipe.
        count: Faces, evenly spread over the sources.
        size: Side of a face in pixels.
        seed: Decides the damage.
        overwrite: Replace what is there.

    Returns:
        The exit code: 0 all done, 1 a source or face was of no use.

    Raises:
        ConfigError: There is no such recipe.
        TrainingError: No source holds a face.
        WriteError: The sheet cannot be written.
    """
    from gpen.images.write import write_image
    from gpen.training.degradation.preview_sheet import preset_columns, step_columns
    from gpen.types import Image

    if output.exists() and not overwrite:  # said before the work, not after it
        raise OutputExistsError(
            f"{output} exists already; choose another -o or pass --overwrite", path=output
        )
    columns = preset_columns(presets, draws) if presets else step_columns()
    faces, faults = _chosen_faces(sources, size, count)
    for fault in faults:
        console.complain(fault)
    sheet = _drawn(faces, columns, seed)
    write_image(Image(sheet), output, overwrite=overwrite)
    console.say(f"{output} · {len(faces)} faces × {len(columns)} columns")
    return console.EXIT_SOME_FAILED if faults else console.EXIT_OK


def _drawn(faces: Sequence[UInt8Array], columns: Sequence[Column], seed: int) -> UInt8Array:
    import numpy as np

    from gpen.training.degradation.preview_sheet import sheet_rows

    rows = []
    with console.progress_bar("Damaging", len(faces) + 1) as bar:
        for row in sheet_rows(faces, columns, seed):
            rows.append(row)
            bar.advance(bar.task_ids[0])
    return np.vstack(rows)


def _chosen_faces(
    sources: Sequence[str], size: int, count: int
) -> tuple[list[UInt8Array], list[str]]:
    """Faces evenly spread over all sources, and what was wrong with the others.

    Raises:
        TrainingError: There are none.
    """
    import numpy as np

    from gpen.training.face_dataset import open_faces

    faces: list[UInt8Array] = []
    faults: list[str] = []
    for source in sources:
        try:
            if Path(source).is_file() and Path(source).suffix != ".tar":
                faces.append(_image(source, size))
                continue
            found = open_faces([source], size)
            indices = np.linspace(0, len(found) - 1, min(count, len(found))).round().astype(int)
            faces += [found[int(index)].pixels for index in indices]
            faults += [f"{name}: {reason}" for name, reason in found.skipped]
        except (ReadError, TrainingError) as error:
            faults.append(str(error))
    if not faces:
        raise TrainingError("; ".join(faults))
    indices = np.linspace(0, len(faces) - 1, min(count, len(faces))).round().astype(int)
    return [faces[int(index)] for index in indices], faults


def _image(source: str, size: int) -> UInt8Array:
    """The middle square of an image, uint8 RGB (size, size, 3).

    Raises:
        ReadError: It cannot be read.
    """
    import numpy as np

    from gpen.images import transforms
    from gpen.images.read import read_image

    image = read_image(source)
    pixels = np.asarray(image.to_pil().convert("RGB"))
    side = min(image.size_wh)
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    square = pixels[top : top + side, left : left + side]
    return np.asarray(transforms.resize(square, (size, size)), np.uint8)
