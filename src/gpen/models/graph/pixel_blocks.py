"""How a sub-pixel network takes and gives blocks of pixels, as ONNX.

Pixels that become channels and meet a convolution are a convolution of the image itself, whose
kernel is as many pixels wide and steps over a block: the same products, without moving the image
about. Only weights change their axes, which runtimes do once, when they load.

Source: Shi et al., CVPR 2016 (arXiv 1609.05158); the channels of a colour are its pixels row by
row, as in torch.
"""

from __future__ import annotations

import math

from ..architecture import Architecture
from .builder import GAIN, Graph

_NAME = "generator.to_pixels"


def enter_blocks(graph: Graph, name: str, image: str, net: Architecture) -> str:
    """The first stage of the encoder: blocks as channels, 1 × 1 convolution, activation."""
    block, (inputs, outputs) = net.subpixel, graph.channels(f"{name}.0.weight")
    weight = graph.scaled(f"{name}.0.weight", GAIN / math.sqrt(inputs), [outputs, 3, block, block])
    bias = graph.scaled(f"{name}.1.bias", GAIN)
    return graph.leaky(graph.add("Conv", image, weight, bias, strides=[block, block]))


def change_image(graph: Graph, x: str, image: str, net: Architecture, output: str) -> None:
    """The image plus the change that the highest level's answer is turned into."""
    inputs, _ = graph.channels(f"{_NAME}.expand.weight")
    weight = graph.scaled(f"{_NAME}.expand.weight", GAIN / math.sqrt(inputs))
    bias = _bias_of_blocks(graph, net.refine_width)
    x = _from_blocks(graph, graph.leaky(graph.add("Conv", x, weight, bias)))
    weight, image_weight = _refine_weights(graph, net.refine_width)
    x = graph.add("Conv", x, weight, pads=[1] * 4)
    beside = graph.add("Conv", image, image_weight, pads=[2] * 4, strides=[2, 2])
    change = _from_blocks(graph, graph.add("Add", x, beside))
    # The change first: OpenVINO adds into the first operand, and the image is the caller's.
    graph.add("Add", change, image, out=output)


def _bias_of_blocks(graph: Graph, width: int) -> str:
    """The bias of each channel for the four pixels that are still channels of their own."""
    bias = graph.scaled(f"{_NAME}.activate.bias", GAIN, [width, 1])
    bias = graph.add("Expand", bias, graph.constant([width, 4]))
    return graph.add("Reshape", bias, graph.constant([4 * width]))


def _refine_weights(graph: Graph, width: int) -> tuple[str, str]:
    """Of what synthesis made, (12, width, 3, 3), and of the image's pixels, (12, 3, 6, 6)."""
    weight = graph.scaled(f"{_NAME}.refine.weight", 1 / math.sqrt((width + 12) * 9))
    own, blocks = graph.split(weight, width, 12)
    blocks = graph.add("Reshape", blocks, graph.constant([36, 2, 2, 3, 3]))
    blocks = graph.add("Transpose", blocks, perm=[0, 3, 1, 4, 2])  # block and pixel, down, across
    return own, graph.add("Reshape", blocks, graph.constant([12, 3, 6, 6]))


def _from_blocks(graph: Graph, x: str) -> str:
    """(1, 4 · C, r, r) → (1, C, 2r, 2r)."""
    return graph.add("DepthToSpace", x, blocksize=2, mode="CRD")
