"""Writes a GPEN generator as an ONNX graph, straight from its tensors.

The graph is the exact rewrite of the published network that needs no per-sample weights: a
modulated convolution scales its *input* by the style, convolves with the shared weight and scales
its *output* by the demodulation. Three more identities keep every constant off the large tensors
and every stored tensor equal to the published one, so that a graph can be turned back into the
weights it came from:

- the equalised learning rate of a convolution is part of its (small) style vector, and of the
  blur kernel in the encoder;
- √2 · leaky_relu(x) is leaky_relu(√2 · x), so √2 goes into demodulation, biases and kernels;
- `Gemm` has its own factors for a linear layer's learning rates.

Networks with AdaIN have no modulation; their convolutions keep the constants in the weight, which
runtimes multiply once, when they load.

Sources: GPEN (arXiv 2105.06070), StyleGAN2 (Karras et al., CVPR 2020).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..architecture import Architecture
from ..onnx_file import write_onnx
from ..tensors import Tensor
from .builder import Graph, is_transposed
from .encoders import encode
from .framing import Framing
from .synthesis import map_code, synthesise

#: What ONNX Runtime of 2022 and TensorRT 8.5 read.
OPSET = 17
#: Part of the name of cached graphs: raise it when a graph is written differently.
GRAPH_VERSION = 2
INPUT, OUTPUT = "input", "output"


def write_graph(
    tensors: Mapping[str, Tensor],
    net: Architecture,
    path: Path,
    notes: Mapping[str, str],
    *,
    framing: Framing | None = None,
    template: str = "gpen",
) -> None:
    """Write a network as ONNX: `input` (1, 3, in_size, in_size) → `output` (1, 3, size, size).

    Tensors keep their names and dtype; f16 ones are widened by the graph, which computes in f32.
    bf16 ones are stored as f32, since few runtimes read them.

    Args:
        tensors: All tensors of the network.
        net: Its numbers.
        path: File to write; one that is there is replaced.
        notes: Metadata to store.
        framing: The crops that a program will feed, where they are not the network's own.
        template: What the network was trained on.
    """
    graph = Graph(tensors)
    in_size, size = net.in_size, net.size

    def run(image: str, out: str) -> None:
        code, features = encode(graph, net, image)
        synthesise(graph, map_code(graph, code, net), features, net, image, out)

    if framing is None:
        run(INPUT, OUTPUT)
    else:
        framing.wrap(graph, run, size, template, source=INPUT, out=OUTPUT)
        in_size = size = framing.size
    write_onnx(
        path,
        inputs=[(INPUT, (1, 3, in_size, in_size))],
        outputs=[(OUTPUT, (1, 3, size, size))],
        nodes=graph.nodes,
        tensors=graph.stored,
        notes=notes,
        opset=OPSET,
    )


def tensors_of_graph(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The published tensors in a graph that `write_graph` wrote."""
    found = {}
    for name, tensor in stored.items():
        if name.startswith("/"):  # a number of the graph itself
            continue
        found[name] = _as_published(name, tensor, stored)
    return found


def _as_published(name: str, tensor: Tensor, stored: Mapping[str, Tensor]) -> Tensor:
    """A stored tensor with the axes that it had before; see `Graph.weight`."""
    if len(tensor.shape) != 4:
        return tensor
    if is_transposed(name, stored):
        tensor = tensor.transpose(1, 0, 2, 3)
    modulated = f"{name.removesuffix('weight')}modulation.weight" in stored
    return tensor.reshape(1, *tensor.shape) if modulated else tensor
