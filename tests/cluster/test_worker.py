"""Blocks are done once, whatever happens to those who do them."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from gpen.cluster.batch_plan import Block, Photo
from gpen.cluster.manifest import STATE, Manifest, PhotoResult, Row, from_lines
from gpen.cluster.publishing import recover
from gpen.cluster.storage import Storage
from gpen.cluster.worker import Job, Worker

Restore = Callable[[bytes, str, Path], PhotoResult]


class DiedError(BaseException):
    """The worker is gone: nothing catches this."""


@pytest.fixture
def block(source: Storage) -> Block:
    return Block("b10c", tuple(Photo(name, stamp, name) for name, stamp in source.files().items()))


def results(target: Storage) -> dict[str, bytes]:
    """Results by name, without gpen's notes."""
    found = (name for name in target.files() if not name.startswith(STATE))
    return {name: target.read(name) for name in found}


def expected(source: Storage) -> dict[str, bytes]:
    return {name: source.read(name).upper() for name in source.files()}


def manifest_of(target: Storage) -> list[Row]:
    return Manifest(target).read_all(target.files())


def test_results_lie_under_the_names_of_the_photos(
    job: Job, block: Block, restore: Restore, source: Storage, target: Storage
) -> None:
    rows = Worker(job, lambda: restore).do(block)
    assert results(target) == expected(source)
    assert [row.status for row in rows] == ["restored"] * 5
    assert manifest_of(target) == sorted(rows, key=lambda row: row.finished)
    assert not target.names(f"{STATE}/staged")


def test_a_bad_photo_never_stops_its_block(
    job: Job, block: Block, restore: Restore, source: Storage, target: Storage, tmp_path: Path
) -> None:
    (tmp_path / "in" / "b.jpg").write_bytes(b"bad")
    (tmp_path / "in" / "c.jpg").unlink()
    rows = {row.name: row for row in Worker(job, lambda: restore).do(block)}
    assert rows["b.jpg"].error == "b.jpg: it is not a photo"
    assert rows["c.jpg"].status == "failed"
    assert set(results(target)) == {"a.jpg", "sub/a.jpg", "sub/d.png"}


def test_a_block_done_twice_is_restored_once(
    job: Job, block: Block, restore: Restore, target: Storage
) -> None:
    first = Worker(job, lambda: restore).do(block)

    def never(data: bytes, name: str, path: Path) -> PhotoResult:
        raise AssertionError(name)

    assert Worker(job, lambda: never).do(block) == first
    assert len(manifest_of(target)) == 5


@pytest.mark.parametrize("when", range(5))
def test_a_worker_that_dies_over_a_photo_leaves_nothing_half_done(
    job: Job, block: Block, restore: Restore, source: Storage, target: Storage, when: int
) -> None:
    fatal = block.photos[when].name

    def dying(data: bytes, name: str, path: Path) -> PhotoResult:
        if name == fatal:
            raise DiedError
        return restore(data, name, path)

    with pytest.raises(DiedError):
        Worker(job, lambda: dying).do(block)
    assert results(target) == {}
    assert manifest_of(target) == []
    Worker(job, lambda: restore).do(block)
    assert results(target) == expected(source)
    assert Counter(row.name for row in manifest_of(target)) == Counter(list(source.files()))


def test_a_photo_that_kills_every_worker_is_left_out(
    job: Job, block: Block, restore: Restore, source: Storage, target: Storage
) -> None:
    def dying(data: bytes, name: str, path: Path) -> PhotoResult:
        if name == "b.jpg":
            raise DiedError
        return restore(data, name, path)

    for _ in range(3):
        with pytest.raises(DiedError):
            Worker(job, lambda: dying).do(block)
    rows = {row.name: row for row in Worker(job, lambda: dying).do(block)}
    assert "workers died" in str(rows["b.jpg"].error)
    assert set(results(target)) == set(source.files()) - {"b.jpg"}


@pytest.mark.parametrize("moved", range(5))
def test_what_is_recorded_and_not_in_place_is_moved_by_the_next_run(
    job: Job,
    block: Block,
    restore: Restore,
    source: Storage,
    target: Storage,
    monkeypatch: pytest.MonkeyPatch,
    moved: int,
) -> None:
    from gpen.cluster import worker

    publish, n = worker.publish, 0

    def dying(storage: Storage, row: Row) -> Row:
        nonlocal n
        n += 1
        if n > moved:
            raise DiedError
        return publish(storage, row)

    monkeypatch.setattr(worker, "publish", dying)
    with pytest.raises(DiedError):
        Worker(job, lambda: restore).do(block)
    assert len(results(target)) == moved
    rows, there = recover(target, manifest_of(target), target.files(), overwrite=False)
    assert results(target) == expected(source)
    assert len(rows) == 5
    assert set(source.files()) <= there
    assert not target.names(f"{STATE}/staged")


def test_leftovers_without_a_record_are_cleared_away(job: Job, target: Storage) -> None:
    target.write_whole(f"{STATE}/staged/x/0-1.jpg", b"half", replace=False)
    rows, _ = recover(target, [], target.files(), overwrite=False)
    assert rows == []
    assert target.files() == {}


def test_a_file_that_appears_meanwhile_is_kept_and_the_result_waits(
    job: Job, block: Block, restore: Restore, source: Storage, target: Storage
) -> None:
    def meanwhile(data: bytes, name: str, path: Path) -> PhotoResult:
        if name == "b.jpg":
            target.write_whole("b.jpg", b"something of the user's", replace=False)
        return restore(data, name, path)

    rows = {row.name: row for row in Worker(job, lambda: meanwhile).do(block)}
    assert "appeared while" in str(rows["b.jpg"].error)
    assert results(target)["b.jpg"] == b"something of the user's"
    kept, there = recover(target, manifest_of(target), target.files(), overwrite=False)
    assert {row.name for row in kept} == set(source.files()) - {"b.jpg"}
    assert results(target)["b.jpg"] == b"something of the user's"
    recover(target, manifest_of(target), there, overwrite=True)
    assert results(target) == expected(source)


def test_two_workers_with_one_block_agree(
    job: Job, block: Block, restore: Restore, source: Storage, target: Storage
) -> None:
    """One that was thought dead goes on beside the one that took its block over."""

    def slow(data: bytes, name: str, path: Path) -> PhotoResult:
        if name == "sub/d.png":
            Worker(job, lambda: restore).do(block)
        return restore(data, name, path)

    rows = Worker(dataclasses.replace(job, jobs=1), lambda: slow).do(block)
    assert results(target) == expected(source)
    assert {row.status for row in rows} == {"restored"}
    assert Counter(row.name for row in manifest_of(target)) == Counter(list(source.files()))


def test_a_target_that_cannot_be_written_is_the_reason_for_each_photo(
    job: Job, block: Block, restore: Restore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(Storage, "write_whole", full)
    rows = Worker(job, lambda: restore).do(block)
    assert {row.error for row in rows} == {"No space left on device"}


def test_a_worker_that_cannot_start_says_why(job: Job, block: Block, restore: Restore) -> None:
    def broken() -> Restore:
        raise RuntimeError("no such device")

    output = Worker(job, broken)({"block": [block.to_json()]})
    assert output["trouble"] == ["no such device"]
    blind = dataclasses.replace(job, token="absent")  # noqa: S106
    assert "does not see" in Worker(blind, lambda: restore)({"block": ["{}"]})["trouble"][0]


def test_answers_travel_as_text(job: Job, block: Block, restore: Restore) -> None:
    output = Worker(job, lambda: restore)({"block": [block.to_json()]})
    assert output["block"] == [block.id]
    assert [row.name for row in from_lines(output["rows"][0])] == [p.name for p in block.photos]
