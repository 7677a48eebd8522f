"""Metrics for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Load(NamedTuple):
    """What the server holds at one moment.

    Attributes:
        requests: Photos uploaded, waiting or worked on.
        results: Photos kept for download.
        videos: Video jobs by state.
    """

    requests: int
    results: int
    videos: Mapping[str, int]


class Metrics(Collector):
    """Counters of requests and faces; gauges that are read when they are asked for."""

    def __init__(self, load: Callable[[], Load]) -> None:
        """Count from zero; `load` is called for every report."""
        self._load = load
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "gpen_requests", "Requests answered", ["route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "gpen_request_seconds",
            "From request to the end of the response",
            ["route"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self.faces = Counter("gpen_faces_restored", "Faces in photos", registry=self._registry)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def count(self, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def collect(self) -> Iterator[Any]:
        """Gauges of this moment."""
        load = self._load()
        yield GaugeMetricFamily(
            "gpen_requests_in_progress", "Photos uploaded, waiting or worked on", load.requests
        )
        yield GaugeMetricFamily("gpen_results_kept", "Photos kept", load.results)
        jobs = GaugeMetricFamily("gpen_video_jobs", "Jobs by state", labels=["state"])
        for state, count in load.videos.items():
            jobs.add_metric([state], count)
        yield jobs

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)
