"""TIFF files that Pillow does not read: colours as floats, or in separate planes of 16 bits.

Format: TIFF Revision 6.0, Adobe 1992.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from ..errors import ReadError
from ..types import Metadata
from .decoding import decode_with_opencv, turn_upright
from .tiff import ICC_PROFILE, XMP

_ORIENTATION = 274


def read_float_tiff(data: bytes) -> tuple[NDArray[np.uint16], Metadata] | None:
    """Pixels, upright, and metadata of a TIFF file of RGB as floats from 0 to 1; else None.

    Raises:
        ReadError: It has floats outside of that, as HDR images do.
    """
    stored = decode_with_opencv(data)
    if stored is None or stored.dtype not in (np.float32, np.float64) or stored.ndim != 3:
        return None
    samples = stored[..., 2::-1]  # OpenCV gives BGR(A)
    if not (np.isfinite(samples).all() and samples.min() >= 0 and samples.max() <= 1):
        raise ReadError("it has floating-point samples outside 0 to 1; save it with 16 bits")
    tags = ImageFileDirectory_v2(data[:8])
    file = io.BytesIO(data)
    file.seek(tags.next)
    tags.load(file)
    metadata = Metadata(icc_profile=tags.get(ICC_PROFILE), xmp=tags.get(XMP))
    pixels = np.rint(samples * 65535).astype(np.uint16)
    return turn_upright(pixels, int(tags.get(_ORIENTATION, 1))), metadata


def read_planes(data: bytes, orientation: int) -> NDArray[np.uint16]:
    """Samples, (height, width, channels) and upright, of a TIFF file of 16 bits in planes.

    Raises:
        ReadError: tifffile is not installed, or cannot read the file.
    """
    try:
        import tifffile
    except ImportError:
        raise ReadError(
            "its 16-bit colours lie in separate planes: pip install 'gpen[formats]', "
            "or save it interleaved"
        ) from None
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            planes: NDArray[Any] = file.pages[0].asarray()
    except Exception as error:  # what its compressions need is not always there
        raise ReadError(
            f"its 16-bit colours lie in separate planes ({error}): save it interleaved"
        ) from error
    return turn_upright(np.moveaxis(planes, 0, -1).astype(np.uint16), orientation)
