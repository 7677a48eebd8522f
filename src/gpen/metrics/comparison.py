"""Compares the scores of several models and of bicubic, per face and per group."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ReadError
from ..types import Float64Array
from .distribution import LEAST, frechet_distance, kernel_distance
from .registry import METRICS, PER_IMAGE, MetricNetworks

ImageArray = NDArray[np.uint8]


@dataclass(slots=True)
class Column:
    """The scores of one model under one kind of damage.

    Attributes:
        damage: Name of the damage; empty where the images came damaged.
        name: "bicubic", a model, a folder.
        scores: One dict per face, by metric.
        features: One vector per face, where a network for FID is there.
    """

    damage: str
    name: str
    scores: list[dict[str, float]] = field(default_factory=list)
    features: list[Float64Array] = field(default_factory=list)


class Comparison:
    """Collects the scores of face after face; keeps no image.

    Attributes:
        metric_networks: What measures.
        columns: By damage and name, in the order they came.
        names: Of the faces, by damage.
    """

    def __init__(self, metric_networks: MetricNetworks) -> None:
        self.metric_networks = metric_networks
        self.columns: dict[tuple[str, str], Column] = {}
        self.names: dict[str, list[str]] = {}
        self._true_features: dict[str, list[Float64Array]] = {}
        self._reference: list[Float64Array] = []
        self._has_truth = self._has_model = False

    def add_reference(self, image: ImageArray) -> None:
        """Add an image of the set that FID and KID compare with, in place of the truth."""
        if (vector := self.metric_networks.features(image)) is not None:
            self._reference.append(vector)

    def add(
        self,
        name: str,
        images: Mapping[str, ImageArray],
        *,
        truth: ImageArray | None = None,
        damaged: ImageArray | None = None,
        damage: str = "",
    ) -> None:
        """Measure one face.

        Args:
            name: Of the face.
            images: Of every column, RGB (H, W, 3).
            truth: What they should be, the same shape.
            damaged: Without truth: what identity is compared with, the same shape.
            damage: Name of the damage.

        Raises:
            ReadError: An image has another shape than the truth; nothing of this face is kept.
        """
        model = truth if truth is not None else damaged
        for column, image in images.items():
            if model is not None and image.shape != model.shape:
                raise ReadError(
                    f"{name} of {column} has {image.shape[1]} × {image.shape[0]} pixels; expected "
                    f"{model.shape[1]} × {model.shape[0]} like its counterpart"
                )
        scores = self._scores(images, truth, model)
        features = {
            column: self.metric_networks.features(image) for column, image in images.items()
        }
        true = self.metric_networks.features(truth) if truth is not None else None
        self._has_truth |= truth is not None
        self._has_model |= model is not None
        self.names.setdefault(damage, []).append(name)
        if true is not None:
            self._true_features.setdefault(damage, []).append(true)
        for column, values in scores.items():
            kept = self.columns.setdefault((damage, column), Column(damage, column))
            kept.scores.append(values)
            vector = features[column]
            if vector is not None:
                kept.features.append(vector)

    def _scores(
        self, images: Mapping[str, ImageArray], truth: ImageArray | None, model: ImageArray | None
    ) -> dict[str, dict[str, float]]:
        points = (
            self.metric_networks.points(model) if model is not None else np.full((5, 2), np.nan)
        )
        scores = {}
        for column, image in images.items():
            values = self.metric_networks.likeness(
                image, model if model is not None else image, points
            )
            if truth is not None:
                values |= self.metric_networks.compare(image, truth)
            scores[column] = values
        return scores

    def not_measured(self) -> dict[str, str]:
        """What each metric that has no figure needs, by key."""
        reasons = dict(self.metric_networks.missing)
        if not self._has_truth:
            need = "needs --truth or --degrade"
            reasons |= dict.fromkeys(("psnr", "ssim", "lpips"), need)
        if not self._has_model:
            need = "needs --truth, --degrade or --damaged"
            reasons |= dict.fromkeys(("identity", "landmarks"), need)
        if "fid" not in reasons and not self._reference:
            counts = [len(v) for v in self._true_features.values()]
            if not counts:
                reasons |= dict.fromkeys(("fid", "kid"), "needs --truth, --degrade or --reference")
            elif min(counts) < LEAST:
                reasons |= dict.fromkeys(("fid", "kid"), f"needs {LEAST} faces at least")
        return {key: reasons[key] for key in METRICS if key in reasons}

    def rows(self) -> list[dict[str, Any]]:
        """One row per column: damage, name, faces, the mean of each metric, and its misses.

        A metric that has no figure is None. `misses` counts faces that were not found in the
        column's images, which have no part in the landmark error.
        """
        rows = []
        for column in self.columns.values():
            row = _mean_row(column, range(len(column.scores)))
            rows.append(row | self._distances(column))
        return rows

    def group_rows(self, groups: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
        """The same for every group of faces, in the order of groups' names; without FID and KID.

        Args:
            groups: Groups of each face, by its name.
        """
        known = sorted({group for members in groups.values() for group in members})
        rows = []
        for column in self.columns.values():
            names = self.names[column.damage]
            for group in known:
                chosen = [i for i, name in enumerate(names) if group in groups.get(name, ())]
                if chosen:
                    rows.append({"group": group} | _mean_row(column, chosen))
        return rows

    def per_face(self) -> list[dict[str, Any]]:
        """One row per face and column."""
        return [
            {"damage": column.damage, "image": column.name, "face": name, **_finite(scores)}
            for column in self.columns.values()
            for name, scores in zip(self.names[column.damage], column.scores, strict=True)
        ]

    def _distances(self, column: Column) -> dict[str, float | None]:
        """FID and KID to the reference, or to the truth."""
        other = self._reference or self._true_features.get(column.damage, [])
        if min(len(column.features), len(other)) < LEAST:
            return {"fid": None, "kid": None}
        return {
            "fid": frechet_distance(column.features, other),
            "kid": kernel_distance(column.features, other),
        }


def _mean_row(column: Column, chosen: Iterable[int]) -> dict[str, Any]:
    scores = [column.scores[i] for i in chosen]
    row: dict[str, Any] = {"damage": column.damage, "image": column.name, "faces": len(scores)}
    for key in PER_IMAGE:
        values = np.array([s[key] for s in scores if key in s])
        values = values[~np.isnan(values)]
        row[key] = float(values.mean()) if len(values) else None
    row["misses"] = sum(s["recall"] == 0 for s in scores)
    return row


def _finite(scores: Mapping[str, float]) -> dict[str, float | None]:
    """Numbers that JSON can hold."""
    return {key: value if math.isfinite(value) else None for key, value in scores.items()}
