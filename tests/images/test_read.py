"""Reading photos from everywhere; damaged files; arguments to files."""

from __future__ import annotations

import contextlib
import io
import logging
import os
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gpen.errors import ReadError
from gpen.images.read import find_images, read_image
from support.image_files import bomb, exif_with, gradient, png, save

# Sources --------------------------------------------------------------------------------------


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.uint16]),
        st.tuples(st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 3, 4])),
    )
)
def test_takes_arrays_as_they_are(array: np.ndarray) -> None:
    image = read_image(array)
    depth = array.shape[2]
    assert image.pixels.dtype == array.dtype
    assert np.array_equal(image.pixels, np.broadcast_to(array[..., :3], (*array.shape[:2], 3)))
    assert image.is_gray == (depth == 1)
    assert (image.alpha is None) == (depth != 4)
    assert not np.shares_memory(image.pixels, array)
    if depth == 1:
        assert np.array_equal(read_image(array[..., 0]).pixels, image.pixels)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 4, 3), np.float32), "float32"),
        (np.zeros((4, 4, 3), bool), "bool"),
        (np.zeros((4, 4, 2), np.uint8), "(4, 4, 2)"),
        (np.zeros((1, 3, 4, 4), np.uint8), "(1, 3, 4, 4)"),
        (np.zeros((0, 4, 3), np.uint8), "(0, 4, 3)"),
        (np.zeros(4, np.uint8), "(4,)"),
    ],
)
def test_refuses_arrays_that_are_no_photos(array: np.ndarray, words: str) -> None:
    with pytest.raises(ReadError) as caught:
        read_image(array)
    assert words in str(caught.value)
    assert "expected" in str(caught.value)


def test_all_sources_give_the_same(tmp_path: Path) -> None:
    path = tmp_path / "grand mère 1.jpg"
    data = save(gradient(), "JPEG", exif=exif_with(6))
    path.write_bytes(data)
    from_path = read_image(path)
    assert from_path.path == path
    with path.open("rb") as opened:
        opened.seek(100)
        sources = [str(path), data, io.BytesIO(data), opened, PIL.Image.open(io.BytesIO(data))]
        for source in sources:
            image = read_image(source)
            assert np.array_equal(image.pixels, from_path.pixels)
            assert image.metadata == from_path.metadata
            assert image.format == "JPEG"


def test_reads_from_a_pipe() -> None:
    reader, writer = os.pipe()
    data = save(gradient(), "PNG")
    with os.fdopen(writer, "wb") as file:
        file.write(data)  # small enough for the buffer of a pipe
    with os.fdopen(reader, "rb") as file:
        assert np.array_equal(read_image(file).pixels, gradient())


def test_refuses_sources_of_other_types() -> None:
    with pytest.raises(ReadError, match="it is a list; expected a path"):
        read_image([1, 2, 3])  # type: ignore[arg-type]


# Bad input ------------------------------------------------------------------------------------


def flipped(data: bytes, position: int) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 0x10
    return bytes(changed)


BAD_FILES = {
    "empty": (b"", "empty (0 bytes)"),
    "text": (b"Dear diary, this is no photo.\n" * 40, "not a photo"),
    "html": (b"<!DOCTYPE html><title>404</title>", "not a photo"),
    "truncated JPEG": (save(gradient(), "JPEG")[:-30], "damaged"),
    "corrupt PNG": (flipped(save(gradient(), "PNG", compress_level=0), 1200), "damaged"),
    "corrupt 16-bit PNG": (flipped(png(2, 16, gradient()), 120), "damaged"),
    "16-bit PNG with a wrong checksum": (flipped(png(2, 16, gradient()), -14), "damaged"),
    "PNG header only": (save(gradient(), "PNG")[:33], "damaged"),
    "PNG of no size": (bomb(0, 0), ""),
    "JPEG marker only": (b"\xff\xd8\xff", ""),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "not a photo"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_says_in_one_line_what_is_wrong_with_a_file(name: str, tmp_path: Path) -> None:
    data, words = BAD_FILES[name]
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    with pytest.raises(ReadError) as caught:
        read_image(path)
    message = str(caught.value)
    assert caught.value.path == path
    assert message.startswith(f"cannot read {path}: ")
    assert words in message
    assert "\n" not in message


def test_says_when_there_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="there is no such file") as caught:
        read_image(tmp_path / "absent.jpg")
    assert caught.value.path == tmp_path / "absent.jpg"
    with pytest.raises(ReadError, match="is a folder"):
        read_image(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="users and modes of POSIX")
def test_says_when_a_file_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(save(gradient(), "PNG"))
    path.chmod(0)
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    try:
        with pytest.raises(ReadError, match="permission denied"):
            read_image(path)
        _, errors = find_images([path.parent / "*.png", path])
        assert errors or not was_root
    finally:
        if was_root:
            os.seteuid(0)


WHOLE = {
    "JPEG": save(gradient(), "JPEG"),
    "progressive": save(gradient(), "JPEG", progressive=True),
    "PNG": save(gradient(), "PNG"),
    "16-bit PNG": png(2, 16, gradient().astype(np.uint16) * 257),
    "GIF": save(gradient(), "GIF"),
    "WEBP": save(gradient(), "WEBP"),
    "BMP": save(gradient(), "BMP"),
}


@pytest.mark.parametrize("name", WHOLE)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_cut_file_is_an_error_or_whole(name: str, data: st.DataObject) -> None:
    """Never a half-grey image."""
    whole = WHOLE[name]
    cut = data.draw(st.integers(0, len(whole) - 1))
    try:
        image = read_image(whole[:cut])
    except ReadError:
        return
    expected = read_image(whole)
    assert image.pixels.dtype == expected.pixels.dtype
    assert np.array_equal(image.pixels, expected.pixels)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(WHOLE)),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=8),
)
def test_damaged_files_raise_nothing_but_read_errors(
    name: str, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(WHOLE[name])
    for position, value in changes:
        data[position % len(data)] ^= value
    with contextlib.suppress(ReadError):
        assert read_image(bytes(data), max_pixels=10**6).pixels.ndim == 3


def test_refuses_decompression_bombs_by_their_header() -> None:
    with pytest.raises(ReadError) as caught:
        read_image(bomb(50_000, 50_000))
    message = str(caught.value)
    assert "50000 × 50000" in message
    assert "limit of 250000000" in message
    assert "--max-pixels" in message


def test_the_limit_can_be_raised_and_lowered() -> None:
    data = save(gradient(), "PNG")
    read_image(data, max_pixels=24 * 36)
    with pytest.raises(ReadError, match="limit of 863"):
        read_image(data, max_pixels=24 * 36 - 1)
    with pytest.raises(ReadError, match="limit of 863"):
        read_image(PIL.Image.fromarray(gradient()), max_pixels=24 * 36 - 1)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_the_limit_of_pillow_does_not_matter_and_is_left_alone(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = save(gradient(), kind)
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 100)
    assert read_image(data).size_wh == (36, 24)
    assert PIL.Image.MAX_IMAGE_PIXELS == 100


# Arguments to files ---------------------------------------------------------------------------


@pytest.fixture
def album(tmp_path: Path) -> Path:
    names = ["photo10.jpg", "photo2.JPG", "a b.png", "notes.txt", "sub/été.tif", "._photo2.jpg"]
    results = ["photo2_gpen.jpg", "photo2_gpen_compare.jpg", "photo2_gpen_face00.png"]
    for name in [*names, *results]:
        path = tmp_path / "album" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "album"


def test_expands_folders_in_natural_order(album: Path) -> None:
    paths, errors = find_images([album])
    assert [path.name for path in paths] == ["a b.png", "photo2.JPG", "photo10.jpg"]
    assert errors == []
    paths, _ = find_images([str(album)], recursive=True)
    assert [path.name for path in paths] == ["a b.png", "photo2.JPG", "photo10.jpg", "été.tif"]


def test_expands_patterns_that_the_shell_did_not(album: Path) -> None:
    paths, errors = find_images([album / "photo*"])
    assert [path.name for path in paths] == ["photo2.JPG", "photo10.jpg"]
    paths, errors = find_images([str(album / "*_gpen.jpg")])
    assert [path.name for path in paths] == ["photo2_gpen.jpg"]
    assert errors == []


def test_a_file_named_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    path = tmp_path / "photo [1].jpg"
    path.touch()
    assert find_images([path]) == ([path], [])


def test_files_named_one_by_one_are_taken_once(album: Path) -> None:
    inputs = [album / "photo10.jpg", album / "notes.txt", album / "photo2_gpen.jpg", album]
    paths, errors = find_images([*inputs, album / "sub" / ".." / "photo10.jpg"])
    names = ["photo10.jpg", "notes.txt", "photo2_gpen.jpg", "a b.png", "photo2.JPG"]
    assert [path.name for path in paths] == names
    assert errors == []


def test_reports_each_input_that_gives_nothing(album: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    paths, errors = find_images([tmp_path / "absent.jpg", album / "a b.png", empty, "none*.jpg"])
    assert [path.name for path in paths] == ["a b.png"]
    assert [error.path for error in errors] == [tmp_path / "absent.jpg", empty, Path("none*.jpg")]
    assert "no such file" in str(errors[0])
    assert "--recursive" in str(errors[1])
    assert "pattern" in str(errors[2])


def test_nothing_is_logged_for_a_plain_photo(
    demo_photo: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gpen")
    assert read_image(demo_photo).pixels.dtype == np.uint8
    assert caplog.text == ""
