"""Stops a run on SIGTERM and SIGINT."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def stop_signals() -> Iterator[list[int]]:
    """A list to which SIGTERM and SIGINT are added; a second signal ends the process."""
    came: list[int] = []
    before: dict[int, Any] = {}

    def remember(number: int, _frame: object) -> None:
        came.append(number)
        signal.signal(number, before[number])

    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            before[number] = signal.signal(number, remember)
    try:
        yield came
    finally:
        for restored, handler in before.items():
            signal.signal(restored, handler)
