"""Image → faces: boxes, five points and scores.

`load_detector` opens the detector that gpen ships or a published one from a file; what a file is
follows from its content, never from its name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..engines import beside_restorer
from ..errors import WeightsError
from ..models import ASSETS, find_model
from ..models.load import load_weights
from ..settings import DEFAULT_DETECTOR
from ..types import Face


class Detector(Protocol):
    """Finds faces in images. One instance serves many threads."""

    @property
    def name(self) -> str:
        """What it is, in one word."""
        ...

    def detect(self, image_pixels: NDArray[np.uint8]) -> list[Face]:
        """Find the faces of an image.

        Args:
            image_pixels: RGB, (height, width, 3), uint8, of any size from 1×1.

        Returns:
            The faces, largest first; an empty list where there is none.

        Raises:
            EngineError: The library that runs the network failed.
        """
        ...


def load_detector(
    name_or_path: str | Path = DEFAULT_DETECTOR,
    *,
    models_dir: str | Path | None = None,
    engine: str = "auto",
    device: str = "auto",
) -> Detector:
    """Open a face detector.

    Args:
        name_or_path: "gpen-detector", which needs no file; or the name or path of a YuNet or SCRFD
            `.onnx` or a RetinaFace `.pth`.
        models_dir: A folder to look in first.
        engine: "openvino" or "onnxruntime" runs ONNX detectors; with "auto" or "torch", which
            are meant for the restorer, the fastest for the CPU does. YuNet is always run by OpenCV
            and RetinaFace by torch.
        device: A device of that engine.

    Raises:
        UnknownModelError: There is no such file.
        WeightsError: The file is no face detector that gpen can run.
        MissingExtraError: What would run it is not installed.
        EngineError: The engine cannot run it.

    Example:
        >>> load_detector().detect(np.zeros((32, 32, 3), np.uint8))
        []
    """
    graph_engine, graph_device = beside_restorer(engine, device)
    if str(name_or_path) == DEFAULT_DETECTOR:
        return _own(ASSETS, engine=graph_engine, device=graph_device)
    info = find_model(name_or_path, models_dir, role="detector")
    if info.kind.startswith("detector"):
        return _own(info.path.parent, engine=graph_engine, device=graph_device)
    if info.kind == "yunet":
        from .detectors.yunet_detector import YuNetDetector

        return YuNetDetector(info.path)
    if info.kind == "scrfd":
        from .detectors.scrfd_detector import ScrfdDetector

        return ScrfdDetector(info.path, engine=graph_engine, device=graph_device)
    if info.kind == "retinaface":
        from .detectors.retinaface_detector import RetinaFaceDetector

        return RetinaFaceDetector(load_weights(info.path), device=device)
    raise WeightsError(
        f"{info.path.name} is a detector of kind {info.kind!r}, which gpen cannot run; expected "
        "YuNet, SCRFD or RetinaFace",
        path=info.path,
    )


def _own(folder: Path, *, engine: str, device: str) -> Detector:
    from .detectors.gpen_detector import PROPOSAL_FILE, GpenDetector
    from .detectors.refiner import REFINEMENT_FILE

    return GpenDetector(
        folder / PROPOSAL_FILE, folder / REFINEMENT_FILE, engine=engine, device=device
    )
