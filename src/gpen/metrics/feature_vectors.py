"""Feature networks for FID and KID."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from ..engines import open_graph
from ..errors import WeightsError
from ..face_templates import template_points
from ..images.transforms import resize
from ..models import Weights, load_weights
from ..networks.retinaface import MobileNetQuarter, ResNet50
from ..perceptual.identity_distance import IdentityDistance
from ..perceptual.image_tensors import to_tensor
from ..types import Float64Array

#: Side that images are brought to where a network takes any, so that figures compare.
SIDE = 256
_MEAN_BGR = (104.0, 117.0, 123.0)


class FeatureNetwork(Protocol):
    """A network that turns an image into a feature vector."""

    @property
    def name(self) -> str:
        """What it is: file, network and layer."""
        ...

    def vector(self, image: NDArray[np.uint8]) -> Float64Array:
        """RGB (H, W, 3) → (D,)."""
        ...


def open_features(path: Path) -> FeatureNetwork:
    """Open a network for FID and KID.

    Args:
        path: RetinaFace `.pth`: the coarsest features of its body, averaged over the image. An
            identity network that `gpen.perceptual` opens: its embedding of an aligned face. Else
            an ONNX graph from RGB in [-1, 1], (N, 3, H, W), to a vector or a map that is averaged.

    Raises:
        WeightsError: The file is unreadable or no such network.
        TrainingError: It is no network that `gpen.perceptual` knows.
        EngineError: The graph cannot run.
    """
    if path.suffix.lower() == ".onnx":
        return GraphFeatures(path)
    weights = load_weights(path)
    return DetectorFeatures(weights) if weights.kind == "retinaface" else FaceFeatures(path)


class DetectorFeatures:
    """The body of a RetinaFace, which was trained to find faces and their points."""

    def __init__(self, weights: Weights) -> None:
        """Build the body that fits the tensors.

        Raises:
            WeightsError: Tensors are missing or have other shapes.
        """
        deep = "body.layer1.0.conv1.weight" in weights.tensors
        self._body = (ResNet50() if deep else MobileNetQuarter()).eval()
        kind = "ResNet-50" if deep else "MobileNet-0.25"
        self.name = f"{weights.path.name}: RetinaFace {kind}, stride 32, averaged"
        tensors = {
            name.removeprefix("body."): torch.from_numpy(np.array(tensor.float32()))
            for name, tensor in weights.tensors.items()
            if name.startswith("body.") and not name.endswith("num_batches_tracked")
        }
        try:
            missing = self._body.load_state_dict(tensors, strict=False).missing_keys
        except RuntimeError as error:
            raise WeightsError(
                f"{weights.path.name} has tensors of other shapes than RetinaFace {kind}: "
                "download it again",
                path=weights.path,
            ) from error
        if lost := [key for key in missing if not key.endswith("num_batches_tracked")]:
            raise WeightsError(
                f"{weights.path.name} lacks body.{lost[0]} ({len(lost)} tensors in all); expected "
                f"RetinaFace {kind}: download it again",
                path=weights.path,
            )

    @torch.inference_mode()
    def vector(self, image: NDArray[np.uint8]) -> Float64Array:
        """See `FeatureNetwork.vector`."""
        levels = torch.from_numpy(resize(image, (SIDE, SIDE)).copy()).permute(2, 0, 1)[None].float()
        bgr = levels.flip(1) - torch.tensor(_MEAN_BGR).view(1, 3, 1, 1)
        coarsest = self._body(bgr)[-1]  # (1, C, 8, 8)
        result: Float64Array = coarsest.mean(dim=(2, 3))[0].double().numpy()
        return result


class FaceFeatures:
    """The embedding of an identity network, of faces that are aligned as gpen aligns them."""

    def __init__(self, path: Path) -> None:
        self._net = IdentityDistance(path).eval()
        self._points = torch.from_numpy(template_points("gpen", SIDE)).float()[None]
        self.name = f"{path.name}: embedding of the aligned face"

    @torch.inference_mode()
    def vector(self, image: NDArray[np.uint8]) -> Float64Array:
        """See `FeatureNetwork.vector`."""
        picture = to_tensor(resize(image, (SIDE, SIDE))[None])
        result: Float64Array = self._net.embed(picture, self._points)[0].double().numpy()
        return result


class GraphFeatures:
    """An ONNX graph from an image to a vector."""

    def __init__(self, path: Path) -> None:
        """Open the graph and try it.

        Raises:
            WeightsError: It does not take one image, or gives no vector.
            EngineError: It cannot run.
        """
        self._graph = open_graph(path)
        self._path = path
        shape = self._graph.inputs[0][1]
        if len(self._graph.inputs) != 1 or len(shape) != 4 or shape[1] not in (3, None):
            raise WeightsError(
                f"{path.name} takes {self._graph.inputs}; expected one image (N, 3, H, W)",
                path=path,
            )
        self._size_wh = shape[3] or SIDE, shape[2] or SIDE
        length = len(self.vector(np.zeros((8, 8, 3), np.uint8)))
        self.name = f"{path.name}: {length} values of {self._graph.outputs[0][0]}"

    def vector(self, image: NDArray[np.uint8]) -> Float64Array:
        """See `FeatureNetwork.vector`.

        Raises:
            WeightsError: The output is no vector.
        """
        output: Any = self._graph.run(to_tensor(resize(image, self._size_wh)[None]).numpy())[0]
        if output.ndim == 4:
            output = output.mean(axis=(2, 3))
        if output.ndim != 2 or len(output) != 1:
            raise WeightsError(
                f"{self._path.name} answers with shape {output.shape}; expected (1, D) or "
                "(1, D, h, w): choose a network from an image to a vector",
                path=self._path,
            )
        result: Float64Array = output[0].astype(np.float64)
        return result
