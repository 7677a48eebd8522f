"""The steps of degradation by name, each with its whole range of strengths."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from . import blur, compression, noise, prints, resampling, tone
from .pixel_types import Random, UInt8Array

#: From the harmless end to the worst.
Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Step:
    """One kind of damage.

    Attributes:
        work: Name in `WORKS`.
        ranges: What each of its strengths is drawn from.
        share: Probability of the step.
        by_ratio: Equal ratios of strength are drawn equally often, instead of equal differences:
            factors from 1 to 2 as often as those from 8 to 16.
    """

    work: str
    ranges: Mapping[str, Range]
    share: float = 1.0
    by_ratio: bool = False

    def draw(self, random: Random, reach: float) -> dict[str, float]:
        """Strengths, even over the first part `reach` of each range."""
        return {
            name: self._between(*ends, reach * random.random())
            for name, ends in self.ranges.items()
        }

    def at(self, place: float) -> dict[str, float]:
        """Strengths at a place in each range: 0 is harmless, 1 the worst."""
        return {name: self._between(*ends, place) for name, ends in self.ranges.items()}

    def _between(self, low: float, high: float, place: float) -> float:
        if self.by_ratio:
            return float(low * (high / low) ** place)
        return low + (high - low) * place


#: The functions of steps, by name.
WORKS: Mapping[str, Callable[..., UInt8Array]] = MappingProxyType(
    {
        work.__name__: work
        for work in (
            blur.gaussian_blur,
            blur.motion_blur,
            blur.defocus,
            resampling.shrink,
            resampling.shrink_anyhow,
            resampling.resample,
            resampling.sharpen,
            noise.gaussian_noise,
            noise.sensor_noise,
            noise.grain,
            noise.noise_reduction,
            compression.jpeg,
            compression.double_jpeg,
            compression.webp,
            compression.h264,
            prints.halftone,
            prints.scratches,
            prints.dust,
            tone.sepia,
            tone.cast,
            tone.fade,
            tone.uneven_light,
            tone.colour_shift,
            tone.colour_jitter,
        )
    }
)

#: Every step over its whole range.
CATALOGUE: Mapping[str, Step] = MappingProxyType(
    {
        work: Step(work, ranges)
        for work, ranges in {
            "gaussian_blur": {"sigma": (0.1, 10.0), "across": (0.1, 10.0)},
            "motion_blur": {"length": (0.0, 48.0)},
            "defocus": {"radius": (0.0, 10.0)},
            "shrink": {"factor": (1.0, 8.0)},
            "shrink_anyhow": {"factor": (1.0, 8.0)},
            "resample": {"factor": (1.0, 3.0), "misfit": (0.0, 0.04)},
            "sharpen": {"amount": (0.0, 1.5)},
            "gaussian_noise": {"sigma": (0.0, 20.0)},
            "sensor_noise": {"read": (0.0, 7.0), "shot": (0.0, 12.0), "chroma": (0.0, 8.0)},
            "grain": {"strength": (0.0, 15.0)},
            "noise_reduction": {"strength": (0.0, 1.0)},
            "jpeg": {"quality": (100.0, 30.0)},
            "double_jpeg": {"first": (100.0, 30.0), "second": (100.0, 50.0)},
            "webp": {"quality": (100.0, 10.0)},
            "h264": {"crf": (16.0, 40.0)},
            "halftone": {"pitch": (4.0, 9.0), "depth": (0.0, 0.8)},
            "scratches": {"count": (0.0, 14.0), "opacity": (0.0, 1.0)},
            "dust": {"count": (0.0, 80.0), "opacity": (0.0, 1.0)},
            "sepia": {"strength": (0.0, 1.0)},
            "cast": {"strength": (0.0, 0.3)},
            "fade": {"strength": (0.0, 1.0)},
            "uneven_light": {"strength": (0.0, 0.7)},
            "colour_shift": {"red": (0.0, 20.0), "green": (0.0, 20.0), "blue": (0.0, 20.0)},
            "colour_jitter": {
                "brightness": (0.0, 0.5),
                "contrast": (0.0, 0.5),
                "saturation": (0.0, 1.0),
                "hue": (0.0, 0.1),
            },
        }.items()
    }
)


def step(work: str, share: float = 1.0, *, by_ratio: bool = False, **ranges: Range) -> Step:
    """A step of the catalogue with some of its ranges changed."""
    entry = CATALOGUE[work]
    return replace(entry, share=share, by_ratio=by_ratio, ranges={**entry.ranges, **ranges})
