"""Faces by number, from every kind of source, good and bad."""

from __future__ import annotations

import io
import json
import multiprocessing
import pickle
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from gpen.errors import TrainingError
from gpen.face_templates import template_points
from gpen.training.face_dataset import Faces, open_faces

SIZE = 64


def image(value: int, side: int = 96) -> np.ndarray:
    """RGB: a colour that tells the image and the order of its channels."""
    return np.broadcast_to(np.array([value, 10, 200], np.uint8), (side, side, 3)).copy()


def encode(pixels: np.ndarray, suffix: str = ".png") -> bytes:
    data: bytes = cv2.imencode(suffix, pixels[..., ::-1])[1].tobytes()
    return data


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def values(faces: Faces) -> list[int]:
    return [int(faces[number].pixels[0, 0, 0]) for number in range(len(faces))]


def write_shard(path: Path, members: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    folder = tmp_path / "plain"
    for number in range(6):
        write(folder / f"{number // 3:05d}" / f"{number}.png", encode(image(number * 10)))
    return folder


def test_a_plain_folder_is_read_with_its_subfolders_in_order(plain: Path) -> None:
    faces = open_faces([plain], SIZE)
    assert values(faces) == [0, 10, 20, 30, 40, 50]
    sample = faces[1]
    assert sample.pixels.shape == (SIZE, SIZE, 3)
    assert sample.pixels.dtype == np.uint8
    assert sample.pixels[5, 5].tolist() == [10, 10, 200]  # RGB
    assert sample.points_xy.dtype == np.float32
    np.testing.assert_allclose(sample.points_xy, template_points("gpen", SIZE), rtol=1e-6)
    assert sample.inside == 1.0
    assert sample.name.endswith("1.png")
    assert faces[-1].name.endswith("5.png")


@pytest.mark.parametrize("index", [6, -7])
def test_a_number_beyond_the_end_is_an_index_error(plain: Path, index: int) -> None:
    with pytest.raises(IndexError):
        open_faces([plain], SIZE)[index]


def test_sources_follow_each_other(plain: Path) -> None:
    faces = open_faces([plain / "00001", str(plain / "00000")], SIZE)
    assert values(faces) == [30, 40, 50, 0, 10, 20]


def test_a_list_gives_points_and_only_the_faces_of_the_folder(tmp_path: Path) -> None:
    points = template_points("gpen", 96) + 3
    rows = [
        {"file": f"crops/{split}/{n}.png", "size": 96, "points_xy": points.tolist(), "inside": 0.8}
        for split, n in (("train", 1), ("train", 0), ("val", 2))
    ]
    for row in rows:
        write(tmp_path / str(row["file"]), encode(image(int(str(row["file"])[-5]))))
    write(tmp_path / "crops" / "train" / "unlisted.png", encode(image(99)))
    (tmp_path / "crops.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    faces = open_faces([tmp_path / "crops" / "train"], 192)
    assert values(faces) == [1, 0]
    assert faces[0].inside == 0.8
    # Pixel centres lie at integers: (x + 0.5) doubles.
    np.testing.assert_allclose(faces[0].points_xy, points * 2 + 0.5, rtol=1e-5)
    assert len(open_faces([tmp_path], SIZE)) == 3


def test_a_row_that_makes_no_sense_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.png", encode(image(1)))
    (tmp_path / "crops.jsonl").write_text('{"file": "a.png", "size": 96, "points_xy": [[1, 2]]}')
    with pytest.raises(TrainingError, match="row 1"):
        open_faces([tmp_path], SIZE)


def test_a_listed_file_that_is_missing_is_skipped(tmp_path: Path) -> None:
    write(tmp_path / "a.png", encode(image(1)))
    (tmp_path / "crops.jsonl").write_text('{"file": "a.png"}\n{"file": "gone.png"}\n')
    faces = open_faces([tmp_path], SIZE)
    assert values(faces) == [1]
    assert faces.skipped == [(str(tmp_path / "gone.png"), "there is no such file")]


def shard_members(first: int, count: int) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    for number in range(first, first + count):
        note = {"points_xy": template_points("gpen", 96).tolist(), "size": 96, "inside": 0.5}
        members |= {
            f"{number:04d}.png": encode(image(number)),
            f"{number:04d}.json": json.dumps(note).encode(),
        }
    return members


def test_shards_are_read_by_folder_name_and_pattern(tmp_path: Path) -> None:
    write_shard(tmp_path / "train" / "000000.tar", shard_members(0, 3))
    write_shard(tmp_path / "train" / "000001.tar", shard_members(3, 2))
    for source in ("train", "train/*.tar"):
        faces = open_faces([tmp_path / source], SIZE)
        assert values(faces) == [0, 1, 2, 3, 4]
        assert faces[4].inside == 0.5
        assert faces[4].name.endswith("000001.tar:0004.png")
    assert values(open_faces([tmp_path / "train" / "000001.tar"], SIZE)) == [3, 4]


def test_a_foreign_shard_without_json_has_the_template(tmp_path: Path) -> None:
    jpeg = encode(image(128), ".jpg")
    write_shard(tmp_path / "a.tar", {"x/one.face.jpg": jpeg, "x/two.jpg": jpeg, "x/two.cls": b"1"})
    faces = open_faces([tmp_path / "a.tar"], SIZE)
    assert [face.name.rpartition(":")[2] for face in (faces[0],)] == ["x/two.jpg"]
    np.testing.assert_allclose(faces[0].points_xy, template_points("gpen", SIZE), rtol=1e-6)


def test_a_shard_that_breaks_off_gives_what_is_whole(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", shard_members(0, 4))
    data = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "a.tar").write_bytes(data[: data.index(b"0003.png")])
    write(tmp_path / "b.tar", b"not a tar at all")
    faces = open_faces([tmp_path], SIZE)
    assert values(faces) == [0, 1, 2]
    assert [Path(name).name for name, _ in faces.skipped] == ["b.tar"]


def test_a_shard_with_bad_json_skips_that_face(tmp_path: Path) -> None:
    members = shard_members(0, 3) | {"0001.json": b'{"points_xy": [[0]], "size": 96}'}
    write_shard(tmp_path / "a.tar", members)
    faces = open_faces([tmp_path / "a.tar"], SIZE)
    assert values(faces) == [0, 2]
    assert "0001.png" in faces.skipped[0][0]


def test_a_prepared_folder_asks_for_one_split(tmp_path: Path) -> None:
    write_shard(tmp_path / "train" / "000000.tar", shard_members(0, 2))
    write_shard(tmp_path / "val" / "000000.tar", shard_members(2, 1))
    (tmp_path / "manifest.jsonl").touch()
    with pytest.raises(TrainingError, match="train"):
        open_faces([tmp_path], SIZE)
    assert values(open_faces([tmp_path / "val"], SIZE)) == [2]


BAD = {
    "a text.jpg": b"hello",
    "b empty.png": b"",
    "c tiny.png": encode(image(1, 16)),
    "d wide.png": encode(image(1)[:80]),
    "e cut.jpg": encode(image(1), ".jpg")[:-200],
    "f cut.png": encode(np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8))[:-900],
}


def test_useless_pictures_are_skipped_and_listed_at_once(plain: Path) -> None:
    for name, data in BAD.items():
        write(plain / name, data)
    write(plain / ".hidden.png", encode(image(77)))
    write(plain / "notes.txt", b"not an image by its name")
    faces = open_faces([plain], SIZE)
    assert values(faces) == [0, 10, 20, 30, 40, 50]
    assert [Path(name).name for name, _ in faces.skipped] == list(BAD)
    reasons = " | ".join(reason for _, reason in faces.skipped)
    for part in ("no image or damaged", "16 px", "96 × 80", "cut off"):
        assert part in reasons


def damaged_inside(seed: int) -> bytes:
    """A PNG whose head and tail are fine and whose middle is not."""
    noise = np.random.default_rng(seed).integers(0, 255, (96, 96, 3), np.uint8)
    data = bytearray(encode(noise))
    data[200:600] = bytes(400)
    return bytes(data)


def test_damage_found_while_reading_is_replaced_by_the_next_good_face(plain: Path) -> None:
    write(plain / "00000" / "1.png", damaged_inside(0))
    write(plain / "00001" / "5.png", damaged_inside(1))
    faces = open_faces([plain], SIZE)
    assert faces.skipped == []
    assert values(faces) == [0, 20, 20, 30, 40, 0]
    assert values(faces) == [0, 20, 20, 30, 40, 0]
    assert [Path(name).name for name, _ in faces.skipped] == ["1.png", "5.png"]


def test_a_file_that_vanishes_is_replaced(plain: Path) -> None:
    faces = open_faces([plain], SIZE)
    (plain / "00000" / "0.png").unlink()
    assert faces[0].pixels[0, 0, 0] == 10
    assert "cannot be read" in faces.skipped[0][1]


def test_nothing_but_damage_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "a.png", damaged_inside(0))
    faces = open_faces([tmp_path], SIZE)
    with pytest.raises(TrainingError, match="no usable face"):
        faces[0]


@pytest.mark.parametrize("make", ["void", "useless", "missing", "no sources"])
def test_sources_without_faces_say_what_was_expected(tmp_path: Path, make: str) -> None:
    if make == "useless":
        write(tmp_path / "useless" / "wide.png", encode(image(1)[:50]))
    (tmp_path / "void").mkdir()
    sources = [] if make == "no sources" else [tmp_path / make]
    with pytest.raises(TrainingError, match="expected a folder of aligned square faces"):
        open_faces(sources, SIZE)


def test_a_single_path_instead_of_a_list_is_named(plain: Path) -> None:
    with pytest.raises(TrainingError, match="expected a list"):
        open_faces(str(plain), SIZE)


@pytest.mark.parametrize("cache_bytes", [0, 1 << 30])
def test_faces_are_the_same_with_and_without_cache(plain: Path, cache_bytes: int) -> None:
    faces = open_faces([plain], SIZE, cache_bytes=cache_bytes)
    first, second = values(faces), values(faces)
    assert first == second == [0, 10, 20, 30, 40, 50]


def test_changing_a_sample_does_not_change_the_next(plain: Path) -> None:
    faces = open_faces([plain], SIZE)
    faces[0].pixels[:] = 1
    faces[0].pixels[:] = 2
    assert faces[0].pixels[0, 0, 0] == 0


def test_resizing_averages_downwards(tmp_path: Path) -> None:
    checks = (np.indices((128, 128)).sum(axis=0) % 2 * 255).astype(np.uint8)
    write(tmp_path / "a.png", encode(np.repeat(checks[..., None], 3, axis=2)))
    assert np.abs(open_faces([tmp_path], SIZE)[0].pixels.astype(int) - 128).max() <= 1


def test_sixteen_bits_grey_and_alpha_become_rgb(tmp_path: Path) -> None:
    deep = cv2.imencode(".png", np.full((96, 96, 3), 30000, np.uint16))[1].tobytes()
    write(tmp_path / "a.png", deep)
    write(tmp_path / "b.png", cv2.imencode(".png", np.full((96, 96), 50, np.uint8))[1].tobytes())
    write(tmp_path / "c.png", cv2.imencode(".png", np.full((96, 96, 4), 70, np.uint8))[1].tobytes())
    assert values(open_faces([tmp_path], SIZE)) == [pytest.approx(117, abs=1), 50, 70]


def test_pickled_faces_are_the_same(plain: Path) -> None:
    faces = open_faces([plain], SIZE)
    _ = faces[0]
    copy = pickle.loads(pickle.dumps(faces))  # noqa: S301
    assert values(copy) == values(faces)
    assert len(pickle.dumps(faces)) < 20_000  # pixels stay behind


def test_threads_read_the_same(plain: Path) -> None:
    write(plain / "00000" / "1.png", damaged_inside(0))
    faces = open_faces([plain], SIZE)
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda n: int(faces[n % 6].pixels[0, 0, 0]), range(300)))
    assert read == [0, 20, 20, 30, 40, 50] * 50
    assert len(faces.skipped) == 1


def _read_all(faces: Faces) -> None:
    values(faces)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_forked_workers_share_what_they_decode(plain: Path) -> None:
    faces = open_faces([plain], SIZE)
    worker = multiprocessing.get_context("fork").Process(target=_read_all, args=(faces,))
    worker.start()
    worker.join()
    for path in plain.rglob("*.png"):
        path.unlink()
    assert values(faces) == [0, 10, 20, 30, 40, 50]


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("cache_bytes", [0, 1 << 30])
def test_damage_that_a_worker_finds_in_a_shard_is_known_to_all(
    tmp_path: Path, cache_bytes: int
) -> None:
    write_shard(tmp_path / "a.tar", shard_members(0, 3) | {"0001.png": damaged_inside(0)})
    faces = open_faces([tmp_path / "a.tar"], SIZE, cache_bytes=cache_bytes)
    worker = multiprocessing.get_context("fork").Process(target=_read_all, args=(faces,))
    worker.start()
    worker.join()
    assert faces.skipped == [(f"{tmp_path / 'a.tar'}:0001.png", "it cannot be decoded")]
    assert values(faces) == [0, 2, 2]
    assert len(faces.skipped) == 1


def test_the_reference_faces_open(shared: Path) -> None:
    faces = open_faces([shared / "faces/crops/val"], 128)
    assert len(faces) == len(list((shared / "faces/crops/val").glob("*.jpg")))
    assert faces.skipped == []
    sample = faces[100]
    assert 0 < sample.inside <= 1
    assert np.abs(sample.points_xy - template_points("gpen", 128)).max() < 20
