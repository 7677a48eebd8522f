"""Clips as they are opened and read, from real files of every kind."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from gpen.errors import ReadError, SettingsError
from gpen.video.io.decode import open_video, read_frames, replace_pixels, whole_frame
from gpen.video.io.planes import plane_view
from support.drawn_faces import textured
from support.video_files import edit_packets, garbage, make_clip, moving_pixels, times_of

NTSC = Fraction(30000, 1001)
#: swscale's bicubic, accurate_rnd, full_chroma_int, full_chroma_inp and bitexact.
EXACT = 4 | 0x40000 | 0x2000 | 0x4000 | 0x80000
VFR = [0, 3000, 3600, 9000, 9900, 20000, 24000, 24300, 30000]


def close(a: np.ndarray, b: np.ndarray) -> float:
    """Mean difference in levels of 8 bits."""
    scale = 257 if a.dtype == np.uint16 else 1
    return float(np.abs(a.astype(float) - b.astype(float)).mean() / scale)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov", "avi", "ts"])
def test_every_container_gives_all_frames_in_order(tmp_path: Path, suffix: str) -> None:
    clip = open_video(make_clip(tmp_path / f"a.{suffix}", frames=9, options={"bf": "0"}))
    frames = list(read_frames(clip))
    assert [frame.index for frame in frames] == list(range(9))
    assert [round(frame.time_s, 3) for frame in frames] == [round(i / 25, 3) for i in range(9)]
    assert not any(frame.replaced for frame in frames)
    assert (clip.size_wh, clip.rate, clip.bits) == ((64, 48), 25, 8)
    for frame in frames:
        assert close(frame.pixels(), moving_pixels(frame.index, (64, 48))) < 8


def test_webm_and_gif_are_read(tmp_path: Path) -> None:
    webm = make_clip(tmp_path / "a.webm", codec="libvpx-vp9", options={"cpu-used": "8"})
    gif = make_clip(tmp_path / "a.gif", codec="gif", pixel_format="rgb8")
    for path in (webm, gif):
        frames = list(read_frames(open_video(path)))
        assert len(frames) == 12
        assert frames[5].pixels().shape == (48, 64, 3)


def test_times_of_variable_frame_rate_are_those_stored(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "v.mp4", time_base=Fraction(1, 90000), pts=VFR)
    clip = open_video(path)
    assert [frame.pts for frame in read_frames(clip)] == VFR
    assert clip.time_base == Fraction(1, 90000)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_frames_are_upright_whatever_the_rotation_flag(tmp_path: Path, degrees: int) -> None:
    clip = open_video(make_clip(tmp_path / "r.mov", frames=2, rotation_cw=degrees))
    frame = next(read_frames(clip))
    upright = np.rot90(moving_pixels(0, (64, 48)), -degrees // 90)
    assert clip.rotation_deg == degrees
    assert clip.shown_size_wh == (upright.shape[1], upright.shape[0]) == frame.size_wh
    assert close(frame.pixels(), upright) < 8
    assert frame.small(32).shape == cv2.resize(upright, None, fx=0.5, fy=0.5).shape


@pytest.mark.parametrize("matrix", [1, 5, 9])
@pytest.mark.parametrize("full", [1, 2])
def test_rgb_follows_matrix_and_range(tmp_path: Path, matrix: int, full: int) -> None:
    colors = (matrix, full, 1, 1)
    path = make_clip(tmp_path / "c.mp4", frames=1, pixel_format="yuv444p", colors=colors)
    clip = open_video(path)
    assert (clip.colors.matrix, clip.colors.range) == (matrix, full)
    frame = next(read_frames(clip))
    y, u, v = (plane_view(frame.av_frame, i).astype(float) for i in range(3))
    red, blue = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 9: (0.2627, 0.0593)}[matrix]
    luma = y / 255 if full == 2 else (y - 16) / 219
    u, v = ((c - 128) / (255 if full == 2 else 224) for c in (u, v))
    r, b = luma + 2 * (1 - red) * v, luma + 2 * (1 - blue) * u
    g = (luma - red * r - blue * b) / (1 - red - blue)
    expected = np.clip(np.stack([r, g, b], -1), 0, 1) * 255
    assert np.abs(frame.pixels() - expected).max() < 1.6


def test_ten_bits_become_uint16_over_the_full_range() -> None:
    from gpen.video.io.video_colors import Colors, from_rgb, to_rgb

    colors = Colors(matrix=1, range=1)
    av_frame = av.VideoFrame(32, 32, "yuv420p10le")
    for y, expected in ((64, 0), (940, 65535), (502, 32768)):
        plane_view(av_frame, 0)[:], plane_view(av_frame, 1)[:], plane_view(av_frame, 2)[:] = (
            y,
            512,
            512,
        )
        rgb = to_rgb(av_frame, colors, "rgb48le")
        assert rgb.dtype == np.uint16
        assert np.abs(rgb.astype(int) - expected).max() <= 8
        assert (plane_view(from_rgb(rgb, "yuv420p10le", colors, av_frame), 0) == y).all()


@pytest.mark.parametrize("name", ["yuv420p", "yuvj420p", "nv12", "yuv422p10le", "gray", "rgb24"])
@pytest.mark.parametrize("rgb", ["rgb24", "rgb48le"])
def test_the_way_through_planes_gives_the_same_rgb(name: str, rgb: str) -> None:
    from gpen.video.io.video_colors import Colors, to_rgb

    pixels = textured((101, 54), np.uint8)
    av_frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=name)
    expected = av_frame.reformat(
        format=rgb,
        src_colorspace=1,
        dst_colorspace=1,
        src_color_range=2 if name == "rgb24" else 1,
        dst_color_range=2,
        interpolation=EXACT,
    ).to_ndarray()
    if rgb == "rgb48le" and name != "rgb24":  # swscale has 255 × 256 for white there
        expected = np.minimum(expected.astype(np.uint32) * 257 // 256, 65535)
    np.testing.assert_array_equal(to_rgb(av_frame, Colors(1, 1, 1, 1), rgb), expected)


def test_every_level_of_16_bits_becomes_yuv_by_one_rule() -> None:
    from gpen.video.io.video_colors import Colors, from_rgb

    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1).repeat(3, axis=2)
    narrow = ((levels.astype(np.int64) * 256 + 128) // 257).astype(np.uint16)
    source = av.VideoFrame.from_ndarray(narrow, format="rgb48le")
    expected = source.reformat(
        format="yuv444p12le",
        src_colorspace=1,
        dst_colorspace=1,
        src_color_range=2,
        dst_color_range=2,
        interpolation=EXACT,
    )
    av_frame = from_rgb(levels, "yuv444p12le", Colors(1, 2, 1, 1), source)
    for index in range(3):
        np.testing.assert_array_equal(plane_view(av_frame, index), plane_view(expected, index))


def test_ten_bit_clips_keep_their_bits(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "t.mp4", frames=3, pixel_format="yuv420p10le", colors=(9, 1, 9, 16))
    clip = open_video(path)
    frame = next(read_frames(clip))
    assert clip.bits == 10
    assert frame.pixels().dtype == np.uint16
    assert frame.small(16).dtype == np.uint8
    assert any("HDR" in note for note in clip.notes)


def test_a_range_counts_from_its_first_frame(tmp_path: Path) -> None:
    clip = open_video(make_clip(tmp_path / "l.mp4", frames=100, options={"bf": "2", "g": "12"}))
    whole = list(read_frames(clip))
    part = list(read_frames(clip, start_s=2.5, end_s=3.0))
    assert [f.pts for f in part] == [f.pts for f in whole if 2.5 <= f.time_s < 3.0]
    assert [f.index for f in part] == list(range(len(part)))
    for frame in part:
        same = next(f for f in whole if f.pts == frame.pts)
        assert np.array_equal(frame.pixels(), same.pixels())


def test_start_given_in_decimals_takes_the_frame_of_that_time(tmp_path: Path) -> None:
    clip = open_video(make_clip(tmp_path / "n.mp4", frames=40, rate=NTSC))
    assert next(read_frames(clip, start_s=1.001)).time_s == pytest.approx(30 * 1001 / 30000)


def test_going_on_from_a_frame_gives_the_same_frames(tmp_path: Path) -> None:
    clip = open_video(make_clip(tmp_path / "l.mp4", frames=40, options={"bf": "2", "g": "9"}))
    for start in (None, 0.0, 0.4):
        whole = list(read_frames(clip, start_s=start))
        rest = list(read_frames(clip, start_s=start, from_index=17))
        assert [(f.index, f.pts) for f in rest] == [(f.index, f.pts) for f in whole[17:]]
        for a, b in zip(whole[17:], rest, strict=True):
            assert np.array_equal(a.pixels(), b.pixels())


def test_a_range_outside_the_clip_says_so(tmp_path: Path) -> None:
    clip = open_video(make_clip(tmp_path / "a.mp4"))
    with pytest.raises(
        ReadError, match=r"no frame between 5 s and the end; the video lasts 0.48 s"
    ):
        list(read_frames(clip, start_s=5))


@pytest.mark.parametrize("bad", [{7}, {12, 13}, {0}, {0, 1, 2}, {29}, {10}])
def test_damaged_packets_are_replaced_by_their_neighbour(tmp_path: Path, bad: set[int]) -> None:
    good = make_clip(tmp_path / "g.mp4", frames=30, options={"bf": "0", "g": "10"})
    path = edit_packets(good, tmp_path / "b.mp4", lambda i, b: garbage(b) if i in bad else b)
    clip = open_video(path)
    frames = list(read_frames(clip))
    assert [f.pts for f in frames] == [f.pts for f in read_frames(open_video(good))]
    replaced = {f.index for f in frames if f.replaced}
    assert bad <= replaced
    for frame in frames:
        if frame.replaced and frame.index:
            before = frames[frame.index - 1].pixels()
            assert np.array_equal(frame.pixels(), before)
    assert len(replaced) <= 10


def test_damage_gives_the_same_frames_every_time(tmp_path: Path) -> None:
    good = make_clip(tmp_path / "g.mp4", frames=30, options={"bf": "2", "g": "10"})
    path = edit_packets(
        good, tmp_path / "b.mp4", lambda i, b: b[:60] + garbage(b[60:]) if i in {3, 15} else b
    )
    runs = [
        [(f.pts, f.replaced, f.pixels().tobytes()) for f in read_frames(open_video(path))]
        for _ in range(4)
    ]
    assert len(runs[0]) == 30
    assert all(run == runs[0] for run in runs)


def test_a_file_cut_short_gives_what_it_holds(tmp_path: Path) -> None:
    whole = make_clip(tmp_path / "w.mkv", frames=30)
    data = whole.read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) // 2])
    frames = list(read_frames(open_video(tmp_path / "cut.mkv")))
    assert 5 < len(frames) < 30
    assert np.array_equal(frames[2].pixels(), list(read_frames(open_video(whole)))[2].pixels())


def test_interlaced_clips_are_deinterlaced_frame_for_frame(tmp_path: Path) -> None:
    clip = open_video(make_clip(tmp_path / "i.mp4", size_wh=(128, 96), interlaced=True))
    frames = list(read_frames(clip))
    assert clip.interlaced
    assert any("bwdif" in note for note in clip.notes)
    assert [f.pts for f in frames] == [512 * i for i in range(12)]
    combed = moving_pixels(10, (128, 96))
    combed[1::2] = moving_pixels(11, (128, 96))[1::2]

    def comb(pixels: np.ndarray) -> float:
        rows = pixels[..., 2].astype(float)
        return float(np.abs(rows[1:-1] - (rows[:-2] + rows[2:]) / 2).mean())

    assert comb(frames[5].pixels()) < 0.8 * comb(combed)


def test_the_first_of_two_videos_is_read_and_the_other_named(tmp_path: Path) -> None:
    clip = open_video(make_clip(tmp_path / "two.mp4", second_video=True))
    assert clip.size_wh == (64, 48)
    assert clip.notes == ("2 video streams: the first one is restored, the others are left out",)
    assert len(list(read_frames(clip))) == 12


def test_one_frame_odd_sizes_and_high_rates(tmp_path: Path) -> None:
    one = open_video(make_clip(tmp_path / "one.mp4", frames=1))
    assert len(list(read_frames(one))) == 1
    odd = open_video(make_clip(tmp_path / "odd.mkv", codec="ffv1", size_wh=(65, 47)))
    assert next(read_frames(odd)).pixels().shape == (47, 65, 3)
    fast = open_video(make_clip(tmp_path / "fast.mp4", frames=24, rate=120))
    assert fast.rate == 120
    assert [round(f.time_s * 120) for f in read_frames(fast)] == list(range(24))


def test_transparency_is_noticed_where_it_is_used(tmp_path: Path) -> None:
    options = {"auto-alt-ref": "0", "cpu-used": "8"}
    webm = make_clip(
        tmp_path / "a.webm", codec="libvpx-vp9", pixel_format="yuva420p", alpha=True,
        options=options,
    )  # fmt: skip
    spare = make_clip(tmp_path / "s.mov", codec="qtrle", pixel_format="argb")
    used = make_clip(tmp_path / "u.mov", codec="qtrle", pixel_format="argb", alpha=True)
    assert open_video(webm).has_alpha
    assert not open_video(spare).has_alpha
    assert open_video(used).has_alpha


def test_sample_aspect_is_told(tmp_path: Path) -> None:
    assert open_video(
        make_clip(tmp_path / "s.mp4", sample_aspect=Fraction(16, 11))
    ).sample_aspect == Fraction(16, 11)


def _unreadable(folder: Path, kind: str) -> Path:
    path = folder / "x.mp4"
    if kind == "text":
        path.write_text("hello\n" * 100)
    elif kind == "playlist":
        path.write_text("ffconcat version 1.0\nfile other.mp4\n")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "cut":
        whole = make_clip(folder / "whole.mp4").read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "still":
        path = folder / "x.png"
        cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))
    elif kind == "sound":
        path = folder / "x.m4a"
        with av.open(str(path), "w", format="mp4") as out:
            stream = out.add_stream("aac", rate=48000)
            frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
            frame.sample_rate = 48000
            out.mux([*stream.encode(frame), *stream.encode(None)])
    return path


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("text", "no video that FFmpeg knows"),
        ("playlist", "no video that FFmpeg knows"),
        ("empty", "it is empty"),
        ("cut", "its header is damaged"),
        ("missing", "there is no such file"),
        ("still", "it is a still image"),
        ("sound", "it holds no video"),
    ],
)
def test_what_is_no_video_is_refused_in_one_line(tmp_path: Path, kind: str, says: str) -> None:
    with pytest.raises(ReadError, match=says) as caught:
        open_video(_unreadable(tmp_path, kind))
    assert "\n" not in str(caught.value)


def test_frames_that_all_fail_are_refused(tmp_path: Path) -> None:
    good = make_clip(tmp_path / "g.mp4")
    with pytest.raises(ReadError, match="none of its frames can be decoded"):
        open_video(edit_packets(good, tmp_path / "b.mp4", lambda _, b: garbage(b)))


def test_a_header_of_absurd_size_is_refused_before_decoding(tmp_path: Path) -> None:
    good = make_clip(tmp_path / "g.mov", codec="qtrle", pixel_format="rgb24", frames=1)
    data = good.read_bytes()
    assert data.count(b"\x00\x40\x00\x30\x00\x48") == 1  # 64, 48, 72 dpi in the sample entry
    huge = data.replace(b"\x00\x40\x00\x30\x00\x48", b"\x32\xc8\x32\xc8\x00\x48")
    (tmp_path / "huge.mov").write_bytes(huge)
    with pytest.raises(ReadError, match="its header claims 13000×13000 pixels"):
        open_video(tmp_path / "huge.mov")


def test_a_folder_of_pictures_is_a_clip(tmp_path: Path) -> None:
    for number in (1, 2, 10):
        pixels = moving_pixels(number, (32, 24))
        cv2.imwrite(str(tmp_path / f"f{number}.png"), pixels[..., ::-1])
    (tmp_path / "f5.png").write_bytes(b"broken")
    clip = open_video(tmp_path, rate=Fraction(24))
    frames = list(read_frames(clip))
    assert (clip.rate, clip.frame_count, clip.duration_s) == (24, 4, pytest.approx(4 / 24))
    assert [f.replaced for f in frames] == [False, False, True, False]
    assert np.array_equal(frames[3].pixels(), moving_pixels(10, (32, 24)))
    assert np.array_equal(frames[2].pixels(), frames[1].pixels())
    assert [f.index for f in read_frames(clip, from_index=2)] == [2, 3]


def test_folders_without_use_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="holds no images"):
        open_video(tmp_path)
    for number, side in enumerate((16, 20)):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.zeros((side, side, 3), np.uint8))
    with pytest.raises(ReadError, match="expected frames of one size"):
        list(read_frames(open_video(tmp_path)))
    with pytest.raises(SettingsError, match="rate is -1"):
        open_video(tmp_path, rate=-1)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "gray"])
@pytest.mark.parametrize("size_wh", [(64, 48), (65, 47)])
def test_replacing_leaves_all_other_samples_alone(
    tmp_path: Path, pixel_format: str, size_wh: tuple[int, int]
) -> None:
    path = make_clip(
        tmp_path / "p.mkv", codec="ffv1", frames=1, pixel_format=pixel_format, size_wh=size_wh
    )
    frame = next(read_frames(open_video(path)))
    inverted = ~frame.pixels()
    left, top, right, bottom = box = (11, 13, 30, 29)
    changed = replace_pixels(frame, inverted, [box])
    for index in range(len(frame.av_frame.planes)):
        old, new = plane_view(frame.av_frame, index), plane_view(changed.av_frame, index)
        x, y = -(-size_wh[0] // old.shape[1]), -(-size_wh[1] // old.shape[0])
        outside = np.ones(old.shape, bool)
        outside[top // y : -(-bottom // y), left // x : -(-right // x)] = False
        assert np.array_equal(old[outside], new[outside])
        assert (old[~outside] != new[~outside]).mean() > (0.9 if index == 0 else 0.5)
    got, want = changed.pixels()[15:27, 13:28], inverted[15:27, 13:28]
    assert close(got, want) < (40 if "420" in pixel_format or "422" in pixel_format else 3)


def test_a_part_is_converted_as_the_whole_would_be(tmp_path: Path) -> None:
    frame = next(read_frames(open_video(make_clip(tmp_path / "p.mkv", codec="ffv1", frames=1))))
    new = np.ascontiguousarray(frame.pixels()[::-1])
    whole, part = whole_frame(frame, new), replace_pixels(frame, new, [(20, 10, 44, 30)])
    for index, step in ((0, 1), (1, 2), (2, 2)):
        at = np.s_[10 // step : 30 // step, 20 // step : 44 // step]
        a, b = plane_view(whole.av_frame, index)[at], plane_view(part.av_frame, index)[at]
        assert np.array_equal(a, b)


def test_putting_back_the_same_pixels_changes_next_to_nothing(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "p.mp4", frames=1, size_wh=(128, 96), colors=(1, 1, 1, 1))
    frame = next(read_frames(open_video(path)))
    again = replace_pixels(frame, frame.pixels(), [(10, 10, 100, 80)])
    luma = np.abs(plane_view(frame.av_frame, 0).astype(int) - plane_view(again.av_frame, 0))
    assert luma.max() <= 2
    assert luma.mean() < 0.5


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_boxes_are_upright(tmp_path: Path, degrees: int) -> None:
    path = make_clip(tmp_path / "r.mov", frames=1, rotation_cw=degrees, pixel_format="yuv444p")
    frame = next(read_frames(open_video(path)))
    old = frame.pixels()
    white = np.full_like(old, 255)
    new = replace_pixels(frame, white, [(5.5, 8, 20, 30.2), (-9, -9, 0, 0)]).pixels()
    assert (new[8:31, 5:20] > 250).all()
    new[8:31, 5:20] = old[8:31, 5:20]
    assert np.array_equal(new, old)


def test_pictures_in_rgb_are_replaced_exactly(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "u.mov", codec="qtrle", pixel_format="argb", alpha=True, frames=1)
    frame = next(read_frames(open_video(path)))
    new = ~frame.pixels()
    changed = replace_pixels(frame, new, [(3, 5, 20, 17)])
    assert np.array_equal(changed.pixels()[5:17, 3:20], new[5:17, 3:20])
    alpha = changed.av_frame.reformat(format="rgba").to_ndarray()[..., 3]
    assert (alpha[:, :32] == 0).all()
    assert (alpha[:, 32:] == 255).all()


def test_a_frame_of_another_size_keeps_format_and_time(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "r.mov", frames=1, rotation_cw=90, pixel_format="yuv420p10le")
    frame = next(read_frames(open_video(path)))
    big = cv2.resize(frame.pixels(), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    result = whole_frame(frame, big)
    assert result.size_wh == (96, 128)
    assert result.av_frame.format.name == "yuv420p10le"
    assert (result.pts, result.index) == (frame.pts, frame.index)
    assert close(result.pixels(), big) < 3


def test_memory_does_not_grow_with_the_clip(tmp_path: Path) -> None:
    code = (
        "import sys, resource\n"
        "from gpen.video.io.decode import open_video, read_frames\n"
        "n = sum(1 for f in read_frames(open_video(sys.argv[1])) if f.small(64) is not None)\n"
        "print(n, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    peaks = []
    for frames in (40, 400):
        path = make_clip(tmp_path / f"{frames}.mp4", frames=frames, size_wh=(320, 240),
                         options={"preset": "ultrafast"})  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
        )
        count, peak = map(int, done.stdout.split())
        assert count == frames
        peaks.append(peak)
    assert peaks[1] < 1.1 * peaks[0]


def test_without_pyav_one_line_says_what_to_install() -> None:
    code = (
        "import sys\n"
        "sys.modules['av'] = None\n"
        "from gpen.errors import MissingExtraError\n"
        "try:\n"
        "    import gpen.video.io.decode\n"
        "except MissingExtraError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "Video needs the optional part 'video': pip install 'gpen[video]'\n"


def test_real_gifs_are_read(shared: Path) -> None:
    clip = open_video(shared / "video" / "preview__head-pose-face-detection-female.gif")
    frames = list(islice(read_frames(clip), 5))
    assert clip.size_wh == (480, 270)
    assert not clip.has_alpha
    assert frames[4].pixels().std() > 20
    assert times_of(clip.path)[:5] == [f.pts * clip.time_base for f in frames]
