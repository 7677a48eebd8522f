"""Crop + network output → finished output, so that a restored face does not look pasted.

Runs between the network and `gpen.blending.paste`, for images and video frames alike.

Convention:
    pixels   uint8 or uint16 RGB, shape (size, size, 3)
    weight   (size, size) float32, 1 takes the output, 0 keeps the input
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..images.tones import keep_tint
from ..settings import Settings
from ..types import Crop, FloatArray, Pixels
from .fusion import fuse
from .grain import add_grain, measure_grain
from .occlusion import occlusion_mask
from .outlines import suppress_halos
from .regions import keep_mask
from .reliability_estimator import Reliability

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """What is done to a network's output; the fields are those of `gpen.settings.Settings`.

    Attributes:
        keep: Parts left as in the input: some of "eyes", "mouth", "glasses".
        occlusion: What lies in front of the face is left as in the input.
        match_grain: The output gets the grain of the input.
        restore_color: A face of one tint takes the network's colours, instead of keeping its own.
    """

    keep: tuple[str, ...] = ()
    occlusion: bool = False
    match_grain: bool = False
    restore_color: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Take the options from settings."""
        return cls(
            keep=settings.keep_parts,
            occlusion=settings.occlusion,
            match_grain=settings.match_grain,
            restore_color=settings.restore_color,
        )

    @property
    def does_nothing(self) -> bool:
        """Whether outputs stay unchanged."""
        return self.restore_color and not (self.keep or self.occlusion or self.match_grain)


def finish_crop(
    crop: Crop,
    output: Pixels,
    options: Finish,
    *,
    reliability: Reliability | None = None,
    seed: int = 0,
) -> tuple[Pixels, FloatArray | None]:
    """Finish one face.

    Args:
        crop: The face as cut out.
        output: What the network made of it, same shape and dtype.
        options: What to do.
        reliability: How far the crop can be trusted; None takes the network's output for all of it.
        seed: Of the grain, 0 or more: another one for each frame of a video.

    Returns:
        The finished output, `output` itself where nothing changed; and how much of it to take,
        for `gpen.blending.paste.Patch`, or None for all of it.

    Raises:
        ValueError: `keep` names an unknown part.
    """
    if options.does_nothing and reliability is None:
        return output, None
    finished = output
    if not options.restore_color:
        tinted = keep_tint(output, crop.pixels)
        finished = output if tinted is None else tinted
    if reliability is not None:
        finished = fuse(crop.pixels, finished, reliability, recolor=options.restore_color)
        if finished is not crop.pixels:
            finished = suppress_halos(crop.pixels, finished, crop.points_xy, reliability)
    if options.match_grain:
        grain = measure_grain(crop, finished)
        finished = finished if grain is None else add_grain(finished, grain, seed)
    return finished, _weight(crop, output, options)


def _weight(crop: Crop, output: Pixels, options: Finish) -> FloatArray | None:
    kept: list[FloatArray] = []
    if options.keep:
        kept.append(keep_mask(crop.size, crop.points_xy, options.keep))
    if options.occlusion:
        kept.append(occlusion_mask(crop, output))
    kept = [mask for mask in kept if mask.any()]
    return 1 - np.maximum.reduce(kept) if kept else None
