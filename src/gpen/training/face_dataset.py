"""Faces to train and test on, by number, from folders and shards alike."""

from __future__ import annotations

import mmap
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import TrainingError
from ..face_templates import template_points
from ..images import transforms
from .entries import Entry, Skipped, end_fault, list_entries, no_faces, size_fault

#: Decoded faces are kept in memory when all of them fit into this.
CACHE_BYTES = 1 << 30

_UNREAD, _KEPT, _BAD = 0, 1, 2


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A face.

    Attributes:
        pixels: uint8 RGB, (S, S, 3).
        points_xy: float32, (5, 2), in pixels of `pixels`: left eye, right eye, nose tip, left and
            right mouth corner as seen in the image.
        inside: Share of the image that is not filled by mirroring, in [0, 1].
        native: Size of the face region in the original image, in pixels; 0 where unknown.
        name: Where it comes from, for messages.
    """

    pixels: NDArray[np.uint8]
    points_xy: NDArray[np.float32]
    inside: float
    native: int
    name: str


class Faces:
    """A list of faces, all of one size; `open_faces` makes it.

    Many threads may use it, and it can be pickled. Forked processes share its cache of decoded
    faces; unpickled copies begin with an empty one.

    A face that turns out to be damaged when it is first read is replaced by the next good one, so
    that the length stays and the same number always gives the same face.

    Attributes:
        size: Side of the faces in pixels.
    """

    def __init__(
        self, entries: Sequence[Entry], size: int, skipped: Sequence[Skipped], cache_bytes: int
    ) -> None:
        self.size = size
        self._skipped = tuple(skipped)
        self._damaged: dict[int, str] = {}
        self._entries = tuple(entries)
        self._cache_bytes = cache_bytes
        self._open_cache()

    def _open_cache(self) -> None:
        self._lock = threading.Lock()
        count, shape = len(self._entries), (self.size, self.size, 3)
        kept = count if count * self.size**2 * 3 <= self._cache_bytes else 0
        # Anonymous shared memory: pages are taken when they are filled, and forks fill the same.
        shared = mmap.mmap(-1, max(1, count + kept * self.size**2 * 3))
        buffer = np.frombuffer(shared, np.uint8)
        self._states = buffer[:count]
        self._kept = buffer[count : count + kept * self.size**2 * 3].reshape(kept, *shape)

    def __getstate__(self) -> dict[str, Any]:
        dropped = ("_lock", "_kept", "_states")
        return {name: value for name, value in self.__dict__.items() if name not in dropped}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open_cache()

    @property
    def skipped(self) -> list[Skipped]:
        """Name and reason of each image that has turned out to be unusable so far.

        Images found to be damaged on reading are added, in forked processes too.
        """
        with self._lock:
            for index in np.flatnonzero(self._states == _BAD).tolist():
                if index not in self._damaged:
                    reason = _decode(self._entries[index], self.size)
                    known = reason if isinstance(reason, str) else "it could not be read"
                    self._damaged[index] = known
            damaged = [(self._entries[index].name, why) for index, why in self._damaged.items()]
        return [*self._skipped, *damaged]

    @property
    def native_sides(self) -> list[int]:
        """Original size of each face, in pixels; 0 where unknown."""
        return [entry.native for entry in self._entries]

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Sample:
        """Read a face.

        Raises:
            IndexError: There are not so many.
            TrainingError: Every face is damaged.
        """
        count = len(self._entries)
        if not -count <= index < count:
            raise IndexError(f"face {index} of {count}")
        for number in range(index % count, index % count + count):
            if (pixels := self._pixels(number % count)) is not None:
                return self._sample(self._entries[number % count], pixels)
        raise no_faces("any of the sources", self.skipped)

    def _pixels(self, index: int) -> NDArray[np.uint8] | None:
        """The decoded face, (S, S, 3), or None where it is damaged."""
        state = self._states[index]
        if state == _BAD:
            return None
        if state == _KEPT:
            return np.array(self._kept[index])
        decoded = _decode(self._entries[index], self.size)
        if isinstance(decoded, str):
            with self._lock:
                self._damaged.setdefault(index, decoded)
                self._states[index] = _BAD
            return None
        if len(self._kept):
            self._kept[index] = decoded
            self._states[index] = _KEPT  # after the pixels: other processes look at it
        return decoded

    def _sample(self, entry: Entry, pixels: NDArray[np.uint8]) -> Sample:
        if entry.points_xy is None:
            points = template_points("gpen", self.size)
        else:
            points = transforms.scale_points(entry.points_xy, self.size / entry.side)
        return Sample(pixels, points.astype(np.float32), entry.inside, entry.native, entry.name)


def open_faces(
    sources: Sequence[str | Path], size: int, *, cache_bytes: int = CACHE_BYTES
) -> Faces:
    """Open faces to train or test on.

    Args:
        sources: Any of
            a folder of aligned square faces (points: the template "gpen"), subfolders included;
            a folder whose faces a `crops.jsonl` lists, in it or up to two levels above (rows of
            file, size, points_xy, inside; `file` relative to the list);
            what `gpen data prepare DST` has written: DST/train or DST/val;
            WebDataset shards (`*.tar`, uncompressed), also as a pattern.
        size: Size that faces are resized to, in pixels.
        cache_bytes: Decoded faces are kept in memory when all of them fit into this.

    Returns:
        The faces in the order of the sources; within one, by name, list or shard.

    Raises:
        TrainingError: There is no usable face in them.
    """
    if isinstance(sources, str | Path):
        raise TrainingError(f"sources is {str(sources)!r}; expected a list of folders and shards")
    entries: list[Entry] = []
    skipped: list[Skipped] = []
    for source in sources:
        found, faults = list_entries(source)
        skipped += faults
        entries += found
        if not found:
            raise no_faces(source, faults)
    if not entries:
        raise no_faces("an empty list of sources", skipped)
    return Faces(entries, size, skipped, cache_bytes)


def _decode(entry: Entry, size: int) -> NDArray[np.uint8] | str:
    """The face as uint8 RGB, (size, size, 3), or what is wrong with it."""
    import cv2

    try:
        data = entry.read()
    except OSError as error:
        return f"it cannot be read ({error.strerror or error})"
    if fault := end_fault(data, data):
        return fault
    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error as error:
        return f"it cannot be decoded ({error.err})"
    if decoded is None:
        return "it cannot be decoded"
    if fault := size_fault(decoded.shape[1], decoded.shape[0]):
        return fault
    rgb = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
    return np.asarray(transforms.resize(rgb, (size, size)), dtype=np.uint8)
