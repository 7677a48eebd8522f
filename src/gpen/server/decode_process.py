"""Decodes photos in processes of their own, which are killed when nobody waits for them.

A decoder cannot be told to stop: a thread in it is busy until the last scan of a hostile file. A
process can be, and takes the memory and the crash of a hostile file with it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pickle
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from typing import IO, BinaryIO, cast

import numpy as np

from ..errors import ReadError
from ..types import Image
from .decode_worker import ALPHA, PIXELS, Question
from .http_problems import HttpProblem, stopping
from .limits import Limits
from .request_queue import Check

#: Files up to this many bytes go to the process in memory, larger ones by their name.
_SMALL = 1 << 20
#: How often it is asked whether somebody waits, in seconds.
_TICK_S = 0.1
#: The module of the program that runs is not imported again, as `multiprocessing` would.
_PROGRAM = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from gpen.server.decode_worker import serve; serve()"
)


class Decoder:
    """Processes that decode photos, one for each thread that asks at the same time."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder, self._limits = folder, limits
        self._idle: list[_Process] = []
        self._readers = ThreadPoolExecutor(limits.jobs, thread_name_prefix="gpen-decode")
        self._lock, self._stopped = threading.Lock(), False

    def warm_up(self) -> None:
        """Have a process ready for the first photo."""
        self._give_back(self._take())

    def decode(self, file: BinaryIO, check: Check, *, max_pixels: int, upscale: int = 1) -> Image:
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
        """
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="photo-") as name:
            folder = Path(name)
            question = Question(
                _source(file, folder), folder, max_pixels, self._limits.pixels, upscale
            )
            image, alpha = self._ask(question, check), folder / ALPHA
            return dataclasses.replace(
                image,
                pixels=np.load(folder / PIXELS),
                alpha=np.load(alpha) if alpha.exists() else None,
            )

    def _ask(self, question: Question, check: Check) -> Image:
        process = self._take()
        try:
            answer = self._answer(process, question, check)
        except BaseException:
            process.kill()
            raise
        self._give_back(process)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _answer(self, process: _Process, question: Question, check: Check) -> Image | Exception:
        future = self._readers.submit(process.ask, question)
        end_s = time.monotonic() + self._limits.decode_s
        while time.monotonic() < end_s:
            check()
            try:
                return future.result(_TICK_S)
            except FutureTimeoutError:
                continue
            except (OSError, EOFError, pickle.UnpicklingError):
                raise ReadError(
                    "cannot read the photo: it is damaged, and its decoder crashed"
                ) from None
        raise HttpProblem(
            504, f"decoding the photo took longer than {self._limits.decode_s:g} s; save it anew"
        )

    def _take(self) -> _Process:
        with self._lock:
            if self._stopped:
                raise stopping()
            while self._idle:
                if (process := self._idle.pop()).is_alive():
                    return process
        return _Process()

    def _give_back(self, process: _Process) -> None:
        with self._lock:
            if not self._stopped:
                self._idle.append(process)
                return
        process.kill()

    def stop(self) -> None:
        """End the processes that are idle; others end when their threads do."""
        with self._lock:
            self._stopped = True
            idle, self._idle = self._idle, []
        for process in idle:
            process.kill()
        self._readers.shutdown(wait=False)


class _Process:
    """A process that decodes one photo after the other."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the server
        )
        self._questions = cast("IO[bytes]", self._process.stdin)
        self._answers = cast("IO[bytes]", self._process.stdout)
        self._send(sys.path)

    def _send(self, what: object) -> None:
        pickle.dump(what, self._questions, pickle.HIGHEST_PROTOCOL)
        self._questions.flush()

    def ask(self, question: Question) -> Image | Exception:
        """Send a question and wait for its answer.

        Raises:
            OSError, EOFError, pickle.UnpicklingError: The process has ended.
        """
        self._send(question)
        answer: Image | Exception = pickle.load(self._answers)  # noqa: S301 - our own
        return answer

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError):  # it wanted to write more
            self._questions.close()
        self._answers.close()


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
