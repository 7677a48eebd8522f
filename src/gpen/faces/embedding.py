"""Face embedding: face → vector, near for images of the same person.

Two families of networks, each with its own crops and its own measure: dlib's, of which gpen brings
`gpen-face-embedding`, and ArcFace (Deng et al., CVPR 2019), of which files of the user are taken
when they are named.

Convention:
    pixels      uint8 or uint16 RGB, shape (height, width, 3)
    points      (5, 2), (x, y) in pixels, order as in `gpen.types.Face`
    vector      float32, (D,); of length 1 by ArcFace, of any length by dlib
    similarity  from 0 to 1, the same for every network: 1 is the same image; at 0.5 the network
                draws the line between one person and two
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from ..engines import beside_restorer, open_graph, run_in_batches
from ..errors import AlignError, MissingExtraError, TrainingError, WeightsError
from ..face_templates import ARCFACE_XY, DLIB_XY
from ..images import transforms
from ..images.tones import to_planes
from ..models import find_model, read_onnx
from ..settings import DEFAULT_EMBEDDING
from ..types import Float64Array, FloatArray, Pixels

#: RGB in levels from 0 to 255, (N, 3, size, size) → (N, D).
_Network = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, slots=True)
class Measure:
    """How embeddings of a network are compared.

    Attributes:
        limit: Distance below which two vectors are taken for one person.
        by_angle: The distance is 1 - cosine; else it is Euclid's.
    """

    limit: float
    by_angle: bool

    def distance(self, a: FloatArray, b: FloatArray) -> float:
        """How far two vectors are apart, in the network's own scale."""
        if not self.by_angle:
            return float(np.linalg.norm(a - b))
        lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
        return 1 - float(np.dot(a, b)) / lengths if lengths > 0 else 1.0

    def similarity(self, a: FloatArray, b: FloatArray) -> float:
        """How alike two vectors are, from 0 to 1: 1 - distance / (2 · limit)."""
        return min(1.0, max(0.0, 1 - self.distance(a, b) / (2 * self.limit)))

    def is_same_person(self, a: FloatArray, b: FloatArray) -> bool:
        """Whether two vectors are taken for one person."""
        return self.distance(a, b) < self.limit


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingFamily:
    """The crops that a kind of network takes, and how its embeddings are compared.

    Attributes:
        size: Side of their crops in pixels.
        template_xy: Where the five points lie in such a crop, (5, 2).
        measure: Of their vectors.
    """

    size: int
    template_xy: Float64Array
    measure: Measure


#: dlib documents the distance of 0.6.
DLIB = EmbeddingFamily(150, np.array(DLIB_XY), Measure(limit=0.6, by_angle=False))
#: Source of the line: config/threshold.py of github.com/serengil/deepface draws it for ArcFace at
#: a cosine distance of 0.68.
ARCFACE = EmbeddingFamily(
    112,
    np.array(ARCFACE_XY),
    Measure(limit=0.68, by_angle=True),
)
_WANTED = (
    "gpen-face-embedding, which comes with gpen, or an ArcFace .onnx for 112 × 112 px such as "
    "w600k_r50.onnx (of buffalo_l, github.com/deepinsight/insightface)"
)


class Identity:
    """A face embedding network. One instance serves many threads.

    Attributes:
        path: The weight file.
        family: Its crops, and how its embeddings are compared.
    """

    def __init__(self, path: Path, family: EmbeddingFamily, network: _Network) -> None:
        self.path, self.family = path, family
        self._network = network

    @property
    def name(self) -> str:
        """Name of the network."""
        return self.path.stem

    @property
    def measure(self) -> Measure:
        """How vectors of `embed` are compared."""
        return self.family.measure

    def embed(self, image_pixels: Pixels, points_xy: ArrayLike) -> FloatArray:
        """The vector of one face.

        Args:
            image_pixels: RGB, (height, width, 3), uint8 or uint16.
            points_xy: (5, 2), in image pixels.

        Returns:
            (D,).

        Raises:
            AlignError: The points are not five, not finite, or lie all in one place.
            EngineError: The network could not run.
        """
        vector: FloatArray = self.embed_many([(image_pixels, points_xy)])[0]
        return vector

    def embed_many(self, faces: Sequence[tuple[Pixels, ArrayLike]]) -> FloatArray:
        """The vectors of faces, in common batches.

        Args:
            faces: At least one: an image and the five points of a face in it, as in `embed`.

        Returns:
            (faces, D).

        Raises:
            AlignError: Points are not five, not finite, or lie all in one place.
            EngineError: The network could not run.
        """
        crops = [self._cut_out(pixels, points_xy) for pixels, points_xy in faces]
        return self._network(to_planes(crops)).astype(np.float32)

    def compare(self, before: Pixels, after: Pixels, points_xy: ArrayLike) -> float:
        """How alike a face is in an image and in a changed copy of it: a similarity.

        Args:
            before: RGB, (height, width, 3), uint8 or uint16.
            after: The same scene at any size.
            points_xy: (5, 2), in pixels of `before`; used for both.

        Raises:
            AlignError: The points are not five, not finite, or lie all in one place.
            EngineError: The network could not run.
        """
        (height, width), (new_height, new_width) = before.shape[:2], after.shape[:2]
        after_from_before = transforms.scaling(new_width / width, new_height / height)
        after_xy = transforms.apply(after_from_before, points_xy)
        vectors = self.embed_many([(before, points_xy), (after, after_xy)])
        return self.measure.similarity(*vectors)

    def _cut_out(self, image_pixels: Pixels, points_xy: ArrayLike) -> Pixels:
        points = np.asarray(points_xy, dtype=np.float64)
        if points.shape != (5, 2):
            raise AlignError(f"a face has points of shape {points.shape}; expected (5, 2)")
        size = self.family.size
        crop_from_image = transforms.fit_similarity(points, self.family.template_xy)
        return transforms.warp(image_pixels, crop_from_image, (size, size))


def open_identity(
    name_or_path: str | Path = DEFAULT_EMBEDDING,
    *,
    models_dir: str | Path | None = None,
    engine: str = "auto",
    device: str = "auto",
) -> Identity:
    """Open a face embedding.

    Args:
        name_or_path: "gpen-face-embedding", which comes with gpen, or the name or path of an
            ArcFace `.onnx`, IR-SE50 or MobileFaceNet.
        models_dir: A folder to look in first.
        engine: "openvino" or "onnxruntime" runs ONNX files; with "auto" or "torch", which are
            meant for the restorer, the fastest for the CPU does.
        device: A device of that engine.

    Raises:
        UnknownModelError: There is no such file.
        WeightsError: The file is no face embedding, or is damaged.
        MissingExtraError: It is no ONNX file, and torch is not installed.
        EngineError: The engine cannot run it.

    Example:
        >>> identity = open_identity()
        >>> identity.measure.limit
        0.6
    """
    info = find_model(name_or_path, models_dir, role="identity")
    if info.path.suffix.lower() != ".onnx":
        return Identity(info.path, ARCFACE, _torch_network(info.path))
    engine, device = beside_restorer(engine, device)
    is_dlib = info.kind == "dlib"
    graph = open_graph(info.path, engine=engine, device=device, keep=is_dlib)
    if is_dlib:
        return Identity(info.path, DLIB, lambda planes: run_in_batches(graph, planes))
    takes_levels = _scales_itself(info.path)

    def run(planes: FloatArray) -> FloatArray:
        return _unit(run_in_batches(graph, planes if takes_levels else planes / 127.5 - 1))

    return Identity(info.path, ARCFACE, run)


def _scales_itself(path: Path) -> bool:
    """Whether a graph takes levels from 0 to 255: those made by MXNet begin with their scaling."""
    operations = set(read_onnx(path).operations)
    return "Sub" in operations and bool(operations & {"Mul", "Div"})


def _unit(vectors: FloatArray) -> FloatArray:
    """Vectors, (N, …), with length 1, (N, D); those of length 0 stay so."""
    flat = vectors.reshape(len(vectors), -1).astype(np.float32)
    lengths = np.linalg.norm(flat, axis=1, keepdims=True).astype(np.float32)
    unit: FloatArray = np.divide(flat, lengths, out=np.zeros_like(flat), where=lengths > 0)
    return unit


def _torch_network(path: Path) -> _Network:
    try:
        import torch
    except ImportError:
        raise MissingExtraError(f"Telling faces apart by {path.name}", extra="torch") from None
    from ..perceptual.identity_distance import IdentityDistance

    try:
        net = IdentityDistance(path)
    except TrainingError as error:
        raise WeightsError(f"{path.name} is damaged; expected {_WANTED}", path=path) from error

    def run(planes: FloatArray) -> FloatArray:
        points_xy = torch.tensor(ARCFACE.template_xy, dtype=torch.float32)
        images = torch.from_numpy(planes / np.float32(127.5) - 1)
        with torch.inference_mode():
            output: FloatArray = net.embed(images, points_xy.expand(len(images), -1, -1)).numpy()
        return output

    return run
