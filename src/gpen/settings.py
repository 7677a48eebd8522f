"""The options of gpen: one frozen set for the command line, Python, HTTP and plugins.

Each field carries its `Option`: everything that a door shows or checks is written here, once.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from .errors import SettingsError
from .options import Option, check_all, documented, options_of

if TYPE_CHECKING:
    from typing_extensions import Self

MaskShape = Literal["head", "face", "box"]
EngineName = Literal["auto", "openvino", "onnxruntime", "torch"]
Precision = Literal["auto", "f32", "bf16", "f16"]
Codec = Literal["auto", "h264", "h265", "av1", "vp9"]

#: What "auto" chooses from.
ENGINES = get_args(EngineName)[1:]
PRECISIONS = get_args(Precision)[1:]

#: Name of the weights that gpen ships.
DEFAULT_MODEL = "gpen-default-256"
#: Name of the weights that colour faces; they are fetched, not shipped.
COLORING_MODEL = "GPEN-Colorization-1024"
#: Name of the detector that gpen ships.
DEFAULT_DETECTOR = "gpen-detector"
#: Name of the face embedding that gpen ships.
DEFAULT_EMBEDDING = "gpen-face-embedding"

#: Headings of options, in the order in which doors show them.
RESTORATION, FACES, NETWORKS = "Restoration", "Faces", "Networks"
PHOTO_FILES, VIDEOS, VIDEO_FILES = "Photo files", "Videos", "Video files"
COLORS = "Colours"

_BLEND = r"(\s*\d+=([01]|0?\.\d+|1\.0+)\s*)?"
_WHO = (
    "Also like:PHOTO, the person on a photo; in videos track:1,3, by the numbers of `gpen tracks`."
)
_NUMBER = r"\s*-?\d+(\.\d+)?\s*"
_PLACE = f"{_NUMBER},{_NUMBER}((,{_NUMBER}){{2}}|(,{_NUMBER}){{8}})?"
_TRACKS = "In videos by the numbers of `gpen tracks`."
_HOST = "the server's own choice, since each one would have to be opened beside the others"
_WEBUI_OPENS = "WebUI has opened the image already"
_COMFYUI_SAVES = "ComfyUI's own nodes save images"


@documented
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How faces are restored in photos and videos.

    Values may be written in other ways that mean the same, and are kept in the type that each has:
    `blend="0.5"`, `faces=[0, 2]`, `keep=["eyes"]`, `face_blend={0: 0.5}`, `model=Path("a.onnx")`.
    """

    # fmt: off
    blend: Annotated[float, Option(
        "Strength", RESTORATION,
        "How much of the restored face is taken: 0 keeps the face as it was, 1 takes it fully "
        "restored.",
        minimum=0, maximum=1, step=0.05, ends=("as it was", "fully restored"),
    )] = 1.0
    fusion: Annotated[bool, Option(
        "Keep the detail that is still good", RESTORATION,
        "Keep the detail that can be trusted, and restore only what the damage took.",
    )] = True
    upscale: Annotated[int, Option(
        "Enlarge", RESTORATION,
        "Enlarge the whole photo by 1, 2 or 4; faces gain real detail.",
        names={1: "×1", 2: "×2", 4: "×4"},
    )] = 1
    keep: Annotated[str, Option(
        "Leave as they are", RESTORATION,
        "Leave parts of the face as they are: eyes, mouth, glasses, or several, such as "
        "eyes,mouth.",
        names={"eyes": "Eyes", "mouth": "Mouth", "glasses": "Glasses"},
        several=True, metavar="PARTS",
    )] = ""
    match_color: Annotated[bool, Option(
        "Keep the colours of the face", RESTORATION,
        "Give the restored face the colours that the face has in the photo.",
    )] = False
    match_grain: Annotated[bool, Option(
        "Keep the grain of the photo", RESTORATION,
        "Give the restored face the grain that the photo has.",
    )] = False
    occlusion: Annotated[bool, Option(
        "Spare what is in front of a face", RESTORATION,
        "Leave hands, hair and objects in front of a face alone.",
    )] = False
    faces: Annotated[str, Option(
        "Which faces", FACES,
        "Faces to restore: all, largest, left, right, center, or numbers such as 0,2, counted "
        "from the largest; whole takes the photo as one face, seen or not.",
        several=True,
        pattern=r"all|largest|left|right|center|whole|\d+(,\d+)*|track:\d+(,\d+)*|like:.+",
        expected="all, largest, left, right, center, whole, numbers such as 0,2, track:1 or "
        "like:PHOTO",
        metavar="WHICH",
        notes={
            "python": _WHO,
            "cli": _WHO,
            "webui": "Also like: and the path of a photo of the person.",
            "comfyui": "In Restore Faces also like:PHOTO, a file with the person.",
        },
    )] = "all"
    at: Annotated[str, Option(
        "Where faces are", FACES,
        "Restore the faces in these boxes instead of looking for faces: X,Y,W,H in pixels, with ; "
        "between boxes; X,Y is a point on a face, ten numbers are eyes, nose and mouth corners.",
        pattern=f"({_PLACE}(;{_PLACE})*)?",
        expected="boxes X,Y,W,H, points X,Y or ten numbers for five points, with ; between faces",
        metavar="X,Y,W,H",
        reasons={"video": "is for photos; faces in videos are found in every frame"},
    )] = ""
    min_face: Annotated[float, Option(
        "Skip faces smaller than", FACES,
        "Leave faces alone that are smaller than this many pixels; 0 restores every face.",
        minimum=0, step=1, unit="px",
    )] = 0.0
    face_blend: Annotated[str, Option(
        "Strength of single faces", FACES,
        "Give some faces a strength of their own, such as 0=0.5,2=1.",
        several=True,
        pattern=f"{_BLEND}(,{_BLEND})*",
        expected="numbers of faces with blends from 0 to 1, such as 0=0.5,2=1",
        metavar="N=B,…",
        notes={"python": _TRACKS, "cli": _TRACKS},
    )] = ""
    mask: Annotated[MaskShape, Option(
        "Edge of the restored face", FACES,
        "Shape that is pasted back: head fades out in the hair and beyond, face follows the face "
        "closely, box is a soft square.",
        names={"head": "Fades out in the hair", "face": "Follows the face", "box": "Soft square"},
    )] = "head"
    restore_color: Annotated[bool, Option(
        "Let grey faces gain colour", FACES,
        "Let the network colour faces that are grey or of one tint.",
    )] = False
    aligned: Annotated[bool, Option(
        "Photos are face crops", FACES,
        "Treat each photo as an aligned face crop, and restore it whole, at the size of the "
        "network.",
        reasons={"video": "is for photos; faces in videos are found in every frame"},
    )] = False
    model: Annotated[str, Option(
        "Model", NETWORKS,
        "Name or path of the weights that restore faces.",
        expected="a name or path", metavar="NAME",
    )] = DEFAULT_MODEL
    models_dir: Annotated[Path | None, Option(
        "Models folder", NETWORKS,
        "Look for models in this folder first.",
        metavar="FOLDER",
        reasons={
            "http": "a folder of the server; clients choose among the names of /v1/models",
            "webui": "models/GPEN of WebUI is looked in first",
            "comfyui": "ComfyUI's own folders are searched, with those of extra_model_paths.yaml",
        },
    )] = None
    background: Annotated[str, Option(
        "Upscaler of the background", NETWORKS,
        "Name or path of an upscaler for everything around the faces, at ×1 too; without one, the "
        "photo is enlarged by Lanczos' kernel.",
        expected="a name or path", metavar="NAME", empty="Lanczos",
        reasons={"http": _HOST},
    )] = ""
    background_denoise: Annotated[float, Option(
        "Denoising of the background", NETWORKS,
        "Below 1 the background keeps more of its noise, for upscalers that have a second file "
        "with wdn in its name.",
        minimum=0, maximum=1, step=0.05, ends=("least", "as trained"),
        reasons={"http": _HOST},
    )] = 1.0
    detector: Annotated[str, Option(
        "Face detector", NETWORKS,
        "Name or path of the detector that finds faces.",
        expected="a name or path", metavar="NAME",
        reasons={"http": _HOST},
    )] = DEFAULT_DETECTOR
    embedding: Annotated[str, Option(
        "Face embedding", NETWORKS,
        "Name or path of the ArcFace network that tells people apart.",
        expected="a name or path", metavar="NAME",
        reasons={"http": _HOST},
    )] = DEFAULT_EMBEDDING
    engine: Annotated[EngineName, Option(
        "Engine", NETWORKS,
        "Library that runs the network; auto takes the fastest that is installed.",
        names={
            "auto": "Automatic", "openvino": "OpenVINO", "onnxruntime": "ONNX Runtime",
            "torch": "PyTorch",
        },
        reasons={"http": _HOST},
    )] = "auto"
    device: Annotated[str, Option(
        "Device", NETWORKS,
        "Where the network runs: auto, cpu, cuda, cuda:1, mps, or a device name of the engine.",
        metavar="NAME",
        reasons={"http": _HOST},
        notes={"comfyui": "auto is the CPU where ComfyUI runs on the CPU."},
    )] = "auto"
    precision: Annotated[Precision, Option(
        "Precision", NETWORKS,
        "Number format that the network calculates in; auto takes the fastest that leaves the "
        "result as it is.",
        names={
            "auto": "Automatic", "f32": "32-bit float", "bf16": "bfloat16", "f16": "16-bit float",
        },
        reasons={"http": _HOST},
    )] = "auto"
    max_pixels: Annotated[int, Option(
        "Most pixels of a photo", PHOTO_FILES,
        "Refuse photos with more pixels, as a guard against decompression bombs.",
        minimum=1, metavar="N",
        reasons={
            "http": "the server has a limit for all clients",
            "webui": _WEBUI_OPENS,
            "comfyui": "ComfyUI has opened the image already",
        },
    )] = 250_000_000
    format: Annotated[str | None, Option(
        "File format", PHOTO_FILES,
        "File format of the result; without it, that of the photo.",
        names={
            "jpg": "JPEG", "png": "PNG", "webp": "WebP", "tif": "TIFF", "avif": "AVIF",
            "heic": "HEIC", "bmp": "BMP",
        },
        open=True, empty="As the photo",
        reasons={
            "video": "is for photos; videos have container=",
            "webui": "WebUI writes the file, in the format of its own settings",
            "comfyui": _COMFYUI_SAVES,
        },
    )] = None
    quality: Annotated[int | None, Option(
        "File quality", PHOTO_FILES,
        "1 to 100, for JPEG, WebP, AVIF and HEIC; without it, no loss can be seen.",
        minimum=1, maximum=100, metavar="N", empty="best",
        reasons={
            "video": "is for photos; videos have crf=",
            "webui": "WebUI writes the file, in the quality of its own settings",
            "comfyui": _COMFYUI_SAVES,
        },
    )] = None
    strip: Annotated[bool, Option(
        "Remove metadata", PHOTO_FILES,
        "Leave out EXIF, XMP, IPTC and texts, such as place, date and camera; the colour profile "
        "stays.",
        reasons={
            "video": "is for photos",
            "webui": "WebUI writes the file, with its own metadata",
            "comfyui": _COMFYUI_SAVES,
        },
    )] = False
    # fmt: on

    def __post_init__(self) -> None:
        """Bring values into the type they have, and refuse those that mean nothing.

        Raises:
            SettingsError: Names the option, its value and what was expected.
        """
        check_all(self)

    @property
    def keep_parts(self) -> tuple[str, ...]:
        """`keep`, taken apart."""
        return tuple(part.strip() for part in self.keep.split(",") if part.strip())

    @property
    def are_faces_searched(self) -> bool:
        """Whether a detector is needed: no option says already where faces are."""
        return not (self.aligned or self.at or self.faces == "whole")

    @property
    def enlarges(self) -> bool:
        """Whether results differ from their sources even where no face is."""
        return self.upscale > 1 or bool(self.background)

    def blend_of(self, number: int) -> float:
        """The blend of one face.

        Args:
            number: In photos the face's number in the order of `gpen detect`; in videos that of its
                track.
        """
        blends = re.findall(r"(\d+)=([\d.]+)", self.face_blend)
        return {int(face): float(blend) for face, blend in blends}.get(number, self.blend)

    def with_(self, **changes: Any) -> "Self":
        """A copy with some options changed, checked again.

        Raises:
            SettingsError: An option is unknown or has a value that means nothing.
        """
        known = options_of(type(self))
        if unknown := sorted(set(changes) - set(known)):
            raise SettingsError(
                f"unknown option {', '.join(unknown)}; expected one of {', '.join(known)}"
            )
        return replace(self, **changes)


@documented
@dataclass(frozen=True, slots=True, kw_only=True)
class VideoSettings:
    """How videos are read, stabilised and written; `Settings` says how their faces are restored."""

    # fmt: off
    stabilise: Annotated[float, Option(
        "Stabilise videos", VIDEOS,
        "How much each face is steadied by the frames around it: 0 restores each frame by itself, "
        "1 steadies most.",
        minimum=0, maximum=1, step=0.05, ends=("each frame alone", "steadiest"),
    )] = 1.0
    deflicker: Annotated[bool, Option(
        "Even out flickering light", VIDEOS,
        "Even out brightness that jumps from frame to frame, as in old film.",
    )] = False
    start_s: Annotated[float, Option(
        "Begin at", VIDEO_FILES,
        "Where to begin, counted from the beginning of the video.",
        minimum=0, unit="s",
        notes={"cli": "Write 90 or 1:30."},
    )] = 0.0
    end_s: Annotated[float | None, Option(
        "End at", VIDEO_FILES,
        "Where to end; without it, at the end of the video.",
        unit="s", empty="end",
    )] = None
    codec: Annotated[Codec, Option(
        "Video codec", VIDEO_FILES,
        "How frames are stored; auto takes H.264, in WebM VP9, and one that holds more than 8 "
        "bits where the video has them.",
        names={"auto": "Automatic", "h264": "H.264", "h265": "H.265", "av1": "AV1", "vp9": "VP9"},
    )] = "auto"
    crf: Annotated[int | None, Option(
        "Video quality (CRF)", VIDEO_FILES,
        "Quality in the codec's own scale, where lower is better and larger; without it, no loss "
        "can be seen.",
        minimum=0, maximum=63, metavar="N", empty="best",
    )] = None
    preset: Annotated[str | None, Option(
        "Encoder preset", VIDEO_FILES,
        "Speed of the encoder in its own words, such as fast or 6.",
        metavar="NAME", empty="usual",
    )] = None
    frame_rate: Annotated[float, Option(
        "Frame rate", VIDEO_FILES,
        "Frames per second of a folder of images.",
        minimum=0.001, maximum=1000, unit="fps",
        reasons={"http": "for folders of images, and only files are uploaded"},
    )] = 25.0
    # fmt: on

    def __post_init__(self) -> None:
        """Bring values into the type they have, and refuse those that mean nothing.

        Raises:
            SettingsError: Names the option, its value and what was expected.
        """
        check_all(self)
        if self.end_s is not None and self.end_s <= self.start_s:
            raise SettingsError(f"end is {self.end_s}; expected more than start, {self.start_s}")


@documented
@dataclass(frozen=True, slots=True, kw_only=True)
class ColorSettings:
    """How faces are coloured; `Settings` says which, and by which network."""

    # fmt: off
    saturation: Annotated[float, Option(
        "Saturation", COLORS,
        "How strong the colours are: 0 is grey, 1 is what the network says, 2 twice as much.",
        minimum=0, maximum=2, step=0.05,
    )] = 1.0
    # fmt: on

    def __post_init__(self) -> None:
        """Bring values into the type they have, and refuse those that mean nothing.

        Raises:
            SettingsError: Names the option, its value and what was expected.
        """
        check_all(self)


#: Parts of a face that can be kept as they are.
KEEPABLE = options_of(Settings)["keep"].choices
