"""Makes what the engines are compared on: weights, images, our graph and the peer's.

    python benchmarks/engines_prepare.py FOLDER SUBJECT [--crops CROPS]

SUBJECT is a size, for a network of published widths with random weights, or the name of a model.
FOLDER gets weights.safetensors, images.npy (N, 3, S, S), peer.onnx and about.json.
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines_operations import count_operations

PORTRAIT = Path(__file__).resolve().parents[1] / "examples/portrait.jpg"
WEIGHTS, PICTURES, PEER, ABOUT = "weights.safetensors", "pictures.npy", "peer.onnx", "about.json"
_OPSET = 17
_CONTRAST = 0.5


def reference_module(path: Path) -> Any:
    """The network of a weight file as the public code computes it: weights for every sample."""
    import torch

    from gpen.models import load_weights
    from gpen.networks.gpen import GPEN

    weights = load_weights(path)
    assert weights.net is not None
    with torch.device("meta"):
        module = GPEN(weights.net, reference=True)
    state = {k: torch.from_numpy(np.array(t.float32())) for k, t in weights.tensors.items()}
    module.load_state_dict(state, assign=True)
    return module.eval().requires_grad_(requires_grad=False)


def load_pictures(folder: str, size: int, count: int) -> NDArray[np.float32]:
    """Face crops shrunk to a quarter and back: (N, 3, size, size), RGB in [-1, 1].

    Args:
        folder: Aligned .jpg crops, of which `count` are spread over all; "" is one portrait.
        size: Their side, in pixels.
        count: How many.
    """
    import cv2
    import PIL.Image

    paths = sorted(Path(folder).glob("*.jpg")) if folder else [PORTRAIT]
    crops = []
    for path in paths[:: max(1, len(paths) // count)][:count]:
        image = np.asarray(PIL.Image.open(path).convert("RGB"))
        small = cv2.resize(image, (size // 4, size // 4), interpolation=cv2.INTER_AREA)
        damaged = cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR)
        crops.append(damaged.transpose(2, 0, 1).astype(np.float32) / 127.5 - 1)
    return np.stack(crops)


def random_network(size: int, image: NDArray[np.float32], path: Path) -> None:
    """Write published widths with random weights whose answer has the contrast of an image."""
    import torch

    from gpen.models import Tensor
    from gpen.models.safetensors import write_safetensors
    from gpen.networks.gpen import GPEN, GPENConfig

    torch.manual_seed(size)
    with torch.inference_mode():
        net = GPEN(GPENConfig.published(size)).eval()
        for name, parameter in net.named_parameters():
            if name.endswith("noise.weight"):  # a fresh network ignores its encoder's features
                parameter.fill_(1.0)
            elif name.endswith("bias"):
                parameter.add_(0.1 * torch.randn_like(parameter))
        factor = _CONTRAST / net(torch.from_numpy(image[None])).std().item()
        for name, parameter in net.named_parameters():  # the output is linear in these
            if "to_rgb" in name and ".modulation." not in name:
                parameter.mul_(factor)
    tensors = {name: Tensor("f32", value.numpy()) for name, value in net.state_dict().items()}
    write_safetensors(tensors, path)


def export_peer(module: Any, size: int, path: Path) -> None:
    """Write the reference module as torch's exporter does, the way the public files were made.

    torch folds the learning rates into the weights, nothing else: every modulated convolution
    must take its weights from other operations, or the peer would not be what it is called.
    """
    import onnx
    import torch

    class Plain(torch.nn.Module):
        """The exporter cannot pass over keyword-only arguments."""

        def __init__(self) -> None:
            super().__init__()
            self.net = module

        def forward(self, image: torch.Tensor) -> Any:
            return self.net(image)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its shape checks are constant, and the exporter is old
        torch.onnx.export(
            Plain().eval(),
            (torch.zeros(1, 3, size, size),),
            str(path),
            opset_version=_OPSET,
            input_names=["input"],
            output_names=["output"],
            dynamo=False,
        )
    graph = onnx.load(path).graph
    stored = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        if "Conv" in node.op_type and "/generator/" in node.name and "adain" not in node.name:
            assert node.input[1] not in stored, f"{node.name} has constant weights"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("subject", help="size of a random network, or a model's name")
    parser.add_argument("--crops", default="", help="folder of aligned .jpg crops")
    options = parser.parse_args()
    from gpen.engines.graph_cache import inference_graph
    from gpen.models import find_model, load_weights
    from gpen.models.safetensors import write_safetensors

    weights = options.folder / WEIGHTS
    if options.subject.isdigit():
        size = int(options.subject)
        images = load_pictures("", size, 1)
        random_network(size, images[0], weights)
    else:
        found = load_weights(find_model(options.subject).path)
        assert found.in_size
        size = found.in_size
        images = load_pictures(options.crops, size, 12)
        write_safetensors(found.tensors, weights)
    np.save(options.folder / PICTURES, images)
    export_peer(reference_module(weights), size, options.folder / PEER)
    macs, _ = count_operations(inference_graph(find_model(weights)))
    name = "random weights" if options.subject.isdigit() else options.subject
    about = {"model": name, "size": size, "batch": 1, "gmacs": round(macs / 1e9, 2)}
    (options.folder / ABOUT).write_text(json.dumps(about))


if __name__ == "__main__":
    main()
