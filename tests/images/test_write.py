"""Files that are whole or not there; where results go."""

from __future__ import annotations

import errno
import os
import stat
import threading
from dataclasses import replace
from pathlib import Path

import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpen.errors import OutputExistsError, SettingsError, WriteError
from gpen.images.read import read_image
from gpen.images.write import output_paths, write_image
from gpen.types import Image
from support.image_files import gradient

PHOTO = Image(gradient(40, 60))

posix = pytest.mark.skipif(os.name == "nt", reason="users, modes and devices of POSIX")


# Whole or not at all --------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_the_suffix_chooses_the_format(folder: Path) -> None:
    formats = {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "tif": "TIFF"}
    formats |= {"tiff": "TIFF", "avif": "AVIF", "heic": "HEIF", "heif": "HEIF", "bmp": "BMP"}
    for name, expected in formats.items():
        path = folder / f"été 1.{name.upper()}"
        assert write_image(PHOTO, path) == path
        with PIL.Image.open(path) as pil_image:
            assert pil_image.format == expected
    assert len(list(folder.iterdir())) == len(formats)


@pytest.mark.parametrize("name", ["photo.xyz", "photo", "photo.gif"])
def test_unknown_formats_are_named(folder: Path, name: str) -> None:
    with pytest.raises(WriteError, match="expected one of jpg, png, webp") as caught:
        write_image(PHOTO, folder / name)
    assert caught.value.path == folder / name
    write_image(PHOTO, folder / name, format="png")


def test_missing_folders_are_made(folder: Path) -> None:
    path = folder / "a" / "b" / "photo.png"
    write_image(PHOTO, path)
    assert path.exists()
    with pytest.raises(WriteError, match="is a file; expected a folder"):
        write_image(PHOTO, path / "photo.png")


def test_what_is_there_stays_unless_asked(folder: Path) -> None:
    path = folder / "photo.png"
    path.write_bytes(b"mine")
    with pytest.raises(OutputExistsError, match="already there") as caught:
        write_image(PHOTO, path)
    assert caught.value.path == path
    assert path.read_bytes() == b"mine"
    write_image(PHOTO, path, overwrite=True)
    assert read_image(path).size_wh == (60, 40)
    assert list(folder.iterdir()) == [path]


@posix
def test_the_permissions_are_those_of_any_new_file(folder: Path) -> None:
    before = os.umask(0o027)
    try:
        path = write_image(PHOTO, folder / "new.png")
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o600)
        write_image(PHOTO, path, overwrite=True)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(before)


@posix
def test_a_link_stays_a_link(folder: Path) -> None:
    real = write_image(PHOTO, folder / "real.png")
    link = folder / "link.png"
    link.symlink_to(real)
    write_image(replace(PHOTO, is_gray=True), link, overwrite=True)
    assert link.is_symlink()
    assert read_image(real).is_gray


@posix
def test_folders_and_devices_are_never_replaced(folder: Path) -> None:
    (folder / "photo.png").mkdir()
    with pytest.raises(WriteError, match="is a folder"):
        write_image(PHOTO, folder / "photo.png", overwrite=True)
    device = folder / "device.png"
    os.mkfifo(device)
    with pytest.raises(WriteError, match="device or pipe"):
        write_image(PHOTO, device, overwrite=True)
    assert stat.S_ISFIFO(device.stat().st_mode)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_full_disk_leaves_nothing_half_written(folder: Path, overwrite: bool) -> None:
    """A limit on the size of files stands in for the disk: the write itself fails."""
    path = folder / "photo.bmp"
    if overwrite:
        path.write_bytes(b"old")
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        with pytest.raises(WriteError, match=r"photo\.bmp: file too large") as caught:
            write_image(PHOTO, path, overwrite=overwrite)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.path == path
    assert [file.name for file in folder.iterdir()] == (["photo.bmp"] if overwrite else [])
    if overwrite:
        assert path.read_bytes() == b"old"


@pytest.mark.parametrize(
    "failure", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
def test_an_interruption_leaves_nothing_half_written(
    folder: Path, failure: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise failure

    monkeypatch.setattr(os, "fsync", fail)
    expected = KeyboardInterrupt if isinstance(failure, KeyboardInterrupt) else WriteError
    with pytest.raises(expected):
        write_image(PHOTO, folder / "photo.png")
    assert list(folder.iterdir()) == []


def no_hard_links(self: Path, target: Path) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize("has_links", [True, False])
def test_of_many_writers_one_wins(
    folder: Path, has_links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_links:
        monkeypatch.setattr(Path, "hardlink_to", no_hard_links)
    # All pass the first look before any of them writes.
    monkeypatch.setattr("gpen.images.write._check_target", lambda *_, **__: None)
    results: list[str] = []

    def write() -> None:
        try:
            write_image(PHOTO, folder / "photo.png")
            results.append("written")
        except OutputExistsError:
            results.append("refused")

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["refused"] * 5 + ["written"]
    assert [file.name for file in folder.iterdir()] == ["photo.png"]
    assert read_image(folder / "photo.png").size_wh == (60, 40)


@posix
def test_says_when_a_folder_may_not_be_written(folder: Path) -> None:
    folder.chmod(0o555)
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    try:
        with pytest.raises(WriteError, match="permission denied"):
            write_image(PHOTO, folder / "photo.png")
    finally:
        if was_root:
            os.seteuid(0)
        folder.chmod(0o755)


# Names ----------------------------------------------------------------------------------------


def names(inputs: list[str], out: str | None = None, **options: object) -> list[str]:
    paths = output_paths(
        [Path(name) for name in inputs],
        Path(out) if out else None,
        **options,  # type: ignore[arg-type]
    )
    return [path.as_posix() for path in paths]


@pytest.mark.parametrize(
    ("inputs", "out", "options", "expected"),
    [
        (["a/x.jpg"], None, {}, ["a/x_gpen.jpg"]),
        (["a/x.JPEG"], None, {}, ["a/x_gpen.JPEG"]),
        (["a/x.gif"], None, {}, ["a/x_gpen.png"]),
        (["a/x"], None, {}, ["a/x_gpen.png"]),
        (["a/x.tar.png"], None, {}, ["a/x.tar_gpen.png"]),
        (["a/x.jpeg"], None, {"format": "jpg"}, ["a/x_gpen.jpeg"]),
        (["a/x.jpg"], None, {"format": "webp"}, ["a/x_gpen.webp"]),
        (["a/x.jpg"], "new.png", {}, ["new.png"]),
        (["a/x.jpg"], "new.tiff", {"format": "tif"}, ["new.tiff"]),
        (["a/x.jpg"], "new", {}, ["new/x_gpen.jpg"]),
        (["a/x.jpg"], "new.d", {"as_folder": True}, ["new.d/x_gpen.jpg"]),
        (["a/x.jpg", "b/x.jpg"], None, {}, ["a/x_gpen.jpg", "b/x_gpen.jpg"]),
        (["a/x.jpg", "b/x.jpg"], "new", {}, ["new/x_gpen.jpg", "new/x_2_gpen.jpg"]),
        (["a/x.jpg", "a/x.png"], None, {"format": "png"}, ["a/x_gpen.png", "a/x_2_gpen.png"]),
        (["a/x.jpg", "a/X.jpg"], None, {}, ["a/x_gpen.jpg", "a/X_2_gpen.jpg"]),
        ([], "new.png", {}, []),
    ],
)
def test_names_results(
    inputs: list[str], out: str | None, options: dict[str, object], expected: list[str]
) -> None:
    assert names(inputs, out, **options) == expected


def test_an_existing_folder_is_a_folder_whatever_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "old.jpg"
    folder.mkdir()
    assert output_paths([Path("x.png")], folder) == [folder / "x_gpen.png"]


def test_contradicting_names_are_refused() -> None:
    with pytest.raises(SettingsError, match="not named like the format png"):
        names(["x.jpg"], "new.jpg", format="png")
    with pytest.raises(SettingsError, match="format is 'gif'; expected one of jpg"):
        names(["x.jpg"], format="gif")


@given(st.lists(st.sampled_from(["a", "A", "a_2", "b"]), max_size=12))
def test_no_two_results_share_a_name(stems: list[str]) -> None:
    results = names([f"{i}/{stem}.jpg" for i, stem in enumerate(stems)] + ["z/z.jpg"], "new")
    assert len({name.casefold() for name in results}) == len(results)
