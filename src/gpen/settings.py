"""One frozen set of options for every door: command line, Python, HTTP, plugins."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self, get_args

from .errors import SettingsError

MaskShape = Literal["face", "box"]
EngineName = Literal["auto", "openvino", "onnxruntime", "torch"]
Precision = Literal["auto", "f32", "bf16", "f16"]

#: Name of the weights that gpen ships.
DEFAULT_MODEL = "gpen-default-256"
#: Name of the detector that gpen ships.
DEFAULT_DETECTOR = "gpen-detector"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How photos are restored.

    Attributes:
        model: Name of a model in the models folders, or a path to a weight file.
        models_dir: A folder to look in first.
        aligned: Each input already is a face crop; it is restored whole.
        blend: 0 keeps the input face, 1 takes the restored one.
        upscale: The whole photo is enlarged by 1, 2 or 4; faces gain real detail.
        faces: Which faces: "all", "largest", "center", or numbers from 0 such as "0,2"
            in the order of `gpen detect`.
        min_face: Faces whose box is smaller than this many pixels are left alone.
        mask: Shape pasted back: "face" follows the face, "box" is a soft square.
        match_color: Give the restored face the mean and spread of colour of the input face.
        detector: "gpen-detector", or the name or path of a detector file.
        engine: What runs the network; "auto" takes the fastest that is installed.
        device: "auto", "cpu", "cuda", "cuda:1", "mps", or a device name of the engine.
        precision: Arithmetic of the network; "auto" is the fastest that keeps the picture.
        max_pixels: Photos with more pixels are refused (a guard against decompression bombs).
        format: File format of the result ("png", "jpg", …); None keeps the input's.
        quality: 1-100 for formats with loss; None chooses a visually lossless one.
        strip: Leave EXIF and XMP out of the result; the colour profile stays.
    """

    model: str = DEFAULT_MODEL
    models_dir: Path | None = None
    aligned: bool = False
    blend: float = 1.0
    upscale: int = 1
    faces: str = "all"
    min_face: float = 0.0
    mask: MaskShape = "face"
    match_color: bool = False
    detector: str = DEFAULT_DETECTOR
    engine: EngineName = "auto"
    device: str = "auto"
    precision: Precision = "auto"
    max_pixels: int = 250_000_000
    format: str | None = None
    quality: int | None = None
    strip: bool = False

    def __post_init__(self) -> None:
        """Refuse values that mean nothing.

        Raises:
            SettingsError: Names the option, its value and what was expected.
        """
        if not 0.0 <= self.blend <= 1.0:
            raise SettingsError(f"blend is {self.blend}; expected a number from 0 to 1")
        if self.upscale not in (1, 2, 4):
            raise SettingsError(f"upscale is {self.upscale}; expected 1, 2 or 4")
        if not re.fullmatch(r"all|largest|center|\d+(,\d+)*", self.faces):
            raise SettingsError(
                f"faces is {self.faces!r}; expected all, largest, center or numbers such as 0,2"
            )
        if self.min_face < 0:
            raise SettingsError(f"min_face is {self.min_face}; expected 0 or more pixels")
        if self.max_pixels < 1:
            raise SettingsError(f"max_pixels is {self.max_pixels}; expected at least 1")
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise SettingsError(f"quality is {self.quality}; expected 1 to 100")
        for name, value, allowed in (
            ("mask", self.mask, get_args(MaskShape)),
            ("engine", self.engine, get_args(EngineName)),
            ("precision", self.precision, get_args(Precision)),
        ):
            if value not in allowed:
                raise SettingsError(f"{name} is {value!r}; expected one of {', '.join(allowed)}")

    def with_(self, **changes: Any) -> Self:
        """A copy with some options changed, checked again."""
        return replace(self, **changes)
