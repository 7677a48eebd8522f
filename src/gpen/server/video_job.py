"""One video job of the server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .http_problems import Cancelled, HttpProblem
from .speed import Speed

if TYPE_CHECKING:
    from ..video.video_result import VideoResult

State = Literal[
    "uploading", "queued", "running", "paused", "done", "failed", "cancelled", "stopped"
]
#: How often a paused job looks whether it is to go on, in seconds.
_TICK_S = 0.1
ENDED: tuple[State, ...] = ("done", "failed", "cancelled", "stopped")
MEDIA_TYPES = {
    ".mp4": "video/mp4", ".mkv": "video/x-matroska", ".mov": "video/quicktime",
    ".webm": "video/webm",
}  # fmt: skip


class Paused(Exception):  # noqa: N818
    """The job has left its place for others, and goes on later."""


@dataclass(slots=True, eq=False)
class Job:
    """The state of one job. One thread works on it, others read it.

    Attributes:
        id: A long random name.
        folder: Where its files are.
        name: What the user calls the video.
        suffix: Ending of the result.
        state: Where it is.
        stage: "faces", "frames" or "joining".
        done: Frames of the stage that are done.
        total: Frames of the stage, if known.
        faces_log: Where its faces are noted already, or None.
        pace: How many times as long a frame takes to be restored as to be searched for faces.
        gives_way: Whether others wait, for whom a paused job leaves its place.
        most_frames: More are refused while they are counted.
        visitor: Whose it is, by the cookie; address: where it came from.
        webhook: Where to say that it has ended; "" for nowhere.
        heard_s: When somebody last asked for it, by the monotonic clock.
        ended_s: When it ended, by the monotonic clock.
        error: Why it failed.
        result: What became of it.
    """

    id: str
    folder: Path
    name: str = ""
    suffix: str = ".mp4"
    state: State = "uploading"
    stage: str | None = None
    done: int = 0
    total: int | None = None
    faces_log: Path | None = None
    pace: float = 3.0
    gives_way: Callable[[], bool] = lambda: False
    most_frames: float = float("inf")
    visitor: str = ""
    address: str = ""
    webhook: str = ""
    heard_s: float = field(default_factory=time.monotonic)
    ended_s: float | None = None
    error: HttpProblem | None = None
    result: VideoResult | None = None
    n_bytes: int = 0
    _abandoned: threading.Event = field(default_factory=threading.Event)
    _began_s: float | None = None
    _worked_s: float = 0.0
    _latest_s: float = float("inf")
    _paused: threading.Event = field(default_factory=threading.Event)
    _paused_s: float = 0.0
    _speed: Speed = field(default_factory=Speed)

    @property
    def source(self) -> Path:
        """The video as uploaded, under a name of ours."""
        return self.folder / "source"

    @property
    def target(self) -> Path:
        return self.folder / f"result{self.suffix}"

    @property
    def result_name(self) -> str:
        """What the user is to call the result."""
        return f"{self.name.rpartition('.')[0] or self.name}_gpen{self.suffix}"

    def begin(self, most_s: float) -> None:
        """Work begins.

        Raises:
            Cancelled: Nobody wants it any more.
        """
        if self._paused.is_set():
            raise Paused
        self.check()
        now_s = time.monotonic()
        self._began_s = now_s - self._worked_s
        self._latest_s = self._began_s + most_s
        self.state = "running"

    def abandon(self) -> None:
        """Nobody wants it any more."""
        self._abandoned.set()
        if self.state == "queued" or (self.state == "paused" and self._began_s is None):
            self.end("cancelled")

    def pause(self) -> None:
        """Stand still until `resume`."""
        self._paused_s = time.monotonic()
        self._paused.set()
        self.state = "paused"

    def resume(self) -> None:
        """Go on; the time in between does not count."""
        stood_s = time.monotonic() - self._paused_s
        if self._began_s is not None:
            self._began_s += stood_s
            self._latest_s += stood_s
            self.state = "running"
        else:
            self.state = "queued"
        self._speed.clear()
        self._paused.clear()

    def leave(self) -> None:
        """The job has no thread any more, and goes on from its finished parts."""
        self._worked_s = self._elapsed_s
        self._began_s = None

    def is_forgotten(self, unheard_s: float) -> bool:
        """Whether it is not done, and nobody has asked for so many seconds."""
        silent_s = time.monotonic() - self.heard_s
        return self.state not in ENDED and not self.webhook and silent_s > unheard_s

    def check(self) -> None:
        """Ask whether to go on.

        Raises:
            Cancelled: It was cancelled, or the server is being stopped.
            Paused: It is paused, and others wait.
            HttpProblem: It took too long.
        """
        while self._paused.is_set() and not self._abandoned.is_set():
            if self.gives_way():
                raise Paused
            time.sleep(_TICK_S)
        if self._abandoned.is_set():
            raise Cancelled
        if time.monotonic() > self._latest_s:
            raise HttpProblem(
                504, "the video took longer than the server allows; send a shorter one"
            )

    def on_progress(self, stage: str, done: int, total: int | None) -> None:
        """Hear of progress; see `gpen.video.video_result.OnProgress`.

        Raises:
            Cancelled: As `check`.
            HttpProblem: As `check`, or the video turns out to be longer than it said.
        """
        if stage != self.stage:
            self.stage = stage
            self._speed.clear()
        self.done, self.total = done, total
        self._speed.note(done)
        self.check()
        if stage == "faces" and done > self.most_frames:
            raise HttpProblem(413, "the video is longer than it says and than the server allows")

    def end(self, state: State) -> None:
        self.ended_s = time.monotonic()
        self.state = state

    def finish(self, result: VideoResult) -> None:
        """All went well."""
        self.result, self.n_bytes = result, self.target.stat().st_size
        self.end("done")

    def fail(self, error: HttpProblem) -> None:
        self.error = error
        self.end("failed")

    @property
    def fps(self) -> float | None:
        """Frames per second of the stage in the last seconds."""
        return self._speed.per_s if self.state == "running" else None

    @property
    def eta_s(self) -> float | None:
        """Seconds until the video is done; in the first pass by the pace of earlier videos."""
        fps = self.fps
        if not fps or self.total is None:
            return None
        left = self.total - self.done
        if self.stage == "faces" and self.faces_log is None:
            return (left + self.total * self.pace) / fps
        return left / fps

    @property
    def part(self) -> float | None:
        """The part of all work that is done, from 0 to 1; None where nobody knows."""
        if self.stage is None or not self.total:
            return None
        searching = 0.0 if self.faces_log else 1 / (1 + self.pace)
        done = min(1.0, self.done / self.total)
        if self.stage == "faces":
            return searching * done
        return 1.0 if self.stage == "joining" else searching + (1 - searching) * done

    @property
    def _elapsed_s(self) -> float:
        if self._began_s is None:
            return self._worked_s
        until_s = self._paused_s if self.state == "paused" else time.monotonic()
        return (self.ended_s or until_s) - self._began_s

    def to_dict(self, position: int, keep_s: float) -> dict[str, Any]:
        url = f"/v1/videos/{self.id}"
        fps, eta_s = self.fps, self.eta_s
        part = self.part
        return {
            "id": self.id,
            "name": self.name,
            "state": self.state,
            "stage": self.stage,
            "done": self.done,
            "total": self.total,
            "fps": round(fps, 2) if fps else None,
            "part": round(part, 4) if part is not None else None,
            "eta_s": round(max(0.0, eta_s), 1) if eta_s is not None else None,
            "position": position,
            "elapsed_s": round(self._elapsed_s, 1),
            "url": url,
            "result_url": f"{url}/result" if self.state == "done" else None,
            "result": self._result(keep_s),
            "error": self.error.to_dict() if self.error else None,
            "notes": list(self.result.notes) if self.result else [],
        }

    def _result(self, keep_s: float) -> dict[str, Any] | None:
        if self.result is None or self.ended_s is None:
            return None
        return {
            "name": self.result_name,
            "media_type": MEDIA_TYPES[self.suffix],
            "bytes": self.n_bytes,
            "frames": self.result.frames,
            "faces": self.result.faces,
            "people": self.result.people,
            "expires_s": round(max(0.0, self.ended_s + keep_s - time.monotonic())),
        }
