"""Worker threads that take turns between visitors, however much work one of them has sent."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class _Waiting(NamedTuple):
    future: Future[Any]
    work: Callable[[], Any]


class FairPool:
    """Threads whose next work is that of the visitor who has waited longest for a turn."""

    def __init__(self, threads: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._waiting: OrderedDict[str, deque[_Waiting]] = OrderedDict()
        self._lock = threading.Lock()

    def submit(self, visitor: str, work: Callable[[], T]) -> Future[T]:
        """Let work wait for its turn.

        Raises:
            RuntimeError: The pool was stopped.
        """
        future: Future[T] = Future()
        with self._lock:
            self._pool.submit(self._next)
            self._waiting.setdefault(visitor, deque()).append(_Waiting(future, work))
        return future

    def _next(self) -> None:
        with self._lock:
            if not self._waiting:  # stopped meanwhile
                return
            visitor, works = self._waiting.popitem(last=False)
            one = works.popleft()
            if works:
                self._waiting[visitor] = works
        if not one.future.set_running_or_notify_cancel():
            return
        try:
            result = one.work()
        except BaseException as error:
            one.future.set_exception(error)
        else:
            one.future.set_result(result)

    def order(self) -> list[Future[Any]]:
        """What waits, in the order of its turns."""
        with self._lock:
            lines = [list(works) for works in self._waiting.values()]
        rounds = range(max(map(len, lines), default=0))
        every = [line[turn] for turn in rounds for line in lines if turn < len(line)]
        return [one.future for one in every if not one.future.cancelled()]

    def stop(self) -> None:
        """Begin nothing any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            waiting = [one for works in self._waiting.values() for one in works]
            self._waiting.clear()
        for one in waiting:
            one.future.cancel()
