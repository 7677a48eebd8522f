"""Lists training faces in folders, `crops.jsonl` files and shards.

Nothing is decoded here. The head and tail of loose files are checked, so that unusable images are
reported at the start of a run and not in its last hour.
"""

from __future__ import annotations

import glob
import io
import json
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import TrainingError
from ..types import Float64Array

#: Smaller images are left out, in pixels.
MIN_SIDE = 32
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
LIST_NAME = "crops.jsonl"
#: Written by `gpen data prepare` beside the folders of its splits.
MANIFEST_NAME = "manifest.jsonl"

_READERS = 8  # of file heads: waiting for a disk, not for the processor
_TAIL_BYTES = 1024
_END_MARKS = {b"\xff\xd8": b"\xff\xd9", b"\x89P": b"IEND"}  # JPEG, PNG
_EXPECTED = (
    "expected a folder of aligned square faces, a folder or shards (*.tar) that `gpen data "
    "prepare` has written, or a folder listed in a crops.jsonl"
)

#: (name, reason)
Skipped = tuple[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A face that has not been read yet.

    Attributes:
        path: The image, or the shard that holds it.
        name: Its name in messages.
        offset: Where its bytes begin in `path`.
        length: Number of bytes; -1 for all.
        points_xy: (5, 2), in pixels of a crop of `side` px; None for those of the template.
        side: Size of the crop that `points_xy` refer to; 0 for the size of the image.
        inside: Share of the crop that is not filled by mirroring, in [0, 1].
        native: Size of the face region in the original image, in pixels; 0 where unknown.
    """

    path: Path
    name: str
    offset: int = 0
    length: int = -1
    points_xy: Float64Array | None = None
    side: int = 0
    inside: float = 1.0
    native: int = 0

    def read(self) -> bytes:
        """The bytes of the image.

        Raises:
            OSError: The file is gone or cannot be read.
        """
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.length)


def list_entries(source: str | Path) -> tuple[list[Entry], list[Skipped]]:
    """List the faces of a source in a fixed order, and the files that cannot be used.

    Args:
        source: A folder, a shard, or a pattern of shards such as `faces/train/*.tar`.

    Raises:
        TrainingError: There is nothing at this path, or it does not say which split is meant.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        return _list_folder(path)
    # Path.glob refuses patterns of absolute paths.
    matches = [path] if path.is_file() else sorted(map(Path, glob.glob(str(path))))  # noqa: PTH207
    shards = [match for match in matches if match.suffix == ".tar"]
    if not shards:
        raise TrainingError(f"there are no faces at {source}: {_EXPECTED}")
    return _list_shards(shards)


def no_faces(sources: object, skipped: list[Skipped]) -> TrainingError:
    """The error for sources without a usable face."""
    why = ""
    if skipped:
        name, reason = skipped[0]
        why = f" ({len(skipped)} skipped, the first: {name}: {reason})"
    return TrainingError(f"no usable face in {sources}{why}: {_EXPECTED}")


def _list_folder(folder: Path) -> tuple[list[Entry], list[Skipped]]:
    splits = [name for name in ("train", "val") if (folder / name).is_dir()]
    if (folder / MANIFEST_NAME).is_file() and splits:
        if len(splits) > 1:
            raise TrainingError(
                f"{folder} holds faces to train on and faces to test on: give {folder / 'train'} "
                f"or {folder / 'val'}"
            )
        folder = folder / splits[0]
    if shards := sorted(folder.glob("*.tar")):
        return _list_shards(shards)
    return _checked(_listed(folder) or _loose(folder))


def _loose(folder: Path) -> list[Entry]:
    files = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    relative = sorted(path.relative_to(folder) for path in files if path.is_file())
    return [
        Entry(folder / path, str(folder / path))
        for path in relative
        if not any(part.startswith(".") for part in path.parts)
    ]


def _listed(folder: Path) -> list[Entry]:
    """Faces in this folder of a list that lies in it or up to two levels above."""
    place = folder.resolve()
    for root in (place, *place.parents[:2]):
        if (root / LIST_NAME).is_file():
            return [entry for entry in _read_list(root) if place in entry.path.parents]
    return []


def _read_list(root: Path) -> Iterator[Entry]:
    text = (root / LIST_NAME).read_text("utf-8")
    for number, line in enumerate(filter(None, text.splitlines()), 1):
        try:
            row = json.loads(line)
            path = root / row["file"]
            yield Entry(path, str(path), **_labels(row))
        except (ValueError, KeyError, TypeError) as error:
            raise TrainingError(
                f"{root / LIST_NAME}: row {number} cannot be read ({error!r}); expected JSON with "
                "file, size, points_xy (five x, y) and inside"
            ) from error


def _labels(row: dict[str, Any]) -> dict[str, Any]:
    """The labels of a face in a row of a list or the JSON of a shard, which may be missing."""
    labels: dict[str, Any] = {
        "inside": float(row.get("inside", 1.0)),
        "native": int(row.get("native", 0)),
    }
    if row.get("points_xy") is not None:
        points = np.array(row["points_xy"], np.float64)
        if points.shape != (5, 2) or not np.isfinite(points).all():
            raise ValueError(f"points_xy of shape {points.shape}")
        labels |= {"points_xy": points, "side": int(row["size"])}
    return labels


def _list_shards(shards: list[Path]) -> tuple[list[Entry], list[Skipped]]:
    entries: list[Entry] = []
    skipped: list[Skipped] = []
    for shard in shards:
        try:
            entries.extend(_read_shard(shard, skipped))
        except (OSError, tarfile.TarError) as error:
            skipped.append((str(shard), f"the shard cannot be read ({error})"))
    return entries, skipped


def _read_shard(shard: Path, skipped: list[Skipped]) -> Iterator[Entry]:
    """Faces of a shard: members `key.jpg` (or png, webp …) with `key.json` where there is one."""
    total = shard.stat().st_size
    images: dict[str, tuple[str, int, int]] = {}
    notes: dict[str, bytes] = {}
    with tarfile.open(shard, "r:") as tar, shard.open("rb") as file:
        try:
            for member in tar:
                stem, _, suffix = member.name.rpartition("/")[2].partition(".")
                key = member.name[: len(member.name) - len(suffix) - 1]
                if not (member.isfile() and stem) or member.offset_data + member.size > total:
                    continue
                if suffix == "json":
                    file.seek(member.offset_data)
                    notes[key] = file.read(member.size)
                elif f".{suffix.lower()}" in SUFFIXES:
                    images[key] = (member.name, member.offset_data, member.size)
        except tarfile.TarError as error:
            skipped.append((str(shard), f"the shard is damaged; its end is missing ({error})"))
    for key, (name, offset, length) in images.items():
        try:
            labels = _labels(json.loads(notes.get(key, b"{}")))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            skipped.append((f"{shard}:{name}", f"its JSON cannot be read ({error})"))
            continue
        yield Entry(shard, f"{shard}:{name}", offset, length, **labels)


def _checked(entries: list[Entry]) -> tuple[list[Entry], list[Skipped]]:
    with ThreadPoolExecutor(_READERS) as pool:
        faults = list(pool.map(_fault, entries))
    pairs = list(zip(entries, faults, strict=True))
    good = [entry for entry, fault in pairs if fault is None]
    return good, [(entry.name, fault) for entry, fault in pairs if fault is not None]


def _fault(entry: Entry) -> str | None:
    """Why a loose image cannot be used, judging by its head and tail."""
    import PIL.Image

    try:
        with entry.path.open("rb") as file:
            with PIL.Image.open(file) as image:
                width, height = image.size
            file.seek(0)
            head = file.read(2)
            end = file.seek(0, io.SEEK_END)
            file.seek(max(0, end - _TAIL_BYTES))
            tail = file.read()
    except FileNotFoundError:
        return "there is no such file"
    except Exception as error:  # Pillow raises anything on damaged heads
        return f"it is no image or damaged ({error})"
    return size_fault(width, height) or end_fault(head, tail)


def size_fault(width: int, height: int) -> str | None:
    """Why an image of this size is no aligned face, or None."""
    if width != height:
        return f"it is {width} × {height}; expected a square (gpen data prepare makes squares)"
    if width < MIN_SIDE:
        return f"it is {width} px wide; expected at least {MIN_SIDE}"
    return None


def end_fault(head: bytes, tail: bytes) -> str | None:
    """Whether a JPEG or PNG is truncated; decoders silently fill the rest with grey."""
    mark = _END_MARKS.get(head[:2])
    if mark is not None and mark not in tail[-_TAIL_BYTES:]:
        return "it is cut off: its end is missing"
    return None
