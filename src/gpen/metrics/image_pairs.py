"""Matches images of several folders by name, and reads groups."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ReadError, SettingsError
from ..images.read import RESULT_NAME, find_images, read_image
from ..images.tones import in_depth_of

_EXPECTED = (
    "expected a folder with image files in it (not in its subfolders; unpack the shards of "
    "`gpen data prepare` with `tar -xf` first)"
)


@dataclass(frozen=True, slots=True)
class Matches:
    """Files that have their counterpart, and those that have none.

    Attributes:
        pairs: (image, counterpart) by stem, in natural order.
        alone: Files without a counterpart, of both sides.
    """

    pairs: Mapping[str, tuple[Path, Path]]
    alone: Sequence[Path]


def list_images(source: Path) -> dict[str, Path]:
    """The photos of a folder, or one photo, by the stem without gpen's `_gpen`.

    Raises:
        ReadError: There is no such path, no photo in it, or it is a shard.
        SettingsError: Two photos have the same stem.
    """
    if source.is_dir():
        # Results of gpen are left out of folders elsewhere; here they may be what is meant.
        results = find_images([str(source / "*_gpen.*")])[0]
        paths = find_images([source])[0]
        paths += [path for path in results if path not in paths]
        if not paths:
            raise ReadError(f"the folder {source} has no photos in it: {_EXPECTED}", path=source)
    else:
        if source.suffix == ".tar":
            raise ReadError(f"{source} is a shard: {_EXPECTED}", path=source)
        paths, errors = find_images([source])
        if errors:
            raise errors[0]
    found: dict[str, Path] = {}
    for path in paths:
        stem = RESULT_NAME.sub("", path.stem)
        if stem in found:
            raise SettingsError(
                f"{found[stem].name} and {path.name} in {path.parent} have the same name but for "
                "_gpen or the suffix: put them into different folders"
            )
        found[stem] = path
    return found


def match(images: Path, counterparts: Path) -> Matches:
    """Match the photos of two folders by stem.

    Raises:
        ReadError: A folder holds no photos, or no photo has a counterpart.
        SettingsError: Two photos of one folder have the same stem.
    """
    one, other = list_images(images), list_images(counterparts)
    both = {stem: (path, other[stem]) for stem, path in one.items() if stem in other}
    if not both:
        raise ReadError(
            f"no photo of {images} has the name of one in {counterparts}; expected pairs such as "
            "face_gpen.png and face.png",
            path=images,
        )
    alone = [path for stem, path in one.items() if stem not in other]
    alone += [path for stem, path in other.items() if stem not in one]
    return Matches(both, alone)


def read_pixels(path: Path) -> NDArray[np.uint8]:
    """A photo with 8 bits, RGB (H, W, 3); see `gpen.read_image` for what is raised."""
    return np.ascontiguousarray(in_depth_of(read_image(path).pixels, np.uint8), np.uint8)


def read_groups(path: Path) -> dict[str, list[str]]:
    """Groups of each file, from lines `file,group`; lines that begin with # are comments.

    Args:
        path: CSV. A file may stand in several lines; its folder and suffix do not matter.

    Returns:
        Groups by stem.

    Raises:
        SettingsError: It cannot be read, or a line has not two parts.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read {path}: {error}; expected lines file,group") from error
    groups: dict[str, list[str]] = {}
    rows = csv.reader(line for line in lines if line.strip() and not line.startswith("#"))
    for number, row in enumerate(rows, start=1):
        if len(row) != 2 or not all(part.strip() for part in row):
            raise SettingsError(
                f"{path} says {','.join(row)!r} in row {number}; expected file,group"
            )
        name, group = (part.strip() for part in row)
        if (name, group) != ("file", "group"):
            groups.setdefault(RESULT_NAME.sub("", Path(name).stem), []).append(group)
    return groups
