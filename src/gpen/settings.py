"""The options of gpen: one frozen set for the command line, Python, HTTP and plugins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, Self, get_args

from .errors import SettingsError
from .values import convert, joined

MaskShape = Literal["head", "face", "box"]
EngineName = Literal["auto", "openvino", "onnxruntime", "torch"]
Precision = Literal["auto", "f32", "bf16", "f16"]
Codec = Literal["auto", "h264", "h265", "av1", "vp9"]

#: Parts of a face that can be kept as they are.
KEEPABLE = ("eyes", "mouth", "glasses")
#: What `faces` may be.
_FACES = r"all|largest|left|right|center|\d+(,\d+)*|track:\d+(,\d+)*|like:.+"

#: Expected values of options, for error messages.
_EXPECTED = {
    "model": "a name or path",
    "detector": "a name or path",
    "face_blend": "numbers of faces with blends from 0 to 1, such as 0=0.5,2=1",
    "blend": "a number from 0 to 1",
    "upscale": "1, 2 or 4",
    "min_face": "0 or more pixels",
    "max_pixels": "at least 1",
    "quality": "1 to 100",
    "faces": "all, largest, left, right, center, numbers such as 0,2, track:1 or like:PHOTO",
    "keep": f"some of {', '.join(KEEPABLE)}",
    "stabilise": "a number from 0 to 1",
    "crf": "0 to 63",
}

#: Name of the weights that gpen ships.
DEFAULT_MODEL = "gpen-default-256"
#: Name of the detector that gpen ships.
DEFAULT_DETECTOR = "gpen-detector"
#: Name of the face embedding that gpen ships.
DEFAULT_EMBEDDING = "gpen-face-embedding"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How faces are restored in photos and videos.

    Values may be written in other ways that mean the same, and are kept in the type that each has:
    `blend="0.5"`, `faces=[0, 2]`, `keep=["eyes"]`, `face_blend={0: 0.5}`, `model=Path("a.onnx")`.

    Attributes:
        model: Name of a model in the models folders, or a path to a weight file.
        models_dir: A folder to look in first.
        aligned: Each input already is a face crop, and is restored whole, at the size of the
            network. One that is not square is padded with its mirror image and cut back.
        fusion: Keep of each face the detail that can be trusted, and take the network's only for
            what the damage has taken; else the network's face replaces it whole.
        blend: 0 keeps the input face, 1 takes the restored one.
        upscale: The whole photo is enlarged by 1, 2 or 4; faces gain real detail.
        faces: Which faces: "all", "largest", "left", "right", "center"; numbers from 0 such as
            "0,2" in the order of `gpen detect`; "like:PHOTO", the person on a photo; in videos
            "track:1,3" by the numbers of `gpen tracks`.
        face_blend: A blend of its own for some faces, such as "0=0.5,2=1": numbers as in `faces`,
            in videos those of `gpen tracks`.
        min_face: Faces whose box is smaller than this many pixels are left alone.
        mask: Shape pasted back: "head" fades out in the hair and beyond, "face" follows the face
            closely, "box" is a soft square.
        match_color: Give the restored face the mean and spread of colour of the input face.
        match_grain: Give the restored face the grain that the input has.
        restore_color: Let the network colour faces that are grey or of one tint; else they stay so.
        keep: Parts left as they are: "eyes", "mouth", "glasses", or some, such as "eyes,mouth".
        occlusion: Leave hands, hair and things in front of a face alone, as far as they are seen.
        detector: "gpen-detector", or the name or path of a detector file.
        embedding: What tells people apart, for "like:PHOTO" and to say how alike a restored face
            is: "gpen-face-embedding", or the name or path of an ArcFace file.
        engine: What runs the network; "auto" takes the fastest that is installed.
        device: "auto", "cpu", "cuda", "cuda:1", "mps", or a device name of the engine.
        precision: Arithmetic of the network; "auto" is the fastest that keeps the image.
        max_pixels: Photos with more pixels are refused (a guard against decompression bombs).
        format: File format of the result ("png", "jpg", …); None keeps the input's.
        quality: 1-100 for formats with loss; None chooses a visually lossless one.
        strip: Leave EXIF, XMP, IPTC and texts out of the result; the colour profile stays.
    """

    model: str = DEFAULT_MODEL
    models_dir: Path | None = None
    aligned: bool = False
    fusion: bool = True
    blend: float = 1.0
    upscale: int = 1
    faces: str = "all"
    min_face: float = 0.0
    face_blend: str = ""
    mask: MaskShape = "head"
    match_color: bool = False
    match_grain: bool = False
    restore_color: bool = False
    keep: str = ""
    occlusion: bool = False
    detector: str = DEFAULT_DETECTOR
    embedding: str = DEFAULT_EMBEDDING
    engine: EngineName = "auto"
    device: str = "auto"
    precision: Precision = "auto"
    max_pixels: int = 250_000_000
    format: str | None = None
    quality: int | None = None
    strip: bool = False

    def __post_init__(self) -> None:
        """Bring values into the type they have, and refuse those that mean nothing.

        Raises:
            SettingsError: Names the option, its value and what was expected.
        """
        self._read_lists()
        _convert_all(self)
        if not 0.0 <= self.blend <= 1.0:
            raise SettingsError(f"blend is {self.blend}; expected a number from 0 to 1")
        if self.upscale not in (1, 2, 4):
            raise SettingsError(f"upscale is {self.upscale}; expected 1, 2 or 4")
        if not re.fullmatch(_FACES, self.faces):
            raise SettingsError(f"faces is {self.faces!r}; expected {_EXPECTED['faces']}")
        _ = self.blend_of(0)
        if unknown := set(self.keep_parts) - set(KEEPABLE):
            raise SettingsError(
                f"keep has {', '.join(sorted(unknown))}; expected some of {', '.join(KEEPABLE)}"
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

    def _read_lists(self) -> None:
        """Turn lists and mappings into the text that they are kept as."""
        for name in ("faces", "keep"):
            text = joined(name, getattr(self, name), _EXPECTED[name])
            object.__setattr__(self, name, text)
        if isinstance(self.face_blend, Mapping):
            text = ",".join(f"{number}={blend}" for number, blend in self.face_blend.items())
            object.__setattr__(self, "face_blend", text)

    @property
    def keep_parts(self) -> tuple[str, ...]:
        """`keep`, taken apart."""
        return tuple(part.strip() for part in self.keep.split(",") if part.strip())

    def blend_of(self, number: int) -> float:
        """The blend of one face.

        Args:
            number: In photos the face's number in the order of `gpen detect`; in videos that of its
                track.

        Raises:
            SettingsError: `face_blend` cannot be understood.
        """
        blends = _parse_blends(self.face_blend)
        return blends.get(number, self.blend)

    def with_(self, **changes: Any) -> Self:
        """A copy with some options changed, checked again.

        Raises:
            SettingsError: An option is unknown or has a value that means nothing.
        """
        known = [field.name for field in fields(self)]
        if unknown := sorted(set(changes) - set(known)):
            raise SettingsError(
                f"unknown option {', '.join(unknown)}; expected one of {', '.join(known)}"
            )
        return replace(self, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoSettings:
    """How videos are read, stabilised and written; `Settings` says how their faces are restored.

    Attributes:
        stabilise: 0 restores each frame by itself; up to 1, each face is steadied by the two
            frames before and the two after.
        deflicker: Even out brightness that jumps from frame to frame (old film) before restoring.
        start_s: Where to begin, in seconds from the beginning of the video.
        end_s: Where to end; None is the video's end.
        codec: How images are stored; "auto" is H.264, in WebM VP9, and what holds more than 8
            bits where the video has them.
        crf: Quality in the codec's own scale, lower is better; None is visually lossless.
        preset: Speed of the encoder in its own words; None is its usual one.
        frame_rate: Frames per second of a folder of images.
    """

    stabilise: float = 1.0
    deflicker: bool = False
    start_s: float = 0.0
    end_s: float | None = None
    codec: Codec = "auto"
    crf: int | None = None
    preset: str | None = None
    frame_rate: float = 25.0

    def __post_init__(self) -> None:
        """Bring values into the type they have, and refuse those that mean nothing.

        Raises:
            SettingsError: Names the option, its value and what was expected.
        """
        _convert_all(self)
        if not 0.0 <= self.stabilise <= 1.0:
            raise SettingsError(f"stabilise is {self.stabilise}; expected a number from 0 to 1")
        if self.start_s < 0:
            raise SettingsError(f"start is {self.start_s}; expected 0 or more seconds")
        if self.end_s is not None and self.end_s <= self.start_s:
            raise SettingsError(f"end is {self.end_s}; expected more than start, {self.start_s}")
        if self.codec not in get_args(Codec):
            expected = ", ".join(get_args(Codec))
            raise SettingsError(f"codec is {self.codec!r}; expected one of {expected}")
        if self.crf is not None and not 0 <= self.crf <= 63:
            raise SettingsError(f"crf is {self.crf}; expected 0 to 63")
        if not 0 < self.frame_rate <= 1000:
            raise SettingsError(f"frame rate is {self.frame_rate}; expected more than 0 to 1000")


def _convert_all(settings: Settings | VideoSettings) -> None:
    for field in fields(settings):
        name = field.name
        value = convert(name, getattr(settings, name), str(field.type), _EXPECTED.get(name))
        object.__setattr__(settings, name, value)


def _parse_blends(text: str) -> dict[int, float]:
    """`{0: 0.5, 2: 1.0}` of "0=0.5,2=1"."""
    blends: dict[int, float] = {}
    for part in filter(None, text.split(",")):
        match = re.fullmatch(r"\s*(\d+)=([01]|[01]?\.\d+)\s*", part)
        if match is None or float(match[2]) > 1:
            raise SettingsError(f"face_blend is {text!r}; expected {_EXPECTED['face_blend']}")
        blends[int(match[1])] = float(match[2])
    return blends
