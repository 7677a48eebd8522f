"""What hangs on a photo: regions, sizes, captions, texts, promises of other images in the file."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from gpen.images import transforms
from gpen.images.read import read_image
from gpen.images.write import encode_image
from gpen.types import Image, Metadata
from support.image_files import gradient, png, save

IPTC = b"\x1c\x02\x19\x00\x03Oma\x1c\x02\x78\x00\x0cGrandma 1961"


def case(shared: Path, name: str) -> Path:
    path = shared / "cases" / name
    if not path.is_file():
        pytest.skip(f"no case at {path}")
    return path


def opened(data: bytes) -> PIL.Image.Image:
    pil_image = PIL.Image.open(io.BytesIO(data))
    pil_image.load()
    return pil_image


def number(xmp: bytes | None, name: str) -> float:
    found = re.search(rf"""{name}(?:=["']|>)([\d.]+)""".encode(), xmp or b"")
    assert found, name
    return float(found[1])


# Regions and sizes --------------------------------------------------------------------------------


def region(x: float, y: float, w: float, h: float, *, as_attributes: bool) -> bytes:
    values = {"x": x, "y": y, "w": w, "h": h}
    if as_attributes:
        inner = " ".join(f'stArea:{name}="{value}"' for name, value in values.items())
        return f'<mwg-rs:Area {inner} stArea:unit="normalized"/>'.encode()
    inner = "".join(f"<stArea:{name}>{value}</stArea:{name}>" for name, value in values.items())
    return f"<mwg-rs:Area rdf:parseType='Resource'>{inner}</mwg-rs:Area>".encode()


def marked() -> np.ndarray:
    """A dark image of 80 × 60 with a bright box of 16 × 6 in it."""
    pixels = np.zeros((60, 80, 3), np.uint8)
    pixels[12:18, 8:24] = 255
    return pixels


@pytest.mark.parametrize("as_attributes", [True, False])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_face_regions_turn_with_the_pixels(orientation: int, as_attributes: bool) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    xmp = region(0.2, 0.25, 0.2, 0.1, as_attributes=as_attributes)
    xmp += b'<rdf:li MPReg:Rectangle="0.1, 0.2, 0.2, 0.1"/>'
    image = read_image(save(marked(), "PNG", exif=exif, pnginfo=_xmp_info(xmp)))
    width, height = image.size_wh
    rows, columns = np.nonzero(image.pixels[..., 0])
    box = (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
    kept = image.metadata.xmp
    x, y, w, h = (number(kept, f"stArea:{name}") for name in "xywh")
    sides = (width, height, width, height)
    assert np.allclose(np.multiply((x - w / 2, y - h / 2, w, h), sides), box, atol=0.01)
    found = re.search(rb'Rectangle="([^"]*)"', kept or b"")
    assert found
    corners = [float(part) for part in found[1].split(b",")]
    assert np.allclose(np.multiply(corners, sides), box, atol=0.01)


def _xmp_info(xmp: bytes):
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp.decode())
    return info


def test_regions_in_pixels_are_left_alone() -> None:
    xmp = (
        b'<mwg-rs:Area stArea:x="10" stArea:y="20" stArea:w="5" stArea:h="5" stArea:unit="pixel"/>'
    )
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    image = read_image(save(marked(), "PNG", exif=exif, pnginfo=_xmp_info(xmp)))
    assert image.metadata.xmp == xmp


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("upscale", [1, 2])
def test_stated_sizes_are_those_of_the_pixels(orientation: int, upscale: int) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    exif.get_ifd(0x8769).update({0xA002: 80, 0xA003: 60, 0x9003: "2020:01:02 03:04:05"})
    xmp = b'<x tiff:ImageWidth="80" tiff:ImageLength="60" exif:PixelXDimension="80">'
    xmp += b"<stDim:w>80</stDim:w><stDim:h>60</stDim:h></x>"
    image = read_image(save(marked(), "JPEG", exif=exif, xmp=xmp))
    image = replace(image, pixels=transforms.enlarge(image.pixels, upscale))
    pil_image = opened(encode_image(image, format="jpg"))
    ifd = pil_image.getexif().get_ifd(0x8769)
    assert (ifd[0xA002], ifd[0xA003]) == pil_image.size == image.size_wh
    assert ifd[0x9003] == "2020:01:02 03:04:05"
    kept = pil_image.info["xmp"]
    assert (number(kept, "tiff:ImageWidth"), number(kept, "tiff:ImageLength")) == pil_image.size
    assert (number(kept, "stDim:w"), number(kept, "stDim:h")) == pil_image.size
    assert number(kept, "exif:PixelXDimension") == pil_image.size[0]


def test_all_that_an_album_program_wrote_stays(shared: Path) -> None:
    image = read_image(case(shared, "meta.jpg"))
    pil_image = opened(encode_image(image, format="jpg"))
    assert pil_image.info["comment"] == b"scanned by me"
    assert b"Grandma 1961" in pil_image.info["photoshop"][0x0404]
    assert b"Urlaub" in pil_image.info["photoshop"][0x0404]
    assert pil_image.getexif().get_ifd(0x8825)
    assert pil_image.getexif().get(0x0112, 1) == 1
    kept = pil_image.info["xmp"]
    assert number(kept, "stArea:x") == pytest.approx(1 - 0.734)
    assert number(kept, "stArea:y") == pytest.approx(0.4375)
    assert (number(kept, "stArea:w"), number(kept, "stArea:h")) == (0.34, 0.45)
    assert (number(kept, "stDim:w"), number(kept, "stDim:h")) == pil_image.size == (640, 480)
    assert image.notes == ()


# Captions and texts -------------------------------------------------------------------------------


def test_captions_go_from_jpeg_to_tiff_and_back() -> None:
    image = Image(gradient(), metadata=Metadata(iptc=IPTC))
    for _ in range(2):
        image = read_image(encode_image(image, format="jpg"))
        assert image.metadata.iptc == IPTC
        image = read_image(encode_image(image, format="tif"))
        assert image.metadata.iptc == IPTC


def test_generators_texts_stay(shared: Path) -> None:
    image = read_image(case(shared, "sd.png"))
    deep = replace(image, pixels=image.pixels.astype(np.uint16) * 257)
    for one in (image, deep):
        texts = opened(encode_image(one, format="png")).text  # type: ignore[attr-defined]
        assert texts["parameters"].endswith("Steps: 20, Seed: 42")
        assert texts["workflow"] == '{"nodes":[]}'


@pytest.mark.parametrize("deep", [False, True])
def test_texts_of_any_letters_stay(deep: bool) -> None:
    texts = (("parameters", "grand mère\n2 × 3"), ("prompt", "日本 → 😀"))
    pixels = gradient().astype(np.uint16) * 257 if deep else gradient()
    image = Image(pixels, metadata=Metadata(texts=texts, comment=b"by me"))
    back = read_image(encode_image(image, format="png"))
    assert back.metadata.texts == (*texts, ("Comment", "by me"))
    bare = read_image(encode_image(image, format="png", strip=True))
    assert bare.metadata.texts == ()


def test_what_a_format_cannot_hold_is_named(caplog: pytest.LogCaptureFixture) -> None:
    metadata = Metadata(iptc=IPTC, texts=(("parameters", "x"),), comment=b"by me")
    encode_image(Image(gradient(), metadata=metadata), format="webp")
    assert "WEBP cannot hold the file's IPTC records and comment and texts (parameters)" in (
        caplog.text
    )
    caplog.clear()
    encode_image(Image(gradient(), metadata=metadata), format="webp", strip=True)
    assert caplog.text == ""


def test_strip_leaves_captions_and_comments_out() -> None:
    metadata = Metadata(iptc=IPTC, comment=b"by me")
    pil_image = opened(encode_image(Image(gradient(), metadata=metadata), format="jpg", strip=True))
    assert not {"photoshop", "comment"} & set(pil_image.info)


def test_captions_too_long_for_a_segment_leave_a_whole_file() -> None:
    metadata = Metadata(iptc=bytes(70_000))
    assert opened(encode_image(Image(gradient(), metadata=metadata), format="jpg")).size == (36, 24)


# Promises -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "what", "marks"),
    [
        ("uhdr.jpg", "HDR gain map", (b"hdrgm:Version", b"GainMap")),
        ("motion.jpg", "clip of a motion photo", (b"MicroVideo", b"MotionPhoto")),
    ],
)
def test_what_is_not_written_is_not_promised(
    shared: Path, name: str, what: str, marks: tuple[bytes, ...]
) -> None:
    image = read_image(case(shared, name))
    assert image.notes == (f"its {what} is not kept",)
    data = encode_image(image, format="jpg")
    assert not [mark for mark in marks if mark in data]
    assert b"<rdf:Description" in opened(data).info["xmp"]  # the packet itself stays


def test_promises_as_elements_are_found_and_others_left() -> None:
    xmp = (
        b"<rdf:Description xmlns:GCamera='g' dc:title='MotionPhoto' GCamera:MotionPhoto='1'>"
        b"<GCamera:MicroVideoOffset>50</GCamera:MicroVideoOffset><hdrgm:BaseRenditionIsHDR/>"
        b"<dc:creator>me</dc:creator></rdf:Description>"
    )
    image = read_image(save(gradient(), "JPEG", xmp=xmp))
    assert image.metadata.xmp == (
        b"<rdf:Description xmlns:GCamera='g' dc:title='MotionPhoto'>"
        b"<dc:creator>me</dc:creator></rdf:Description>"
    )
    assert set(image.notes) == {
        "its HDR gain map is not kept",
        "its clip of a motion photo is not kept",
    }


def test_a_second_view_in_a_file_is_told() -> None:
    left = PIL.Image.fromarray(gradient())
    data = save(left, "MPO", save_all=True, append_images=[left])
    image = read_image(data)
    assert image.notes == ("its second image (a preview, a gain map or another view) is not kept",)
    assert read_image(png(2, 8, gradient())).notes == ()
