"""Parts of encoded images: exact, repeatable, whole or not there."""

from __future__ import annotations

import resource
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from gpen.errors import SettingsError, WriteError
from gpen.video.io.containers import plan_encoding
from gpen.video.io.decode import Frame, VideoInfo, open_video, read_frames
from gpen.video.io.segment_writer import Encoding, SegmentWriter
from support.video_files import make_clip, planes_of


def encode(clip: VideoInfo, path: Path, encoding: Encoding) -> SegmentWriter:
    """All frames of a video as one part."""
    writer: SegmentWriter | None = None
    for frame in read_frames(clip):
        writer = writer or SegmentWriter(path, frame, encoding)
        writer.write(frame)
    assert writer is not None
    writer.close()
    return writer


LOSSLESS = [
    ("yuv420p", (1, 1, 1, 1)),
    ("yuv420p", (5, 1, 5, 6)),
    ("yuvj420p", (1, 2, 1, 1)),
    ("yuv422p", (9, 1, 9, 14)),
    ("yuv444p", None),
    ("yuv420p10le", (9, 1, 9, 16)),
    ("gray", None),
]


@pytest.mark.parametrize(("pixel_format", "colors"), LOSSLESS)
def test_unchanged_frames_keep_every_sample(
    tmp_path: Path, pixel_format: str, colors: tuple[int, int, int, int] | None
) -> None:
    source = make_clip(tmp_path / "s.mp4", pixel_format=pixel_format, colors=colors)
    encode(open_video(source), tmp_path / "p", Encoding("ffv1", container=".mkv"))
    old, new = planes_of(source), planes_of(tmp_path / "p")
    assert len(old) == len(new) == 12
    for a, b in zip(old, new, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_h264_at_quality_0_is_lossless_with_b_frames_and_full_range(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "s.mp4", colors=(1, 2, 1, 1), options={"bf": "2"})
    encode(open_video(source), tmp_path / "p", Encoding("h264", crf=0))
    for a, b in zip(planes_of(source), planes_of(tmp_path / "p"), strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(
    ("codec", "container"),
    [("h264", ".mp4"), ("h265", ".mp4"), ("av1", ".mp4"), ("vp9", ".webm"), ("ffv1", ".mkv")],
)
def test_the_same_frames_give_the_same_bytes(tmp_path: Path, codec: str, container: str) -> None:
    clip = open_video(make_clip(tmp_path / "s.mp4", size_wh=(192, 128), frames=10))
    for name in "ab":
        encode(clip, tmp_path / name, Encoding(codec, container=container))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    for a, b in zip(planes_of(clip.path), planes_of(tmp_path / "a"), strict=True):
        assert np.abs(a[0].astype(int) - b[0]).mean() < 2.5


def test_the_number_of_cores_does_not_change_the_bytes(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "s.mp4", size_wh=(192, 128))
    code = (
        "import os, sys\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from pathlib import Path\n"
        "from gpen.video.io.decode import open_video, read_frames\n"
        "from gpen.video.io.segment_writer import Encoding, SegmentWriter\n"
        "frames = list(read_frames(open_video(sys.argv[1])))\n"
        "writer = SegmentWriter(Path(sys.argv[2]), frames[0], Encoding(sys.argv[3]))\n"
        "[writer.write(f) for f in frames]\n"
        "writer.close()\n"
    )
    for codec in ("h264", "h265"):
        encode(open_video(source), tmp_path / "all", Encoding(codec))
        args = [str(source), str(tmp_path / "one"), codec]
        subprocess.run([sys.executable, "-c", code, *args], check=True)
        assert (tmp_path / "all").read_bytes() == (tmp_path / "one").read_bytes()


@pytest.mark.parametrize(
    ("about", "container", "codec", "pixel_format", "note"),
    [
        ({}, ".mp4", "h264", "yuv420p", ""),
        ({}, ".webm", "vp9", "yuv420p", ""),
        ({"bits": 10, "pixel_format": "yuv420p10le"}, ".mp4", "h265", "yuv420p10le", ""),
        ({"bits": 10, "pixel_format": "yuv422p10le"}, ".mkv", "h265", "yuv422p10le", ""),
        ({"bits": 10, "pixel_format": "yuv420p10le"}, ".webm", "av1", "yuv420p10le", ""),
        ({"bits": 12, "pixel_format": "yuv420p12le"}, ".mp4", "h265", "yuv420p12le", ""),
        ({"bits": 12, "pixel_format": "yuv420p12le"}, ".webm", "av1", "yuv420p10le", "12 bits"),
        ({"pixel_format": "yuvj444p"}, ".mov", "h264", "yuv444p", ""),
        ({"pixel_format": "yuv422p"}, ".webm", "vp9", "yuv422p", ""),
        ({"pixel_format": "bgra"}, ".mp4", "h264", "yuv420p", ""),
        ({"pixel_format": "gray"}, ".webm", "vp9", "yuv420p", ""),
        ({"pixel_format": "yuva420p", "has_alpha": True}, ".webm", "vp9", "yuva420p", ""),
        ({"pixel_format": "yuva420p", "has_alpha": True}, ".mp4", "h264", "yuv420p", "transparen"),
        ({"size_wh": (65, 47)}, ".mp4", "h264", "yuv444p", "4:4:4"),
        ({"size_wh": (65, 47)}, ".webm", "vp9", "yuv420p", ""),
    ],
)
def test_codec_and_format_follow_clip_and_container(
    about: dict[str, object], container: str, codec: str, pixel_format: str, note: str
) -> None:
    clip = VideoInfo(path=Path("x"), **{"size_wh": (64, 48), "pixel_format": "yuv420p", **about})
    plan = plan_encoding(clip, Encoding(container=container), clip.size_wh)
    assert (plan.codec, plan.pixel_format) == (codec, pixel_format)
    assert bool(plan.notes) == bool(note)
    assert note in " ".join(plan.notes)


@pytest.mark.parametrize(
    ("encoding", "says"),
    [
        (Encoding(container=".avi"), r"container is '.avi'; expected .mp4, .mov, .mkv, .webm"),
        (Encoding("h264", container=".webm"), "codec is 'h264'; expected vp9, av1 in .webm"),
        (Encoding("divx"), "codec is 'divx'; expected h264, h265, av1, vp9 in .mp4"),
        (Encoding(crf=60), "crf is 60; expected 0 to 51 for h264"),
        (Encoding(preset="warp"), "preset is 'warp'; expected ultrafast to veryslow for h264"),
        (Encoding("av1", preset="fast"), "preset is 'fast'; expected 0 to 13 for av1"),
    ],
)
def test_settings_that_mean_nothing_are_refused(encoding: Encoding, says: str) -> None:
    clip = VideoInfo(path=Path("x"), size_wh=(64, 48), pixel_format="yuv420p")
    with pytest.raises(SettingsError, match=says):
        plan_encoding(clip, encoding, clip.size_wh)


def test_targets_choose_the_container() -> None:
    assert Encoding.for_target(Path("a.MKV")).container == ".mkv"
    assert Encoding.for_target(Path("out/%06d.png")).container == ""
    with pytest.raises(SettingsError, match=r"a.avi is no video that can be written"):
        Encoding.for_target(Path("a.avi"))


def test_quality_and_preset_reach_the_encoder(tmp_path: Path) -> None:
    clip = open_video(make_clip(tmp_path / "s.mp4", size_wh=(192, 128)))
    sizes = []
    for crf in (10, 40):
        encode(clip, tmp_path / "p", Encoding("h264", crf=crf, preset="ultrafast"))
        sizes.append((tmp_path / "p").stat().st_size)
    assert sizes[1] < sizes[0] / 2
    assert b"me=dia" in (tmp_path / "p").read_bytes()


def test_colours_and_aspect_are_written_into_the_stream(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "s.mp4", colors=(9, 1, 9, 16), sample_aspect=Fraction(4, 3))
    encode(open_video(source), tmp_path / "p", Encoding("h265"))
    with av.open(str(tmp_path / "p")) as file:
        context = file.streams.video[0].codec_context
        assert (context.colorspace, context.color_range) == (9, 1)
        assert (context.color_primaries, context.color_trc) == (9, 16)
        assert file.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


def test_nothing_appears_before_the_end_or_after_giving_up(tmp_path: Path) -> None:
    frames = list(read_frames(open_video(make_clip(tmp_path / "s.mp4"))))
    folder = tmp_path / "work"
    folder.mkdir()
    writer = SegmentWriter(folder / "p", frames[0], Encoding())
    writer.write(frames[0])
    assert not (folder / "p").exists()
    writer.abandon()
    assert list(folder.iterdir()) == []
    writer = SegmentWriter(folder / "p", frames[0], Encoding())
    writer.write(frames[0])
    assert writer.close(folder / "other") == folder / "other"
    assert [path.name for path in folder.iterdir()] == ["other"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    frame: Frame = next(read_frames(open_video(make_clip(tmp_path / "s.mp4"))))
    with pytest.raises(WriteError, match="no such file or directory"):
        SegmentWriter(tmp_path / "none" / "p", frame, Encoding())


def test_a_full_disk_stops_in_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "s.mp4", frames=60, size_wh=(192, 128))
    frames = list(read_frames(open_video(source)))
    folder = tmp_path / "work"
    folder.mkdir()
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, old[1]))  # writing more fails
    try:
        writer = SegmentWriter(folder / "p", frames[0], Encoding("ffv1", container=".mkv"))
        with pytest.raises(WriteError, match="the same command goes on"):  # noqa: PT012
            for frame in frames:
                writer.write(frame)
            writer.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert list(folder.iterdir()) == []
