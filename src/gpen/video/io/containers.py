"""Containers and codecs of targets, their settings and pixel formats."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import SettingsError
from .frames import VideoInfo
from .image_sequence import is_folder_target
from .pyav import av
from .video_colors import LIMITED, Colors

#: Suffix to FFmpeg's muxer and the codecs that players expect in it.
CONTAINERS = {
    ".mp4": ("mp4", ("h264", "h265", "av1", "vp9")),
    ".mov": ("mov", ("h264", "h265")),
    ".mkv": ("matroska", ("h264", "h265", "av1", "vp9", "ffv1")),
    ".webm": ("webm", ("vp9", "av1")),
}
EXPECTED = ".mp4, .mov, .mkv, .webm, or a folder of images such as out/%06d.png"

#: Threads of an encoder. Fixed: the bytes of some depend on it, and a job that goes on after a
#: stop must give the same file.
_THREADS = 4
#: OpenCV's number of the CPU feature, which its Python module does not name.
_CV_CPU_AVX_512F = 13


@dataclass(frozen=True, slots=True)
class Encoding:
    """How frames are to be stored.

    Attributes:
        codec: "h264", "h265", "av1", "vp9", "ffv1" (no loss, mkv), or "auto": the one that most
            players of the container take and that keeps the bits and the transparency.
        crf: Quality in the codec's own scale, lower is better; None looks like the original.
        preset: Speed in the encoder's own words; None is its usual one.
        container: Suffix of the target: .mp4, .mov, .mkv or .webm; "" where it is frames, which
            are kept without loss until they are written.
    """

    codec: str = "auto"
    crf: float | None = None
    preset: str | None = None
    container: str = ".mp4"

    @classmethod
    def for_target(
        cls,
        target: Path,
        *,
        codec: str = "auto",
        crf: float | None = None,
        preset: str | None = None,
    ) -> Encoding:
        """The encoding for a file, or a folder of images.

        Raises:
            SettingsError: The target can be neither.
        """
        if is_folder_target(target):
            return cls(container="")
        return cls(codec, crf, preset, check_container(target))


@dataclass(frozen=True, slots=True)
class _Codec:
    """An encoder and its usual settings.

    Attributes:
        encoder: FFmpeg's name.
        crf: At which no loss can be seen in motion.
        crf_max: The worst of its scale.
        preset: The usual one.
        presets: All there are, or empty for the whole numbers 0-13 (AV1) or 0-8 (VP9).
        options: Constant options.
    """

    encoder: str
    crf: float
    crf_max: int
    preset: str
    presets: tuple[str, ...]
    options: dict[str, str] = field(default_factory=dict)


_X26X = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow",
)  # fmt: skip
#: Captions within frames would stay in untouched frames and be lost in restored ones.
_NO_CAPTIONS = {"a53cc": "0"}
_CODECS = {
    "h264": _Codec("libx264", 17, 51, "medium", _X26X, _NO_CAPTIONS),
    "h265": _Codec("libx265", 18, 51, "medium", _X26X, _NO_CAPTIONS),
    "av1": _Codec("libsvtav1", 24, 63, "7", tuple(map(str, range(14)))),
    "vp9": _Codec(
        "libvpx-vp9", 22, 63, "4", tuple(map(str, range(9))),
        {"deadline": "good", "row-mt": "1", "b": "0"},
    ),
    "ffv1": _Codec("ffv1", 0, 0, "", ("",), {"slices": "4", "slicecrc": "1", "level": "3"}),
}  # fmt: skip
_ALPHA = {"vp9", "ffv1"}
#: Options for odd sizes, where 4:2:0 would halve a chroma sample.
_EVEN_ONLY = {"h264", "h265", "av1"}


@dataclass(frozen=True, slots=True)
class Plan:
    """An encoding resolved for one video.

    Attributes:
        codec: As in `Encoding`, never "auto".
        encoder: FFmpeg's name.
        pixel_format: Pixel format of its input.
        options: Of the encoder.
        notes: Properties that are not kept, one line each.
    """

    codec: str
    encoder: str
    pixel_format: str
    options: dict[str, str]
    notes: tuple[str, ...]

    @property
    def keeps_alpha(self) -> bool:
        """Transparency reaches the file."""
        return self.pixel_format.startswith(("yuva", "gbrap", "bgra", "rgba"))


def plan_encoding(info: VideoInfo, encoding: Encoding, size_wh: tuple[int, int]) -> Plan:
    """Choose encoder, pixel format and options.

    Args:
        info: What is encoded.
        encoding: What was asked for.
        size_wh: Of the frames as coded.

    Raises:
        SettingsError: Container, codec, crf or preset mean nothing, or do not go together.
    """
    codec = _codec(info, encoding)
    about = _CODECS[codec]
    notes: list[str] = []
    name = _pixel_format(info, codec, size_wh, notes)
    crf = about.crf if encoding.crf is None else encoding.crf
    if not 0 <= crf <= about.crf_max and codec != "ffv1":
        raise SettingsError(f"crf is {crf:g}; expected 0 to {about.crf_max} for {codec}")
    preset = about.preset if encoding.preset is None else encoding.preset
    if preset not in about.presets:
        expected = f"{about.presets[0]} to {about.presets[-1]}".strip()
        raise SettingsError(f"preset is {preset!r}; expected {expected} for {codec}")
    return Plan(codec, about.encoder, name, _options(codec, crf, preset, info), tuple(notes))


def stored_colors(info: VideoInfo, pixel_format: str) -> Colors:
    """The colours of what is encoded: the video's own, or BT.709 where RGB becomes YUV."""
    source, target = av.VideoFormat(info.pixel_format), av.VideoFormat(pixel_format)
    if (source.is_rgb or source.has_palette) and not target.is_rgb:
        return Colors(matrix=1, range=LIMITED, primaries=1, transfer=1)
    return info.colors


def set_colors(context: Any, colors: Colors) -> None:
    """Tag an encoder or a stream."""
    context.colorspace, context.color_range = colors.matrix, colors.range
    context.color_primaries, context.color_trc = colors.primaries, colors.transfer


def check_container(target: Path) -> str:
    """The suffix of a target file.

    Raises:
        SettingsError: It is no container that can be written.
    """
    suffix = target.suffix.lower()
    if suffix not in CONTAINERS:
        raise SettingsError(f"{target.name} is no video that can be written; expected {EXPECTED}")
    return suffix


def _codec(info: VideoInfo, encoding: Encoding) -> str:
    if not encoding.container:
        return "ffv1"
    if encoding.container not in CONTAINERS:
        raise SettingsError(f"container is {encoding.container!r}; expected {EXPECTED}")
    fitting = CONTAINERS[encoding.container][1]
    if encoding.codec == "auto":
        if encoding.container == ".webm":
            return "av1" if info.bits > 8 else "vp9"
        return "h265" if info.bits > 8 and not info.image_files else "h264"
    if encoding.codec not in fitting:
        raise SettingsError(
            f"codec is {encoding.codec!r}; expected {', '.join(fitting)} in {encoding.container}"
        )
    return encoding.codec


def _options(codec: str, crf: float, preset: str, info: VideoInfo) -> dict[str, str]:
    options = dict(_CODECS[codec].options)
    if codec != "ffv1":
        options["crf"] = f"{crf:g}"
        options["g"] = str(max(1, round(5 * info.rate)))
        options["preset" if codec != "vp9" else "cpu-used"] = preset
    if codec == "h264" and _has_avx512():
        # x264's AVX-512 code reads memory that nobody wrote (its macroblock tree): the same frames
        # would give other bytes each time.
        options["x264-params"] = "asm=avx2"
    elif codec == "h265":
        options["x265-params"] = f"log-level=none:open-gop=0:frame-threads=2:pools={_THREADS}"
    elif codec == "av1":
        options["svtav1-params"] = f"lp={_THREADS}"
    options["threads"] = str(_THREADS)
    return options


def _has_avx512() -> bool:
    import cv2

    return bool(cv2.checkHardwareSupport(_CV_CPU_AVX_512F))


def _pixel_format(info: VideoInfo, codec: str, size_wh: tuple[int, int], notes: list[str]) -> str:
    """The encoder's format nearest to the video's: bits first, then chroma, then alpha."""
    encoder = av.codec.Codec(_CODECS[codec].encoder, "w")
    known = [format.name for format in encoder.video_formats or []]
    source = av.VideoFormat(info.pixel_format)
    alpha = info.has_alpha and codec in _ALPHA
    if info.has_alpha and not alpha:
        notes.append(f"transparency is left out: {codec} has none (.webm and codec vp9 keep it)")
    chroma = "420" if source.is_rgb or source.has_palette else _chroma(source)
    if codec == "ffv1" and (source.is_rgb or source.has_palette):
        return _rgb(info, alpha)
    if codec in _EVEN_ONLY and (size_wh[0] % 2 or size_wh[1] % 2) and chroma != "gray":
        chroma = _for_odd(codec, size_wh, notes)
    bits = next((b for b in (info.bits, 10, 12, 8) if _name(chroma, b, alpha) in known), 8)
    if info.image_files and codec != "ffv1":
        bits = min(bits, 10)
    wanted = _name(chroma, bits, alpha)
    if wanted not in known:
        chroma = "420"
        wanted = _name(chroma, bits, alpha)
    if wanted not in known:
        wanted = "yuv420p"
    if bits < info.bits and not info.image_files:
        notes.append(f"{info.bits} bits become {bits}: {codec} has no more here")
    loses_chroma = _chroma(source) != "gray" and _chroma(source) > chroma
    if loses_chroma and not (source.is_rgb or source.has_palette):
        notes.append(f"{info.pixel_format} becomes {wanted}: {codec} has no nearer format here")
    return wanted


def _chroma(source: av.VideoFormat) -> str:
    if len(source.components) < 3:
        return "gray"
    across, down = source.chroma_width(16), source.chroma_height(16)
    names = {(8, 8): "420", (8, 16): "422", (16, 16): "444", (16, 8): "440", (4, 16): "411"}
    return names.get((across, down), "420")


def _name(chroma: str, bits: int, alpha: bool) -> str:
    depth = "" if bits == 8 else f"{bits}le"
    if chroma == "gray":
        return f"gray{depth}"
    return f"yuv{'a' if alpha else ''}{chroma}p{depth}"


def _rgb(info: VideoInfo, alpha: bool) -> str:
    if info.bits > 8:
        return "rgba64le" if alpha else "rgb48le"
    return "bgra" if alpha else "bgr0"


def _for_odd(codec: str, size_wh: tuple[int, int], notes: list[str]) -> str:
    """Chroma for a size that 4:2:0 cannot express."""
    if codec == "av1":
        raise SettingsError(
            f"{size_wh[0]}×{size_wh[1]} is odd, which av1 cannot store here; expected even sizes: "
            "use codec vp9"
        )
    notes.append(
        f"{size_wh[0]}×{size_wh[1]} is odd: stored as 4:4:4, which loses nothing but which some "
        f"players cannot show (codec vp9 keeps 4:2:0)"
    )
    return "444"
