"""Tables of degradation recipes: the steps, their probabilities and their strengths.

Sources of the ranges:
    published   training code of GPEN (arXiv 2105.06070)
    gfpgan      training options of GFPGAN v1 (arXiv 2101.04061); its jitter changes the input only
    codeformer  options of CodeFormer's stage 3 (arXiv 2206.11253): half lightly, half heavily
    real        gpen's own, set by looking at photos: what cameras, prints and websites do
    tiny        gpen's own: small faces of good photos, which align enlarges bicubically
    none        nothing: what a restorer has to leave as it is
    resized     shrunk, by 1 to 16, and enlarged again, all octaves alike
    soft        the same by 1 to 2: what most photos are
    phone       noise reduction and sharpening of phones, then JPEG
    web         small, strongly compressed files, shown large
    video       a frame of a compressed video
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from ...errors import ConfigError
from . import compression
from .step_catalogue import Range, Step, step

#: Steps of which at most one is done; what their shares leave of 1 is the share of none.
Stage = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """Stages, one after the other.

    Attributes:
        damage: Changes the input only.
        tone: Comes first and changes the truth too, because a restorer keeps the tones of a photo.
        grey: Probability that the image is turned grey after that, and the truth too.
        grey_files: Probability that a grey image gets grey noise, as files without colour have.
        share: How likely this chain is, of the sum over a recipe.
        cubic: Whether the face comes back to its size bicubically, as
            `gpen.faces.alignment` does it, and not bilinearly.
    """

    damage: tuple[Stage, ...]
    tone: tuple[Stage, ...] = ()
    grey: float = 0.0
    grey_files: float = 0.0
    share: float = 1.0
    cubic: bool = False


@dataclass(frozen=True, slots=True)
class Recipe:
    """How faces are degraded; `recipe` makes it.

    Attributes:
        chains: What one is drawn from for each face.
        light: Share damaged over the lower third of every range only, so that a network learns to
            leave a good face as it is.
    """

    chains: tuple[Chain, ...] = field(default_factory=lambda: PRESETS["published"])
    light: float = 0.2


def _classic(sigma: Range, factor: Range, noise: Range, quality: Range) -> tuple[Stage, ...]:
    """Blur, downsampling, noise and JPEG, as all published recipes have them."""
    return (
        (step("gaussian_blur", sigma=sigma, across=sigma),),
        (step("shrink", factor=factor),),
        (step("gaussian_noise", sigma=noise),),
        (step("jpeg", quality=quality),),
    )


_GPEN = _classic((0.1, 10.0), (0.8, 8.0), (0.0, 20.0), (100.0, 60.0))

_REAL = Chain(
    tone=(
        (step("sepia", 0.06), step("cast", 0.14)),
        (step("fade", 0.15),),
        (step("uneven_light", 0.08),),
    ),
    grey=0.2,
    grey_files=0.6,
    cubic=True,
    damage=(
        (
            step("gaussian_blur", 0.4),
            step("defocus", 0.2),
            step("motion_blur", 0.2),
        ),
        (step("scratches", 0.1),),
        (step("dust", 0.1),),
        (step("shrink_anyhow"),),
        (step("halftone", 0.06, pitch=(4.0, 7.0)),),
        (
            step("sensor_noise", 0.4),
            step("gaussian_noise", 0.2),
            step("grain", 0.15),
        ),
        (step("sharpen", 0.15),),
        (step("resample", 0.15),),
        (
            step("jpeg", 0.4),
            step("double_jpeg", 0.2),
            step("webp", 0.12),
            step("h264", 0.12, crf=(16.0, 36.0)),
        ),
    ),
)

_TINY = Chain(
    grey=0.1,
    cubic=True,
    damage=(
        (step("gaussian_blur", 0.7, sigma=(0.1, 5.0), across=(0.1, 5.0)),),
        (step("shrink_anyhow", factor=(1.0, 9.5)),),
        (step("gaussian_noise", 0.4, sigma=(0.0, 14.0)), step("sensor_noise", 0.1)),
        (step("jpeg", 0.6, quality=(100.0, 40.0)),),
    ),
)


def _resized(most: float) -> Chain:
    """Shrunk by 1 to `most`, and enlarged again."""
    return Chain(((step("shrink_anyhow", by_ratio=True, factor=(1.0, most)),),), cubic=True)


_PHONE = Chain(
    cubic=True,
    damage=(
        (step("shrink_anyhow", 0.5, by_ratio=True, factor=(1.0, 2.0)),),
        (step("sensor_noise", 0.5, read=(0.0, 4.0), shot=(0.0, 8.0), chroma=(0.0, 4.0)),),
        (step("noise_reduction"),),
        (step("sharpen", 0.8, amount=(0.0, 1.2)),),
        (step("jpeg", quality=(96.0, 65.0)),),
    ),
)

_WEB = Chain(
    cubic=True,
    damage=(
        (step("shrink_anyhow", by_ratio=True, factor=(1.0, 6.0)),),
        (step("sharpen", 0.15),),
        (
            step("jpeg", 0.6, quality=(90.0, 15.0)),
            step("double_jpeg", 0.2, first=(95.0, 30.0), second=(95.0, 40.0)),
            step("webp", 0.2, quality=(90.0, 10.0)),
        ),
    ),
)

_VIDEO = Chain(
    cubic=True,
    damage=(
        (
            step("motion_blur", 0.15, length=(0.0, 24.0)),
            step("gaussian_blur", 0.15, sigma=(0.1, 3.0)),
        ),
        (step("shrink_anyhow", by_ratio=True, factor=(1.0, 8.0)),),
        (step("sensor_noise", 0.3, read=(0.0, 4.0), shot=(0.0, 6.0), chroma=(0.0, 4.0)),),
        (step("h264", crf=(16.0, 38.0)),),
    ),
)

#: Chains by preset.
PRESETS: Mapping[str, tuple[Chain, ...]] = MappingProxyType(
    {
        "published": (Chain(_GPEN, grey=0.2),),
        "gfpgan": (
            Chain((*_GPEN, (step("colour_shift", 0.3),), (step("colour_jitter", 0.3),)), grey=0.01),
        ),
        "codeformer": (
            Chain(_classic((0.1, 10.0), (1.0, 12.0), (0.0, 15.0), (100.0, 60.0))),
            Chain(_classic((1.0, 15.0), (4.0, 30.0), (0.0, 20.0), (80.0, 30.0))),
        ),
        "real": (_REAL,),
        "tiny": (_TINY,),
        "none": (Chain(()),),
        "resized": (_resized(16.0),),
        "soft": (_resized(2.0),),
        "phone": (_PHONE,),
        "web": (_WEB,),
        "video": (_VIDEO,),
    }
)


def recipe(presets: Sequence[str], *, light: float = 0.0, grey: float = -1.0) -> Recipe:
    """Mix presets.

    Args:
        presets: Names in `PRESETS`, each as likely as the others; one that stands twice is twice
            as likely.
        light: Share damaged over the lower third of every range only.
        grey: Share turned grey, their truth too; negative keeps each preset's own.

    Raises:
        ConfigError: There is no such preset, none at all, or a share is beyond 1.
        MissingExtraError: A preset writes H.264 and PyAV is not installed.
    """
    if not presets:
        raise ConfigError(
            f"no recipe is named; expected some of {', '.join(PRESETS)}", key="degradation.presets"
        )
    for name, share in (("light", light), ("grey", grey)):
        if not share <= 1 or (name == "light" and share < 0):
            raise ConfigError(
                f"{name} is {share}; expected a share from 0 to 1", key=f"degradation.{name}"
            )
    chains = []
    for preset in presets:
        mixed = chains_of(preset)
        for chain in mixed:
            own = chain.grey if grey < 0 else grey
            chains.append(replace(chain, grey=own, share=1 / len(mixed)))
    if any(one.work == "h264" for chain in chains for stage in chain.damage for one in stage):
        compression.require_av()
    return Recipe(tuple(chains), light)


def chains_of(preset: str) -> tuple[Chain, ...]:
    """The chains of a preset.

    Raises:
        ConfigError: There is no such preset; the nearest is named.
    """
    if preset not in PRESETS:
        near = difflib.get_close_matches(preset, PRESETS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(
            f"{preset!r} is no recipe: expected one of {', '.join(PRESETS)}{hint}",
            key="degradation.presets",
        )
    return PRESETS[preset]
