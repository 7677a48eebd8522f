"""A sheet of kept and refused faces, to see at a glance whether the thresholds make sense."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from ...errors import GpenError
from ...files import written_whole
from ...images import transforms
from ...images.read import read_image
from .candidate_faces import Candidate
from .filtering import BLURRED, DUPLICATE, MIRRORED, NOISY, SMALL, TURNED, UNSURE, Split
from .work_plan import Plan

Item = TypeVar("Item")

_TILE, _COLUMNS, _TEXT = 128, 10, 18
_KEPT_ROWS = 2

#: What to write under a face that was refused for a reason.
_FIGURES: Mapping[str, Callable[[Candidate], str]] = {
    UNSURE: lambda face: f"score {face.score:.2f}",
    SMALL: lambda face: f"{face.native:.0f} px",
    MIRRORED: lambda face: f"{face.inside:.0%} inside",
    BLURRED: lambda face: f"sharp {face.sharpness:.2f}",
    NOISY: lambda face: f"sharp {face.sharpness:.2f}",
    TURNED: lambda face: f"turn {face.turn:.2f}",
    DUPLICATE: lambda face: face.key,
}


def draw_sheet(
    kept: Mapping[Split, Sequence[Candidate]],
    refused: Mapping[str, Sequence[Candidate]],
    plan: Plan,
    without_face: Sequence[str],
    path: Path,
) -> None:
    """Draw some faces of each split, of each reason for refusal, and some photos without a face.

    Raises:
        WriteError: The folder is not writable or full.
    """
    rows: list[PIL.Image.Image] = []
    for split, faces in kept.items():
        rows += _rows(f"kept, {split}: {len(faces)}", faces, _describe, _KEPT_ROWS)
    for reason, faces in refused.items():
        rows += _rows(f"{reason}: {len(faces)}", faces, _FIGURES.get(reason, _describe), 1)
    rows += _photo_rows(plan, without_face)
    width = _COLUMNS * _TILE
    sheet = PIL.Image.new("RGB", (width, max(1, sum(row.height for row in rows))), "white")
    y = 0
    for row in rows:
        sheet.paste(row, (0, y))
        y += row.height
    with written_whole(path) as temporary:
        sheet.save(temporary, "JPEG", quality=90)


def _describe(face: Candidate) -> str:
    return f"{face.native:.0f} px  {face.sharpness:.2f}  {face.turn:.2f}"


def _rows(
    title: str, faces: Sequence[Candidate], describe: Callable[[Candidate], str], most: int
) -> list[PIL.Image.Image]:
    """A title and rows of faces, taken evenly from all of them."""
    if not faces:
        return []
    chosen = _evenly(faces, most * _COLUMNS)
    tiles = [(_decode(face.encoded()), describe(face)) for face in chosen]
    return [_title(title), *_tiled(tiles)]


def _photo_rows(plan: Plan, without_face: Sequence[str]) -> list[PIL.Image.Image]:
    wanted = set(_evenly(without_face, _COLUMNS))
    tiles = []
    for photo in plan.photos:
        if photo.name in wanted:
            try:
                pixels = read_image(photo.path, max_pixels=plan.options.max_pixels).to_pil()
            except GpenError:  # it was there a moment ago
                continue
            tiles.append((pixels.convert("RGB"), photo.path.name))
    if not tiles:
        return []
    return [_title(f"no face found: {len(without_face)}"), *_tiled(tiles)]


def _evenly(items: Sequence[Item], most: int) -> list[Item]:
    count = min(most, len(items))
    return [items[i * len(items) // count] for i in range(count)]


def _decode(encoded: bytes) -> PIL.Image.Image:
    decoded: Any = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    rgb = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
    return PIL.Image.fromarray(transforms.resize(rgb, (_TILE, _TILE)))


def _title(text: str) -> PIL.Image.Image:
    strip = PIL.Image.new("RGB", (_COLUMNS * _TILE, _TEXT + 8), (40, 40, 40))
    draw = PIL.ImageDraw.Draw(strip)
    draw.text((6, 4), text, fill="white", font=PIL.ImageFont.load_default(15))
    return strip


def _tiled(tiles: Sequence[tuple[PIL.Image.Image, str]]) -> list[PIL.Image.Image]:
    font = PIL.ImageFont.load_default(11)
    rows = []
    for start in range(0, len(tiles), _COLUMNS):
        row = PIL.Image.new("RGB", (_COLUMNS * _TILE, _TILE + _TEXT), "white")
        draw = PIL.ImageDraw.Draw(row)
        for column, (image, text) in enumerate(tiles[start : start + _COLUMNS]):
            image.thumbnail((_TILE, _TILE))
            row.paste(image, (column * _TILE, 0))
            draw.text((column * _TILE + 2, _TILE + 2), text[:22], fill="black", font=font)
        rows.append(row)
    return rows
