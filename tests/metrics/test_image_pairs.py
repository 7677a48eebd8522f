"""Folders of images that belong together."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from gpen.errors import ReadError, SettingsError
from gpen.metrics.image_pairs import list_images, match, read_groups, read_pixels


def _write(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        cv2.imwrite(str(folder / name), np.full((8, 8, 3), 90, np.uint8))
    return folder


def test_pictures_match_by_stem_with_or_without_gpen(tmp_path: Path) -> None:
    restored = _write(tmp_path / "restored", "a_gpen.png", "b.jpg", "only.png")
    truth = _write(tmp_path / "truth", "a.jpg", "b.png", "missing.png")
    found = match(restored, truth)
    assert {stem: (a.name, b.name) for stem, (a, b) in found.pairs.items()} == {
        "a": ("a_gpen.png", "a.jpg"),
        "b": ("b.jpg", "b.png"),
    }
    assert [path.name for path in found.alone] == ["only.png", "missing.png"]


def test_a_single_picture_is_a_set_of_one(tmp_path: Path) -> None:
    folder = _write(tmp_path / "photos", "face_gpen.png")
    assert list(list_images(folder / "face_gpen.png")) == ["face"]


def test_no_pair_at_all_is_refused(tmp_path: Path) -> None:
    one, other = _write(tmp_path / "one", "a.png"), _write(tmp_path / "other", "b.png")
    with pytest.raises(ReadError, match="no photo of"):
        match(one, other)


def test_two_pictures_of_one_stem_are_refused(tmp_path: Path) -> None:
    folder = _write(tmp_path / "photos", "a.png", "a_gpen.png")
    with pytest.raises(SettingsError, match=r"a\.png and a_gpen\.png"):
        list_images(folder)


def test_empty_and_missing_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no photos"):
        list_images(_write(tmp_path / "empty"))
    with pytest.raises(ReadError, match="no such file"):
        list_images(tmp_path / "missing")


def test_shards_and_subfolders_are_refused_with_what_to_do_instead(tmp_path: Path) -> None:
    _write(tmp_path / "faces")
    (shard := tmp_path / "faces" / "faces-000000.tar").touch()
    _write(tmp_path / "faces" / "sub", "a.png")
    for place in (shard, shard.parent):
        with pytest.raises(ReadError, match=r"not in its subfolders; .*`tar -xf`") as caught:
            list_images(place)
        assert "--recursive" not in str(caught.value)  # which gpen evaluate has not


def test_16_bits_are_rounded_to_8(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "deep.png"), np.full((4, 4, 3), 257 * 200 + 100, np.uint16))
    pixels = read_pixels(tmp_path / "deep.png")
    assert pixels.dtype == np.uint8
    assert (pixels == 200).all()


def test_groups_are_read_by_stem(tmp_path: Path) -> None:
    path = tmp_path / "groups.csv"
    path.write_text("# by hand\nfile,group\nx/a.jpg,child\na_gpen.png,glasses\n\nb,child\n")
    assert read_groups(path) == {"a": ["child", "glasses"], "b": ["child"]}


@pytest.mark.parametrize("text", ["a,b,c\n", "a\n", "a,\n"])
def test_a_line_without_two_parts_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "groups.csv"
    path.write_text("file,group\n" + text)
    with pytest.raises(SettingsError, match="row 2"):
        read_groups(path)
    with pytest.raises(SettingsError, match="cannot read"):
        read_groups(tmp_path / "missing.csv")
