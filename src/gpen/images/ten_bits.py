"""AVIF and HEIC of 10 and 12 bits, of which Pillow keeps and writes 8."""

from __future__ import annotations

import io
from typing import Any, cast

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from ..types import Metadata, Pixels
from .decoding import decode_with_opencv
from .metadata import EXIF_HEADER
from .pillow import register_formats

#: Bits that are written: what every decoder of these formats reads.
WRITTEN_BITS = 10
#: Decoders round the colours of fewer samples differently, by a few of 255 levels.
_AGREE_LEVELS = 2.0

Channels = tuple[Pixels, Pixels | None, bool]


def decode_more_bits(data: bytes, pil_image: PIL.Image.Image, bits: int) -> Channels | None:
    """The channels of an AVIF or HEIC file, its 10 or 12 bits stretched to 16.

    Args:
        data: The file.
        pil_image: The same file loaded by Pillow; its 8 bits vouch for the other reading.
        bits: How many each sample has.

    Returns:
        RGB, alpha or None, and False; nothing where the file cannot be read so, or is grey.
    """
    stored = _heif(data, bits) if pil_image.format == "HEIF" else _avif(data)
    if stored is None or stored.ndim != 3 or stored.shape[2] not in (3, 4):
        return None
    top = (1 << bits) - 1
    samples = np.rint(stored * np.float32(65535 / top)).clip(0, 65535).astype(np.uint16)
    known = np.asarray(pil_image.convert("RGB"))
    if samples.shape[:2] != known.shape[:2]:
        return None
    if np.abs(samples[..., :3] / np.float32(257) - known).mean() > _AGREE_LEVELS:
        return None
    alpha = np.ascontiguousarray(samples[..., 3]) if samples.shape[2] == 4 else None
    return np.ascontiguousarray(samples[..., :3]), alpha, False


def _heif(data: bytes, bits: int) -> NDArray[Any] | None:
    import pillow_heif

    image = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
    if image.mode not in ("RGB;16", "RGBA;16"):
        return None
    return cast("NDArray[Any]", np.asarray(image) >> (16 - bits))  # it fills up with zeros below


def _avif(data: bytes) -> NDArray[Any] | None:
    stored = decode_with_opencv(data)
    if stored is None or stored.dtype != np.uint16 or stored.ndim != 3:
        return None
    return stored[..., [2, 1, 0, 3][: stored.shape[2]]]  # from BGR(A)


def can_encode_avif() -> bool:
    """Whether OpenCV is new enough to write AVIF of 10 bits with a profile."""
    import cv2

    return hasattr(cv2, "imencodeWithMetadata") and hasattr(cv2, "IMWRITE_AVIF_DEPTH")


def encode_heif(samples: NDArray[np.uint16], metadata: Metadata, options: dict[str, Any]) -> bytes:
    """A HEIC file of 10 bits.

    Args:
        samples: (height, width, 3 or 4): RGB or RGBA of 16 bits.
        metadata: Its profile, EXIF and XMP are written.
        options: What pillow-heif's writer is told besides.
    """
    import pillow_heif

    register_formats()
    height, width, depth = samples.shape
    mode = "RGB;16" if depth == 3 else "RGBA;16"
    image = pillow_heif.from_bytes(mode=mode, size=(width, height), data=samples.tobytes())
    if metadata.icc_profile:
        image.info["icc_profile"] = metadata.icc_profile
        image.info["icc_profile_type"] = "prof"
    file = io.BytesIO()
    blocks = {"exif": metadata.exif, "xmp": metadata.xmp}
    image.save(file, **options, **{name: block for name, block in blocks.items() if block})
    return file.getvalue()


def encode_avif(samples: NDArray[np.uint16], metadata: Metadata, quality: int) -> bytes:
    """An AVIF file of 10 bits; see `encode_heif`.

    Raises:
        ValueError: OpenCV cannot write it.
    """
    import cv2

    top = (1 << WRITTEN_BITS) - 1
    scaled = np.rint(samples * np.float32(top / 65535)).astype(np.uint16)
    blocks = {
        cv2.IMAGE_METADATA_EXIF: (metadata.exif or b"").removeprefix(EXIF_HEADER),
        cv2.IMAGE_METADATA_XMP: metadata.xmp,
        cv2.IMAGE_METADATA_ICCP: metadata.icc_profile,
    }
    kept = {kind: np.frombuffer(block, np.uint8) for kind, block in blocks.items() if block}
    options = [cv2.IMWRITE_AVIF_QUALITY, quality, cv2.IMWRITE_AVIF_DEPTH, WRITTEN_BITS]
    options += [cv2.IMWRITE_AVIF_SPEED, 8]
    bgr = np.ascontiguousarray(scaled[..., [2, 1, 0, 3][: scaled.shape[2]]])
    try:
        done, data = cv2.imencodeWithMetadata(
            ".avif", bgr, list(kept), list(kept.values()), options
        )
    except cv2.error as error:
        raise ValueError(str(error).strip()) from error
    if not done:
        raise ValueError("OpenCV's encoder failed")
    return bytes(data)
