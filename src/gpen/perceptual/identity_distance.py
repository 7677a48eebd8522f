"""Identity distance: 1 - cosine of face embeddings.

Source: ArcFace (Deng et al., CVPR 2019). MobileFaceNet's published weights (068.ckpt) have no
licence: gpen measures with them, and neither ships them nor trains with them what it ships.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import WeightsError
from ..face_templates import ARCFACE_XY, DLIB_XY
from ..networks.irse import IRSE50
from ..networks.mobilefacenet import MobileFaceNet
from .differentiable_alignment import align
from .network_files import fill, read_tensors, unsuitable
from .onnx_module import OnnxNetwork

_SETTING = "files.identity"
_EXPECTED = (
    "gpen-face-embedding.onnx, which comes with gpen, IR-SE50 (model_ir_se50.pth, linked in the "
    "README of github.com/TreB1eN/InsightFace_Pytorch), MobileFaceNet (068.ckpt of "
    "github.com/Xiaoccer/MobileFaceNet_Pytorch, to measure with), or an ArcFace .onnx for 112 × "
    "112 px, such as w600k_r50.onnx of github.com/deepinsight/insightface"
)
#: MobileFaceNet's images are as narrow as its authors' CASIA crops.
_NARROW_BY = 8
#: Side of the crops of dlib's embedding.
_DLIB_SIZE = 150


class IdentityDistance(nn.Module):
    """Distance of face embeddings, by a network that is recognised by its tensors.

    Args:
        path: dlib's embedding .onnx as gpen ships it, IR-SE50 .pth, MobileFaceNet .ckpt, or an
            ArcFace .onnx.

    Attributes:
        name: What its figures are called.

    Raises:
        TrainingError: The file is missing or something else.
        MissingExtraError: An .onnx file, and the onnx package is missing.
    """

    template_xy: Tensor

    def __init__(self, path: Path) -> None:
        super().__init__()
        template = torch.tensor(ARCFACE_XY)
        self._size_wh, self._gain, self._shift = (112, 112), 1.0, 0.0
        self.net: nn.Module
        if path.suffix.lower() == ".onnx":
            self.net = graph = _open_graph(path)
            self.name = f"ArcFace ({path.stem})"
            if graph.input_shape[-1] == _DLIB_SIZE:
                self.name = f"dlib ({path.stem})"
                self._size_wh, template = (_DLIB_SIZE, _DLIB_SIZE), torch.tensor(DLIB_XY)
                self._gain = self._shift = 127.5
            elif _scales_itself(graph.operations):
                self._gain = self._shift = 127.5
        else:
            self.net, self.name = _open_weights(path)
            if isinstance(self.net, MobileFaceNet):
                self._size_wh, self._gain = (112 - 2 * _NARROW_BY, 112), 127.5 / 128
                template = template - torch.tensor([_NARROW_BY, 0.0])
        self.register_buffer("template_xy", template)
        self.train(False)

    def train(self, mode: bool = True) -> IdentityDistance:  # noqa: ARG002
        """A judge does not learn: its batch normalisation stays as it was trained."""
        super().train(False)
        return self

    def forward(self, restored: Tensor, truth: Tensor, points_xy: Tensor) -> Tensor:
        """1 - cosine of each pair, float32; gradients flow to `restored` only.

        Args:
            restored: RGB in [-1, 1], (N, 3, S, S).
            truth: The same shape.
            points_xy: Both images' eyes, nose, corners of the mouth, (N, 5, 2) in their pixels.

        Returns:
            (N,), in [0, 2].
        """
        with torch.no_grad():
            wanted = self.embed(truth, points_xy)
        return 1 - (self.embed(restored, points_xy) * wanted).sum(dim=1)

    def embed(self, images: Tensor, points_xy: Tensor) -> Tensor:
        """RGB in [-1, 1], (N, 3, S, S), and points (N, 5, 2) → unit vectors (N, D), float32."""
        aligned = align(images, points_xy, self.template_xy, self._size_wh)
        vectors = self.net(aligned * self._gain + self._shift)
        return functional.normalize(vectors.float().flatten(1))


def _open_weights(path: Path) -> tuple[nn.Module, str]:
    tensors = read_tensors(path, _SETTING, _EXPECTED)
    net: nn.Module
    if "body.0.res_layer.5.fc1.weight" in tensors:
        net, name = IRSE50(), "IR-SE50"
    elif "dw_conv1.conv.weight" in tensors:
        net, name = MobileFaceNet(), "MobileFaceNet"
    else:
        names = ", ".join(list(tensors)[:2]) or "no tensors"
        raise unsuitable(path, _SETTING, f"is no face embedding ({names}, …)", _EXPECTED)
    fill(net, tensors, path, _SETTING, _EXPECTED)
    return net, name


def _open_graph(path: Path) -> OnnxNetwork:
    if not path.is_file():
        raise unsuitable(path, _SETTING, "does not exist", _EXPECTED)
    try:
        net = OnnxNetwork(path)
    except WeightsError as error:
        raise unsuitable(path, _SETTING, f"cannot be used ({error})", _EXPECTED) from error
    if net.input_shape[1:] not in ((3, 112, 112), (3, _DLIB_SIZE, _DLIB_SIZE)):
        shape = "×".join(str(length or "N") for length in net.input_shape)
        raise unsuitable(path, _SETTING, f"takes {shape}, not N×3×112×112", _EXPECTED)
    return net


def _scales_itself(operations: tuple[str, ...]) -> bool:
    """Whether a graph takes levels from 0 to 255: those made by MXNet begin with their scaling."""
    return "Sub" in operations[:8] and bool({"Mul", "Div"} & set(operations[:8]))
