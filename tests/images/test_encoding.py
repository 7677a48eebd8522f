"""What each format keeps of a photo, seen by other readers."""

from __future__ import annotations

import io
import itertools
import logging
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gpen.errors import WriteError
from gpen.images.read import read_image
from gpen.images.write import encode_image
from gpen.types import Image, Metadata
from support.image_files import SRGB, exif_with, gradient, gray_profile, save

XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><a>\xc3\xa9t\xc3\xa9</a></x:xmpmeta>"
LOSSLESS = ("png", "tif", "bmp")
KEEPS_ALPHA = ("png", "tif", "webp", "avif", "heic")
FORMATS = {
    "jpg": "JPEG",
    "png": "PNG",
    "webp": "WEBP",
    "tif": "TIFF",
    "avif": "AVIF",
    "heic": "HEIF",
    "bmp": "BMP",
}


def exif_block() -> bytes:
    exif = exif_with(1)
    exif.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (1.0, 2.0, 3.5)
    return exif.tobytes()


FULL = Metadata(icc_profile=SRGB, exif=exif_block(), xmp=XMP, dpi=(300.0, 150.0))


def photo(
    *, gray: bool = False, alpha: bool = False, deep: bool = False, metadata: Metadata | None = None
) -> Image:
    pixels = gradient(40, 60)
    if gray:
        pixels = np.repeat(pixels[..., :1], 3, axis=2)
    opacity = gradient(40, 60)[..., 2] if alpha else None
    if deep:
        pixels = pixels.astype(np.uint16) * 257 + np.arange(3, dtype=np.uint16) * (not gray)
        opacity = None if opacity is None else opacity.astype(np.uint16) * 257
    return Image(pixels, opacity, gray, metadata=metadata or Metadata())


def open_with_pillow(data: bytes) -> PIL.Image.Image:
    pil_image = PIL.Image.open(io.BytesIO(data))
    pil_image.load()
    return pil_image


@pytest.mark.parametrize("deep", [False, True], ids=["8bit", "16bit"])
@pytest.mark.parametrize("alpha", [False, True], ids=["opaque", "alpha"])
@pytest.mark.parametrize("gray", [False, True], ids=["color", "gray"])
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_keeps_what_it_can(name: str, gray: bool, alpha: bool, deep: bool) -> None:
    image = photo(gray=gray, alpha=alpha, deep=deep, metadata=replace(FULL, icc_profile=None))
    if alpha and name not in KEEPS_ALPHA:
        with pytest.raises(WriteError, match="transparency; choose png"):
            encode_image(image, format=name)
        return
    data = encode_image(image, format=name)
    assert open_with_pillow(data).format == FORMATS[name]
    back = read_image(data)
    grows_gray = gray and not alpha and name in ("avif", "heic")
    stays_deep = deep and name in ("png", "tif", "avif", "heic") and not grows_gray
    assert back.pixels.dtype == (np.uint16 if stays_deep else np.uint8)
    unit = 257 if deep and not stays_deep else 1
    tolerance = 0 if name in LOSSLESS else 12 * (257 if stays_deep else 1)
    assert np.abs(back.pixels.astype(float) - np.rint(image.pixels / unit)).max() <= tolerance
    assert (back.alpha is not None) == alpha
    if back.alpha is not None and image.alpha is not None:
        assert np.abs(back.alpha.astype(float) - np.rint(image.alpha / unit)).max() <= tolerance / 4
    no_gray = name == "webp" or (alpha and (name in ("avif", "heic") or (name == "tif" and deep)))
    assert back.is_gray == (gray and not no_gray)


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "bmp"])
@pytest.mark.parametrize("deep", [False, True], ids=["8bit", "16bit"])
def test_keeps_metadata_unless_stripped(name: str, deep: bool) -> None:
    image = photo(deep=deep, metadata=FULL)
    pil_image = open_with_pillow(encode_image(image, format=name))
    assert pil_image.info["icc_profile"] == SRGB
    assert pil_image.info["xmp"] == XMP
    exif = pil_image.getexif()
    assert exif[0x010F] == "Maker"
    assert exif.get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
    assert exif.get_ifd(0x8825)[2] == (1.0, 2.0, 3.5)
    assert exif.get(0x0112, 1) == 1
    if name in ("jpg", "png", "tif"):
        assert pil_image.info["dpi"] == pytest.approx((300, 150), abs=0.02)
    stripped = open_with_pillow(encode_image(image, format=name, strip=True))
    assert stripped.info["icc_profile"] == SRGB
    assert not stripped.info.get("xmp")
    assert 0x010F not in stripped.getexif()
    assert 0x8769 not in stripped.getexif()


@pytest.mark.parametrize("gray", [False, True], ids=["color", "gray"])
@pytest.mark.parametrize("alpha", [False, True], ids=["opaque", "alpha"])
@pytest.mark.parametrize("name", ["png", "tif"])
def test_opencv_reads_the_16_bit_files(name: str, alpha: bool, gray: bool) -> None:
    image = photo(gray=gray, alpha=alpha, deep=True)
    data = encode_image(image, format=name)
    stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert stored.dtype == np.uint16
    if stored.ndim == 2:
        assert gray
        assert np.array_equal(stored, image.pixels[..., 0])
        return
    assert np.array_equal(stored[..., 2::-1], image.pixels)
    if alpha:
        assert np.array_equal(stored[..., 3], image.alpha)


@settings(deadline=None, max_examples=60)
@given(
    data=st.data(),
    dtype=st.sampled_from([np.uint8, np.uint16]),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    name=st.sampled_from(["png", "tif"]),
)
def test_lossless_formats_give_every_sample_back(
    data: st.DataObject, dtype: type, shape: tuple[int, int], name: str
) -> None:
    pixels = data.draw(hnp.arrays(dtype, (*shape, 3)))
    alpha = data.draw(st.none() | hnp.arrays(dtype, shape))
    back = read_image(encode_image(Image(pixels, alpha), format=name))
    assert np.array_equal(back.pixels, pixels)
    assert back.pixels.dtype == dtype
    assert (back.alpha is None) == (alpha is None)
    if alpha is not None:
        assert np.array_equal(back.alpha, alpha)


def test_tall_tiff_files_have_several_strips() -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (900, 700, 3)).astype(np.uint16)
    data = encode_image(Image(pixels), format="tif")
    assert len(PIL.Image.open(io.BytesIO(data)).tag_v2[273]) > 1
    assert np.array_equal(read_image(data).pixels, pixels)


@given(hnp.arrays(np.uint16, (3, 4, 3)))
def test_16_bits_are_rounded_to_nearest(pixels: np.ndarray) -> None:
    back = read_image(encode_image(Image(pixels), format="bmp"))
    assert np.array_equal(back.pixels, np.rint(pixels / 257))


def test_says_when_depth_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gpen")
    encode_image(photo(deep=True), format="png")
    assert caplog.text == ""
    encode_image(photo(deep=True), format="jpg")
    assert "16 bits per channel are rounded to 8 for JPEG" in caplog.text


def test_jpeg_keeps_the_resolution_of_colours() -> None:
    pil_image = open_with_pillow(encode_image(photo(), format="jpg"))
    assert [layer[1:3] for layer in pil_image.layer] == [(1, 1)] * 3


def test_quality_sets_the_size() -> None:
    noise = Image(np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8))
    for name in ("jpg", "webp", "avif", "heic"):
        small, default = (len(encode_image(noise, format=name, quality=q)) for q in (20, None))
        assert small < default * 0.7


def test_opaque_alpha_may_go() -> None:
    image = replace(photo(), alpha=np.full((40, 60), 255, np.uint8))
    assert open_with_pillow(encode_image(image, format="jpg")).mode == "RGB"


def test_profiles_that_a_format_cannot_hold_are_applied() -> None:
    """BMP has none; WebP stores grey as RGB, for which a grey profile means nothing."""
    color = photo(metadata=Metadata(icc_profile=SRGB))
    bmp = read_image(encode_image(color, format="bmp"))
    assert np.abs(bmp.pixels.astype(int) - color.pixels).max() <= 2
    gray = photo(gray=True, metadata=Metadata(icc_profile=gray_profile(gamma=1.0)))
    expected = 255 * (1.055 * (gray.pixels / 255) ** (1 / 2.4) - 0.055).clip(0)
    webp = read_image(encode_image(gray, format="webp"))
    assert webp.metadata.icc_profile is None
    bright = gray.pixels > 20  # sRGB is linear below
    assert np.abs(webp.pixels - expected)[bright].max() < 5
    kept = read_image(encode_image(gray, format="png"))
    assert kept.metadata.icc_profile == gray.metadata.icc_profile
    assert np.array_equal(kept.pixels, gray.pixels)


def test_cmyk_goes_out_as_rgb_without_its_profile() -> None:
    cmyk = PIL.Image.fromarray(gradient()).convert("CMYK")
    image = read_image(save(cmyk, "JPEG", quality=100, icc_profile=SRGB))
    data = encode_image(image)
    pil_image = open_with_pillow(data)
    assert (pil_image.format, pil_image.mode) == ("JPEG", "RGB")
    assert "icc_profile" not in pil_image.info


def test_metadata_too_long_for_jpeg_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    image = photo(metadata=replace(FULL, xmp=XMP * 2000))
    pil_image = open_with_pillow(encode_image(image, format="jpg"))
    assert "xmp" not in pil_image.info
    assert "exif" in pil_image.info
    assert "XMP block is too long for JPEG" in caplog.text
    assert open_with_pillow(encode_image(image, format="png")).info["xmp"] == XMP * 2000


@pytest.mark.parametrize(
    ("source", "written"),
    [("GIF", "PNG"), ("PPM", "PNG"), (None, "PNG"), ("JPEG", "JPEG"), ("HEIF", "HEIF")],
)
def test_bytes_keep_the_format_they_came_in(source: str | None, written: str) -> None:
    data = encode_image(replace(photo(), format=source))
    assert open_with_pillow(data).format == written


@pytest.mark.parametrize(("width", "name"), [(16_384, "webp"), (65_501, "jpg"), (65_537, "avif")])
def test_says_when_a_photo_is_too_large_for_a_format(width: int, name: str) -> None:
    with pytest.raises(WriteError, match=f"{width} × 1 .*choose png or tif"):
        encode_image(Image(np.zeros((1, width, 3), np.uint8)), format=name)


def test_a_whole_round_keeps_a_turned_photo_upright() -> None:
    """Read, write, read: the second reading must not turn again."""
    for orientation, name in itertools.product(range(1, 9), ("jpg", "png", "webp", "tif", "avif")):
        once = read_image(save(gradient(), "JPEG", quality=95, exif=exif_with(orientation)))
        twice = read_image(encode_image(once, format=name))
        assert np.abs(twice.pixels.astype(int) - once.pixels).max() < 25


def test_heic_can_be_the_first_thing_written() -> None:
    """Nothing has been read before, so that Pillow does not know HEIC yet."""
    code = (
        "import numpy, gpen.images.write, gpen.types; "
        "photo = gpen.types.Image(numpy.zeros((8, 8, 3), numpy.uint8)); "
        "print(gpen.images.write.encode_image(photo, format='heic')[4:8].decode())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "ftyp\n"


def test_jpeg_is_byte_by_byte_what_pillow_writes_of_rgb() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (33, 47, 3), np.uint8)
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, "JPEG", quality=95, subsampling="4:4:4")
    assert encode_image(Image(pixels), format="jpg") == file.getvalue()
