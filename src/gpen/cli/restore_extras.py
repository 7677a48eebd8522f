"""Files that `gpen restore` writes beside a result: single faces, and before and after."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from gpen import OutputExistsError, Restoration
from gpen.images import transforms
from gpen.images.write import write_image
from gpen.types import Image, Pixels


@dataclass(frozen=True, slots=True)
class Options:
    """What to write besides the result.

    Attributes:
        overwrite: Replace files that are there.
        skip_existing: Leave photos whose result is there; see `gpen.cli.result_ledger`.
        save_faces: Write each face, crop beside output.
        compare: Write input and result side by side.
        similarity: Say in the report how alike each face is before and after.
        keep_time: Results get the times of their photos.
    """

    overwrite: bool = False
    skip_existing: bool = False
    save_faces: bool = False
    compare: bool = False
    similarity: bool = False
    keep_time: bool = False

    @property
    def may_replace_extras(self) -> bool:
        """Whether what lies beside a result, or beside where it was, may be replaced."""
        return self.overwrite or self.skip_existing


def check_extras(target: Path, options: Options) -> None:
    """Refuse, before any work, to replace what an earlier run has written beside its result.

    How many faces there will be is not known yet: any face of an earlier run is in the way.

    Raises:
        OutputExistsError: There is such a file, and it may not be replaced.
    """
    if options.may_replace_extras:
        return
    there = [_compare_path(target)] if options.compare and _compare_path(target).exists() else []
    if options.save_faces and target.parent.is_dir():
        name = re.compile(rf"{re.escape(target.stem)}_face\d+\.png")
        there += sorted(path for path in target.parent.iterdir() if name.fullmatch(path.name))
    if there:
        raise OutputExistsError(
            f"{there[0]} is already there; move it away or use --overwrite", path=there[0]
        )


def write_extras(result: Restoration, target: Path, options: Options) -> None:
    """Write `<stem>_faceNN.png` (crop beside output) and `<stem>_compare.<ext>`."""
    if options.save_faces:
        for face in result.restored:
            pair = np.hstack([face.crop.pixels, face.pixels])
            _write_extra(pair, target.with_name(f"{target.stem}_face{face.index:02d}.png"), options)
    if options.compare:
        width, height = result.photo.size_wh
        before = transforms.resize(result.source.pixels, (width, height))
        _write_extra(np.hstack([before, result.photo.pixels]), _compare_path(target), options)


def _compare_path(target: Path) -> Path:
    return target.with_name(f"{target.stem}_compare{target.suffix}")


def _write_extra(pixels: NDArray[Any], path: Path, options: Options) -> None:
    write_image(Image(cast("Pixels", pixels)), path, overwrite=options.may_replace_extras)
