"""What is left to do."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from gpen import Settings
from gpen.cluster.batch_plan import Block, Plan, find_photos, make_plan
from gpen.cluster.manifest import Manifest, Row, fingerprint
from gpen.cluster.storage import Storage
from gpen.errors import ReadError, SettingsError


def plan_of(photos: dict[str, str], rows: list[Row], existing: set[str], **options: Any) -> Plan:
    defaults: dict[str, Any] = {
        "settings": "f00d",
        "format": None,
        "block_size": 2,
        "overwrite": False,
        "skip_existing": False,
    }
    return make_plan(photos, rows, existing, **(defaults | options))


def done(name: str, **changes: Any) -> Row:
    row = Row(name=name, stamp="1:1", settings="f00d", output=name, status="restored")
    return dataclasses.replace(row, **changes)


PHOTOS = {"a.jpg": "1:1", "b.jpg": "1:1", "sub/a.jpg": "1:1"}


def names(plan: Plan) -> list[str]:
    return [photo.name for block in plan.blocks for photo in block.photos]


def test_everything_is_left_at_first_in_blocks() -> None:
    plan = plan_of(PHOTOS, [], set())
    assert [len(block.photos) for block in plan.blocks] == [2, 1]
    assert [photo.output for block in plan.blocks for photo in block.photos] == list(PHOTOS)


def test_only_what_the_manifest_vouches_for_is_done() -> None:
    rows = [done("a.jpg"), done("b.jpg", stamp="2:9"), done("sub/a.jpg", settings="beef")]
    plan = plan_of(PHOTOS, rows, set(PHOTOS), overwrite=True)
    assert [row.name for row in plan.done] == ["a.jpg"]
    assert names(plan) == ["b.jpg", "sub/a.jpg"]


def test_a_result_that_is_gone_is_made_again() -> None:
    plan = plan_of(PHOTOS, [done(name) for name in PHOTOS], {"a.jpg", "b.jpg"})
    assert names(plan) == ["sub/a.jpg"]


def test_a_photo_that_failed_is_tried_again_in_another_block() -> None:
    failed = Row(name="a.jpg", stamp="1:1", settings="f00d", error="away")
    first, again = plan_of(PHOTOS, [], set()), plan_of(PHOTOS, [failed], set())
    assert names(again) == list(PHOTOS)
    assert first.blocks[0].id != again.blocks[0].id
    assert first.blocks[1].id == again.blocks[1].id


def test_results_of_others_are_kept_unless_asked() -> None:
    kept = plan_of(PHOTOS, [], {"b.jpg"})
    assert names(kept) == ["a.jpg", "sub/a.jpg"]
    assert kept.settled[0].status == "failed"
    assert "--overwrite or --skip-existing" in str(kept.settled[0].error)
    skipped = plan_of(PHOTOS, [], {"b.jpg"}, skip_existing=True)
    assert skipped.settled[0].status == "skipped"
    assert names(plan_of(PHOTOS, [], {"b.jpg"}, overwrite=True)) == list(PHOTOS)


def test_results_have_the_format_asked_for_and_never_meet() -> None:
    plan = plan_of({"a.bmp": "", "a.jpg": "", "sub/a.gif": ""}, [], set(), format="png")
    outputs = [photo.output for block in plan.blocks for photo in block.photos]
    assert outputs == ["a.png", "a_2.png", "sub/a.png"]
    with pytest.raises(SettingsError, match="format is 'doc'"):
        plan_of(PHOTOS, [], set(), format="doc")


def test_blocks_survive_the_journey() -> None:
    block = plan_of(PHOTOS, [], set()).blocks[0]
    assert Block.from_json(block.to_json()) == block


def test_photos_are_found_without_hidden_files_results_and_the_target(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "notes.txt", ".hidden.jpg", ".git/x.jpg", "a_gpen.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"1")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.jpg").write_bytes(b"1")
    found = find_photos(Storage(str(tmp_path)), Storage(str(tmp_path / "out")))
    assert list(found) == ["a.png", "b.JPG"]


def test_source_and_target_must_differ_and_hold_photos(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    with pytest.raises(SettingsError, match="is the source and the target"):
        find_photos(storage, Storage(f"{tmp_path}/"))
    with pytest.raises(ReadError, match="has no photos in it"):
        find_photos(storage, Storage(str(tmp_path / "out")))


def test_the_fingerprint_follows_the_picture_not_the_machine() -> None:
    def of(sha256: str = "1", **options: Any) -> str:
        return fingerprint(dataclasses.asdict(Settings(**options)), sha256)

    assert of() == of(device="cuda", engine="torch", models_dir=Path("m"))
    assert len({of(), of(blend=0.5), of(format="png"), of(sha256="2"), of(precision="f32")}) == 5


def test_a_damaged_part_says_what_to_do(target: Storage) -> None:
    target.write_whole(".gpen-batch/parts/x.jsonl", b'{"name": ', replace=False)
    with pytest.raises(ReadError, match=r"parts/x\.jsonl .*remove it"):
        Manifest(target).read_all(target.files())
