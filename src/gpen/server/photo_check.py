"""Looks at photos before their pixels are decoded. Decoding processes import it: keep it light."""

from __future__ import annotations

from typing import BinaryIO

from ..errors import ReadError
from ..images.pillow import format_of_head, open_pil_image
from ..images.read import read_image
from .http_problems import HttpProblem


def refuse_other_files(file: BinaryIO) -> None:
    """Refuse what does not even begin like a photo; no decoder sees it.

    Raises:
        HttpProblem: It is no photo (415).
    """
    if format_of_head(file) is None:
        raise _unreadable(file)


def check_size(file: BinaryIO, max_pixels: int, upscale: int) -> None:
    """Look at the head of a photo.

    Raises:
        HttpProblem: It is no photo (415), or one with too many pixels (413).
    """
    try:
        width, height = open_pil_image(file).size
    except MemoryError:
        raise
    except Exception:  # decoders raise anything on damaged heads; reading it says it best
        raise _unreadable(file) from None
    finally:
        file.seek(0)
    n_pixels = width * height * upscale**2
    if n_pixels > max_pixels:
        enlarged = f", enlarged {upscale} times" if upscale > 1 else ""
        raise HttpProblem(
            413,
            f"the photo has {width} × {height} pixels{enlarged}: {n_pixels / 1e6:.0f} million, "
            f"more than the limit of {max_pixels / 1e6:.0f} million; send a smaller one",
        )


def _unreadable(file: BinaryIO) -> HttpProblem:
    """The refusal of a file whose head cannot be read, in the words of the reader."""
    try:
        read_image(file, max_pixels=1)
    except ReadError as error:
        return HttpProblem(415, str(error))
    return HttpProblem(415, "cannot read the photo: its head is damaged")
