"""A video through the whole pipeline, as its user meets it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("av")

from gpen import Restorer, SettingsError, UnknownModelError, WriteError
from gpen.images.read import read_image
from gpen.settings import VideoSettings
from gpen.video import job
from gpen.video.io import segment_writer
from gpen.video.io.decode import open_video, read_frames
from gpen.video.run import restore_video
from support.identity_file import write_identity
from support.panning import SIZE_WH, panning, panning_clip
from support.upscaler_files import save_enlarging_graph
from support.video_files import make_clip, packets_of, times_of


@pytest.fixture(scope="module")
def restorer(negative_model: Path) -> Restorer:
    """One for all, with its networks open: it inverts faces, in no time."""
    restorer = Restorer(model=negative_model, engine="openvino", precision="f32")
    restorer.load()
    return restorer


@pytest.fixture(scope="module")
def default_restorer() -> Restorer:
    """That of users, for tests of what restoring does to a face."""
    return Restorer(engine="openvino", precision="f32")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, demo_photo: Path) -> Path:
    """Sixteen frames at uneven times, with sound."""
    return panning_clip(tmp_path_factory.mktemp("clip") / "pan.mp4", demo_photo)


@pytest.fixture(autouse=True)
def _short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "PART_FRAMES", 6)


def frames_of(path: Path) -> list[np.ndarray]:
    return [frame.pixels() for frame in read_frames(open_video(path))]


@pytest.fixture(scope="module")
def whole(clip: Path, restorer: Restorer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The video, restored in one go."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "PART_FRAMES", 6)
        target = tmp_path_factory.mktemp("whole") / "out.mp4"
        restore_video(clip, target, restorer=restorer)
    return target


def test_faces_are_sharper_and_the_rest_stays(
    clip: Path, default_restorer: Restorer, tmp_path: Path
) -> None:
    restore_video(clip, tmp_path / "out.mp4", restorer=default_restorer)
    before, after = frames_of(clip), frames_of(tmp_path / "out.mp4")
    assert len(before) == len(after) == 16
    for old, new in zip(before, after, strict=True):
        change = np.abs(old.astype(int) - new).mean(axis=2)
        face, corner = change[40:120, 60:160], change[:20, :20]
        assert face.mean() > 3 * corner.mean()
        assert corner.mean() < 2  # what encoding changes
        sharpness = [cv2.Laplacian(p[50:110, 70:150], cv2.CV_64F).var() for p in (old, new)]
        assert sharpness[1] > 1.2 * sharpness[0]


def test_sound_and_times_are_those_of_the_source(clip: Path, whole: Path) -> None:
    assert packets_of(whole, "audio") == packets_of(clip, "audio")
    assert times_of(whole) == times_of(clip)


def test_nothing_but_the_result_is_left(whole: Path) -> None:
    assert [path.name for path in whole.parent.iterdir()] == ["out.mp4"]


def test_the_result_tells_what_was_done(clip: Path, restorer: Restorer, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    result = restore_video(
        clip, tmp_path / "out.mkv", restorer=restorer, on_progress=lambda *step: seen.append(step)
    )
    assert (result.frames, result.faces, result.people) == (16, 16, 1)
    assert (result.resumed, result.replaced) == (0, 0)
    assert result.seconds["network"] <= result.seconds["frames"]
    assert [step for step in seen if step[0] == "frames"][-1] == ("frames", 16, 16)
    assert seen[-1] == ("joining", 1, 1)


class PowerCutError(BaseException):
    """Ends a run without any of its cleaning up being relied upon."""


@pytest.mark.parametrize("moment", [("faces", 9), ("frames", 3), ("frames", 6), ("frames", 14)])
def test_a_stopped_run_goes_on_and_gives_the_same_file(
    clip: Path, whole: Path, restorer: Restorer, tmp_path: Path, moment: tuple[str, int]
) -> None:
    def stop(stage: str, done: int, total: int | None) -> None:
        if (stage, done) == moment:
            raise PowerCutError

    target = tmp_path / "out.mp4"
    with pytest.raises(PowerCutError):
        restore_video(clip, target, restorer=restorer, on_progress=stop)
    assert not target.exists()
    result = restore_video(clip, target, restorer=restorer)
    assert target.read_bytes() == whole.read_bytes()
    assert result.resumed == {("frames", 14): 12}.get(moment, 0)


def test_where_a_part_begins_and_ends_cannot_be_seen(
    clip: Path, restorer: Restorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    for length in (5, 99):
        monkeypatch.setattr(job, "PART_FRAMES", length)
        restore_video(clip, tmp_path / str(length) / "%03d.png", restorer=restorer)
        paths = sorted((tmp_path / str(length)).glob("*.png"))
        written.append([path.read_bytes() for path in paths])
    assert len(written[0]) == 16
    assert written[0] == written[1]


def test_ctrl_c_leaves_a_file_that_plays_and_the_run_goes_on(
    clip: Path, whole: Path, restorer: Restorer, tmp_path: Path
) -> None:
    def stop(stage: str, done: int, total: int | None) -> None:
        if (stage, done) == ("frames", 9):
            raise KeyboardInterrupt

    target = tmp_path / "out.mp4"
    with pytest.raises(KeyboardInterrupt):
        restore_video(clip, target, restorer=restorer, on_progress=stop)
    partial = tmp_path / "out.partial.mp4"
    assert len(frames_of(partial)) == 9
    assert 0 < len(packets_of(partial, "audio")) < len(packets_of(clip, "audio"))
    assert restore_video(clip, target, restorer=restorer).resumed == 6
    assert target.read_bytes() == whole.read_bytes()
    assert not partial.exists()


def test_a_full_disk_stops_cleanly_and_the_run_goes_on(
    clip: Path,
    whole: Path,
    restorer: Restorer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = tmp_path / "out.mp4"
    written = 0

    def full(self: segment_writer.SegmentWriter, packets: list[Any]) -> None:
        nonlocal written
        written += 1
        if written > 8:
            raise OSError(28, "No space left on device")
        mux(self, packets)

    mux = segment_writer.SegmentWriter._mux
    with monkeypatch.context() as patch:
        patch.setattr(segment_writer.SegmentWriter, "_mux", full)
        with pytest.raises(WriteError, match=r"no space left.*the same command goes on"):
            restore_video(clip, target, restorer=restorer)
    assert not target.exists()
    assert restore_video(clip, target, restorer=restorer).resumed == 6
    assert target.read_bytes() == whole.read_bytes()


def test_kill_9_and_the_same_command_give_the_same_file(
    clip: Path, whole: Path, negative_model: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out.mp4"
    command = [
        sys.executable,
        "-c",
        "import sys\nfrom gpen.video import job\njob.PART_FRAMES = 6\n"
        "from gpen.cli import app as cli\ncli.main(sys.argv[1:])",
        "restore",
        str(clip),
        "-o",
        str(target),
        "--model",
        str(negative_model),
        "--engine",
        "openvino",
        "--precision",
        "f32",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    part = tmp_path / ".out.mp4.gpen" / "part-00000.part"
    deadline = time.monotonic() + 120
    while not part.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not target.exists()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "16 frames" in done.stdout
    assert target.read_bytes() == whole.read_bytes()


def test_strength_0_restores_each_frame_by_itself(
    clip: Path, default_restorer: Restorer, tmp_path: Path
) -> None:
    """Frames are those of the photo pipeline at the points of the track."""
    points: list[np.ndarray] = []
    original = job.frame_stages.align

    def noted(works: Any, **options: Any) -> Any:
        for work in original(works, **options):
            points.append(work.faces[0].face.points_xy)
            yield work

    target = tmp_path / "out" / "%03d.png"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "PART_FRAMES", 6)
        patch.setattr(job.frame_stages, "align", noted)
        restore_video(clip, target, restorer=default_restorer, video=VideoSettings(stabilise=0))
    written = [read_image(path).pixels for path in sorted(target.parent.glob("*.png"))]
    assert len(written) == len(points) == 16
    for new, old, five in zip(written, frames_of(clip), points, strict=True):
        alone = default_restorer.restore(old, points_xy=five).image
        difference = np.abs(new.astype(int) - alone)
        assert difference.mean() < 1.2  # by way of YUV with half the chroma
        assert np.quantile(difference, 0.99) < 10


def test_another_job_for_the_same_target_starts_anew_and_says_so(
    clip: Path, whole: Path, restorer: Restorer, tmp_path: Path
) -> None:
    def stop(stage: str, done: int, total: int | None) -> None:
        if (stage, done) == ("frames", 9):
            raise PowerCutError

    target = tmp_path / "out.mp4"
    with pytest.raises(PowerCutError):
        restore_video(clip, target, restorer=restorer.with_(blend=0.5), on_progress=stop)
    result = restore_video(clip, target, restorer=restorer)
    assert result.resumed == 0
    assert any("other settings" in note for note in result.notes)
    assert target.read_bytes() == whole.read_bytes()


def test_a_range_is_restored(clip: Path, restorer: Restorer, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    result = restore_video(
        clip, target, restorer=restorer, video=VideoSettings(start_s=0.2, end_s=0.4)
    )
    assert result.frames == 5
    assert times_of(target)[0] == 0


def test_upscaled_clips_are_larger(clip: Path, restorer: Restorer, tmp_path: Path) -> None:
    larger = restorer.with_(upscale=2)
    restore_video(clip, tmp_path / "out.mp4", restorer=larger, video=VideoSettings(end_s=0.1))
    assert open_video(tmp_path / "out.mp4").size_wh == (2 * SIZE_WH[0], 2 * SIZE_WH[1])


def test_every_frame_goes_through_the_upscaler_of_backgrounds(
    clip: Path, restorer: Restorer, tmp_path: Path
) -> None:
    nearest = save_enlarging_graph(tmp_path / "nearest-x2.onnx", 2)
    larger = restorer.with_(upscale=2, background=nearest)
    video = VideoSettings(end_s=0.1, crf=0)
    restore_video(clip, tmp_path / "out.mkv", restorer=larger, video=video)
    before, after = frames_of(clip), frames_of(tmp_path / "out.mkv")
    assert len(after) > 1
    for old, new in zip(before, after, strict=False):
        corner = old[:24, :24].repeat(2, axis=0).repeat(2, axis=1).astype(int)
        assert np.abs(new[:48, :48] - corner).mean() < 3


def test_deep_color_stays_deep(restorer: Restorer, tmp_path: Path, demo_photo: Path) -> None:
    deep = make_clip(
        tmp_path / "deep.mkv",
        frames=3,
        size_wh=SIZE_WH,
        codec="libx265",
        pixel_format="yuv420p10le",
        options={"x265-params": "log-level=none"},
        picture=panning(demo_photo),
    )
    result = restore_video(deep, tmp_path / "out.mkv", restorer=restorer)
    assert result.faces == 3
    assert open_video(tmp_path / "out.mkv").bits == 10


def test_faces_not_chosen_are_left_alone(clip: Path, restorer: Restorer, tmp_path: Path) -> None:
    result = restore_video(clip, tmp_path / "out.mkv", restorer=restorer.with_(faces="track:7"))
    assert (result.people, result.faces) == (0, 0)
    assert result.notes == [
        "the video has no track 7: it has 1 to 1 (`gpen tracks` with the same range lists them)"
    ]


def test_like_says_that_a_named_file_is_missing(
    clip: Path, restorer: Restorer, tmp_path: Path, portrait: Path
) -> None:
    alike = restorer.with_(faces=f"like:{portrait}", embedding="arcface-w600k-r50")
    with pytest.raises(UnknownModelError, match="gpen models get arcface-w600k-r50"):
        restore_video(clip, tmp_path / "out.mp4", restorer=alike)


@pytest.mark.parametrize("name", ["gpen-face-embedding", "arcface"])
def test_like_finds_the_person_on_a_photo(
    clip: Path, restorer: Restorer, tmp_path: Path, portrait: Path, demo_photo: Path, name: str
) -> None:
    write_identity(tmp_path / "arcface.onnx")
    photo = portrait if name == "gpen-face-embedding" else demo_photo
    alike = restorer.with_(models_dir=tmp_path, embedding=name, faces=f"like:{photo}")
    assert restore_video(clip, tmp_path / "out.mp4", restorer=alike).people == 1
    alike.person = -alike.person  # someone as unlike as can be
    assert restore_video(clip, tmp_path / "none.mp4", restorer=alike).people == 0


def test_a_clip_without_faces_is_copied(restorer: Restorer, tmp_path: Path) -> None:
    plain = make_clip(tmp_path / "plain.mp4", frames=4, sound="aac")
    result = restore_video(plain, tmp_path / "out.mp4", restorer=restorer)
    assert (result.frames, result.people) == (4, 0)
    assert packets_of(tmp_path / "out.mp4", "audio") == packets_of(plain, "audio")


def test_what_makes_no_sense_is_refused_at_once(
    clip: Path, restorer: Restorer, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="aligned is for photos"):
        restore_video(clip, tmp_path / "out.mp4", restorer=restorer.with_(aligned=True))
    with pytest.raises(SettingsError, match=r"\.mp4, \.mov, \.mkv"):
        restore_video(clip, tmp_path / "out.wmv", restorer=restorer)
    assert list(tmp_path.iterdir()) == []


def test_progress_of_a_range_counts_to_its_end(
    clip: Path, restorer: Restorer, tmp_path: Path
) -> None:
    seen: list[tuple[str, int, int | None]] = []
    video = VideoSettings(start_s=0.2, end_s=0.4)
    restore_video(
        clip,
        tmp_path / "out.mp4",
        restorer=restorer,
        video=video,
        on_progress=lambda *step: seen.append(step),
    )
    totals = {total for stage, _, total in seen if stage == "faces"}
    assert totals == {5}


def test_a_frame_of_a_folder_that_was_changed_is_done_again(
    restorer: Restorer, tmp_path: Path
) -> None:
    folder, target = tmp_path / "frames", tmp_path / "out.mkv"
    folder.mkdir()
    for number in range(9):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((48, 64, 3), 40, np.uint8))

    def stop(stage: str, done: int, total: int | None) -> None:
        if (stage, done) == ("frames", 8):
            raise PowerCutError

    with pytest.raises(PowerCutError):
        restore_video(folder, target, restorer=restorer, on_progress=stop)
    cv2.imwrite(str(folder / "2.png"), np.full((48, 64, 3), 200, np.uint8))
    assert restore_video(folder, target, restorer=restorer).resumed == 0
    assert frames_of(target)[2].mean() > 150
