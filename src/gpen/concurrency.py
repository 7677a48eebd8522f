"""Work on many items at the same time, with a bound on what is in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Once(Generic[T]):
    """What is made on first use, once, from any thread; after an error the next use tries again.

    Example:
        >>> number = Once(lambda: 6 * 7)
        >>> number()
        42
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make, self._lock = make, Lock()
        self._made: list[T] = []

    def __reduce__(self) -> tuple[type[Once[T]], tuple[Callable[[], T]]]:
        """Pickled, it makes its own."""
        return Once, (self._make,)

    def __call__(self) -> T:
        """What was made."""
        with self._lock:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]


def in_parallel(
    work: Callable[[T], R], items: Iterable[T], *, jobs: int, in_order: bool = False
) -> Iterator[R]:
    """Do the work on each item in threads, `jobs` at a time, and yield what it returns.

    At most `2 * jobs` items are being worked on or wait to be yielded, so memory does not grow
    with the number of items. They are taken from their iterable in the caller's thread. Leaving
    the generator early, by Ctrl-C too, lets work that has begun finish and starts none.

    Args:
        work: Serves many threads.
        items: One after the other.
        jobs: Threads.
        in_order: Yield in the order of the items, not as they come.

    Raises:
        Exception: What the work or the iterable raised; the rest is left.
    """
    waiting = iter(items)
    with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="gpen") as pool:
        running: list[Future[R]] = []
        try:
            while True:
                for item in islice(waiting, 2 * jobs - len(running)):
                    running.append(pool.submit(work, item))
                if not running:
                    return
                if not in_order:
                    done = wait(running, return_when=FIRST_COMPLETED).done
                    running.sort(key=lambda future: future not in done)
                yield running.pop(0).result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
