"""Decodes photos in processes of their own, which are killed when nobody waits for them.

A decoder cannot be told to stop: a thread in it is busy until the last scan of a hostile file. A
process can be, and takes the memory and the crash of a hostile file with it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import io
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import anyio
import anyio.to_process
import numpy as np

from ..errors import ReadError
from ..types import Image
from .http_problems import HttpProblem, stopping
from .limits import Limits
from .request_queue import Check

#: Files up to this many bytes go to the process in memory, larger ones by their name.
_SMALL = 1 << 20
#: How often it is asked whether somebody waits, in seconds.
_TICK_S = 0.1
_PIXELS, _ALPHA = "pixels.npy", "alpha.npy"


class _Bounds(NamedTuple):
    """How large a photo may be: for gpen, and for the server, enlarged."""

    max_pixels: int
    served_pixels: int
    upscale: int


class Decoder:
    """Processes that decode photos. Threads call it while the server's event loop runs."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder, self._limits = folder, limits
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self) -> None:
        """Belong to the running event loop, and have the first process ready."""
        self._loop = asyncio.get_running_loop()
        self._limiter = anyio.CapacityLimiter(self._limits.jobs)
        with contextlib.suppress(anyio.BrokenWorkerProcess):  # the first photo says more
            await anyio.to_process.run_sync(_warm_up, cancellable=True, limiter=self._limiter)

    def decode(
        self, file: BinaryIO, check: Check, *, max_pixels: int, upscale: int = 1
    ) -> Image:
        """Decode a photo.

        Args:
            file: Any part of it may have been read.
            check: Raises where nobody waits any more.
            max_pixels: As in `gpen.images.read.read_image`; the server's own limit counts too.
            upscale: How many times it is going to be enlarged.

        Raises:
            ReadError: It is damaged, or made the decoder crash.
            HttpProblem: It is no photo (415), too large (413), takes longer than the limit (504),
                or the server is being stopped.
            Exception: What `check` raises; the process is killed.
        """
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="photo-") as folder:
            source = _source(file, Path(folder))
            bounds = _Bounds(max_pixels, self._limits.pixels, upscale)
            image = self._in_process(check, source, bounds, folder)
            alpha = Path(folder, _ALPHA)
            return dataclasses.replace(
                image,
                pixels=np.load(Path(folder, _PIXELS)),
                alpha=np.load(alpha) if alpha.exists() else None,
            )

    def _in_process(
        self, check: Check, source: bytes | Path, bounds: _Bounds, folder: str
    ) -> Image:
        if self._loop is None or self._loop.is_closed():
            raise stopping()
        call = anyio.to_process.run_sync(
            _decode, source, bounds, folder, cancellable=True, limiter=self._limiter
        )
        future = asyncio.run_coroutine_threadsafe(call, self._loop)
        end_s = time.monotonic() + self._limits.decode_s
        try:
            for _ in _until(end_s):
                check()
                with contextlib.suppress(TimeoutError):
                    return future.result(_TICK_S)
        except anyio.BrokenWorkerProcess:
            raise ReadError("cannot read the photo: it is damaged, its decoder crashed") from None
        except concurrent.futures.CancelledError:
            raise stopping() from None
        finally:
            future.cancel()  # kills the process
        raise HttpProblem(
            504, f"decoding the photo took longer than {self._limits.decode_s:g} s; save it anew"
        )


def _until(end_s: float) -> Iterator[None]:
    while time.monotonic() < end_s:
        yield


def _source(file: BinaryIO, folder: Path) -> bytes | Path:
    """The file as what another process can read."""
    file.seek(0)
    head = file.read(_SMALL + 1)
    if len(head) <= _SMALL:
        return head
    path = folder / "source"
    with path.open("wb") as copy:
        copy.write(head)
        shutil.copyfileobj(file, copy)
    return path


def _decode(source: bytes | Path, bounds: _Bounds, folder: str) -> Image:
    """In the process: decode, and leave the pixels in a folder."""
    from ..images.read import read_image
    from .photo_check import check_size

    with _opened(source) as file:
        check_size(file, bounds.served_pixels, bounds.upscale)
        image = read_image(file, max_pixels=bounds.max_pixels)
    np.save(Path(folder, _PIXELS), image.pixels)
    if image.alpha is not None:
        np.save(Path(folder, _ALPHA), image.alpha)
    return dataclasses.replace(image, pixels=image.pixels[:0], alpha=None)


@contextlib.contextmanager
def _opened(source: bytes | Path) -> Iterator[BinaryIO]:
    if isinstance(source, bytes):
        yield io.BytesIO(source)
        return
    with source.open("rb") as file:
        yield file


def _warm_up() -> None:
    """In the process: import what decoding needs."""
    from ..images.pillow import register_formats
    from . import photo_check  # noqa: F401

    register_formats()
