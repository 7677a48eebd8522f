"""RetinaFace weight files (`.pth`), run by torch."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import MismatchError, MissingExtraError
from ...models import Weights
from ...types import Face, Float64Array
from .boxes import faces_from_arrays, non_max_suppression
from .letterbox import MOST_PIXELS, shrink_to

THRESHOLD, SAME_FACE = 0.8, 0.4
MEAN_BGR = (104.0, 117.0, 123.0)
#: Scale of the network's shifts and log sizes against the anchor's side.
SHIFT, GROWTH = 0.1, 0.2
STEP = 32


class RetinaFaceDetector:
    """A published RetinaFace; see `gpen.faces.detection.Detector`."""

    name = "retinaface"

    def __init__(self, weights: Weights, *, device: str = "auto") -> None:
        """Build the network that fits the tensors.

        Args:
            weights: A state dict with the published names.
            device: "auto", "cpu", "cuda", "mps", … as torch names it.

        Raises:
            MissingExtraError: torch is not installed.
            MismatchError: Tensors are missing or have other shapes.
        """
        try:
            import torch
        except ImportError as error:
            raise MissingExtraError("a RetinaFace .pth detector", extra="torch") from error
        from ...networks.retinaface import RetinaFace

        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        backbone = "resnet50" if "body.layer1.0.conv1.weight" in weights.tensors else "mobilenet"
        net = RetinaFace(backbone).eval()
        net.load_state_dict(_fitting(weights, net.state_dict(), weights.path))
        self._net: Any = net.to(device)
        self._device = device
        self._lock = threading.Lock()

    def detect(self, image_pixels: NDArray[np.uint8]) -> list[Face]:
        """Find faces; see `gpen.faces.detection.Detector.detect`."""
        import torch

        image, scale = shrink_to(image_pixels, MOST_PIXELS)
        height, width = (-(-side // STEP) * STEP for side in image.shape[:2])
        padded = np.zeros((height, width, 3), np.float32)
        padded[: image.shape[0], : image.shape[1]] = image[..., ::-1]
        padded[: image.shape[0], : image.shape[1]] -= np.array(MEAN_BGR, np.float32)
        tensor = torch.from_numpy(padded).permute(2, 0, 1)[None].to(self._device)
        with self._lock, torch.inference_mode():
            scores, shifts, points = (t[0].double().cpu().numpy() for t in self._net(tensor))
        chosen = scores > THRESHOLD
        anchor = anchors(height, width)[chosen]
        boxes, five = decode(anchor, shifts[chosen], points[chosen])
        kept = non_max_suppression(boxes, scores[chosen], SAME_FACE)
        # The anchors lie in an image whose corner is (0, 0); pixel centres are half a pixel in.
        boxes, five = boxes[kept] / scale - 0.5, five[kept] / scale - 0.5
        return faces_from_arrays(boxes, five, scores[chosen][kept])


def anchors(height: int, width: int) -> Float64Array:
    """Middle (x, y) and side of every anchor, (A, 3), in the order of the network's outputs."""
    from ...networks.retinaface import ANCHOR_SIDES

    rows = []
    for stride, sides in ANCHOR_SIDES.items():
        cells = itertools.product(range(height // stride), range(width // stride), sides)
        rows += [((x + 0.5) * stride, (y + 0.5) * stride, side) for y, x, side in cells]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def decode(
    anchor: Float64Array, shifts: Float64Array, points: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Boxes (N, 4) and points (N, 5, 2) in pixels from outputs relative to anchors."""
    middle, side = anchor[:, :2], anchor[:, 2:]
    center = middle + shifts[:, :2] * SHIFT * side
    half = side * np.exp(shifts[:, 2:] * GROWTH) / 2
    boxes = np.concatenate([center - half, center + half], axis=1)
    five = middle[:, None] + points.reshape(-1, 5, 2) * SHIFT * side[:, None]
    return boxes, five


def _fitting(weights: Weights, wanted: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The tensors of the file for the network, counters of training left at zero."""
    import torch

    state, wrong = dict(wanted), []
    for name, tensor in wanted.items():
        found = weights.tensors.get(name)
        if found is not None and tuple(found.shape) == tuple(tensor.shape):
            if tensor.is_floating_point():
                state[name] = torch.from_numpy(np.array(found.float32()))
        elif not name.endswith("num_batches_tracked"):
            wrong.append(name)
    if wrong:
        raise MismatchError(
            f"{path.name} is no complete RetinaFace network: {wrong[0]} is missing or has another "
            f"shape ({len(wrong)} in all); expected ResNet-50 or MobileNet-0.25: download it again",
            path=path,
            keys=wrong,
        )
    return state
