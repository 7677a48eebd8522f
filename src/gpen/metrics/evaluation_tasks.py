"""Makes the images to measure: read, damage, enlarge, restore."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..engines import Engine
from ..errors import ReadError
from ..faces.restoration import restore_crops
from ..images.transforms import resize
from .image_pairs import read_pixels

ImageArray = NDArray[np.uint8]
#: A true face and its index in the set → the damaged face, still small, and its truth.
Damage = Callable[[ImageArray, int], tuple[ImageArray, ImageArray]]

#: Name of the column that holds the damaged image, enlarged.
BICUBIC = "bicubic"


@dataclass(frozen=True, slots=True)
class Task:
    """One face to evaluate.

    Attributes:
        name: Stem of its files.
        index: Position in the set; decides its damage.
        restored: File of the restored face, or None where models restore it.
        damaged: File of the damaged face.
        truth: File of the true face.
        damage: Name of the damage to do to the truth; empty for none.
    """

    name: str
    index: int
    restored: Path | None = None
    damaged: Path | None = None
    truth: Path | None = None
    damage: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """The images of one face.

    Attributes:
        columns: What is measured, by name.
        truth: What it should be, or None.
        damaged: The damaged face at the size of the columns, or None.
        small: The damaged face as it was, or None.
    """

    columns: Mapping[str, ImageArray]
    truth: ImageArray | None
    damaged: ImageArray | None
    small: ImageArray | None


@dataclass(frozen=True, slots=True)
class SampleMaker:
    """Makes the images of each task.

    Attributes:
        models: Engines by the name of their column.
        damages: By name.
        bicubic: Whether the damaged image, enlarged, is a column too.
        column: Name of the column of restored files.
        size: Side that faces are damaged at.
    """

    models: Mapping[str, Engine]
    damages: Mapping[str, Damage]
    bicubic: bool
    column: str
    size: int

    def make(self, task: Task) -> Sample:
        """Read and make the images of one face.

        Raises:
            ReadError: A file is unreadable, or two images do not fit together.
            EngineError: A model failed.
        """
        restored, small, truth = (
            read_pixels(path) if path is not None else None
            for path in (task.restored, task.damaged, task.truth)
        )
        if task.damage and truth is not None:
            small, truth = self._damaged(task, truth)
        damaged = None
        if small is not None:
            damaged = enlarge(small, self._size_wh(small, truth, restored), task.name)
        columns: dict[str, ImageArray] = {}
        if damaged is not None and self.bicubic:
            columns[BICUBIC] = damaged
        if restored is not None:
            columns[self.column] = restored
        if damaged is not None:
            for name, engine in self.models.items():
                columns[name] = restore_face(damaged, engine, task.name)
        return Sample(columns, truth, damaged, small)

    def _damaged(self, task: Task, truth: ImageArray) -> tuple[ImageArray, ImageArray]:
        _check_square(truth, task.name)
        face = np.asarray(resize(truth, (self.size, self.size)), np.uint8)
        return self.damages[task.damage](face, task.index)

    def _size_wh(
        self, small: ImageArray, truth: ImageArray | None, restored: ImageArray | None
    ) -> tuple[int, int]:
        """The size at which a face is measured: its truth's, else the largest that is at hand."""
        for image in (truth, restored):
            if image is not None:
                return image.shape[1], image.shape[0]
        side = max([small.shape[0], *(engine.size for engine in self.models.values())])
        return round(side * small.shape[1] / small.shape[0]), side


def enlarge(small: ImageArray, size_wh: tuple[int, int], name: str) -> ImageArray:
    """A damaged image bicubically at another size.

    Raises:
        ReadError: The size has another shape.
    """
    (height, width), (wide, high) = small.shape[:2], size_wh
    if abs(width * high - height * wide) > max(wide, high):  # more than a pixel off
        raise ReadError(
            f"{name} has {width} × {height} pixels damaged; expected the shape of its counterpart, "
            f"{wide} × {high}"
        )
    return np.asarray(resize(small, size_wh), np.uint8)


def restore_face(image: ImageArray, engine: Engine, name: str) -> ImageArray:
    """Restore an aligned face and bring it back to its size.

    Args:
        image: RGB, (S, S, 3).
        engine: Of any size.
        name: For the error.

    Raises:
        ReadError: The image is not square.
        EngineError: The engine failed.
    """
    _check_square(image, name)
    crop = resize(image, (engine.size, engine.size))
    restored = restore_crops([crop], engine)[0]
    return np.asarray(resize(restored, (image.shape[1], image.shape[0])), np.uint8)


def column_names(models: Sequence[str | Path]) -> list[str]:
    """A name for the column of each model: its stem, numbered where two are the same."""
    names: list[str] = []
    for model in models:
        stem = Path(model).stem if Path(model).suffix in _SUFFIXES else str(model)
        count = sum(name == stem or name.startswith(f"{stem} (") for name in names)
        names.append(stem if not count else f"{stem} ({count + 1})")
    return names


_SUFFIXES = (".onnx", ".safetensors", ".pth", ".pt", ".ckpt")


def _check_square(image: ImageArray, name: str) -> None:
    if image.shape[0] != image.shape[1]:
        raise ReadError(
            f"{name} has {image.shape[1]} × {image.shape[0]} pixels; expected an aligned face, "
            "which is square: cut faces out with `gpen restore --save-faces` or `gpen data prepare`"
        )
