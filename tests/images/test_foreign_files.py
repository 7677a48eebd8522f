"""Files beyond one plain image: camera raw, several images, endless scans, rare kinds."""

from __future__ import annotations

import importlib.util
import io
import struct
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from gpen.errors import ReadError
from gpen.images.formats import READABLE_SUFFIXES
from gpen.images.read import read_image
from support.image_files import SRGB, exif_with, gradient, save, tiff

RNG = np.random.default_rng(5)


# Camera raw -------------------------------------------------------------------------------------


def raw_file(
    preview: bytes, *, sensor_wh: tuple[int, int], orientation: int = 1, first: bytes = b""
) -> bytes:
    """A TIFF as cameras write it: a tiny first image, a sensor's directory, a JPEG behind them."""
    width, height = sensor_wh

    def directory(entries: list[tuple[int, int, int, int]], following: int) -> bytes:
        rows = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
        return struct.pack("<H", len(entries)) + rows + struct.pack("<I", following)

    first_at, sensor_at, tiny_at = 8, 300, 500
    tiny = bytes(16 * 12)
    head = directory(
        [
            (254, 4, 1, 1),
            (256, 4, 1, 16),
            (257, 4, 1, 12),
            (258, 3, 1, 8),
            (259, 3, 1, 1),
            (262, 3, 1, 1),
            (273, 4, 1, tiny_at),
            (274, 3, 1, orientation),
            (277, 3, 1, 1),
            (278, 4, 1, 12),
            (279, 4, 1, len(tiny)),
            (330, 4, 1, sensor_at),
        ],
        first_at,  # a cycle, as in some broken files
    )
    sensor = directory(
        [(254, 4, 1, 0), (256, 4, 1, width), (257, 4, 1, height), (262, 3, 1, 32803)], 0
    )
    data = b"II*\0" + struct.pack("<I", first_at) + head
    data = data.ljust(sensor_at, b"\0") + sensor
    return data.ljust(tiny_at, b"\0") + tiny + first + preview


def test_the_tiny_preview_of_a_raw_file_is_never_taken_for_the_photo(shared: Path) -> None:
    case = shared / "cases" / "raw.dng"
    if not case.is_file():
        pytest.skip(f"no case at {case}")
    with pytest.raises(ReadError, match="raw file without a JPEG of full size: develop it first"):
        read_image(case)


def test_a_smaller_preview_is_named(tmp_path: Path) -> None:
    path = tmp_path / "photo.nef"
    path.write_bytes(raw_file(save(gradient(), "JPEG"), sensor_wh=(400, 300)))
    with pytest.raises(
        ReadError, match=r"photo\.nef: .* \(the largest has 36 × 24 pixels\): develop"
    ):
        read_image(path)


@pytest.mark.parametrize("orientation", [1, 6])
def test_the_jpeg_of_full_size_in_a_raw_file_is_used(orientation: int) -> None:
    small = save(PIL.Image.new("RGB", (12, 8)), "JPEG")
    full = save(gradient(), "JPEG", quality=98)
    data = raw_file(full, sensor_wh=(38, 25), orientation=orientation, first=small)
    image = read_image(data)
    assert image.size_wh == ((36, 24) if orientation == 1 else (24, 36))
    upright = image.pixels if orientation == 1 else np.rot90(image.pixels)
    assert np.abs(upright.astype(int) - gradient()).mean() < 3
    assert "the camera's own JPEG inside the raw file" in image.notes[0]


def test_lossless_jpeg_of_sensor_samples_is_no_preview() -> None:
    samples = bytearray(save(gradient(), "JPEG"))
    samples[samples.index(b"\xff\xc0") + 1] = 0xC3
    with pytest.raises(ReadError, match="without a JPEG of full size: develop"):
        read_image(raw_file(bytes(samples), sensor_wh=(36, 24)))


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", "raw file of a Canon camera"),
        (b"FUJIFILMCCD-RAW 0201FF393101", "raw file of a Fujifilm camera"),
        (b"IIRO\x08\0\0\0", "raw file of an Olympus camera"),
        (b"IIU\0\x18\0\0\0", "raw file of a Panasonic camera"),
        (b"v/1\x01\x02\0\0\0", "OpenEXR image: save it as a TIFF"),
        (b"#?RADIANCE\n", "Radiance HDR image"),
        (b"%PDF-1.7\n", "PDF document"),
        (b"\0\0\0\x20ftypisom\0\0\x02\0", "a video: its name has to end"),
    ],
)
def test_other_kinds_are_named_with_what_to_do(head: bytes, words: str) -> None:
    with pytest.raises(ReadError, match=words):
        read_image(head.ljust(600, b"\0"))


def test_jpeg_xl_is_read_or_the_part_that_reads_it_is_named() -> None:
    if importlib.util.find_spec("pillow_jxl") is None:
        with pytest.raises(ReadError, match=r"JPEG XL image: pip install 'gpen\[formats\]'"):
            read_image(b"\xff\x0a".ljust(600, b"\0"))
        return
    import pillow_jxl  # noqa: F401

    image = read_image(save(gradient(), "JXL", lossless=True))
    assert np.array_equal(image.pixels, gradient())


# Photoshop and Targa ----------------------------------------------------------------------------


def psd(pil_image: np.ndarray, bits: int = 8) -> bytes:
    """A flat Photoshop file: header, three empty sections, raw planes."""
    height, width, depth = pil_image.shape
    head = struct.pack(">4sH6xHIIHH", b"8BPS", 1, depth, height, width, bits, 3)
    return (
        head + bytes(12) + b"\0\0" + pil_image.transpose(2, 0, 1).astype(f">u{bits // 8}").tobytes()
    )


def test_photoshop_files_are_read_flat() -> None:
    image = read_image(psd(gradient()))
    assert np.array_equal(image.pixels, gradient())
    assert image.format == "PSD"
    with pytest.raises(ReadError, match="Photoshop file of more than 8 bits: save it as TIFF"):
        read_image(psd(gradient().astype(np.uint16) * 257, bits=16))


def test_targa_files_are_known_by_their_name_or_their_end(tmp_path: Path) -> None:
    new = save(gradient(), "TGA")
    assert np.array_equal(read_image(new).pixels, gradient())
    path = tmp_path / "photo.tga"
    path.write_bytes(new[:-26])  # as older programs write it
    assert np.array_equal(read_image(path).pixels, gradient())
    assert {".tga", ".psd", ".jxl"} <= READABLE_SUFFIXES
    other = path.rename(tmp_path / "photo.jpg")
    with pytest.raises(ReadError, match="not a photo"):
        read_image(other)


# TIFF of rare layouts ---------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [1, 5, 8], ids=["raw", "lzw", "deflate"])
def test_colours_as_floats_are_read(compression: int) -> None:
    stored = RNG.random((9, 11, 3)).astype(np.float32)
    options = [cv2.IMWRITE_TIFF_COMPRESSION, compression]
    _, data = cv2.imencode(".tiff", stored[..., ::-1], options)
    image = read_image(data.tobytes())
    assert np.array_equal(image.pixels, np.rint(stored * 65535))
    _, data = cv2.imencode(".tiff", stored * 2, options)
    with pytest.raises(ReadError, match="floating-point samples outside 0 to 1"):
        read_image(data.tobytes())


def planar(stored: np.ndarray) -> bytes:
    """A TIFF whose channels lie one after the other, in one strip each."""
    height, width, depth = stored.shape
    data = bytearray(tiff(np.ascontiguousarray(stored), planes=2))
    plane = height * width * stored.dtype.itemsize
    (count,) = struct.unpack_from(">H", data, 8)
    tags = {struct.unpack_from(">H", data, at)[0]: at for at in range(10, 10 + 12 * count, 12)}
    (start,) = struct.unpack_from(">I", data, tags[273] + 8)
    for tag, numbers in ((273, [start + i * plane for i in range(depth)]), (279, [plane] * depth)):
        struct.pack_into(">HHII", data, tags[tag], tag, 4, depth, len(data))
        data += struct.pack(f">{depth}I", *numbers)
    pixels = stored.transpose(2, 0, 1).astype(">u2").tobytes()
    data[start : start + len(pixels)] = pixels
    return bytes(data)


def test_16_bit_planes_are_read_or_the_part_that_reads_them_is_named() -> None:
    stored = RNG.integers(0, 65536, (9, 11, 3)).astype(np.uint16)
    if importlib.util.find_spec("tifffile") is None:
        with pytest.raises(ReadError, match=r"separate planes: pip install 'gpen\[formats\]'"):
            read_image(planar(stored))
        return
    assert np.array_equal(read_image(planar(stored)).pixels, stored)


# Several images ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("TIFF", "3 pages, and gpen would lose all but one: save each page"),
        ("PNG", "3 images, and gpen would lose all but one: turn it into a GIF"),
        ("WEBP", "3 images, .* turn it into a GIF"),
        ("GIF", "3 images, .* restored as a video"),
        ("AVIF", "3 images, .* turn it into a video"),
        ("HEIF", "3 images, .* save each image"),
    ],
)
def test_files_of_several_images_are_refused_by_name(kind: str, words: str) -> None:
    read_image(save(gradient(), "HEIF"))  # registers the format
    frames = [PIL.Image.new("RGB", (64, 64), color) for color in ("red", "lime", "blue")]
    with pytest.raises(ReadError, match=words):
        read_image(save(frames[0], kind, save_all=True, append_images=frames[1:]))


def test_smaller_versions_of_a_page_are_no_pages() -> None:
    page, small = PIL.Image.fromarray(gradient()), PIL.Image.new("RGB", (9, 6))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    data = save(page, "TIFF", save_all=True, append_images=[small])
    assert np.array_equal(read_image(data).pixels, gradient())


def test_a_frame_that_a_program_hands_over_is_read() -> None:
    frames = [PIL.Image.new("RGB", (8, 8), color) for color in ("red", "lime")]
    pil_image = PIL.Image.open(
        io.BytesIO(save(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    )
    pil_image.seek(1)
    assert read_image(pil_image).pixels[4, 4].tolist() == [0, 255, 0]


# Endless scans ----------------------------------------------------------------------------------


def test_absurd_numbers_of_scans_are_refused_at_once(shared: Path) -> None:
    data = save(gradient(48, 64), "JPEG", progressive=True)
    assert read_image(data).size_wh == (64, 48)
    last = data.rindex(b"\xff\xda")
    with pytest.raises(ReadError, match=r"a JPEG of 2\d\d scans, more than the limit of 100"):
        read_image(data[:last] + data[last:-2] * 200 + data[-2:])
    case = shared / "cases" / "scans.jpg"
    if not case.is_file():
        pytest.skip(f"no case at {case}")
    with pytest.raises(ReadError, match="a JPEG of 3010 scans"):
        read_image(case)


def test_profiles_and_exif_of_the_preview_stay() -> None:
    full = save(gradient(), "JPEG", icc_profile=SRGB, exif=exif_with(6))
    image = read_image(raw_file(full, sensor_wh=(36, 24), orientation=6))
    assert image.size_wh == (24, 36)  # turned once
    assert image.metadata.icc_profile == SRGB
