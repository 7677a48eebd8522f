"""Downloads of published weight files, asked for on the page."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import SettingsError, WeightsError, WriteError
from ..files import made_data_dir
from ..models import load_weights
from ..models.catalogue import OFFERS, Offer, find_offer, mirrored
from ..models.download import download
from ..models.licences import accept, is_accepted
from .http_problems import Cancelled, HttpProblem, problem_of


class Download:
    """One download. One thread works on it, others read it."""

    def __init__(self, offer: Offer, target: Path, on_done: Callable[[], None]) -> None:
        self.offer, self._target, self._on_done = offer, target, on_done
        self.done = 0
        self.total = offer.size
        self.state = "running"
        self.problem = ""
        self._cancelled = threading.Event()
        self.thread = threading.Thread(target=self._work, name=f"gpen-get-{offer.name}")

    def cancel(self) -> None:
        self._cancelled.set()

    def _work(self) -> None:
        mirror = os.environ.get("GPEN_MIRROR")
        urls = mirrored(self.offer, mirror) if mirror else self.offer.urls
        try:
            download(
                urls,
                self._target,
                size=self.offer.size,
                sha256=self.offer.sha256,
                check=self._check,
                progress=self._progress,
            )
            self._on_done()
            self.state = "done"
        except Cancelled:
            self.state = "cancelled"
        except Exception as error:
            self.problem = problem_of(error, name=self.offer.file).detail
            self.state = "failed"

    def _progress(self, done: int, total: int | None) -> None:
        if self._cancelled.is_set():
            raise Cancelled
        self.done, self.total = done, total or self.total

    def _check(self, part: Path) -> None:
        """Refuse a file that cannot do the offer's work."""
        weights = load_weights(part)
        if weights.role != self.offer.role:
            raise WeightsError(
                f"{self.offer.file} is {weights.title} where {self.offer.title} was expected",
                path=part,
            )

    def to_dict(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "done": self.done,
            "total": self.total,
            "problem": self.problem,
        }


class ModelDownloads:
    """What can be fetched, and what is being fetched."""

    def __init__(self, folder: Path | None, on_done: Callable[[], None]) -> None:
        """Fetch into a folder, by default gpen's; `on_done` is told that a file has come."""
        self._folder, self._on_done = folder, on_done
        self._downloads: dict[str, Download] = {}
        self._lock = threading.Lock()

    def offers(self, here: set[str]) -> list[dict[str, Any]]:
        """The restorers of the catalogue, for JSON.

        Args:
            here: Names of files that are there already, in lower case.
        """
        return [self._row(offer, here) for offer in OFFERS if offer.role == "restorer"]

    def _row(self, offer: Offer, here: set[str]) -> dict[str, Any]:
        fetched = self._downloads.get(offer.name)
        return {
            "name": offer.name,
            "title": offer.title,
            "bytes": offer.size,
            "is_checked": offer.sha256 is not None,
            "licence": offer.licence,
            "terms": offer.terms,
            "home": offer.home,
            "is_accepted": is_accepted(offer),
            "is_here": offer.file.casefold() in here,
            "download": fetched.to_dict() if fetched else None,
        }

    def start(self, name: str, *, accepted: bool) -> Download:
        """Begin to fetch a file, or go on with one that broke off.

        Raises:
            UnknownModelError: There is no such offer.
            SettingsError: Its licence was not accepted.
            HttpProblem: Another is being fetched (409).
            WriteError: The models folder cannot be made.
        """
        offer = find_offer(name[:80])
        if not accepted and not is_accepted(offer):
            raise SettingsError(
                f"{offer.name} is fetched once its licence, '{offer.licence}', is accepted: "
                "send accept_licence=true if you do"
            )
        with self._lock:
            for other in self._downloads.values():
                if other.state == "running":
                    if other.offer is offer:
                        return other
                    raise HttpProblem(409, f"{other.offer.name} is being fetched; wait for it")
            accept(offer)
            started = Download(offer, self._made_folder() / offer.file, self._on_done)
            self._downloads[offer.name] = started
        started.thread.start()
        return started

    def _made_folder(self) -> Path:
        folder = self._folder or made_data_dir() / "models"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WriteError(f"cannot make {folder} ({error.strerror})", path=folder) from error
        return folder

    def cancel(self, name: str) -> None:
        """Stop fetching a file; what came of it is kept for the next time.

        Raises:
            HttpProblem: It is not being fetched (404).
        """
        running = self._downloads.get(name)
        if running is None:
            raise HttpProblem(404, f"{name[:80]!r} is not being fetched")
        running.cancel()

    def stop(self) -> None:
        for one in list(self._downloads.values()):
            one.cancel()
