"""Whole files: images at their times, and everything else of the source beside them."""

from __future__ import annotations

import resource
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from gpen.errors import OutputExistsError, SettingsError, WriteError
from gpen.video.io.decode import open_video, read_frames
from gpen.video.io.muxing import check_target, join_segments
from gpen.video.io.segment_writer import Encoding, SegmentWriter
from support.video_files import make_clip, packets_of, planes_of, times_of

CHAPTERS = [(0, 0.8, "one"), (0.8, 2, "two")]
LINES = [(0, 0.7, "hello"), (0.9, 1.4, "<i>you</i>")]
VFR = [0, 3000, 3600, 9000, 9900, 20000, 24000, 24300, 30000]


def parts_of(
    source: Path, target: Path, *, codec: str = "auto", per_part: int = 9, **span: Any
) -> list[Path]:
    """The frames of a video, unchanged, in parts."""
    clip, parts = open_video(source), []
    frames = read_frames(clip, **span)
    encoding = Encoding.for_target(target, codec=codec)
    folder = target.parent / "work"
    folder.mkdir(exist_ok=True)
    while chunk := list(islice(frames, per_part)):
        writer = SegmentWriter(folder / f"part-{len(parts)}.mkv", chunk[0], encoding)
        for frame in chunk:
            writer.write(frame)
        parts.append(writer.close())
    return parts


def remade(
    source: Path, target: Path, *, codec: str = "auto", per_part: int = 9, **span: Any
) -> tuple[str, ...]:
    """The video through decoder, encoder and join."""
    parts = parts_of(source, target, codec=codec, per_part=per_part, **span)
    return join_segments(parts, open_video(source), target, **span)


def rich(path: Path, **about: Any) -> Path:
    """Two seconds with everything that a video can have."""
    sound = {".mkv": "libopus", ".mov": "pcm_s16le"}.get(path.suffix, "aac")
    return make_clip(
        path, frames=50, sound=sound, subtitles=LINES, chapters=CHAPTERS,
        metadata={"title": "Film", "comment": "made"}, options={"bf": "2"}, **about,
    )  # fmt: skip


def chapters_of(path: Path) -> list[tuple[float, float, str]]:
    with av.open(str(path)) as file:
        return [
            (
                round(float(c["start"] * c["time_base"]), 3),
                round(float(c["end"] * c["time_base"]), 3),
                c["metadata"]["title"],
            )
            for c in file.chapters()
        ]


def texts_of(path: Path) -> list[tuple[int, str]]:
    """Start in milliseconds and text of each subtitle."""
    with av.open(str(path)) as file:
        stream = file.streams.subtitles[0]
        skipped = 2 if path.suffix in (".mp4", ".mov") else 0
        return [
            (round(p.pts * p.time_base * 1000), bytes(p)[skipped:].decode())
            for p in file.demux(stream)
            if p.size > 2
        ]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_everything_beside_the_pictures_is_kept(tmp_path: Path, suffix: str) -> None:
    source = rich(tmp_path / f"a{suffix}")
    target = tmp_path / f"out{suffix}"
    assert remade(source, target) == ()
    assert times_of(target) == times_of(source)
    assert packets_of(target, "audio") == packets_of(source, "audio")
    assert texts_of(target) == texts_of(source)
    assert chapters_of(target) == chapters_of(source) == CHAPTERS
    with av.open(str(target)) as file:
        tags = {key.lower(): value for key, value in file.metadata.items()}
        assert (tags["title"], tags["comment"]) == ("Film", "made")
        assert file.streams.subtitles[0].language == "eng"


@pytest.mark.parametrize("codec", ["h264", "h265", "av1", "vp9"])
def test_variable_times_and_duration_are_identical(tmp_path: Path, codec: str) -> None:
    source = make_clip(
        tmp_path / "v.mp4", time_base=Fraction(1, 90000), pts=VFR, options={"bf": "2"}
    )
    target = tmp_path / "out.mp4"
    remade(source, target, codec=codec, per_part=4)
    assert times_of(target) == times_of(source) == [Fraction(t, 90000) for t in VFR]
    assert open_video(target).duration_s == open_video(source).duration_s
    frames = list(read_frames(open_video(target)))
    assert [f.pts for f in frames] == VFR
    assert not any(f.replaced for f in frames)


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_decoding_times_rise_and_are_never_late(tmp_path: Path, codec: str) -> None:
    source = make_clip(
        tmp_path / "v.mp4", time_base=Fraction(1, 90000), pts=VFR, options={"bf": "2"}
    )
    remade(source, tmp_path / "out.mp4", codec=codec, per_part=5)
    with av.open(str(tmp_path / "out.mp4")) as file:
        packets = [p for p in file.demux(video=0) if p.size]
    stamps = [p.dts for p in packets]
    assert any(p.pts != p.dts for p in packets)
    assert all(a < b for a, b in pairwise(stamps))
    assert all(p.dts <= p.pts for p in packets)


def test_parts_of_one_frame_each_join(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "s.mp4", options={"bf": "2"})
    for codec in ("h264", "h265"):
        remade(source, tmp_path / f"{codec}.mp4", codec=codec, per_part=1)
        assert times_of(tmp_path / f"{codec}.mp4") == times_of(source)
        assert len(planes_of(tmp_path / f"{codec}.mp4")) == 12


def test_parts_for_another_container_are_refused(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "s.mp4")
    parts = parts_of(source, tmp_path / "out.mp4")
    with pytest.raises(SettingsError, match="the parts do not fit the target"):
        join_segments(parts, open_video(source), tmp_path / "out.webm")


def test_ntsc_rate_is_exact(tmp_path: Path) -> None:
    rate = Fraction(30000, 1001)
    source = make_clip(tmp_path / "n.mov", frames=20, rate=rate)
    remade(source, tmp_path / "out.mp4")
    assert times_of(tmp_path / "out.mp4") == [i / rate for i in range(20)]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_the_rate_that_programs_read_is_that_of_the_source(tmp_path: Path, suffix: str) -> None:
    source = make_clip(tmp_path / f"in{suffix}", rate=25)
    remade(source, tmp_path / f"out{suffix}")
    with av.open(str(tmp_path / f"out{suffix}")) as file:
        assert file.streams.video[0].average_rate == 25
    assert times_of(tmp_path / f"out{suffix}") == times_of(source)


def test_pictures_that_begin_late_stay_late(tmp_path: Path) -> None:
    source = make_clip(
        tmp_path / "l.mp4", time_base=Fraction(1, 90000), pts=[3600, 7000, 9000, 12000], sound="aac"
    )
    remade(source, tmp_path / "out.mp4")
    assert times_of(tmp_path / "out.mp4") == times_of(source)
    assert times_of(source)[0] > 0
    assert packets_of(tmp_path / "out.mp4", "audio") == packets_of(source, "audio")


@pytest.mark.parametrize(
    ("matrix", "full", "primaries", "transfer"), [(1, 1, 1, 1), (6, 1, 6, 6), (1, 2, 1, 13)]
)
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_flags_of_the_picture_are_kept(
    tmp_path: Path, suffix: str, matrix: int, full: int, primaries: int, transfer: int
) -> None:
    source = make_clip(
        tmp_path / "f.mov", frames=3, rotation_cw=270, sample_aspect=Fraction(16, 15),
        colors=(matrix, full, primaries, transfer),
    )  # fmt: skip
    target = tmp_path / f"out{suffix}"
    remade(source, target)
    old, new = open_video(source), open_video(target)
    assert (new.rotation_deg, new.sample_aspect, new.colors) == (270, Fraction(16, 15), old.colors)
    assert (new.colors.matrix, new.colors.range) == (matrix, full)


def test_unchanged_frames_keep_every_sample_to_the_end(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "s.mp4", frames=20, colors=(1, 1, 1, 1), options={"bf": "2"})
    remade(source, tmp_path / "out.mkv", codec="ffv1", per_part=6)
    for a, b in zip(planes_of(source), planes_of(tmp_path / "out.mkv"), strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    new = open_video(tmp_path / "out.mkv")
    assert new.colors == open_video(source).colors


def test_ten_bits_stay_ten_bits(tmp_path: Path) -> None:
    source = make_clip(
        tmp_path / "t.mp4", codec="libx265", pixel_format="yuv420p10le", colors=(9, 1, 9, 16),
        options={"x265-params": "log-level=none"},
    )  # fmt: skip
    for name in ("out.mp4", "out.webm"):
        remade(source, tmp_path / name)
        new = open_video(tmp_path / name)
        assert (new.bits, new.pixel_format) == (10, "yuv420p10le")
        assert new.colors == open_video(source).colors


def test_transparency_is_kept_by_webm_and_named_where_lost(tmp_path: Path) -> None:
    source = make_clip(
        tmp_path / "a.webm", codec="libvpx-vp9", pixel_format="yuva420p", alpha=True,
        options={"auto-alt-ref": "0", "cpu-used": "8"},
    )  # fmt: skip
    assert remade(source, tmp_path / "out.webm") == ()
    new = open_video(tmp_path / "out.webm")
    assert new.has_alpha
    alpha = list(read_frames(new))[3].av_frame.reformat(format="rgba").to_ndarray()[..., 3]
    assert alpha[:, :28].mean() < 30
    assert alpha[:, 36:].mean() > 225
    assert times_of(tmp_path / "out.webm") == times_of(source)
    remade(source, tmp_path / "out.mp4")
    assert not open_video(tmp_path / "out.mp4").has_alpha


def test_odd_sizes_keep_every_pixel(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "odd.mkv", codec="ffv1", size_wh=(65, 47))
    for name in ("out.mp4", "out.webm"):
        remade(source, tmp_path / name)
        new = open_video(tmp_path / name)
        assert new.size_wh == (65, 47)
        difference = np.abs(
            next(read_frames(new)).pixels().astype(int)
            - next(read_frames(open_video(source))).pixels()
        )
        assert difference.mean() < 4


def test_sound_is_converted_only_where_it_must_be(tmp_path: Path) -> None:
    source = rich(tmp_path / "a.mp4")
    notes = remade(source, tmp_path / "out.webm")
    assert notes == ("sound becomes opus: .webm cannot hold aac",)
    with av.open(str(tmp_path / "out.webm")) as file:
        heard = np.concatenate([f.to_ndarray()[0] for f in file.decode(audio=0)])
    assert len(heard) / 48000 == pytest.approx(2, abs=0.05)
    spectrum = np.abs(np.fft.rfft(heard[9600:57600]))
    assert np.argmax(spectrum) == pytest.approx(440, abs=2)


def test_times_of_sound_that_matroska_rounded_become_even_again(tmp_path: Path) -> None:
    remade(rich(tmp_path / "a.mp4"), tmp_path / "b.mkv")
    remade(tmp_path / "b.mkv", tmp_path / "c.mp4")
    rounded, even = packets_of(tmp_path / "b.mkv", "audio"), packets_of(tmp_path / "c.mp4", "audio")
    assert {b - a for (a, _), (b, _) in pairwise(rounded)} == {21, 22}
    assert {b - a for (a, _), (b, _) in pairwise(even)} == {1024}
    assert [data for _, data in even] == [data for _, data in rounded]
    assert abs(even[-1][0] / 48000 - rounded[-1][0] / 1000) <= 0.001


def test_damaged_packets_of_sound_are_left_out_and_counted(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.ts", frames=50, sound="aac")
    data = bytearray(source.read_bytes())
    header = packets_of(source, "audio")[40][1][:7]  # of an ADTS frame, which mp4 must parse
    at = data.index(header, len(data) // 4)
    data[at : at + 7] = b"\x00" * 7
    source.write_bytes(data)
    notes = remade(source, tmp_path / "out.mp4")
    assert len(times_of(tmp_path / "out.mp4")) == 50
    assert len(packets_of(tmp_path / "out.mp4", "audio")) > 80
    assert [note.split(" ", 1)[1] for note in notes] == [
        "packets of sound or subtitles are damaged and left out"
    ]


def test_the_last_packet_of_sound_without_durations_is_kept(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.avi", codec="mpeg4", sound="flac")
    assert remade(source, tmp_path / "out.mp4") == ()
    old, new = packets_of(source, "audio"), packets_of(tmp_path / "out.mp4", "audio")
    assert [data for _, data in new] == [data for _, data in old]


def test_sound_that_the_muxer_refuses_late_is_converted(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.avi", codec="mpeg4", sound="pcm_alaw")
    assert remade(source, tmp_path / "out.mp4") == ("sound becomes aac: .mp4 cannot hold pcm_alaw",)
    with av.open(str(tmp_path / "out.mp4")) as file:
        heard = np.concatenate([f.to_ndarray()[0] for f in file.decode(audio=0)])
    assert len(heard) / 48000 == pytest.approx(0.48, abs=0.05)
    assert np.abs(heard[9600:]).max() > 0.3


def test_subtitles_change_their_format_with_the_container(tmp_path: Path) -> None:
    mkv, mp4 = rich(tmp_path / "a.mkv"), rich(tmp_path / "a.mp4")
    remade(mkv, tmp_path / "out.mp4")
    assert texts_of(tmp_path / "out.mp4") == [(0, "hello"), (900, "you")]
    remade(mp4, tmp_path / "out.mkv")
    assert texts_of(tmp_path / "out.mkv") == [(0, "hello"), (900, "<i>you</i>")]
    remade(mkv, tmp_path / "out.webm")
    assert texts_of(tmp_path / "out.webm") == [(0, "hello"), (900, "<i>you</i>")]
    assert packets_of(tmp_path / "out.mkv", "audio")[5][1] == packets_of(mp4, "audio")[5][1]


def test_attachments_are_kept_by_mkv_and_named_elsewhere(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mkv", attachment=b"\x00\x01letters")
    assert remade(source, tmp_path / "out.mkv") == ()
    with av.open(str(tmp_path / "out.mkv")) as file:
        kept = next(s for s in file.streams if s.type == "attachment")
        assert (kept.data, kept.metadata["filename"]) == (b"\x00\x01letters", "font.ttf")
    assert remade(source, tmp_path / "out.mp4") == (
        "an attachment is left out: it cannot be taken over to .mp4",
    )


def test_a_cut_takes_sound_subtitles_and_chapters_along(tmp_path: Path) -> None:
    source, target = rich(tmp_path / "a.mp4"), tmp_path / "out.mp4"
    remade(source, target, start_s=0.6, end_s=1.2)
    first = Fraction(15, 25)
    assert times_of(target) == [t - first for t in times_of(source)[15:30]]
    old, new = packets_of(source, "audio"), packets_of(target, "audio")
    kept = [(pts, data) for pts, data in old if first <= Fraction(pts, 48000) < Fraction(30, 25)]
    assert new == [(pts - 28800, data) for pts, data in kept]
    assert texts_of(target) == [(0, "hello"), (300, "<i>you</i>")]
    assert chapters_of(target) == [(0, 0.2, "one"), (0.2, 0.6, "two")]
    assert open_video(target).duration_s == pytest.approx(0.6)


def test_the_first_parts_alone_can_be_played(tmp_path: Path) -> None:
    source, target = rich(tmp_path / "a.mkv"), tmp_path / "partial.mkv"
    parts = parts_of(source, target)
    join_segments(parts[:3], open_video(source), target, partial=True)
    assert times_of(target) == times_of(source)[:27]
    old, new = packets_of(source, "audio"), packets_of(target, "audio")
    assert new == old[: len(new)]
    assert 27 / 25 - 0.03 < new[-1][0] / 1000 < 27 / 25
    assert [f.replaced for f in read_frames(open_video(target))] == [False] * 27


def test_a_gif_an_avi_and_a_transport_stream_become_mp4(tmp_path: Path) -> None:
    gif = make_clip(tmp_path / "a.gif", codec="gif", pixel_format="rgb8")
    avi = make_clip(tmp_path / "b.avi", sound="libmp3lame", options={"bf": "2"})
    stream = make_clip(tmp_path / "c.ts", sound="aac", options={"bf": "2"})
    for source in (gif, avi, stream):
        target = source.with_suffix(".mp4")
        remade(source, target)
        assert times_of(target) == [Fraction(i, 25) for i in range(12)]
        a, b = (
            list(read_frames(open_video(path)))[7].pixels().astype(int).reshape(6, 8, 8, 8, 3)
            for path in (source, target)
        )
        assert np.abs(a.mean((1, 3)) - b.mean((1, 3))).max() < 8
    assert [d for _, d in packets_of(avi.with_suffix(".mp4"), "audio")] == [
        d for _, d in packets_of(avi, "audio")
    ]
    offset = [
        Fraction(packets_of(path, "audio")[0][0], rate) - times_of(path)[0]
        for path, rate in ((stream, 90000), (stream.with_suffix(".mp4"), 48000))
    ]
    assert abs(offset[0] - offset[1]) < Fraction(1, 40000)


def test_a_folder_of_pictures_becomes_a_video_and_back(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "s.mkv", codec="ffv1", pixel_format="yuv444p", frames=5)
    frames = [f.pixels() for f in read_frames(open_video(source))]
    (tmp_path / "out").mkdir()
    parts = parts_of(source, tmp_path / "out" / "%04d.png", per_part=2)
    join_segments(parts, open_video(source), tmp_path / "out" / "%04d.png")
    names = sorted(p.name for p in (tmp_path / "out").glob("*.png"))
    assert names == [f"{i:04}.png" for i in range(1, 6)]
    clip = open_video(tmp_path / "out", rate=Fraction(24))
    for old, new in zip(frames, read_frames(clip), strict=True):
        assert np.array_equal(old, new.pixels())
    remade(tmp_path / "out", tmp_path / "again.mp4")
    assert times_of(tmp_path / "again.mp4") == [Fraction(i, 25) for i in range(5)]


def test_pictures_go_on_after_a_stop_but_replace_no_others(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "s.mp4", frames=5)
    target = tmp_path / "out" / "%06d.png"
    target.parent.mkdir()
    parts = parts_of(source, target)
    join_segments(parts, open_video(source), target)
    (target.parent / "000004.png").unlink()
    join_segments(parts, open_video(source), target)
    assert len(list(target.parent.glob("*.png"))) == 5
    (target.parent / "000002.png").write_bytes(b"mine")
    with pytest.raises(OutputExistsError, match=r"000002.png is already there"):
        join_segments(parts, open_video(source), target)
    assert (target.parent / "000002.png").read_bytes() == b"mine"


def test_the_same_parts_give_the_same_bytes(tmp_path: Path) -> None:
    source = rich(tmp_path / "source.mp4")
    for suffix in (".mp4", ".mkv", ".webm"):
        files = []
        for name in "ab":
            target = tmp_path / f"{name}{suffix}"
            remade(source, target)
            files.append(target.read_bytes())
        assert files[0] == files[1]


def test_what_is_there_is_replaced_only_when_told(tmp_path: Path) -> None:
    source, target = make_clip(tmp_path / "a.mp4"), tmp_path / "out.mp4"
    target.write_bytes(b"mine")
    parts = parts_of(source, target)
    with pytest.raises(OutputExistsError, match="already there"):
        join_segments(parts, open_video(source), target)
    assert target.read_bytes() == b"mine"
    join_segments(parts, open_video(source), target, overwrite=True)
    assert times_of(target) == times_of(source)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "out.mp4", "work"]
    assert all(p.name.startswith("part-") for p in (tmp_path / "work").iterdir())


@pytest.mark.parametrize("name", ["out.avi", "out.gif", "out", "out.jpg"])
def test_other_targets_are_refused_with_the_list(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=r"expected .mp4, .mov, .mkv, .webm, or a folder"):
        check_target(tmp_path / name)


def test_a_pattern_without_a_number_is_refused() -> None:
    with pytest.raises(SettingsError, match="no pattern for frames"):
        check_target(Path("out/%%.png"))


def test_a_damaged_part_names_the_way_out(tmp_path: Path) -> None:
    source, target = make_clip(tmp_path / "a.mp4", frames=20), tmp_path / "out.mp4"
    parts = parts_of(source, target)
    parts[1].write_bytes(b"x" * 500)
    with pytest.raises(WriteError, match="delete the folder"):
        join_segments(parts, open_video(source), target)
    assert not target.exists()


def test_a_full_disk_leaves_the_parts_and_no_target(tmp_path: Path) -> None:
    source, target = (
        make_clip(tmp_path / "a.mp4", frames=60, size_wh=(192, 128)),
        tmp_path / "o.mp4",
    )
    parts = parts_of(source, target, per_part=30)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = sum(p.stat().st_size for p in parts) // 2
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))
    try:
        with pytest.raises(WriteError, match="the same command goes on"):
            join_segments(parts, open_video(source), target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert not target.exists()
    assert sorted(p.name for p in (tmp_path / "work").iterdir()) == [p.name for p in parts]
    join_segments(parts, open_video(source), target)
    assert times_of(target) == times_of(source)
