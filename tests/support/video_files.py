"""Small real clips, made as they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import numpy as np

Edit = Callable[[int, bytes], bytes | None]
Picture = Callable[..., np.ndarray]


@lru_cache
def _texture(size_wh: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(7).uniform(-12, 12, size_wh[::-1])


def moving_pixels(index: int, size_wh: tuple[int, int], dtype: Any = np.uint8) -> np.ndarray:
    """An RGB image that shifts from frame to frame: a ramp, a disc and fixed texture."""
    width, height = size_wh
    y, x = np.mgrid[:height, :width].astype(np.float64)
    texture = _texture(size_wh)
    disc = np.hypot(x - width * 0.3 - 2 * index, y - height * 0.5) < min(size_wh) * 0.25
    red = 40 + 150 * x / width + texture
    green = 60 + 120 * y / height + texture
    blue = np.where(disc, 190, 70) + texture
    stack = np.clip(np.stack([red, green, blue], -1), 0, 255)
    return (stack * 257).astype(np.uint16) if dtype == np.uint16 else stack.astype(np.uint8)


def make_clip(
    path: Path,
    *,
    frames: int = 12,
    size_wh: tuple[int, int] = (64, 48),
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    rate: Fraction | int = 25,
    time_base: Fraction | None = None,
    pts: Sequence[int] | None = None,
    rotation_cw: int = 0,
    sample_aspect: Fraction | None = None,
    colors: tuple[int, int, int, int] | None = None,
    options: dict[str, str] | None = None,
    sound: str | None = None,
    second_video: bool = False,
    subtitles: Sequence[tuple[float, float, str]] = (),
    chapters: Sequence[tuple[float, float, str]] = (),
    attachment: bytes | None = None,
    metadata: dict[str, str] | None = None,
    alpha: bool = False,
    interlaced: bool = False,
    picture: Picture = moving_pixels,
) -> Path:
    """Write a clip.

    Args:
        path: Its suffix chooses the container.
        frames: How many.
        size_wh: As coded.
        codec: Encoder.
        pixel_format: Of the encoder.
        rate: Frames per second.
        time_base: Of `pts`; 1 / rate without.
        pts: Times of the frames in ticks; 0, 1, 2, … without.
        rotation_cw: How a player turns the image, clockwise.
        sample_aspect: Of a pixel.
        colors: Matrix, range, primaries, transfer.
        options: Of the encoder.
        sound: Codec of a tone that lasts as long as the images.
        second_video: Add a stream of other images.
        subtitles: Start, end, text.
        chapters: Start, end, title.
        attachment: A font, say (mkv).
        metadata: Of the file.
        alpha: The left half is transparent.
        interlaced: The second field is half a frame later.
        image: What a frame shows.
    """
    base = time_base or 1 / Fraction(rate)
    ticks = list(pts) if pts is not None else list(range(frames))
    settings = {"g": "6", **(options or {})}
    if codec == "libx264":
        settings = {"preset": "veryfast", "crf": "12", **settings}
    if interlaced:
        settings |= {"flags": "+ildct+ilme", "x264-params": "tff=1"}
    with av.open(str(path), "w", container_options={"fflags": "+bitexact"}) as out:
        out.metadata.update(metadata or {})
        video = _video(out, codec, size_wh, pixel_format, rate, base, settings)
        if colors:
            context = video.codec_context
            context.colorspace, context.color_range = colors[0], colors[1]
            context.color_primaries, context.color_trc = colors[2], colors[3]
        if sample_aspect:
            video.codec_context.sample_aspect_ratio = sample_aspect
        if rotation_cw:
            video.set_display_rotation(-rotation_cw)
        second = (
            _video(out, codec, (32, 32), pixel_format, rate, base, {}) if second_video else None
        )
        audio = out.add_stream(sound, rate=48000) if sound else None
        text = _text_stream(out, path) if subtitles else None
        if attachment:
            out.add_attachment("font.ttf", "application/x-truetype-font", attachment)
        if chapters:
            out.set_chapters([
                {"id": i + 1, "start": round(a * 1000), "end": round(b * 1000),
                 "time_base": Fraction(1, 1000), "metadata": {"title": title}}
                for i, (a, b, title) in enumerate(chapters)
            ])  # fmt: skip
        seconds = float((ticks[-1] + 1) * base) if ticks else 0
        packets = list(
            _images(video, ticks, size_wh, pixel_format, base, colors, alpha, interlaced, picture)
        )
        if second is not None:
            packets += _images(
                second, ticks, (32, 32), pixel_format, base, None, False, False, moving_pixels
            )
        if audio is not None:
            packets += _tone(audio, seconds)
        if text is not None:
            packets += [_text_packet(text, path, *line) for line in subtitles]
        for packet in sorted(packets, key=lambda p: float((p.dts or 0) * p.time_base)):
            out.mux(packet)
    return path


def _video(out, codec, size_wh, pixel_format, rate, base, options):
    stream = out.add_stream(codec, rate=Fraction(rate), options=options)
    stream.width, stream.height = size_wh
    stream.pix_fmt = pixel_format
    stream.codec_context.time_base = base
    stream.time_base = base
    return stream


def _images(
    stream, ticks, size_wh, pixel_format, base, colors, alpha, interlaced, picture_of
) -> Iterable:
    deep = av.VideoFormat(pixel_format).components[0].bits > 8
    for index, tick in enumerate(ticks):
        pixels = picture_of(index, size_wh, np.uint16 if deep else np.uint8)
        if interlaced:
            pixels = moving_pixels(2 * index, size_wh)
            pixels[1::2] = moving_pixels(2 * index + 1, size_wh)[1::2]
        if alpha:
            opaque = np.full((*pixels.shape[:2], 1), 255, np.uint8)
            opaque[:, : size_wh[0] // 2] = 0
            picture = av.VideoFrame.from_ndarray(np.dstack([pixels, opaque]), format="rgba")
        else:
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb48le" if deep else "rgb24")
        matrix, full = (colors[0], colors[1]) if colors else (5, 1)
        is_rgb = av.VideoFormat(pixel_format).is_rgb
        picture = picture.reformat(
            format=pixel_format, src_colorspace=matrix, dst_colorspace=matrix,
            src_color_range=2, dst_color_range=2 if is_rgb else full,
        )  # fmt: skip
        picture.pts, picture.time_base = tick, base
        yield from stream.encode(picture)
    yield from stream.encode(None)


def _tone(stream, seconds: float) -> Iterable:
    count, at = round(seconds * 48000), 0
    layout, form = stream.layout.name, stream.format.name
    channels = stream.layout.nb_channels
    while at < count:
        size = min(1024, count - at)
        wave = np.sin(2 * np.pi * 440 * (at + np.arange(size)) / 48000) * 0.5
        scale, dtype = {"s16": (2**15, np.int16), "s32": (2**31, np.int32)}.get(
            form.rstrip("p"), (1, np.float32)
        )
        samples = np.tile((wave * scale).astype(dtype), (channels, 1))
        if not form.endswith("p"):
            samples = samples.T.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), form, layout)
        frame.sample_rate, frame.pts, frame.time_base = 48000, at, Fraction(1, 48000)
        yield from stream.encode(frame)
        at += size
    yield from stream.encode(None)


def _text_stream(out, path: Path):
    name = {".mkv": "subrip", ".webm": "webvtt"}.get(path.suffix, "mov_text")
    stream = out.add_mux_stream(name)
    stream.time_base = Fraction(1, 1000)
    stream.metadata["language"] = "eng"
    return stream


def _text_packet(stream, path: Path, start: float, end: float, text: str):
    data = text.encode()
    if path.suffix in {".mp4", ".mov"}:
        data = len(data).to_bytes(2, "big") + data
    packet = av.Packet(data)
    packet.stream, packet.time_base = stream, Fraction(1, 1000)
    packet.pts = packet.dts = round(start * 1000)
    packet.duration = round((end - start) * 1000)
    return packet


def edit_packets(source: Path, target: Path, edit: Edit) -> Path:
    """Copy a clip, changing the bytes of video packets; None drops one.

    Args:
        source: A clip.
        target: Where the copy goes.
        edit: Called with the number of the packet in decoding order and its bytes.
    """
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        streams = {s.index: new.add_stream_from_template(s, opaque=True) for s in old.streams}
        count = -1
        for packet in old.demux():
            if packet.dts is None:
                continue
            kept = packet
            if packet.stream.type == "video":
                count += 1
                data = edit(count, bytes(packet))
                if data is None:
                    continue
                kept = av.Packet(data)
                kept.pts, kept.dts, kept.time_base = packet.pts, packet.dts, packet.time_base
                kept.duration, kept.is_keyframe = packet.duration, packet.is_keyframe
            kept.stream = streams[packet.stream.index]
            new.mux(kept)
    return target


def garbage(data: bytes) -> bytes:
    """Bytes of the same length that no decoder takes, always the same."""
    return np.random.default_rng(3).integers(0, 256, len(data), np.uint8).tobytes()


def packets_of(path: Path, kind: str) -> list[tuple[int | None, bytes]]:
    """Time and bytes of each packet of the first stream of a kind."""
    with av.open(str(path)) as file:
        stream = next(s for s in file.streams if s.type == kind)
        return [(p.pts, bytes(p)) for p in file.demux(stream) if p.size]


def times_of(path: Path) -> list[Fraction]:
    """Times of the images in seconds, exact."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        return sorted(p.pts * p.time_base for p in file.demux(stream) if p.size)


def planes_of(path: Path) -> list[list[np.ndarray]]:
    """All samples of all decoded images."""
    from gpen.video.io.planes import plane_view

    with av.open(str(path)) as file:
        return [
            [plane_view(picture, i).copy() for i in range(len(picture.planes))]
            for picture in file.decode(video=0)
        ]
