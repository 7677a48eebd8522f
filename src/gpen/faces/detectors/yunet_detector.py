"""YuNet detector files (`face_detection_yunet_*.onnx`), run by OpenCV's FaceDetectorYN."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ...errors import WeightsError
from ...types import Face
from .boxes import faces_from_arrays
from .letterbox import MOST_PIXELS, shrink_to

THRESHOLD, SAME_FACE = 0.6, 0.3
MOST_CANDIDATES = 5000


class YuNetDetector:
    """A published YuNet; see `gpen.faces.detection.Detector`."""

    name = "yunet"

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            WeightsError: OpenCV cannot run it.
        """
        try:
            self._net = cv2.FaceDetectorYN.create(
                str(path), "", (320, 320), THRESHOLD, SAME_FACE, MOST_CANDIDATES
            )
        except cv2.error as error:
            raise WeightsError(
                f"OpenCV {cv2.__version__} cannot run {path.name}; expected a YuNet detector such "
                "as face_detection_yunet_2023mar.onnx",
                path=path,
            ) from error
        self._lock = threading.Lock()

    def detect(self, image_pixels: NDArray[np.uint8]) -> list[Face]:
        """Find faces; see `gpen.faces.detection.Detector.detect`."""
        image, scale = shrink_to(image_pixels, MOST_PIXELS)
        bgr = np.ascontiguousarray(image[..., ::-1])
        with self._lock:
            self._net.setInputSize((image.shape[1], image.shape[0]))
            _, found = self._net.detect(bgr)
        rows = np.zeros((0, 15)) if found is None else found.astype(np.float64)
        boxes = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1)
        return faces_from_arrays(
            boxes / scale, rows[:, 4:14].reshape(-1, 5, 2) / scale, rows[:, 14]
        )
