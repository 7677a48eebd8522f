"""What a person sees in a face and what averages hide: gaze, lids, the colour of eyes, rims.

All are taken on crops of one size, aligned by the true points of the face, of truth, input, and
output alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gpen.engines import open_graph
from gpen.face_templates import template_points
from gpen.images.transforms import fit_similarity, warp
from gpen.metrics.metric_files import find_metric_files
from gpen.metrics.psnr_ssim import psnr, ssim

Pixels8 = NDArray[np.uint8]
#: Eyes among the 68 landmarks: outer and inner corners, lids above and below.
EYES = ((36, 39, (37, 38), (41, 40)), (42, 45, (43, 44), (47, 46)))
#: Template of the dlib embedding (../shared/models/README.md), in 150 px.
DLIB_XY = np.array(
    [(47.57, 46.60), (100.48, 46.60), (74.01, 76.56), (50.41, 103.02), (97.61, 103.02)]
)
#: In eye distances: blur under which eyes are compared, and around them; width of the ring outside
#: the jaw in which rims are looked for.
GAZE_BLUR, EYE_AROUND, IRIS, RING = 0.06, 0.3, 0.07, 0.16
#: Chroma (Lab) from which an iris has a hue.
HUED = 6.0


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What was measured of a face in one image.

    Attributes:
        pixels: The crop, (size, size, 3).
        landmarks_xy: (68, 2).
        embeddings: By network, of length 1.
    """

    pixels: Pixels8
    landmarks_xy: NDArray[np.float64]
    embeddings: dict[str, NDArray[np.float32]]


class Measures:
    """The networks, and what they say of one face."""

    def __init__(self, models: Path) -> None:
        import torch

        from gpen.perceptual.identity_distance import IdentityDistance
        from gpen.perceptual.lpips import Lpips

        self._torch = torch
        files = find_metric_files(models)
        assert files.lpips_backbone
        assert files.lpips_heads
        assert files.identity
        self._lpips = Lpips(files.lpips_backbone, files.lpips_heads).eval()
        self._mobile = IdentityDistance(files.identity).eval()
        self._dlib = open_graph(models / "dlib_face_resnet.onnx")
        self._landmarks = open_graph(models / "landmarks68.onnx")

    def see(self, image: Pixels8, points_xy: NDArray[np.float64], size: int) -> Seen:
        """Cut a face out of an image and look at it."""
        crop_from_image = fit_similarity(points_xy, template_points("gpen", size))
        crop = np.asarray(warp(image, crop_from_image, (size, size)), np.uint8)
        own = template_points("gpen", size)
        return Seen(crop, self._points68(crop), self._embeddings(crop, own))

    def _points68(self, crop: Pixels8) -> NDArray[np.float64]:
        # FFHQ portraits show a face in their middle 66 %; a crop of the template "gpen" shows it
        # 0.853 times as large, a little higher.
        size = len(crop)
        eyes = template_points("gpen", size)[:2].mean(axis=0)
        eye_distance = size * 107.39 / 512
        side = 0.66 * eye_distance / 0.2459
        left, top = eyes[0] - side / 2, eyes[1] + 0.0 * side - (0.469 - 0.17) / 0.66 * side
        matrix = np.array([[112 / side, 0, -left * 112 / side], [0, 112 / side, -top * 112 / side]])
        square = warp(crop, matrix, (112, 112), border="replicate")
        planes = square.transpose(2, 0, 1)[None].astype(np.float32)
        shares = np.asarray(self._landmarks.run(np.ascontiguousarray(planes))[0][0], np.float64)
        points: NDArray[np.float64] = shares * side + np.array([left, top])
        return points

    def _embeddings(
        self, crop: Pixels8, points_xy: NDArray[np.float64]
    ) -> dict[str, NDArray[np.float32]]:
        square = warp(crop, fit_similarity(points_xy, DLIB_XY), (150, 150), border="replicate")
        planes = np.ascontiguousarray(square.transpose(2, 0, 1)[None].astype(np.float32))
        dlib = np.asarray(self._dlib.run(planes)[0][0], np.float32)
        torch = self._torch
        tensor = torch.from_numpy(crop.transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1)
        with torch.inference_mode():
            mobile = self._mobile.embed(tensor, torch.from_numpy(points_xy[None]).float())[
                0
            ].numpy()
        return {"dlib": dlib, "MobileFaceNet": mobile}

    def compare(self, seen: Seen, truth: Seen, given: Seen) -> dict[str, float]:
        """Every figure of a face in one image, `given` being the input."""
        torch, size = self._torch, len(truth.pixels)
        inner = slice(size // 8, size - size // 8)
        pair = [p.pixels[inner, inner] for p in (seen, truth)]
        one, other = (
            torch.from_numpy(np.ascontiguousarray(p.transpose(2, 0, 1)[None])).float() / 127.5 - 1
            for p in pair
        )
        with torch.inference_mode():
            lpips = float(self._lpips(one, other))
        a, b = (s.embeddings for s in (seen, truth))
        unit = _eye_distance(truth.landmarks_xy)
        return {
            "lpips": lpips,
            "psnr": min(psnr(*pair), 60.0),
            "ssim": ssim(*pair),
            "dlib": float(np.linalg.norm(a["dlib"] - b["dlib"])),
            "mobile": 1 - float(a["MobileFaceNet"] @ b["MobileFaceNet"]),
            "landmarks": 100
            * float(np.linalg.norm(seen.landmarks_xy - truth.landmarks_xy, axis=1).mean())
            / unit,
            "stray": eyes_stray(seen, given),
            "lids": lid_error(seen, truth),
            "hue": iris_hue_error(seen, truth),
            "rim": rim(seen, truth),
            "tone": tone_shift(seen, truth),
        }


def _eye_distance(landmarks_xy: NDArray[np.float64]) -> float:
    return float(
        np.linalg.norm(landmarks_xy[36:42].mean(axis=0) - landmarks_xy[42:48].mean(axis=0))
    )


def _lab(pixels: Any) -> Any:
    return cv2.cvtColor(np.asarray(pixels, np.float32) / 255, cv2.COLOR_RGB2LAB)


def eyes_stray(seen: Seen, given: Seen) -> float:
    """Mean Lab difference around the eyes from the input, fine detail apart."""
    unit = _eye_distance(given.landmarks_xy)
    blurred = [
        _lab(cv2.GaussianBlur(s.pixels.astype(np.float32), (0, 0), GAZE_BLUR * unit))
        for s in (seen, given)
    ]
    difference = np.linalg.norm(blurred[0] - blurred[1], axis=2)
    return float(difference[_discs(given, EYE_AROUND * unit)].mean())


def _discs(seen: Seen, radius: float) -> NDArray[np.bool_]:
    y, x = np.mgrid[: len(seen.pixels), : len(seen.pixels)]
    middles = seen.landmarks_xy[36:42].mean(axis=0), seen.landmarks_xy[42:48].mean(axis=0)
    within = [np.hypot(x - cx, y - cy) <= radius for cx, cy in middles]
    return np.asarray(within[0] | within[1])


def lid_ratio(landmarks_xy: NDArray[np.float64]) -> float:
    """Distance between the lids over the width of the eye, mean of both eyes."""
    ratios = []
    for outer, inner, above, below in EYES:
        gap = np.linalg.norm(landmarks_xy[list(above)] - landmarks_xy[list(below)], axis=1).mean()
        ratios.append(gap / np.linalg.norm(landmarks_xy[outer] - landmarks_xy[inner]))
    return float(np.mean(ratios))


def lid_error(seen: Seen, truth: Seen) -> float:
    """How far the lids are from where they should be, % of the true ratio."""
    ratios = lid_ratio(seen.landmarks_xy), lid_ratio(truth.landmarks_xy)
    return 100 * abs(ratios[0] / ratios[1] - 1)


def iris_hue_error(seen: Seen, truth: Seen) -> float:
    """Degrees between the hues of the irises; NaN where the true ones have none."""
    inside = _discs(truth, IRIS * _eye_distance(truth.landmarks_xy))
    means = [_lab(s.pixels)[inside].mean(axis=0)[1:] for s in (seen, truth)]
    if np.hypot(*means[1]) < HUED:
        return math.nan
    turned = math.degrees(
        math.atan2(means[0][1], means[0][0]) - math.atan2(means[1][1], means[1][0])
    )
    return abs((turned + 180) % 360 - 180)


def rim(seen: Seen, truth: Seen) -> float:
    """How far levels outside the jaw go beyond the true ones near by, mean of the worst tenth."""
    size, unit = len(truth.pixels), _eye_distance(truth.landmarks_xy)
    jaw = truth.landmarks_xy[:17]
    outline = np.full((size, size), 255, np.uint8)
    brow_top = truth.landmarks_xy[17:27] - (0, 0.6 * unit)
    polygon = np.rint(np.concatenate([jaw, brow_top[::-1]])).astype(np.int32)
    cv2.fillPoly(outline, [polygon], 0)
    outside: Any = cv2.distanceTransform(outline, cv2.DIST_L2, 5)
    y = np.arange(size)[:, None]
    ring = (outside > 0) & (outside < RING * unit) & (y > truth.landmarks_xy[36:48, 1].mean())
    luma, true = (cv2.cvtColor(s.pixels, cv2.COLOR_RGB2GRAY) for s in (seen, truth))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(0.06 * unit) + 1,) * 2)
    above = luma.astype(np.float32) - cv2.dilate(true, kernel)
    below = cv2.erode(true, kernel).astype(np.float32) - luma
    beyond = np.maximum(np.maximum(above, below), 0)[ring]
    return float(np.sort(beyond)[-max(1, len(beyond) // 10) :].mean()) if len(beyond) else 0.0


def tone_shift(seen: Seen, truth: Seen) -> float:
    """Lab difference of the mean colour of the face."""
    size = len(truth.pixels)
    inner = slice(size // 4, size - size // 4)
    means = [_lab(s.pixels)[inner, inner].mean(axis=(0, 1)) for s in (seen, truth)]
    return float(np.linalg.norm(means[0] - means[1]))
