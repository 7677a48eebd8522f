"""Pixels and metadata of files: every turn, mode and depth."""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageCms, ImageOps

from gpen.errors import ReadError
from gpen.images.metadata import upright_exif
from gpen.images.read import read_image
from support.image_files import SRGB, black_ink_profile, exif_with, gradient, png, save, tiff

RNG = np.random.default_rng(3)
ORIENTATIONS = range(1, 9)


# Turns ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_turns_photos_upright(kind: str, orientation: int) -> None:
    stored = PIL.Image.fromarray(gradient())
    options = {"quality": 95} if kind in ("JPEG", "WEBP", "AVIF") else {}
    data = save(stored, kind, exif=exif_with(orientation), **options)
    expected = stored.copy()
    expected.getexif()[0x0112] = orientation
    expected = ImageOps.exif_transpose(expected)
    image = read_image(data)
    difference = np.abs(image.pixels.astype(int) - np.asarray(expected))
    assert difference.mean() < 3
    assert difference.max() < 25  # a wrong turn differs by 200
    kept = PIL.Image.Exif()
    kept.load(image.metadata.exif)
    assert kept.get(0x0112, 1) == 1
    assert kept[0x010F] == "Maker"


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("has_alpha", [False, True])
@pytest.mark.parametrize("kind", [".png", ".tiff"])
def test_turns_16_bit_photos_with_their_alpha(kind: str, has_alpha: bool, orientation: int) -> None:
    stored = RNG.integers(0, 65536, (5, 7, 4 if has_alpha else 3)).astype(np.uint16)
    if kind == ".png":
        block = exif_with(orientation).tobytes().removeprefix(b"Exif\0\0")
        data = png(6 if has_alpha else 2, 16, stored, (b"eXIf", block))
    else:
        data = tiff(stored, orientation=orientation)
    eight = PIL.Image.fromarray(np.arange(35, dtype=np.uint8).reshape(5, 7))
    eight.getexif()[0x0112] = orientation
    order = np.asarray(ImageOps.exif_transpose(eight))
    image = read_image(data)
    assert image.pixels.dtype == np.uint16
    assert np.array_equal(image.pixels, stored.reshape(35, -1)[order][..., :3])
    if has_alpha:
        assert np.array_equal(image.alpha, stored.reshape(35, -1)[order][..., 3])
    else:
        assert image.alpha is None


def test_turns_heic_photos_once() -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()
    pil_image = PIL.Image.fromarray(gradient())
    image = read_image(save(pil_image, "HEIF", exif=exif_with(6).tobytes(), quality=95))
    assert image.format == "HEIF"
    assert image.pixels.shape == (36, 24, 3)
    turned = np.rot90(gradient(), -1)
    assert np.abs(image.pixels.astype(int) - turned).max() < 25


def test_keeps_maker_notes_where_they_are() -> None:
    """Maker notes hold offsets into the EXIF block, so nothing in it may move."""
    exif = exif_with(8)
    exif.get_ifd(0x8769)[0x927C] = b"offset 1234" * 9
    before = exif.tobytes()
    image = read_image(save(gradient(), "JPEG", exif=before))
    after = image.metadata.exif
    assert after is not None
    assert len(after) == len(before)
    changed = [i for i in range(len(before)) if before[i] != after[i]]
    assert len(changed) == 1
    assert (before[changed[0]], after[changed[0]]) == (8, 1)


def test_unlinks_the_thumbnail_that_shows_the_old_face() -> None:
    block = b"Exif\0\0II*\0" + struct.pack("<IHHHII", 8, 1, 0x0112, 3, 1, 6)
    block += struct.pack("<I", 26) + struct.pack("<HHHIII", 1, 0x0103, 3, 1, 6, 0)
    exif, orientation = upright_exif(block)
    assert orientation == 6
    assert exif is not None
    assert struct.unpack_from("<I", exif, 6 + 22) == (0,)
    assert struct.unpack_from("<H", exif, 6 + 18) == (1,)


@given(st.binary(max_size=60), st.sampled_from([b"II*\0", b"MM\0*", b"Exif\0\0II*\0", b""]))
def test_survives_any_exif_block(junk: bytes, start: bytes) -> None:
    exif, orientation = upright_exif(start + junk)
    assert 1 <= orientation <= 8
    assert exif is None or exif.startswith(b"Exif\0\0")


def test_leaves_a_corrupt_exif_block_out(caplog: pytest.LogCaptureFixture) -> None:
    broken = exif_with(6).tobytes()[:20]
    image = read_image(save(gradient(), "JPEG", exif=broken))
    assert image.metadata.exif is None
    assert image.pixels.shape == (24, 36, 3)
    assert "EXIF block is corrupt" in caplog.text


def test_resets_the_orientation_in_xmp_too() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r tiff:Orientation="6" a="6"/></x:xmpmeta>'
    image = read_image(save(gradient(), "JPEG", exif=exif_with(6), xmp=xmp))
    assert image.metadata.xmp == xmp.replace(b'tion="6"', b'tion="1"')


# Modes ----------------------------------------------------------------------------------------


#: Pillow 12 cannot read the TIFF in YCbCr that it writes.
YCBCR = pytest.param(
    "YCbCr",
    marks=pytest.mark.skipif(int(PIL.__version__.split(".")[0]) < 13, reason="Pillow before 13"),
)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", YCBCR, "LAB"])
def test_reads_every_mode(mode: str) -> None:
    """TIFF holds them all, without loss."""
    pil_image = PIL.Image.fromarray(gradient())
    if mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        stored = ImageCms.profileToProfile(pil_image, *profiles, outputMode="LAB")
    elif mode == "PA":
        stored = pil_image.convert("P").convert("PA")
    else:
        stored = pil_image.convert(mode)
    image = read_image(save(stored, "TIFF"))
    assert image.is_gray == (mode in ("1", "L", "LA"))
    assert (image.alpha is not None) == mode.endswith("A")
    expected = pil_image if mode == "LAB" else stored.convert("RGB")
    difference = np.abs(image.pixels.astype(int) - np.asarray(expected))
    assert difference.mean() < 2.5 if mode == "LAB" else difference.max() <= 1
    assert image.pixels.flags.c_contiguous
    assert image.pixels.flags.writeable


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("height", [1, 63, 64, 65, 200])
def test_reads_every_row_of_photos_of_any_height(mode: str, height: int) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (height, 7, len(mode)), np.uint8)
    pil_image = PIL.Image.fromarray(rows[..., 0] if mode == "L" else rows, mode)
    image = read_image(pil_image)
    np.testing.assert_array_equal(image.pixels[..., 0], rows[..., 0])
    np.testing.assert_array_equal(image.pixels[..., 2], rows[..., 0 if mode[0] == "L" else 2])
    if image.alpha is not None:
        np.testing.assert_array_equal(image.alpha, rows[..., -1])
    assert (image.alpha is not None) == mode.endswith("A")
    image.pixels[...] = 0  # the array is the caller's


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_keeps_the_transparent_colour_of_png(mode: str) -> None:
    pil_image = PIL.Image.fromarray(gradient()).convert(mode)
    clear = pil_image.getpixel((3, 5))
    image = read_image(save(pil_image, "PNG", transparency=clear))
    assert image.alpha is not None
    assert set(np.unique(image.alpha)) == {0, 255}
    assert image.alpha[5, 3] == 0
    assert image.is_gray == (mode == "L")


def test_keeps_graded_palette_transparency() -> None:
    palette = PIL.Image.fromarray(gradient()).quantize(4)
    image = read_image(save(palette, "PNG", transparency=bytes([0, 85, 170, 255])))
    assert image.alpha is not None
    levels = np.array([0, 85, 170, 255], dtype=np.uint8)
    assert np.array_equal(image.alpha, levels[np.asarray(palette)])


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_reads_cmyk_through_its_profile_and_drops_it(kind: str) -> None:
    ramp = np.zeros((16, 256, 4), np.uint8)
    ramp[..., 0], ramp[..., 3] = 200, np.arange(256)
    data = save(
        PIL.Image.fromarray(ramp, "CMYK"), kind, quality=100, icc_profile=black_ink_profile()
    )
    image = read_image(data)
    assert image.metadata.icc_profile is None
    assert not image.is_gray
    assert np.ptp(image.pixels.astype(int), axis=2).max() <= 3  # no cyan
    assert image.pixels[8, 0].min() >= 250
    assert image.pixels[8, 255].max() <= 5
    # CIE 1976: half of the lightness, 50, is 18.4 % of the light and 119 in sRGB.
    assert image.pixels[8, 128] == pytest.approx(119, abs=3)


@pytest.mark.parametrize("profile", [None, SRGB, b"no profile"])
def test_reads_cmyk_without_a_profile_that_fits(
    profile: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    cmyk = PIL.Image.fromarray(gradient()).convert("CMYK")
    image = read_image(save(cmyk, "JPEG", quality=100, icc_profile=profile))
    assert image.metadata.icc_profile is None
    assert np.abs(image.pixels.astype(int) - gradient()).max() < 12
    assert ("colour profile is not usable" in caplog.text) == (profile is not None)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_keeps_profile_exif_and_xmp(kind: str) -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    exif = exif_with(1)
    exif.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    options: dict[str, Any] = {"icc_profile": SRGB, "exif": exif.tobytes()}
    if kind == "PNG":
        options["pnginfo"] = PIL.PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode())
    elif kind != "TIFF":  # Pillow writes either EXIF or XMP into these
        options["xmp"] = xmp
    if kind in ("JPEG", "PNG", "TIFF"):
        options["dpi"] = (300, 300)
    metadata = read_image(save(gradient(), kind, **options)).metadata
    assert metadata.icc_profile == SRGB
    assert metadata.xmp == (xmp if kind != "TIFF" else None)
    kept = PIL.Image.Exif()
    kept.load(metadata.exif)
    assert kept[0x010F] == "Maker"
    assert kept.get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
    if "dpi" in options:
        assert metadata.dpi == pytest.approx((300, 300), abs=0.01)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "BMP", "GIF", "PPM"])
def test_reads_a_single_pixel(kind: str) -> None:
    image = read_image(save(PIL.Image.new("RGB", (1, 1), (200, 10, 10)), kind))
    assert image.size_wh == (1, 1)
    assert np.abs(image.pixels[0, 0].astype(int) - [200, 10, 10]).max() < 10


# 16 bits --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("color_type", "depth"), [(0, 1), (4, 2), (2, 3), (6, 4)], ids=["L", "LA", "RGB", "RGBA"]
)
def test_keeps_16_bit_png(color_type: int, depth: int) -> None:
    stored = RNG.integers(0, 65536, (9, 11, depth)).astype(np.uint16)
    image = read_image(png(color_type, 16, stored))
    assert image.is_gray == (depth < 3)
    color = np.repeat(stored[..., :1], 3, axis=2) if depth < 3 else stored[..., :3]
    assert np.array_equal(image.pixels, color)
    if depth in (2, 4):
        assert np.array_equal(image.alpha, stored[..., -1])
    else:
        assert image.alpha is None


@pytest.mark.parametrize("color_type", [0, 2])
def test_keeps_the_transparent_colour_of_16_bit_png(color_type: int) -> None:
    stored = RNG.integers(0, 65536, (9, 11, 3 if color_type else 1)).astype(np.uint16)
    image = read_image(png(color_type, 16, stored, (b"tRNS", stored[2, 3].astype(">u2").tobytes())))
    assert image.alpha is not None
    assert image.alpha.dtype == np.uint16
    assert np.argwhere(image.alpha == 0).tolist() == [[2, 3]]
    assert image.alpha.max() == 65535


@pytest.mark.parametrize("compression", [1, 5, 8], ids=["raw", "lzw", "deflate"])
@pytest.mark.parametrize("depth", [1, 3])
def test_keeps_16_bit_tiff(depth: int, compression: int) -> None:
    stored = RNG.integers(0, 65536, (9, 11, depth)).astype(np.uint16)
    ok, data = cv2.imencode(".tiff", stored[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, compression])
    assert ok
    image = read_image(data.tobytes())
    assert image.pixels.dtype == np.uint16
    assert np.array_equal(image.pixels, np.broadcast_to(stored, (9, 11, 3)))
    assert image.is_gray == (depth == 1)


def test_divides_premultiplied_tiff_colours_by_alpha() -> None:
    straight = RNG.integers(0, 65536, (9, 11, 3)).astype(np.float64)
    alpha = RNG.integers(20000, 65536, (9, 11, 1)).astype(np.float64)
    stored = np.rint(np.dstack([straight * alpha / 65535, alpha])).astype(np.uint16)
    image = read_image(tiff(stored, extra=1))
    assert image.pixels.dtype == np.uint16
    assert np.abs(image.pixels - straight).max() <= 2
    assert np.array_equal(image.alpha, stored[..., 3])


def test_reads_float_and_integer_tiff() -> None:
    ramp = np.linspace(0, 1, 99, dtype=np.float32).reshape(9, 11)
    image = read_image(save(PIL.Image.fromarray(ramp), "TIFF"))
    assert np.array_equal(image.pixels[..., 0], np.rint(ramp * 65535))
    assert image.is_gray
    with pytest.raises(ReadError, match="outside 0 to 1"):
        read_image(save(PIL.Image.fromarray(ramp * 2), "TIFF"))
    numbers = np.arange(99, dtype=np.int32).reshape(9, 11)
    assert np.array_equal(
        read_image(save(PIL.Image.fromarray(numbers), "TIFF")).pixels[..., 1], numbers
    )
    with pytest.raises(ReadError, match="outside 0 to 65535"):
        read_image(save(PIL.Image.fromarray(numbers - 1), "TIFF"))


def test_opencv_keeps_quiet_about_private_tags(capfd: pytest.CaptureFixture[str]) -> None:
    level = cv2.utils.logging.getLogLevel()
    stored = RNG.integers(0, 65536, (5, 7, 4)).astype(np.uint16)
    _, data = cv2.imencode(".tiff", stored)  # OpenCV warns of its own files
    capfd.readouterr()
    assert read_image(data.tobytes()).pixels.dtype == np.uint16
    assert capfd.readouterr() == ("", "")
    assert cv2.utils.logging.getLogLevel() == level
