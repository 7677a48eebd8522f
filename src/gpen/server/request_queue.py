"""The request queue: photos in worker threads, bounded, fair, cancelled when clients leave."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Any, TypeVar

from .fair_pool import FairPool
from .http_problems import RETRY_S, Cancelled, HttpProblem, stopping
from .visitors import PlacesByAddress

T = TypeVar("T")
#: Called by work now and then; raises `Cancelled` when nobody waits for it.
Check = Callable[[], None]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
#: Photos whose time is remembered, to say when to come back.
_REMEMBERED = 20


class RequestQueue:
    """Worker threads with a bounded queue, in which addresses take turns."""

    def __init__(self, threads: int, slots: int) -> None:
        """Start the queue.

        Args:
            threads: Requests that are worked on at the same time.
            slots: Requests accepted at once, those being uploaded included.
        """
        self._pool = FairPool(threads, "gpen-web")
        self._threads, self._slots = threads, slots
        self._by_address = PlacesByAddress(slots)
        self._running: dict[Future[Any], threading.Event] = {}
        self._seconds: deque[float] = deque(maxlen=_REMEMBERED)
        self._stopped = False
        self.taken = 0

    @contextmanager
    def slot(self, address: str = "") -> Iterator[None]:
        """Hold a slot of the queue.

        Args:
            address: Of the client; one may not take all of them.

        Raises:
            HttpProblem: All are taken (429), or the server is being stopped (503).
        """
        if self._stopped:
            raise stopping()
        if self.taken >= self._slots:
            raise HttpProblem(
                429,
                f"{self.taken} others are being served or wait; try again in some seconds",
                headers={"Retry-After": str(self._retry_s())},
            )
        with self._by_address.one(address):
            self.taken += 1
            try:
                yield
            finally:
                self.taken -= 1

    async def run(
        self,
        receive: Receive,
        work: Callable[[Check], T],
        *,
        seconds: float,
        end: Check,
        address: str = "",
    ) -> T:
        """Do work in a thread for a client that waits.

        Args:
            receive: Of the request, whose body has been read.
            work: What to do.
            seconds: How long the client waits at most.
            end: Called once, when the work has ended or will never begin.
            address: Of the client; addresses take turns.

        Raises:
            HttpProblem: It took too long (504), or the server is being stopped (503).
            Cancelled: The client went.
            Exception: What the work raised.
        """
        abandoned = threading.Event()
        future = self._submit(work, abandoned, end, address)
        response = asyncio.wrap_future(future)
        gone = asyncio.ensure_future(_disconnect(receive))
        try:
            done, _ = await asyncio.wait(
                (response, gone), timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            gone.cancel()
            if not response.done():
                abandoned.set()
                response.cancel()  # work that has not begun is skipped
        if self._stopped and (response.cancelled() or isinstance(response.exception(), Cancelled)):
            raise stopping()
        if response in done:
            return response.result()
        if done:
            raise Cancelled
        raise HttpProblem(504, f"this took longer than {seconds:g} s; send a smaller photo")

    def _submit(
        self, work: Callable[[Check], T], abandoned: threading.Event, end: Check, address: str
    ) -> Future[T]:
        def check() -> None:
            if abandoned.is_set():
                raise Cancelled

        def timed() -> T:
            started = time.perf_counter()
            try:
                check()
                return work(check)
            finally:
                self._seconds.append(time.perf_counter() - started)

        try:
            future = self._pool.submit(address, timed)
        except RuntimeError:  # closed meanwhile
            end()
            raise stopping() from None
        self._running[future] = abandoned
        future.add_done_callback(self._running.pop)
        future.add_done_callback(lambda _: end())
        return future

    def _retry_s(self) -> int:
        """About when the queue will be half as long."""
        if not self._seconds:
            return RETRY_S
        mean = sum(self._seconds) / len(self._seconds)
        return max(1, min(120, round(mean * self.taken / self._threads / 2)))

    def stop(self) -> None:
        """Begin nothing any more; what runs ends at its next step."""
        self._stopped = True
        for abandoned in list(self._running.values()):
            abandoned.set()
        self._pool.stop()

    def join(self, seconds: float) -> bool:
        """Wait for the threads; whether all have ended in time."""
        return not wait(list(self._running), timeout=seconds).not_done


async def _disconnect(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
