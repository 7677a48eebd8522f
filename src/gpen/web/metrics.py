"""Figures for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from .house import House

_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics(Collector):
    """Counters of requests and faces; gauges read from the house when they are asked for."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "gpen_requests", "Requests answered", ["route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "gpen_request_seconds",
            "From request to the end of the answer",
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
        house = self._house
        yield GaugeMetricFamily(
            "gpen_requests_in_house", "Photos uploaded, waiting or worked on", house.room.taken
        )
        yield GaugeMetricFamily("gpen_results_kept", "Photos kept", len(house.results))
        jobs = GaugeMetricFamily("gpen_video_jobs", "Jobs by state", labels=["state"])
        for state, count in house.clips.states().items():
            jobs.add_metric([state], count)
        yield jobs

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)
