"""What a decoding process does: pickled questions on its standard input, answers on its output."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from ..images.pillow import register_formats
from ..images.read import read_image
from ..types import Image
from .photo_check import check_size

PIXELS, ALPHA = "pixels.npy", "alpha.npy"


class Question(NamedTuple):
    """A photo to decode.

    Attributes:
        source: The file, or where it lies.
        folder: Where the pixels are to be put.
        max_pixels: As in `read_image`.
        served_pixels: Most pixels that the server allows, after enlarging.
        upscale: How many times it is going to be enlarged.
    """

    source: bytes | Path
    folder: Path
    max_pixels: int
    served_pixels: int
    upscale: int


def serve() -> None:
    """Answer questions until there are no more."""
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer
    register_formats()
    while True:
        try:
            question = pickle.load(questions)  # noqa: S301 - from the server, our parent
        except EOFError:
            return
        try:
            answer: Image | Exception = decode(question)
        except Exception as error:
            answer = error
        pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()


def decode(question: Question) -> Image:
    """Decode a photo; its pixels are left in the folder."""
    with _opened(question.source) as file:
        check_size(file, question.served_pixels, question.upscale)
        image = read_image(file, max_pixels=question.max_pixels)
    np.save(question.folder / PIXELS, image.pixels)
    if image.alpha is not None:
        np.save(question.folder / ALPHA, image.alpha)
    return dataclasses.replace(image, pixels=image.pixels[:0].copy(), alpha=None)


@contextlib.contextmanager
def _opened(source: bytes | Path) -> Iterator[BinaryIO]:
    if isinstance(source, bytes):
        yield io.BytesIO(source)
        return
    with source.open("rb") as file:
        yield file
