"""Probes a video file before its frames are read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ReadError
from .frames import VideoInfo
from .image_sequence import open_folder
from .pyav import av
from .video_colors import Colors, colors_of, to_rgb

#: Formats that hold video. Playlists, which name other files, and captures stay shut.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "gif", "apng", "mpegts", "mpeg",
    "mpegvideo", "flv", "asf", "ogg", "nut", "mxf", "dv", "m4v", "h264", "hevc", "obu", "ivf",
    "yuv4mpegpipe", "rm", "wtv", "swf", "vob",
)  # fmt: skip
_STILLS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif"}
#: Larger headers are taken for damage before their memory is asked for (8K has 33 million).
MAX_PIXELS = 150_000_000
#: Packets that may be undecodable before the first frame.
_PACKETS_TRIED = 2000


def open_video(path: str | Path, *, rate: Fraction | float | None = None) -> VideoInfo:
    """Look at a video file or a folder of numbered images.

    Args:
        path: A file that FFmpeg reads, or a folder of numbered images, in natural order.
        rate: Frames per second of a folder; 25 if None. Video files say theirs.

    Raises:
        ReadError: Nothing is there, or it is no video, empty, damaged, or a still image.
    """
    path = Path(path)
    if path.is_dir():
        return open_folder(path, rate)
    with opened(path) as (container, stream):
        av_frame = _first_frame(path, container, stream)
        return _info(path, container, stream, av_frame)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """The file and its first video stream that is no cover image.

    Raises:
        ReadError: As `open_video`.
    """
    _check_file(path)
    options = {"format_whitelist": ",".join(_FORMATS), "protocol_whitelist": "file"}
    try:
        container = av.open(f"file:{path}", "r", options=options, metadata_errors="replace")
    except av.FFmpegError as error:
        raise ReadError(
            f"cannot read {path}: it is no video that FFmpeg knows, or its header is damaged "
            f"({error.strerror}); expected mp4, mov, mkv, webm, avi, gif or a folder of images",
            path=path,
        ) from None
    with container:
        streams = moving_streams(container)
        if not streams:
            raise ReadError(
                f"cannot read {path}: it holds no video of a known kind; expected at least one "
                "stream of frames",
                path=path,
            )
        size = streams[0].codec_context.width * streams[0].codec_context.height
        if size > MAX_PIXELS:
            raise ReadError(
                f"cannot read {path}: its header claims {streams[0].codec_context.width}×"
                f"{streams[0].codec_context.height} pixels; expected at most "
                f"{MAX_PIXELS // 1_000_000} million, so it is damaged or not for this program",
                path=path,
            )
        yield container, streams[0]


def moving_streams(container: Any) -> list[Any]:
    """The video streams that are no cover images and have a known codec."""
    cover = av.stream.Disposition.attached_pic
    return [
        stream
        for stream in container.streams.video
        if stream.codec_context is not None and not stream.disposition & cover
    ]


def decoder_for(stream: Any) -> Any:
    """The decoder of a stream.

    Its threads share the slices of one frame. Threads for several frames would be faster, but
    what they make of a damaged stream differs from run to run.
    """
    if stream.metadata.get("alpha_mode") == "1" and stream.codec_context.name in ("vp8", "vp9"):
        # FFmpeg's own decoders leave the transparency out.
        name = "libvpx-vp9" if stream.codec_context.name == "vp9" else "libvpx"
        decoder = av.CodecContext.create(name, "r")
        decoder.extradata = stream.codec_context.extradata
        return decoder
    stream.thread_type = "SLICE"
    return stream.codec_context


def _check_file(path: Path) -> None:
    if not path.exists():
        raise ReadError(f"cannot read {path}: there is no such file", path=path)
    if not path.is_file():
        raise ReadError(f"cannot read {path}: it is a device or pipe, not a file", path=path)
    if path.stat().st_size == 0:
        raise ReadError(f"cannot read {path}: it is empty; copy it again", path=path)
    if path.suffix.lower() in _STILLS:
        raise ReadError(
            f"cannot read {path} as a video: it is a still image; expected a video or a folder",
            path=path,
        )


def _first_frame(path: Path, container: Any, stream: Any) -> Any:
    decoder = decoder_for(stream)
    with contextlib.suppress(av.FFmpegError):
        for count, packet in enumerate(container.demux(stream)):
            with contextlib.suppress(av.FFmpegError):
                av_frames = decoder.decode(packet if packet.size else None)
                if av_frames:
                    return av_frames[0]
            if count > _PACKETS_TRIED:
                break
    raise ReadError(
        f"cannot read {path}: none of its frames can be decoded; it is damaged or cut short",
        path=path,
    )


def _info(path: Path, container: Any, stream: Any, av_frame: Any) -> VideoInfo:
    colors = colors_of(av_frame)
    interlaced = bool(av_frame.interlaced_frame) or stream.codec_context.field_order in (2, 3, 4, 5)
    start = stream.start_time if stream.start_time is not None else av_frame.pts
    rate = stream.average_rate or stream.guessed_rate or Fraction(25)
    duration = _duration(container, stream)
    count = stream.frames or (round(duration * rate) if duration else None)
    info = VideoInfo(
        path=path,
        size_wh=(av_frame.width, av_frame.height),
        rotation_deg=round(-av_frame.rotation / 90) * 90 % 360,
        sample_aspect=stream.sample_aspect_ratio or Fraction(1),
        rate=rate,
        time_base=stream.time_base,
        start_pts=start or 0,
        frame_count=count,
        duration_s=duration,
        pixel_format=av_frame.format.name,
        bits=max(component.bits for component in av_frame.format.components),
        colors=colors,
        interlaced=interlaced,
        has_alpha=_has_alpha(av_frame, colors),
        codec=stream.codec_context.codec.canonical_name,
        container=container.format.name,
    )
    return _with_notes(info, container)


def _duration(container: Any, stream: Any) -> float | None:
    """Seconds that the video lasts, as far as the file says."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _has_alpha(av_frame: Any, colors: Colors) -> bool:
    """The format has transparency; of RGB, which often has a spare channel, some must be used."""
    if not any(component.is_alpha for component in av_frame.format.components):
        return av_frame.format.name == "pal8" and bool(
            (to_rgb(av_frame, colors, "rgba")[..., 3] < 255).any()
        )
    if av_frame.format.is_rgb:
        return bool((to_rgb(av_frame, colors, "rgba")[..., 3] < np.uint8(255)).any())
    return True


def _with_notes(info: VideoInfo, container: Any) -> VideoInfo:
    notes = []
    if info.interlaced:
        notes.append("interlaced: deinterlaced with bwdif, one frame for each")
    count = len(moving_streams(container))
    if count > 1:
        notes.append(f"{count} video streams: the first one is restored, the others are left out")
    if info.colors.transfer in (16, 18):
        notes.append("HDR: faces are restored in the video's own curve; mastering data is left out")
    return replace(info, notes=tuple(notes))
