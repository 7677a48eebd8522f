"""Finds the people of a video that is kept, so that some can be chosen."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..settings import VideoSettings
from . import image_requests
from .http_problems import Cancelled, HttpProblem, problem_of
from .kept_files import KeptFile
from .model_pool import CancellableRestorer

if TYPE_CHECKING:
    from ..video.io.frames import VideoInfo
    from ..video.tracking.face_tracks import Track

#: Tracks that are shown; a video has more only where nobody could choose among them.
_MOST_SHOWN = 200
#: Searches that are remembered.
_REMEMBERED = 100


class Search:
    """One search. One thread works on it, others read it.

    Attributes:
        done, total: Frames; the total is None where the video does not say.
        people: What was found, for JSON; None before the end.
        error: Why it failed.
        log: Where the faces are noted, for the restoration of the same part.
    """

    def __init__(self, kept: KeptFile, video: VideoSettings, min_face: float) -> None:
        self.kept, self._video, self._min_face = kept, video, min_face
        self.log = log_of(kept, video)
        self.done = 0
        self.total: int | None = None
        self.people: list[dict[str, Any]] | None = None
        self.error: HttpProblem | None = None
        self.cancelled = threading.Event()

    def run(self, restorer: CancellableRestorer) -> None:
        try:
            self.people = self._found(restorer)
        except Exception as error:
            self.error = problem_of(error, name=self.kept.name)

    def _found(self, restorer: CancellableRestorer) -> list[dict[str, Any]]:
        from ..video.analysis import analyse
        from ..video.io.decode import open_video
        from ..video.track_identity import best_frames
        from ..video.work_folder import LineLog

        info = open_video(self.kept.path)
        self.total = info.frames_between(self._video.start_s, self._video.end_s)
        found = analyse(
            info,
            restorer.detector,
            self._video,
            LineLog(self.log),
            self._on_frame,
            min_face=self._min_face,
        )
        tracks = found.tracks.tracks[:_MOST_SHOWN]
        shown = {
            track_id: image_requests.face_thumbnail(pixels, face)
            for track_id, pixels, face in best_frames(tracks, info, self._video, 1)
        }
        return [self._row(track, info, shown.get(track.id)) for track in tracks]

    def _on_frame(self, done: int) -> None:
        if self.cancelled.is_set():
            raise Cancelled
        self.done = done

    def _row(self, track: Track, info: VideoInfo, thumbnail: str | None) -> dict[str, Any]:
        rate = float(info.rate)
        return {
            "track": track.id,
            "from_s": round(self._video.start_s + track.first / rate, 2),
            "to_s": round(self._video.start_s + (track.last + 1) / rate, 2),
            "size_px": round(float(track.sizes.mean()), 1),
            "thumbnail": thumbnail,
        }

    def to_dict(self) -> dict[str, Any]:
        ended = self.people is not None or self.error is not None
        state = "failed" if self.error else "done" if ended else "running"
        return {
            "state": state,
            "done": self.done,
            "total": self.total,
            "people": self.people,
            "error": self.error.to_dict() if self.error else None,
        }


class PeopleSearches:
    """The searches of a server; one runs at a time."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="gpen-people")
        self._searches: dict[tuple[Path, float], tuple[Search, Future[None]]] = {}

    def start(self, kept: KeptFile, video: VideoSettings, restorer: CancellableRestorer) -> Search:
        """The search of a part of a video, begun now if it was not before."""
        min_face = restorer.settings.min_face
        key = log_of(kept, video), min_face
        known = self._searches.get(key)
        if known is not None and known[0].error is None:
            return known[0]
        search = Search(kept, video, min_face)
        self._searches[key] = search, self._pool.submit(search.run, restorer)
        while len(self._searches) > _REMEMBERED:
            self._searches.pop(next(iter(self._searches)))
        return search

    def log_if_whole(self, kept: KeptFile, video: VideoSettings) -> Path | None:
        """The faces of a part of a video that has been searched, or None."""
        log = log_of(kept, video)
        if any(path == log and one.people is None for (path, _), (one, _) in self._items()):
            return None  # it is being written
        return log if log.exists() else None

    def cancel(self, kept: KeptFile) -> None:
        """End the searches of a video."""
        for key, (search, future) in self._items():
            if search.kept.id == kept.id:
                search.cancelled.set()
                future.cancel()
                self._searches.pop(key, None)

    def _items(self) -> list[tuple[tuple[Path, float], tuple[Search, Future[None]]]]:
        return list(self._searches.items())

    def stop(self) -> None:
        for _, (search, _) in self._items():
            search.cancelled.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def join(self) -> None:
        """Wait for the search that runs to end."""
        self._pool.shutdown(wait=True)


def log_of(kept: KeptFile, video: VideoSettings) -> Path:
    """Where the faces of a part of a video are noted."""
    part = f"{video.start_s:g}-{video.end_s or 0:g}-{int(video.deflicker)}"
    return kept.folder / f"faces-{part}.jsonl"
