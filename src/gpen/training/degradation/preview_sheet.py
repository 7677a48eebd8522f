"""A sheet of degraded faces: a row for each face, a column for each recipe or step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import cv2
import numpy as np

from .pixel_types import Random, UInt8Array
from .recipes import Recipe, recipe
from .sampling import degrade, single_step
from .step_catalogue import CATALOGUE

#: A title, and a function that degrades a face.
Column = tuple[str, Callable[[UInt8Array, Random], UInt8Array]]

_BAND_PX, _GAP_PX = 26, 2
_PAPER, _INK = 255, 30


def preset_columns(presets: Sequence[str], draws: int) -> list[Column]:
    """Columns of recipes, each as often as `draws` says.

    Raises:
        ConfigError: There is no such recipe.
        MissingExtraError: A recipe needs a package that is not installed.
    """
    recipes = {preset: recipe([preset]) for preset in presets}
    return [
        (
            f"{preset} {number + 1}" if draws > 1 else preset,
            partial(_degraded, chosen=chosen),
        )
        for preset, chosen in recipes.items()
        for number in range(draws)
    ]


def _degraded(face: UInt8Array, random: Random, chosen: Recipe) -> UInt8Array:
    return degrade(face, random, chosen)[0]


def step_columns(place: float = 0.5) -> list[Column]:
    """A column for each step alone, at a place in its ranges: 0 is harmless, 1 the worst."""
    return [
        (
            name.replace("_", " "),
            partial(single_step, step=step, place=place),
        )
        for name, step in CATALOGUE.items()
    ]


def sheet_rows(
    faces: Sequence[UInt8Array], columns: Sequence[Column], seed: int
) -> Iterator[UInt8Array]:
    """The rows of a sheet, top to bottom: titles first, then each face as it is and damaged.

    Every cell has a generator of its own, from seed, row and column: more columns or faces leave
    the others as they were.

    Args:
        faces: uint8 RGB, (S, S, 3), all of one size.
        columns: What stands beside the original.
        seed: Decides the damage.
    """
    size = faces[0].shape[1]
    yield _row([_title(name, size) for name, _ in [("original", None), *columns]])
    for number, face in enumerate(faces):
        damaged = [
            damage(face, np.random.default_rng((seed, number, place)))
            for place, (_, damage) in enumerate(columns)
        ]
        yield _row([face, *damaged])


def _row(cells: Sequence[UInt8Array]) -> UInt8Array:
    """Cells side by side with white gaps around them, and one below."""
    bordered = [
        np.pad(cell, ((0, _GAP_PX), (0, _GAP_PX), (0, 0)), constant_values=_PAPER) for cell in cells
    ]
    return np.hstack(bordered)


def _title(text: str, width: int) -> UInt8Array:
    """Text in the middle of a white band, made smaller where it is too long."""
    band = np.full((_BAND_PX, width, 3), _PAPER, np.uint8)
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.5
    (wide, tall), _ = cv2.getTextSize(text, font, scale, 1)
    scale *= min(1.0, (width - 4) / wide)
    (wide, tall), _ = cv2.getTextSize(text, font, scale, 1)
    place = ((width - wide) // 2, (_BAND_PX + tall) // 2)
    cv2.putText(band, text, place, font, scale, (_INK,) * 3, 1, cv2.LINE_AA)
    return band
