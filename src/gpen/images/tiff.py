"""TIFF of 8 or 16 bits per channel; Pillow writes 16 bits for grey only.

Format: TIFF Revision 6.0, Adobe 1992, with Adobe's deflate compression (Photoshop TIFF Technical
Notes, 2002). Pillow lays out the directory.
"""

from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.TiffImagePlugin import ImageFileDirectory_v2
from PIL.TiffTags import BYTE, LONG, UNDEFINED

from ..types import Metadata
from .metadata import DESCRIPTIVE_TAGS, EXIF_IFD, GPS_IFD, IPTC, load_exif

WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
STRIP_OFFSETS, SAMPLES, ROWS_PER_STRIP, STRIP_SIZES = 273, 277, 278, 279
X_RESOLUTION, Y_RESOLUTION, PLANES, RESOLUTION_UNIT = 282, 283, 284, 296
PREDICTOR, EXTRA_SAMPLES, XMP, ICC_PROFILE = 317, 338, 700, 34675
DEFLATE, HORIZONTAL, INCH, STRAIGHT_ALPHA = 8, 2, 2, 2
STRIP_BYTES = 1 << 20


def encode_tiff(samples: NDArray[np.uint8] | NDArray[np.uint16], metadata: Metadata) -> bytes:
    """A TIFF file, deflated without loss.

    Args:
        samples: (height, width, channels): grey, grey + alpha, RGB or RGBA.
        metadata: Goes into the tags.
    """
    height, width, channels = samples.shape
    little_endian: NDArray[Any] = samples.astype(samples.dtype.newbyteorder("<"), copy=False)
    rows_per_strip = max(1, STRIP_BYTES // little_endian[0].nbytes)
    strips = [
        _compress(little_endian[row : row + rows_per_strip])
        for row in range(0, height, rows_per_strip)
    ]
    sizes = [len(strip) for strip in strips]
    directory = ImageFileDirectory_v2()
    directory[WIDTH], directory[LENGTH] = width, height
    directory[BITS] = (samples.dtype.itemsize * 8,) * channels
    directory[COMPRESSION], directory[PREDICTOR] = DEFLATE, HORIZONTAL
    directory[PHOTOMETRIC] = 2 if channels >= 3 else 1
    directory[SAMPLES], directory[PLANES] = channels, 1
    if channels in (2, 4):
        directory[EXTRA_SAMPLES] = STRAIGHT_ALPHA
    directory[ROWS_PER_STRIP] = rows_per_strip
    directory.tagtype[STRIP_OFFSETS] = directory.tagtype[STRIP_SIZES] = LONG
    # Pillow adds the offset where the directory ends, which is where the strips begin.
    directory[STRIP_OFFSETS] = tuple(int(n) for n in np.cumsum([0, *sizes[:-1]]))
    directory[STRIP_SIZES] = tuple(sizes)
    _add_metadata(directory, metadata)
    file = io.BytesIO()
    directory.save(file)
    file.writelines(strips)
    return file.getvalue()


def _add_metadata(directory: ImageFileDirectory_v2, metadata: Metadata) -> None:
    tags = load_exif(metadata.exif)
    for tag in DESCRIPTIVE_TAGS:
        if tag in tags:
            directory[tag] = tags[tag]
    for group in (EXIF_IFD, GPS_IFD):
        if group in tags:
            directory.tagtype[group] = LONG
            directory[group] = dict(tags.get_ifd(group))
    if metadata.dpi:
        directory[X_RESOLUTION], directory[Y_RESOLUTION] = metadata.dpi
        directory[RESOLUTION_UNIT] = INCH
    if metadata.xmp:
        directory.tagtype[XMP] = BYTE
        directory[XMP] = metadata.xmp
    if metadata.iptc:
        directory.tagtype[IPTC] = UNDEFINED
        directory[IPTC] = metadata.iptc
    if metadata.icc_profile:
        directory.tagtype[ICC_PROFILE] = UNDEFINED
        directory[ICC_PROFILE] = metadata.icc_profile


def _compress(strip: NDArray[Any]) -> bytes:
    """Rows as differences of neighbouring pixels (predictor 2), deflated."""
    differences = strip.copy()
    differences[:, 1:] -= strip[:, :-1]
    return zlib.compress(differences.tobytes(), 4)
