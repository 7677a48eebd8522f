"""Registers GPEN with spandrel, which loads weight files for ComfyUI and others.

    >>> import gpen.integrations.spandrel  # doctest: +SKIP
    >>> gpen.integrations.spandrel.install()  # doctest: +SKIP
    >>> model = spandrel.ModelLoader().load_from_file("GPEN-BFR-512.pth")  # doctest: +SKIP

spandrel is no dependency of gpen: this module is for where it is installed, with torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from ..models.architecture import read_architecture
from ..models.checkpoints import is_bookkeeping, plain_names, unwrapped
from ..models.kinds import GENERATOR_KINDS, recognise
from ..networks.gpen import GPEN

if TYPE_CHECKING:
    from torch import Tensor


def install() -> None:
    """Have spandrel recognise GPEN files from now on; calling it again changes nothing.

    Raises:
        ImportError: spandrel is not installed.
    """
    spandrel = _spandrel()
    support = spandrel.ArchSupport.from_architecture(_architecture()())
    spandrel.MAIN_REGISTRY.add(support, ignore_duplicates=True)


def __getattr__(name: str) -> Any:
    """`GPENArch`, spandrel's architecture, made where spandrel is there to be derived from."""
    if name == "GPENArch":
        return _architecture()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _spandrel() -> Any:
    return import_module("spandrel")


@cache
def _architecture() -> Any:
    """The class `GPENArch`."""
    parts = {"__doc__": "GPEN generators of every size and make.", "__module__": __name__}
    base = _spandrel().Architecture
    return type("GPENArch", (base,), {**parts, "__init__": _initialise, "load": _describe})


def _initialise(architecture: Any) -> None:
    _spandrel().Architecture.__init__(architecture, id="GPEN", detect=_is_gpen, name="GPEN")


def _describe(architecture: Any, state_dict: Mapping[str, Any]) -> Any:
    """A descriptor for a generator; its numbers are read off the tensors.

    Args:
        architecture: The `GPENArch`.
        state_dict: Tensors under the published names, or a training checkpoint.

    Returns:
        An `ImageModelDescriptor` that takes and returns (1, 3, H, W) RGB in [0, 1]. The network
        sees squares of one size: other images are resized to it and their answers back.

    Raises:
        MismatchError: The tensors do not fit together.
    """
    spandrel = _spandrel()
    state = _generator(state_dict)
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    net = read_architecture(shapes, Path("the state dict"))
    with torch.device("meta"):
        module = GPEN(net)
    size = net.in_size
    return spandrel.ImageModelDescriptor(
        module.to_empty(device="cpu"),
        state,
        architecture=architecture,
        purpose="FaceSR",
        tags=[f"{net.size}px"],
        supports_half=False,  # f16 arithmetic shows in faces
        supports_bfloat16=True,
        scale=net.size // size,
        input_channels=3,
        output_channels=3,
        size_requirements=spandrel.SizeRequirements(minimum=size, multiple_of=size, square=True),
        tiling=spandrel.ModelTiling.INTERNAL,  # a face makes sense only as a whole
        call_fn=_call,
    )


def _is_gpen(state_dict: Mapping[str, Any]) -> bool:
    kind = recognise(_generator(state_dict))
    return kind is not None and kind.id in GENERATOR_KINDS


def _generator(state_dict: Mapping[str, Any]) -> Mapping[str, Any]:
    """The generator in a training checkpoint, else what was given, under its own names."""
    state = unwrapped(state_dict)
    plain = plain_names({str(name): value for name, value in state.items()})
    return {name: value for name, value in plain.items() if not is_bookkeeping(name)}


def _call(module: GPEN, image: Tensor) -> Tensor:
    """From [0, 1] to the network's [-1, 1] and back; at the network's size."""
    config = module.config
    wanted, scale = (config.in_size, config.in_size), config.size // config.in_size
    height, width = image.shape[-2:]
    if (height, width) != wanted:
        image = _resized(image, wanted)
    output: Tensor = (module(image * 2 - 1) + 1) / 2
    if (height, width) != wanted:
        output = _resized(output, (height * scale, width * scale))
    return output.clamp(0, 1)


def _resized(image: Tensor, size_hw: tuple[int, int]) -> Tensor:
    return functional.interpolate(
        image.float(), size_hw, mode="bicubic", antialias=True, align_corners=False
    ).to(image.dtype)
