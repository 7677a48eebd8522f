"""An image enlarged by a network, tile by tile: memory does not grow with the network's share.

Convention:
    pixels   uint8 or uint16 RGB, shape (height, width, 3)
    tiles    float32 RGB in [0, 1], (N, 3, height, width)
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..engines import SharedEngine, UpscalerSource, open_upscaler
from ..engines.out_of_memory import is_cpu
from ..errors import UnknownModelError
from ..images import transforms
from ..images.tones import LUMA
from ..models import ModelInfo, find_model
from ..types import FloatArray, Pixels
from .tiles import Span, plan_axis

#: Tiles that go through a GPU at once.
_BATCH = 4
#: Margin of tiles of networks that see far, in pixels of their features.
_MARGIN = 32
#: What sides and places of tiles are divisible by where the network does not say what it needs.
_UNKNOWN_STEP = 8

OnTile = Callable[[int, int], None]


def ignore_tiles(done: int, total: int) -> None:
    del done, total


class Upscaler:
    """An upscaler network, ready to enlarge images of any size. Serves many threads."""

    def __init__(
        self, model: ModelInfo, engine: SharedEngine, *, margin: int, step: int, is_fixed: bool
    ) -> None:
        """Wrap an engine.

        Args:
            model: The network's file.
            engine: Takes and returns tiles.
            margin: Pixels around a tile that the network needs to see.
            step: What sides of tiles must be divisible by.
            is_fixed: Tiles are of one size only.
        """
        self.model, self.engine = model, engine
        self.factor = engine.size // engine.in_size
        self._margin, self._step, self._is_fixed = margin, step, is_fixed

    def enlarge(
        self, pixels: Pixels, factor: int, *, gray: bool = False, on_tile: OnTile = ignore_tiles
    ) -> Pixels:
        """Enlarge an image; the network's own factor is resized to the one wanted.

        Args:
            pixels: The image.
            factor: 1 or more; 1 cleans the image without enlarging it.
            gray: Give the result no colour.
            on_tile: Called after each tile with their number and the number of all.

        Returns:
            (factor · height, factor · width, 3), same dtype.

        Raises:
            EngineError: The engine failed, or there is too little memory for one tile.
        """
        height, width = pixels.shape[:2]
        result = cast("Pixels", np.empty((height * factor, width * factor, 3), pixels.dtype))
        (tall, rows), (wide, columns) = self._plan(height), self._plan(width)
        tiles = list(product(rows, columns))
        step = 1 if is_cpu(self.engine.device) else _BATCH
        for first in range(0, len(tiles), step):
            batch = tiles[first : first + step]
            crops = np.stack([_cut(pixels, tile, tall, wide) for tile in batch])
            for done, (tile, output) in enumerate(
                zip(batch, self.engine.run(crops), strict=True), first + 1
            ):
                _put(result, self._resized(output, factor), tile, factor, gray=gray)
                on_tile(done, len(tiles))
        return result

    def _plan(self, length: int) -> tuple[int, list[Span]]:
        side = self.engine.in_size
        return plan_axis(length, side, self._margin, self._step, is_fixed=self._is_fixed)

    def _resized(self, output: FloatArray, factor: int) -> FloatArray:
        """An output of the network as (height, width, 3), at the factor wanted."""
        image = np.ascontiguousarray(output.transpose(1, 2, 0))
        height, width = (side * factor // self.factor for side in image.shape[:2])
        return transforms.resize(image, (width, height))


def _cut(pixels: Pixels, tile: tuple[Span, Span], height: int, width: int) -> FloatArray:
    """A tile as the network takes it; beyond the end of a small image lies its mirror image."""
    row, column = tile
    part: NDArray[Any] = pixels[row.start : row.start + height, column.start : column.start + width]
    short = height - part.shape[0], width - part.shape[1]
    if any(short):
        part = np.pad(part, ((0, short[0]), (0, short[1]), (0, 0)), mode="symmetric")
    planes = np.ascontiguousarray(part.transpose(2, 0, 1), np.float32)
    planes /= np.iinfo(pixels.dtype).max
    return planes


def _put(
    result: Pixels, image: FloatArray, tile: tuple[Span, Span], factor: int, *, gray: bool
) -> None:
    """Write what is kept of a tile, (height, width, 3) in [0, 1], into the result."""
    rows, columns = (
        slice(factor * (span.keep - span.start), factor * (span.stop - span.start)) for span in tile
    )
    kept = image[rows, columns]
    if gray:
        kept = np.repeat((kept @ LUMA)[..., None], 3, axis=2)
    most = np.iinfo(result.dtype).max
    row, column = tile
    result[factor * row.keep : factor * row.stop, factor * column.keep : factor * column.stop] = (
        np.rint(np.clip(kept, 0, 1) * most)
    )


def load_upscaler(
    name: str | Path,
    *,
    models_dir: str | Path | None = None,
    engine: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    denoise: float = 1.0,
) -> Upscaler:
    """Open an upscaler by name or path.

    Args:
        name: Of a Real-ESRGAN, ESRGAN or RealESRNet, of an SRVGGNetCompact, or of an ONNX upscaler.
        models_dir: A folder to look in first.
        engine: As in `gpen.engines.open_engine`.
        device: As there.
        precision: "auto" is f32.
        denoise: Below 1, the file of the same name with `-wdn` in it, which keeps more noise, is
            mixed in: its share is 1 minus this.

    Raises:
        UnknownModelError: There is no such file, or none to mix in.
        WeightsError: It is something else, or enlarges by another factor than 1, 2, 3, 4 or 8.
        EngineError: The engine cannot run it.
        MissingExtraError: The engine is not installed.
    """
    model = find_model(name, models_dir, role="upscaler")
    partner = find_partner(model, models_dir) if denoise < 1 else None
    source = UpscalerSource(model, partner, denoise)
    shared = open_upscaler(source, engine=engine, device=device, precision=precision)
    net = source.net
    if net is None:
        margin = min(_MARGIN, shared.in_size // 8)
        return Upscaler(model, shared, margin=margin, step=_UNKNOWN_STEP, is_fixed=source.is_fixed)
    if net.family == "compact":  # it sees as many pixels as it has convolutions: tiles are exact
        return Upscaler(model, shared, margin=net.depth + 1, step=1, is_fixed=False)
    margin = _MARGIN * net.block
    return Upscaler(model, shared, margin=margin, step=net.block, is_fixed=False)


def find_partner(model: ModelInfo, models_dir: str | Path | None = None) -> ModelInfo:
    """The file that is mixed in for less denoising: `…-wdn-x4v3` for `…-x4v3`.

    Raises:
        UnknownModelError: There is none.
    """
    name = re.sub(r"-(?=x\d[^-]*$)|$", "-wdn-", model.name, count=1).rstrip("-")
    try:
        beside = model.path.with_name(name + model.path.suffix)
        return find_model(beside if beside.is_file() else name, models_dir, role="upscaler")
    except UnknownModelError as error:
        raise UnknownModelError(
            f"less denoising needs a second file beside {model.path.name}, {name}: "
            "expected background_denoise 1 for an upscaler that has none",
            name=name,
            known=error.known,
        ) from None
