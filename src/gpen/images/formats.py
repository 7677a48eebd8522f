"""File formats: names, suffixes, what each can hold.

loading         a file as an `Image`; encoding: back
metadata        EXIF, XMP, IPTC, texts, colour profile and resolution of an opened file
decoding        an opened file as arrays: modes, alpha, 16 bit
color_profiles  colour profiles to sRGB
color_numbers   colours that a file names by numbers, from heif_boxes, as icc_profiles
png16, tiff     writers for what Pillow cannot write (16-bit colour); ten_bits: AVIF and HEIC
camera_raw, multiple_images, jpeg_scans, foreign_files
                what must not be taken for a photo
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A format that results can be written in.

    Attributes:
        name: Pillow's name of it.
        suffixes: File name endings; the first is the usual one.
        has_gray: One channel can be stored as such.
        has_gray_alpha: So can one channel with alpha.
        has_alpha: RGB can have alpha.
        has_16bit: Samples of more than 8 bits can be stored: 16, or 10 in AVIF and HEIC.
        has_profile: A colour profile can be stored.
    """

    name: str
    suffixes: tuple[str, ...]
    has_gray: bool = True
    has_gray_alpha: bool = False
    has_alpha: bool = True
    has_16bit: bool = False
    has_profile: bool = True


JPEG = FileFormat("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), has_alpha=False)
PNG = FileFormat("PNG", (".png",), has_gray_alpha=True, has_16bit=True)
WEBP = FileFormat("WEBP", (".webp",), has_gray=False)
TIFF = FileFormat("TIFF", (".tif", ".tiff"), has_gray_alpha=True, has_16bit=True)
AVIF = FileFormat("AVIF", (".avif",), has_16bit=True)
HEIF = FileFormat("HEIF", (".heic", ".heif", ".hif"), has_16bit=True)
BMP = FileFormat("BMP", (".bmp",), has_alpha=False, has_profile=False)

#: What can be written.
WRITABLE = (JPEG, PNG, WEBP, TIFF, AVIF, HEIF, BMP)
#: Pillow's names of what is read. EPS, PDF and the like would start other programs.
READABLE = (*(kind.name for kind in WRITABLE), "MPO", "GIF", "PPM", "JPEG2000", "PSD", "JXL")
#: Endings of Targa files, which nothing else tells from other files.
TARGA_SUFFIXES = (".tga", ".targa", ".icb", ".vda", ".vst")
#: Endings by which folders and patterns are searched.
READABLE_SUFFIXES = frozenset(
    [suffix for kind in WRITABLE for suffix in kind.suffixes]
    + [".gif", ".jp2", ".jxl", ".mpo", ".pbm", ".pgm", ".pnm", ".ppm", ".psd", *TARGA_SUFFIXES]
)
#: Names that users may give, for messages.
WRITABLE_NAMES = ", ".join(kind.suffixes[0][1:] for kind in WRITABLE)

_BY_NAME = {suffix[1:]: kind for kind in WRITABLE for suffix in kind.suffixes}


def find_format(name: str) -> FileFormat | None:
    """The writable format of a name or suffix such as "jpg", ".JPG", "JPEG" or "HEIF"."""
    return _BY_NAME.get(name.lower().removeprefix("."))
