"""Face → vector: who it is, near for the same person.

Source: ArcFace (Deng et al., CVPR 2019) and its template of five points in 112 × 112 px. The file
comes from the models folders; gpen brings none.

Convention:
    pixels   uint8 or uint16 RGB, shape (height, width, 3)
    points   (5, 2), (x, y) in pixels, order as in `gpen.types.Face`
    vector   float32 of length 1
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from . import geometry
from .engines import open_graph
from .errors import AlignError, MissingExtraError, TrainingError, UnknownModelError, WeightsError
from .types import Float64Array, FloatArray, Pixels
from .weights import find_model, find_role, read_onnx

#: Two vectors at least this similar are taken for one person. Source: config/threshold.py of
#: github.com/serengil/deepface draws the line for ArcFace at a cosine distance of 0.68.
SAME_PERSON = 0.32
SIZE = 112
#: Where the five points lie in a picture of that size.
TEMPLATE_XY: Float64Array = np.array(
    [
        (38.2946, 51.6963),
        (73.5318, 51.5014),
        (56.0252, 71.7366),
        (41.5493, 92.3655),
        (70.7299, 92.2041),
    ]
)
_WANTED = (
    "w600k_r50.onnx (of buffalo_l, github.com/deepinsight/insightface) or another ArcFace .onnx "
    "for 112 × 112 px"
)

#: RGB in [-1, 1], (1, 3, SIZE, SIZE) → (D,).
_Network = Callable[[FloatArray], FloatArray]


class Identity:
    """Tells faces apart. One instance serves many threads.

    Attributes:
        path: The weight file.
    """

    def __init__(self, path: Path, network: _Network) -> None:
        self.path = path
        self._network = network

    def embed(self, image_pixels: Pixels, points_xy: ArrayLike) -> FloatArray:
        """The vector of one face.

        Args:
            image_pixels: RGB, (height, width, 3), uint8 or uint16.
            points_xy: (5, 2), in image pixels.

        Returns:
            (D,), of length 1.

        Raises:
            AlignError: The points are not five, not finite, or lie all in one place.
            EngineError: The network could not run.
        """
        points = np.asarray(points_xy, dtype=np.float64)
        if points.shape != (5, 2):
            raise AlignError(f"a face has points of shape {points.shape}; expected (5, 2)")
        crop_from_image = geometry.fit_similarity(points, TEMPLATE_XY)
        crop = geometry.warp(image_pixels, crop_from_image, (SIZE, SIZE))
        half_range = np.float32(np.iinfo(crop.dtype).max / 2)
        tensor = crop.transpose(2, 0, 1)[None].astype(np.float32) / half_range - 1
        vector = self._network(np.ascontiguousarray(tensor)).astype(np.float32).ravel()
        length = float(np.linalg.norm(vector))
        return vector / np.float32(length) if length > 0 else vector


def similarity(a: FloatArray, b: FloatArray) -> float:
    """Cosine of two vectors of `Identity.embed`: 1 is the same face; see `SAME_PERSON`."""
    return float(np.dot(a, b))


def is_same_person(a: FloatArray, b: FloatArray) -> bool:
    """Whether two vectors are so similar that they are taken for one person."""
    return similarity(a, b) >= SAME_PERSON


def open_identity(
    models_dir: str | Path | None = None,
    *,
    name: str | Path | None = None,
    engine: str = "auto",
    device: str = "auto",
) -> Identity:
    """Open the network that tells faces apart.

    Args:
        models_dir: A folder to look in first.
        name: Name or path of its file; None takes the first in the models folders.
        engine: "openvino" or "onnxruntime" runs ONNX files; "auto" or "torch", which is meant for
            the restorer, takes the fastest for the CPU.
        device: A device of that engine.

    Raises:
        UnknownModelError: There is no such file; the error says which to get.
        WeightsError: The file is none that tells faces apart, or is damaged.
        MissingExtraError: It is no ONNX file, and torch is not installed.
        EngineError: The engine cannot run it.
    """
    path = _find(models_dir, name)
    if path.suffix.lower() != ".onnx":
        return Identity(path, _torch_network(path))
    if engine not in ("openvino", "onnxruntime"):
        engine = device = "auto"
    return Identity(path, _graph_network(path, engine, device))


def _find(models_dir: str | Path | None, name: str | Path | None) -> Path:
    if name is not None:
        return find_model(name, models_dir, role="identity").path
    found = find_role("identity", models_dir)
    if not found:
        raise UnknownModelError(
            f"no network that tells faces apart in the models folders; expected {_WANTED}: put it "
            "into ./models or name its folder by --models-dir (gpen models get arcface-w600k-r50 "
            "fetches it)",
            name="identity",
        )
    return found[0]


def _graph_network(path: Path, engine: str, device: str) -> _Network:
    graph = open_graph(path, engine=engine, device=device)
    # Graphs made by MXNet begin with their scaling, and take levels from 0 to 255.
    operations = set(read_onnx(path).operations)
    takes_levels = "Sub" in operations and bool(operations & {"Mul", "Div"})

    def run(picture: FloatArray) -> FloatArray:
        answer: FloatArray = graph.run(picture * 127.5 + 127.5 if takes_levels else picture)[0]
        return answer

    return run


def _torch_network(path: Path) -> _Network:
    try:
        import torch
    except ImportError:
        raise MissingExtraError(f"Telling faces apart by {path.name}", extra="torch") from None
    from .perception.identity import IdentityDistance

    try:
        net = IdentityDistance(path)
    except TrainingError as error:
        raise WeightsError(f"{path.name} is damaged; expected {_WANTED}", path=path) from error

    def run(picture: FloatArray) -> FloatArray:
        points_xy = torch.tensor(TEMPLATE_XY, dtype=torch.float32)[None]
        with torch.inference_mode():
            answer: FloatArray = net.embed(torch.from_numpy(picture), points_xy)[0].numpy()
        return answer

    return run
