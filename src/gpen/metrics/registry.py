"""The metrics, and the networks that some of them need.

A metric whose file is missing is never left out silently: `MetricNetworks.missing` says what it
needs.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..faces.detection import Detector
from ..types import Float64Array
from .landmark_error import find_points, is_found, landmark_error
from .metric_files import MetricFiles
from .psnr_ssim import psnr, ssim


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        title: What a table calls it.
        digits: Decimals that mean something.
        higher_is_better: Else lower is.
    """

    title: str
    digits: int
    higher_is_better: bool


#: Metrics of one image by key, in the order of tables.
PER_IMAGE: Mapping[str, Metric] = MappingProxyType(
    {
        "psnr": Metric("PSNR dB", 2, higher_is_better=True),
        "ssim": Metric("SSIM", 4, higher_is_better=True),
        "lpips": Metric("LPIPS", 4, higher_is_better=False),
        "identity": Metric("identity", 4, higher_is_better=True),
        "landmarks": Metric("landmark error %", 2, higher_is_better=False),
        "recall": Metric("recall", 4, higher_is_better=True),
    }
)
#: Metrics of a whole set.
PER_SET: Mapping[str, Metric] = MappingProxyType(
    {
        "fid": Metric("FID", 3, higher_is_better=False),
        "kid": Metric("KID", 4, higher_is_better=False),
    }
)
METRICS: Mapping[str, Metric] = MappingProxyType({**PER_IMAGE, **PER_SET})


class MetricNetworks:
    """The networks that metrics need, opened from files.

    Attributes:
        missing: What the metrics that cannot be measured need, by key.
        networks: Which file measures, by key.
    """

    def __init__(self, files: MetricFiles, detector: Detector) -> None:
        """Open the networks.

        Args:
            files: Weight files; metrics without theirs are listed in `missing`.
            detector: Finds the five points.

        Raises:
            WeightsError: A file is unreadable or something else.
            TrainingError: A file is no network that `gpen.perceptual` knows.
        """
        self.missing: dict[str, str] = {}
        self.networks = {"landmarks": detector.name, "recall": detector.name}
        self._detector = detector
        self._lpips: Any = None
        self._identity: Any = None
        self._features: Any = None
        self._open(files)

    def _open(self, files: MetricFiles) -> None:
        needs = {
            "lpips": "--lpips-backbone and --lpips-heads, or --metrics-dir with both",
            "identity": "--identity, or --metrics-dir with a face network",
            "fid": "--features, or --metrics-dir with a RetinaFace or face network",
        }
        has_torch = importlib.util.find_spec("torch") is not None
        if has_torch and files.lpips_backbone and files.lpips_heads:
            from ..perceptual.lpips import Lpips

            self._lpips = Lpips(files.lpips_backbone, files.lpips_heads).eval()
            names = f"{files.lpips_backbone.name} + {files.lpips_heads.name}"
            self.networks["lpips"] = f"{self._lpips.name}: {names}"
        if has_torch and files.identity:
            from ..perceptual.identity_distance import IdentityDistance

            self._identity = IdentityDistance(files.identity).eval()
            self.networks["identity"] = f"{self._identity.name}: {files.identity.name}"
        if has_torch and files.features:
            from .feature_vectors import open_features

            self._features = open_features(files.features)
            self.networks["fid"] = self.networks["kid"] = self._features.name
        for key, need in needs.items():
            if key not in self.networks:
                self.missing[key] = f"needs {need}" if has_torch else "needs gpen[torch]"
        if "fid" in self.missing:
            self.missing["kid"] = self.missing["fid"]

    def points(self, image: NDArray[np.uint8]) -> Float64Array:
        """The five points of an image, (5, 2); NaN where no face was found."""
        return find_points(image, self._detector)

    def features(self, image: NDArray[np.uint8]) -> Float64Array | None:
        """The image as a vector for FID and KID, (D,); None without a network."""
        return None if self._features is None else self._features.vector(image)

    def compare(self, image: NDArray[np.uint8], truth: NDArray[np.uint8]) -> dict[str, float]:
        """PSNR, SSIM and, where its files are there, LPIPS.

        Args:
            image: RGB, (H, W, 3).
            truth: The same shape.
        """
        scores = {"psnr": psnr(image, truth), "ssim": ssim(image, truth)}
        if self._lpips is not None:
            import torch

            from ..perceptual.image_tensors import to_tensor

            with torch.inference_mode():
                scores["lpips"] = float(self._lpips(to_tensor(image[None]), to_tensor(truth[None])))
        return scores

    def likeness(
        self, image: NDArray[np.uint8], model: NDArray[np.uint8], points_xy: Float64Array
    ) -> dict[str, float]:
        """Identity, landmark error and recall against the image of the same face.

        Args:
            image: RGB, (H, W, 3).
            model: The same face, the same shape: the truth, or the damaged image.
            points_xy: (5, 2) of the model; where they are NaN, nothing can be compared.
        """
        found = self.points(image)
        scores = {"recall": float(is_found(found)), "landmarks": landmark_error(found, points_xy)}
        if self._identity is not None:
            scores["identity"] = self._cosine(image, model, points_xy)
        return scores

    def _cosine(
        self, image: NDArray[np.uint8], model: NDArray[np.uint8], points_xy: Float64Array
    ) -> float:
        """Both faces are cut out by the model's points: a face that moved is less alike."""
        if not is_found(points_xy):
            return math.nan
        import torch

        from ..perceptual.image_tensors import to_tensor

        points = torch.from_numpy(points_xy).float().expand(2, 5, 2)
        pair = to_tensor(np.stack([image, model]))
        with torch.inference_mode():
            one, other = self._identity.embed(pair, points)
        return float(one @ other)
