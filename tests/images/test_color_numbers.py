"""Colours that a file names by numbers instead of a profile, and photos of 10 and 12 bits."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pillow_heif
import pytest
from PIL import ImageCms

from gpen.errors import ReadError
from gpen.images.color_profiles import to_srgb
from gpen.images.read import read_image
from gpen.images.write import encode_image
from gpen.types import Image
from support.image_files import SRGB, gradient, png

SKIN, SKIN_IN_SRGB = (220, 120, 90), (235, 113, 82)
PQ, HLG = 16, 18


def case(shared: Path, name: str) -> Path:
    path = shared / "cases" / name
    if not path.is_file():
        pytest.skip(f"no case at {path}")
    return path


def shown(image: Image) -> np.ndarray:
    """What a viewer that heeds profiles shows."""
    return np.asarray(to_srgb(image.to_pil(), image.metadata.icc_profile))


def description(profile: bytes) -> str:
    return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).strip()


def flat(rgb: tuple[int, int, int], dtype: type = np.uint8) -> np.ndarray:
    return np.full((64, 64, 3), rgb, np.uint8).astype(dtype) * (257 if dtype is np.uint16 else 1)


# Numbers ------------------------------------------------------------------------------------------


def test_avif_by_numbers_is_read_and_written_as_p3(shared: Path) -> None:
    image = read_image(case(shared, "p3.avif"))
    assert description(image.metadata.icc_profile or b"") == "Display P3"
    patch = Image(flat(SKIN), metadata=image.metadata)
    assert np.abs(shown(patch)[0, 0].astype(int) - SKIN_IN_SRGB).max() <= 1
    for name in ("avif", "heic", "png", "jpg", "tif", "webp"):
        back = read_image(encode_image(patch, format=name))
        assert np.abs(shown(back)[32, 32].astype(int) - SKIN_IN_SRGB).max() <= 3, name
    bare = read_image(encode_image(patch, format="bmp"))  # which holds no profile
    assert np.abs(bare.pixels[32, 32].astype(int) - SKIN_IN_SRGB).max() <= 1


def heic(pixels: np.ndarray, *, primaries: int, transfer: int) -> bytes:
    mode = "RGB;16" if pixels.dtype == np.uint16 else "RGB"
    size = (pixels.shape[1], pixels.shape[0])
    file = io.BytesIO()
    pillow_heif.from_bytes(mode=mode, size=size, data=pixels.tobytes()).save(
        file, quality=95, chroma=444, color_primaries=primaries, transfer_characteristics=transfer
    )
    return file.getvalue()


def test_heic_by_numbers_is_read_as_p3() -> None:
    image = read_image(heic(flat(SKIN), primaries=12, transfer=13))
    assert np.abs(shown(image)[32, 32].astype(int) - SKIN_IN_SRGB).max() <= 3
    assert read_image(heic(flat(SKIN), primaries=1, transfer=13)).metadata.icc_profile is None


def with_cicp(*numbers: int) -> bytes:
    return png(2, 8, flat(SKIN), (b"cICP", bytes(numbers)))


def test_png_by_numbers_is_read_as_what_it_is() -> None:
    image = read_image(with_cicp(12, 13, 0, 1))
    assert np.abs(shown(image)[32, 32].astype(int) - SKIN_IN_SRGB).max() <= 1
    wide = read_image(with_cicp(9, 14, 0, 1))
    assert description(wide.metadata.icc_profile or b"") == "BT.2020"
    assert read_image(with_cicp(1, 13, 0, 1)).metadata.icc_profile is None
    with pytest.raises(ReadError, match="narrow range"):
        read_image(with_cicp(12, 13, 0, 0))


@pytest.mark.parametrize("name", ["pq.avif", "pq.heic", "pq16.png"])
def test_hdr_photos_are_never_flattened_without_a_word(shared: Path, name: str) -> None:
    with pytest.raises(ReadError, match=r"HDR photo \(PQ\), which would come out flat: save it as"):
        read_image(case(shared, name))


@pytest.mark.parametrize(("transfer", "name"), [(PQ, "PQ"), (HLG, "HLG")])
def test_hdr_is_known_in_every_format_that_can_say_so(transfer: int, name: str) -> None:
    for data in (with_cicp(9, transfer, 0, 1), heic(flat(SKIN), primaries=9, transfer=transfer)):
        with pytest.raises(ReadError, match=rf"HDR photo \({name}\)"):
            read_image(data)


def test_linear_light_becomes_srgb(shared: Path) -> None:
    stored = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    image = read_image(png(2, 8, stored, (b"gAMA", struct.pack(">I", 100_000))))
    assert image.pixels[0, [0, 1, 55, 128, 255], 0].tolist() == [0, 13, 128, 188, 255]
    assert "tone curve (gamma 1) was replaced by that of sRGB" in image.notes[0]
    deep = read_image(
        png(2, 16, stored.astype(np.uint16) * 257, (b"gAMA", struct.pack(">I", 100_000)))
    )
    assert np.abs(deep.pixels // 257 - image.pixels.astype(int)).max() <= 1
    photo = read_image(case(shared, "gamma1.png"))
    with PIL.Image.open(shared / "cases" / "gamma1.png") as pil_image:
        assert photo.pixels.mean() > np.asarray(pil_image).mean() + 20


def test_the_gamma_that_means_srgb_changes_nothing() -> None:
    for stored in (45_455, 45_000):
        image = read_image(png(2, 8, gradient(), (b"gAMA", struct.pack(">I", stored))))
        assert np.array_equal(image.pixels, gradient())
        assert (image.metadata.icc_profile, image.notes) == (None, ())
    srgb = png(2, 8, gradient(), (b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 100_000)))
    assert np.array_equal(read_image(srgb).pixels, gradient())


def test_primaries_of_a_png_become_a_profile() -> None:
    points = (0.3127, 0.3290, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
    primaries = struct.pack(">8I", *(round(100_000 * v) for v in points))
    data = png(2, 8, flat(SKIN), (b"gAMA", struct.pack(">I", 45_455)), (b"cHRM", primaries))
    assert np.abs(shown(read_image(data))[32, 32].astype(int) - SKIN_IN_SRGB).max() <= 1


# Depth --------------------------------------------------------------------------------------------


def ramp() -> np.ndarray:
    """1,024 levels, of which 8 bits keep a quarter."""
    levels = np.rint(np.linspace(0, 65535, 1024)).astype(np.uint16)
    return np.repeat(np.repeat(levels[None], 64, axis=0)[..., None], 3, axis=2)


@pytest.mark.parametrize("name", ["avif", "heic"])
@pytest.mark.parametrize("profile", [None, SRGB], ids=["bare", "profile"])
def test_ten_bits_stay(name: str, profile: bytes | None) -> None:
    if name == "avif" and not hasattr(cv2, "imencodeWithMetadata"):
        pytest.skip("this OpenCV writes AVIF of 8 bits only")
    image = Image(ramp())
    image = Image(ramp(), metadata=type(image.metadata)(icc_profile=profile))
    back = read_image(encode_image(image, format=name))
    assert back.pixels.dtype == np.uint16
    assert np.unique(back.pixels[:, :, 1]).size > 600
    assert np.abs(back.pixels.astype(int) - image.pixels).max() < 65535 / 255
    assert back.metadata.icc_profile == profile
    kept = read_image(encode_image(back, format="png"))
    assert np.array_equal(kept.pixels, back.pixels)


def test_alpha_of_ten_bits_stays() -> None:
    alpha = ramp()[..., 0]
    back = read_image(encode_image(Image(ramp(), alpha), format="heic"))
    assert back.alpha is not None
    assert back.alpha.dtype == np.uint16
    assert np.abs(back.alpha.astype(int) - alpha).max() < 65535 / 255
