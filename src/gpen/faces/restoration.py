"""Restores face crops: pixels to network tensors and back.

Convention:
    pixels   uint8 or uint16 RGB, shape (size, size, 3)
    network  float32 RGB, (N, 3, size, size), in [-1, 1]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from ..engines import BATCH_SIZE, Engine
from ..errors import EngineError
from ..images.transforms import resize
from ..types import FloatArray, Pixels


def restore_crops(
    crops: Sequence[Pixels], engine: Engine, *, batch_size: int = BATCH_SIZE
) -> list[Pixels]:
    """Restore face crops.

    Args:
        crops: Crops at the size that the network returns; 8 and 16 bit may be mixed.
        engine: The network. One that takes smaller images than it returns is fed shrunk crops.
        batch_size: Crops that go through the network together.

    Returns:
        For each crop the network's output, of the same dtype and size, clipped and rounded.

    Raises:
        EngineError: A crop has another size, or the engine failed.
    """
    restored: list[Pixels] = []
    for start in range(0, len(crops), batch_size):
        batch = crops[start : start + batch_size]
        outputs = engine.run(_to_network(batch, engine))
        if not np.isfinite(outputs).all():
            raise EngineError(
                f"the network returned values that are no numbers in {engine.precision}: "
                "choose --precision f32",
                engine=engine.name,
            )
        restored += [
            _to_pixels(output, like=crop) for output, crop in zip(outputs, batch, strict=True)
        ]
    return restored


def _to_network(crops: Sequence[Pixels], engine: Engine) -> FloatArray:
    """(N, 3, in_size, in_size) in [-1, 1]."""
    planes = np.empty((len(crops), 3, engine.in_size, engine.in_size), np.float32)
    for crop, into in zip(crops, planes, strict=True):
        pixels = _fitting(crop, engine)
        half_range = np.float32(np.iinfo(crop.dtype).max / 2)
        np.divide(pixels.transpose(2, 0, 1), half_range, out=into)
        np.subtract(into, 1, out=into)
    return planes


def _fitting(crop: Pixels, engine: Engine) -> Pixels:
    """A crop at the size that the network takes."""
    if crop.shape != (engine.size, engine.size, 3):
        raise EngineError(
            f"a crop has shape {crop.shape}; expected ({engine.size}, {engine.size}, 3): "
            "align faces at the size of the network",
            engine=engine.name,
        )
    if engine.in_size == engine.size:
        return crop
    return resize(crop, (engine.in_size, engine.in_size))


def _to_pixels(output: FloatArray, *, like: Pixels) -> Pixels:
    """(size, size, 3) in the dtype of another crop."""
    import cv2

    half = np.iinfo(like.dtype).max / 2
    depth = cv2.CV_8U if like.dtype == np.uint8 else cv2.CV_16U
    # In one pass OpenCV scales, shifts, rounds and clips.
    planes = [cv2.addWeighted(plane, half, plane, 0, half, dtype=depth) for plane in output]
    return cast("Pixels", cv2.merge(planes))
