"""Crops → crops: pixels into the network's numbers and back.

Convention:
    pixels   uint8 or uint16 RGB, shape (size, size, 3)
    network  float32 RGB, (N, 3, size, size), in [-1, 1]
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .engines import Engine
from .errors import EngineError
from .geometry import resize
from .types import FloatArray, Pixels

#: Crops that go through the network together; bounds memory, not results.
BATCH_SIZE = 4


def restore_crops(
    crops: Sequence[Pixels], engine: Engine, *, batch_size: int = BATCH_SIZE
) -> list[Pixels]:
    """Restore face crops.

    Args:
        crops: Crops at the size that the network returns; 8 and 16 bit may be mixed.
        engine: The network. One that takes smaller pictures than it returns is fed shrunk crops.
        batch_size: Crops that go through the network together.

    Returns:
        For each crop the network's answer, of the same dtype and size, clipped and rounded.

    Raises:
        EngineError: A crop has another size, or the engine failed.
    """
    restored: list[Pixels] = []
    for start in range(0, len(crops), batch_size):
        batch = crops[start : start + batch_size]
        answers = engine.run(np.stack([_to_network(crop, engine) for crop in batch]))
        if not np.isfinite(answers).all():
            raise EngineError(
                f"the network returned values that are no numbers in {engine.precision}: "
                "choose --precision f32",
                engine=engine.name,
            )
        restored += [
            _to_pixels(answer, like=crop) for answer, crop in zip(answers, batch, strict=True)
        ]
    return restored


def _to_network(crop: Pixels, engine: Engine) -> FloatArray:
    """(3, in_size, in_size) in [-1, 1]."""
    if crop.shape != (engine.size, engine.size, 3):
        raise EngineError(
            f"a crop has shape {crop.shape}; expected ({engine.size}, {engine.size}, 3): "
            "align faces at the size of the network",
            engine=engine.name,
        )
    if engine.in_size != engine.size:
        crop = resize(crop, (engine.in_size, engine.in_size))
    half_range = np.float32(np.iinfo(crop.dtype).max / 2)
    return crop.transpose(2, 0, 1).astype(np.float32) / half_range - np.float32(1)


def _to_pixels(answer: FloatArray, *, like: Pixels) -> Pixels:
    """(size, size, 3) in the dtype of another crop."""
    top = np.iinfo(like.dtype).max
    # float64 holds every 16-bit value and its half exactly, so that rounding is right for both.
    values = (answer.transpose(1, 2, 0).astype(np.float64) + 1) * (top / 2)
    pixels = np.ascontiguousarray(np.rint(np.clip(values, 0, top)))
    return pixels.astype(np.uint8) if like.dtype == np.uint8 else pixels.astype(np.uint16)
