"""Refusal, duplicates and splits, on made-up faces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpen.errors import ReadError
from gpen.training.prepare.candidates import Candidate
from gpen.training.prepare.filtering import duplicates, refusal, shuffled, split_groups
from gpen.training.prepare.prepare_options import Options


def face(number: int = 0, looks: bytes | None = None, **values: object) -> Candidate:
    random = np.random.default_rng(number)
    plain = Candidate(
        key=f"{number:08d}_00",
        source=f"photos/{number}.jpg",
        face=0,
        size=256,
        native=256.0,
        inside=1.0,
        sharpness=0.2,
        turn=0.1,
        grey=False,
        points_xy=[],
        box_xyxy=[],
        score=0.99,
        looks=(looks or random.bytes(32)).hex(),
        looks_mirrored=random.bytes(32).hex(),
    )
    return replace(plain, **values)  # type: ignore[arg-type]


def test_a_crop_whose_file_is_gone_is_named(tmp_path: Path) -> None:
    gone = tmp_path / "batch-0001"
    with pytest.raises(ReadError, match=r"cannot read .*batch-0001 \(No such file") as caught:
        face(file=str(gone), place=(0, 10)).encoded()
    assert caught.value.path == gone


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, None),
        ({"score": 0.5}, "unsure"),
        ({"native": 100.0}, "small"),
        ({"inside": 0.3}, "cut off"),
        ({"sharpness": 0.05}, "blurred"),
        ({"sharpness": 0.9}, "noisy"),
        ({"turn": 1.5}, "turned"),
        ({"native": 100.0, "turn": 1.5}, "small"),
        ({"face": 1}, None),
    ],
)
def test_each_threshold_refuses_with_its_reason(
    values: dict[str, object], reason: str | None
) -> None:
    assert refusal(face(**values), Options(size=256), named=False) == reason


def test_only_the_largest_face_is_the_person_a_photo_is_named_after() -> None:
    assert refusal(face(face=1), Options(size=256), named=True) == "bystander"
    assert refusal(face(face=0), Options(size=256), named=True) is None


def flipped(looks: bytes, count: int) -> bytes:
    bits = np.unpackbits(np.frombuffer(looks, np.uint8))
    bits[:count] ^= 1
    return np.packbits(bits).tobytes()


def test_the_face_with_more_detail_stays() -> None:
    looks = bytes(range(32))
    poor = face(0, looks, native=128.0)
    good = face(1, flipped(looks, 20))
    assert duplicates([poor, good, face(2)], 32) == {poor.key: good.key}


@pytest.mark.parametrize(
    "worse", [{"sharpness": 0.15}, {"sharpness": 0.5}, {"grey": True}, {"native": 200.0}]
)
def test_blurred_noisy_grey_and_small_copies_are_worse(worse: dict[str, object]) -> None:
    looks = bytes(range(32))
    assert duplicates([face(0, looks, **worse), face(1, looks)], 0) == {face(0).key: face(1).key}


def test_of_equals_the_first_stays() -> None:
    looks = bytes(range(32))
    assert duplicates([face(1, looks), face(0, looks)], 0) == {face(1).key: face(0).key}


@pytest.mark.parametrize(("bits", "dropped"), [(32, 1), (33, 0)])
def test_the_threshold_counts_bits(bits: int, dropped: int) -> None:
    looks = bytes(range(32))
    assert len(duplicates([face(0, looks), face(1, flipped(looks, bits))], 32)) == dropped


def test_a_mirrored_copy_is_a_duplicate() -> None:
    first = face(0)
    copy = face(1, bytes.fromhex(first.looks_mirrored), looks_mirrored=first.looks)
    assert duplicates([first, copy], 32) == {copy.key: first.key}


def test_minus_one_keeps_all_and_nothing_is_no_error() -> None:
    assert duplicates([face(0, bytes(32)), face(1, bytes(32))], -1) == {}
    assert duplicates([], 32) == {}


def test_duplicates_are_found_across_blocks() -> None:
    faces = [face(number) for number in range(600)]
    copy = face(600, bytes.fromhex(faces[3].looks))
    assert duplicates([*faces, copy], 32) == {copy.key: faces[3].key}


@given(st.sets(st.text(min_size=1), min_size=2, max_size=30), st.floats(0.01, 0.99), st.integers())
def test_both_splits_have_groups_and_the_order_does_not_matter(
    groups: set[str], val_share: float, seed: int
) -> None:
    splits = split_groups(sorted(groups), val_share, seed)
    assert set(splits) == groups
    assert set(splits.values()) == {"train", "val"}
    assert splits == split_groups(sorted(groups, reverse=True), val_share, seed)


def test_groups_keep_their_split_when_others_join() -> None:
    few = split_groups([str(n) for n in range(100)], 0.2, 0)
    many = split_groups([str(n) for n in range(1000)], 0.2, 0)
    assert all(many[group] == split for group, split in few.items())
    assert 150 < list(many.values()).count("val") < 250


@pytest.mark.parametrize(("share", "split"), [(0.0, "train"), (1.0, "val")])
def test_a_share_of_nothing_or_all_is_taken_literally(share: float, split: str) -> None:
    assert set(split_groups(["a", "b", "c"], share, 0).values()) == {split}


def test_shuffling_depends_on_the_seed_only() -> None:
    faces = [face(number) for number in range(50)]
    assert shuffled(faces, 0) == shuffled(faces[::-1], 0)
    assert shuffled(faces, 0) != shuffled(faces, 1)
