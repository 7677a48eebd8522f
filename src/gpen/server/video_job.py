"""One video job of the server."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .http_problems import Cancelled, HttpProblem

if TYPE_CHECKING:
    from ..video.video_result import VideoResult

State = Literal["uploading", "queued", "running", "done", "failed", "cancelled", "stopped"]
ENDED: tuple[State, ...] = ("done", "failed", "cancelled", "stopped")
MEDIA_TYPES = {
    ".mp4": "video/mp4", ".mkv": "video/x-matroska", ".mov": "video/quicktime",
    ".webm": "video/webm",
}  # fmt: skip


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
        most_frames: More are refused while they are counted.
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
    most_frames: float = float("inf")
    ended_s: float | None = None
    error: HttpProblem | None = None
    result: VideoResult | None = None
    n_bytes: int = 0
    _abandoned: threading.Event = field(default_factory=threading.Event)
    _began_s: float | None = None
    _latest_s: float = float("inf")
    _stage_began: tuple[float, int] = (0.0, 0)

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
        self.check()
        self._began_s = time.monotonic()
        self._latest_s = self._began_s + most_s
        self.state = "running"

    def abandon(self) -> None:
        """Nobody wants it any more."""
        self._abandoned.set()
        if self.state == "queued":
            self.end("cancelled")

    def check(self) -> None:
        """Ask whether to go on.

        Raises:
            Cancelled: It was cancelled, or the server is being stopped.
            HttpProblem: It took too long.
        """
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
            self.stage, self._stage_began = stage, (time.monotonic(), done)
        self.done, self.total = done, total
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
        """Frames per second of the stage so far."""
        began_s, first = self._stage_began
        if self.state != "running" or self.done <= first:
            return None
        return (self.done - first) / max(time.monotonic() - began_s, 1e-3)

    @property
    def eta_s(self) -> float | None:
        """Seconds until the stage is over."""
        fps = self.fps
        return (self.total - self.done) / fps if fps and self.total is not None else None

    def to_dict(self, position: int, keep_s: float) -> dict[str, Any]:
        url = f"/v1/videos/{self.id}"
        fps, eta_s = self.fps, self.eta_s
        elapsed_s = 0.0
        if self._began_s is not None:
            elapsed_s = (self.ended_s or time.monotonic()) - self._began_s
        return {
            "id": self.id,
            "name": self.name,
            "state": self.state,
            "stage": self.stage,
            "done": self.done,
            "total": self.total,
            "fps": round(fps, 2) if fps else None,
            "eta_s": round(max(0.0, eta_s), 1) if eta_s is not None else None,
            "position": position,
            "elapsed_s": round(elapsed_s, 1),
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
