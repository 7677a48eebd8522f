"""Photos in, data set out: complete, repeatable, whatever happens in between."""

from __future__ import annotations

import functools
import gc
import json
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from gpen.errors import OutputExistsError, ReadError, SettingsError, WriteError
from gpen.training.face_dataset import open_faces
from gpen.training.prepare import (
    Options,
    Plan,
    Report,
    build_dataset,
    candidate_faces,
    dataset,
    find_faces,
    finished_report,
    plan_work,
    work_plan,
)

#: Of one face: copies of it are all that the project has, so they are not dropped.
KEEP_COPIES = Options(size=128, max_duplicate=-1, val_share=0.4)


def write_photo(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


@pytest.fixture(scope="module")
def portrait_pixels(portrait: Path) -> np.ndarray:
    return cv2.resize(cv2.imread(str(portrait)), (320, 320), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="module", autouse=True)
def one_detector() -> Iterator[None]:
    """Opening the detector takes longer than looking at a photo with it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            candidate_faces, "load_detector", functools.cache(candidate_faces.load_detector)
        )
        yield


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory, portrait_pixels: np.ndarray) -> Path:
    """Good photos of three "persons", and everything that goes wrong in albums."""
    folder, whole = tmp_path_factory.mktemp("source") / "album", portrait_pixels
    write_photo(folder / "anna" / "1.png", whole)
    write_photo(folder / "anna" / "2.jpg", cv2.flip(whole, 1))
    write_photo(folder / "bela" / "1.jpg", cv2.convertScaleAbs(whole, alpha=0.8, beta=10))
    write_photo(folder / "bela" / "turned.jpg", cv2.rotate(whole, cv2.ROTATE_90_CLOCKWISE))
    write_photo(folder / "cleo" / "1.jpg", whole[:, :, ::-1])
    write_photo(folder / "blurred.jpg", cv2.GaussianBlur(whole, (0, 0), 3))
    write_photo(folder / "small.png", cv2.resize(whole, (64, 64), interpolation=cv2.INTER_AREA))
    write_photo(folder / "empty scene.png", np.full((80, 80, 3), 120, np.uint8))
    (folder / "text.jpg").write_text("not an image")
    (folder / "nothing.jpg").touch()
    (folder / "cut.png").write_bytes((folder / "anna" / "1.png").read_bytes()[:5000])
    return folder


def prepare(plan: Plan) -> Report:
    for _ in find_faces(plan, jobs=2):
        pass
    return build_dataset(plan)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, album: Path) -> tuple[Path, Report]:
    """A data set that was made in one go."""
    target = tmp_path_factory.mktemp("target") / "faces"
    return target, prepare(plan_work([album], target, KEEP_COPIES))


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory, album: Path) -> Path:
    """A run that was stopped between finding faces and writing."""
    target = tmp_path_factory.mktemp("target") / "half"
    assert sum(find_faces(plan_work([album], target, KEEP_COPIES), jobs=2)) == 11
    return target


@pytest.fixture
def half(looked_at: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(looked_at, tmp_path / "faces"))


def rows_of(target: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (target / "manifest.jsonl").read_text().splitlines()]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_plan, "BATCH", 2)


def test_a_report_says_what_became_of_every_photo(finished: tuple[Path, Report]) -> None:
    target, report = finished
    assert report.photos == 11
    assert {name for name, _ in report.unreadable} == {
        "album/text.jpg",
        "album/nothing.jpg",
        "album/cut.png",
    }
    assert report.without_face == ["album/empty scene.png"]
    assert report.refused["blurred"] == 1
    assert report.refused["small"] >= 1  # in the photos' background the detector sees more
    assert sum(report.kept.values()) == 5
    assert report.faces == sum(report.kept.values()) + sum(report.refused.values())
    names = {"train", "val", "manifest.jsonl", "report.json", "sheet.jpg"}
    assert {path.name for path in target.iterdir()} == names
    assert json.loads((target / "report.json").read_text())["photos"] == 11
    assert cv2.imread(str(target / "sheet.jpg")).shape[1] == 1280


def test_webdataset_reads_the_shards(finished: tuple[Path, Report]) -> None:
    import webdataset

    target, report = finished
    shards = [str(path) for path in sorted(target.rglob("*.tar"))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves shards to the collector
        samples = list(webdataset.WebDataset(shards, shardshuffle=False).decode("rgb8"))
        gc.collect()
    assert len(samples) == sum(report.kept.values())
    rows = {row["key"]: row for row in rows_of(target)}
    for sample in samples:
        assert sample["jpg"].shape == (128, 128, 3)
        row = rows[sample["__key__"]]
        assert sample["json"] == {k: v for k, v in row.items() if k not in ("key", "shard")}
        assert 0 < sample["json"]["inside"] <= 1


def test_training_reads_the_shards(finished: tuple[Path, Report]) -> None:
    target, report = finished
    for split in ("train", "val"):
        faces = open_faces([target / split], 128)
        assert len(faces) == report.kept[split]
        for face in (faces[number] for number in range(len(faces))):
            # Upright and in place, also where the photo lay on its side.
            assert np.abs(face.points_xy.mean(axis=0) - [64, 76]).max() < 4
        assert faces.skipped == []


def test_a_run_stopped_between_photos_and_writing_goes_on(
    finished: tuple[Path, Report], album: Path, half: Path
) -> None:
    prepare(plan_work([album], half, KEEP_COPIES))
    assert contents(half) == contents(finished[0])


def test_a_run_stopped_among_the_photos_goes_on(
    finished: tuple[Path, Report], album: Path, tmp_path: Path, small_batches: None
) -> None:
    plan = plan_work([album], tmp_path, KEEP_COPIES)
    looking = find_faces(plan, jobs=1)
    next(looking)
    looking.close()
    done = {path: path.stat().st_mtime_ns for path in plan.work.glob("*.faces")}
    assert 1 <= len(done) < 6
    again = plan_work([album], tmp_path, KEEP_COPIES)
    assert sum(find_faces(again, jobs=2)) == 11
    assert all(path.stat().st_mtime_ns == time for path, time in done.items())
    build_dataset(again)
    assert contents(tmp_path) == contents(finished[0])


@pytest.mark.parametrize("part", ["_write_shards", "draw_sheet", "_write_text"])
def test_a_run_stopped_while_it_writes_goes_on(
    finished: tuple[Path, Report],
    album: Path,
    half: Path,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    plan = plan_work([album], half, KEEP_COPIES)
    with monkeypatch.context() as patch:
        patch.setattr(dataset, part, stop)
        with pytest.raises(KeyboardInterrupt):
            prepare(plan)
    assert not (half / "manifest.jsonl").exists()
    prepare(plan_work([album], half, KEEP_COPIES))
    assert contents(half) == contents(finished[0])


def test_a_run_stopped_while_parts_are_put_in_place_goes_on(
    finished: tuple[Path, Report], album: Path, half: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, move = plan_work([album], half, KEEP_COPIES), Path.replace

    def stop_at_val(path: Path, place: Path) -> Path:
        if Path(place) == half / "val":
            raise KeyboardInterrupt
        return move(path, place)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stop_at_val)
        with pytest.raises(KeyboardInterrupt):
            prepare(plan)
    assert (half / "train").exists()
    assert not (half / "manifest.jsonl").exists()
    prepare(plan_work([album], half, KEEP_COPIES))
    assert contents(half) == contents(finished[0])


KILLED = """
import sys
from pathlib import Path
from gpen.training.prepare import Options, find_faces, work_plan as photos, plan_work
photos.BATCH = 2
options = Options(size=128, max_duplicate=-1, val_share=0.4)
for done in find_faces(plan_work([sys.argv[1]], Path(sys.argv[2]), options), jobs=1):
    print(done, flush=True)
"""


def test_a_killed_run_goes_on(
    finished: tuple[Path, Report], album: Path, tmp_path: Path, small_batches: None
) -> None:
    command = [sys.executable, "-c", KILLED, str(album), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert list((tmp_path / ".work").glob("*.faces"))
    prepare(plan_work([album], tmp_path, KEEP_COPIES))
    assert contents(tmp_path) == contents(finished[0])


def test_a_full_disk_keeps_what_was_found(
    finished: tuple[Path, Report], album: Path, half: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    plan = plan_work([album], half, KEEP_COPIES)
    with monkeypatch.context() as patch:
        patch.setattr(dataset, "_write_shard", full)
        with pytest.raises(WriteError, match="No space left"):
            prepare(plan)
    prepare(plan_work([album], half, KEEP_COPIES))
    assert contents(half) == contents(finished[0])


def test_copies_of_a_face_are_dropped_and_the_best_stays(
    album: Path, tmp_path: Path, portrait_pixels: np.ndarray
) -> None:
    folder = tmp_path / "copies"
    write_photo(folder / "a small.jpg", cv2.resize(portrait_pixels, (300, 300)))
    write_photo(folder / "b whole.png", portrait_pixels)
    write_photo(folder / "c mirrored.jpg", cv2.flip(portrait_pixels, 1))
    write_photo(folder / "d grey.jpg", cv2.cvtColor(portrait_pixels, cv2.COLOR_BGR2GRAY))
    report = prepare(plan_work([folder], tmp_path / "faces", Options(size=256, min_face=0)))
    assert sum(report.kept.values()) == 1
    assert report.refused["duplicate"] == 3
    row = json.loads((tmp_path / "faces" / "manifest.jsonl").read_text())
    assert row["source"] == "copies/b whole.png"


def by_person(target: Path) -> dict[str, set[str]]:
    splits: dict[str, set[str]] = {}
    for row in rows_of(target):
        splits.setdefault(str(row["identity"]), set()).add(row["split"])
    return splits


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_person_is_never_in_both_splits(album: Path, half: Path, seed: int) -> None:
    options = Options(
        size=128, max_duplicate=-1, val_share=0.4, seed=seed, identity_from_folder=True
    )
    prepare(plan_work([album], half, options))
    persons = by_person(half)
    assert set(persons) == {"anna", "bela", "cleo"}
    assert all(len(splits) == 1 for splits in persons.values())
    assert {split for splits in persons.values() for split in splits} == {"train", "val"}


@pytest.mark.parametrize(
    "text", ["file,identity\nanna/1.png,A\n2.jpg,A\n", "anna/1.png A\n2.jpg A"]
)
def test_a_file_names_persons(album: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "who.csv").write_text(text)
    options = Options(size=128, max_duplicate=-1, val_share=0.5, identities=tmp_path / "who.csv")
    prepare(plan_work([album / "anna", album], tmp_path / "faces", options))
    assert len(by_person(tmp_path / "faces")["A"]) == 1
    assert sum(row["identity"] == "A" for row in rows_of(tmp_path / "faces")) == 2


def test_png_licence_limit_and_shard_size_are_kept(album: Path, tmp_path: Path) -> None:
    options = Options(
        size=64, max_duplicate=-1, val_share=0, png=True, licence="CC0", limit=3, shard_size=2
    )
    report = prepare(plan_work([album / "anna", album / "bela"], tmp_path, options))
    assert report.photos == 3
    assert sorted(path.name for path in (tmp_path / "train").iterdir()) == [
        "000000.tar",
        "000001.tar",
    ]
    assert not (tmp_path / "val").exists()
    row = json.loads((tmp_path / "manifest.jsonl").read_text().splitlines()[0])
    assert row["licence"] == "CC0"
    assert len(open_faces([tmp_path], 64)) == 3  # one split, so that the folder will do


def test_a_finished_data_set_is_not_made_again_and_not_replaced_unasked(
    finished: tuple[Path, Report], album: Path, tmp_path: Path
) -> None:
    target = tmp_path / "faces"
    shutil.copytree(finished[0], target)
    same = finished_report(plan_work([album], target, KEEP_COPIES))
    assert same is not None
    assert same.kept == finished[1].kept
    other = Options(size=64, max_duplicate=-1)
    with pytest.raises(OutputExistsError, match="--overwrite"):
        plan_work([album], target, other)
    plan = plan_work([album], target, other, overwrite=True)
    for _ in find_faces(plan, jobs=2):
        assert (target / "manifest.jsonl").exists()  # the old one, until the new one is complete
    build_dataset(plan)
    assert json.loads((target / "report.json").read_text())["options"]["size"] == "64"


def test_other_thresholds_need_no_second_look(
    album: Path, half: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidate_faces, "load_detector", pytest.fail)
    strict = Options(size=128, max_duplicate=-1, min_sharpness=5)
    assert not any(prepare(plan_work([album], half, strict)).kept.values())
    assert not (half / "manifest.jsonl").exists()
    assert (half / "sheet.jpg").exists()
    report = prepare(plan_work([album], half, KEEP_COPIES))
    assert sum(report.kept.values()) == 5
    assert not (half / ".work").exists()


def test_a_folder_with_other_files_is_left_alone(album: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(OutputExistsError, match="empty folder"):
        plan_work([album], tmp_path, KEEP_COPIES, overwrite=True)
    with pytest.raises(OutputExistsError, match="is a file"):
        plan_work([album], tmp_path / "letter.txt", KEEP_COPIES)


def test_results_inside_the_source_are_no_photos(tmp_path: Path, portrait: Path) -> None:
    shutil.copy(portrait, tmp_path / "a.jpg")
    options = Options(size=64, val_share=0)
    prepare(plan_work([tmp_path], tmp_path / "faces", options))
    assert finished_report(plan_work([tmp_path], tmp_path / "faces", options)) is not None


def test_no_photos_is_an_error_and_a_missing_source_is_reported(
    album: Path, tmp_path: Path
) -> None:
    (tmp_path / "void").mkdir()
    with pytest.raises(ReadError, match="no photo"):
        plan_work([tmp_path / "void"], tmp_path / "faces", KEEP_COPIES)
    plan = plan_work([album, tmp_path / "gone"], tmp_path / "faces", KEEP_COPIES)
    assert [name for name, _ in plan.failures] == [str(tmp_path / "gone")]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 8}, "size is 8"),
        ({"template": "mine"}, "expected one of"),
        ({"val_share": 1.5}, "val_share"),
        ({"min_sharpness": float("nan")}, "min_sharpness"),
        ({"jpeg_quality": 0}, "1 to 100"),
        ({"identities": Path("a"), "identity_from_folder": True}, "one of the two"),
    ],
)
def test_options_that_mean_nothing_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Options(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda path: path.write_text("a,b,c\n"), SettingsError),
        (lambda path: path.write_bytes(b"\xff\xfe\x00\xd8"), ReadError),
        (lambda path: None, ReadError),
    ],
)
def test_a_bad_file_of_persons_is_named(
    album: Path, tmp_path: Path, make: Callable[[Path], object], error: type[Exception]
) -> None:
    make(tmp_path / "who.csv")
    with pytest.raises(error, match=r"who\.csv"):
        plan_work([album], tmp_path / "faces", Options(identities=tmp_path / "who.csv"))


def test_real_photos_pass(shared: Path, tmp_path: Path) -> None:
    options = Options(size=256, limit=12, val_share=0)
    report = prepare(plan_work([shared / "faces/photos/val"], tmp_path, options))
    assert report.photos == 12
    assert report.kept["train"] >= 6
    assert report.unreadable == []
