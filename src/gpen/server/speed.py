"""How fast work goes, by its last seconds: what a user is told of the time left rests on it."""

from __future__ import annotations

import time
from collections import deque

#: Seconds that count, and that are needed before anything is said.
WINDOW_S, LEAST_S = 20.0, 1.0
#: Seconds between two samples.
_APART_S = 0.25


class Speed:
    """Frames per second over the last seconds."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def clear(self) -> None:
        """Begin anew: another stage, or a pause."""
        self._samples.clear()

    def note(self, done: int) -> None:
        """So many are done now."""
        now_s = time.monotonic()
        if self._samples and now_s - self._samples[-1][0] < _APART_S:
            return
        self._samples.append((now_s, done))
        while now_s - self._samples[0][0] > WINDOW_S:
            self._samples.popleft()

    @property
    def per_s(self) -> float | None:
        """None while too little is known."""
        samples = list(self._samples)
        if len(samples) < 2 or samples[-1][0] - samples[0][0] < LEAST_S:
            return None
        (first_s, first), (last_s, last) = samples[0], samples[-1]
        return (last - first) / (last_s - first_s) if last > first else None
