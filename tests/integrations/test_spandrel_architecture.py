"""spandrel opens GPEN files; tested on a stand-in with the interface of spandrel 0.4."""

from __future__ import annotations

import subprocess
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from enum import Enum
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from gpen.engines.torch import TorchEngine
from gpen.errors import MismatchError
from gpen.models import find_model
from support.small_networks import (
    TINY,
    TINY_DESCRIBED,
    TINY_SR,
    TINY_SUBPIXEL,
    random_tensors,
    save_safetensors,
    to_torch,
)


class Architecture(ABC):
    def __init__(self, *, id: str, detect: Any, name: str | None = None) -> None:
        self.id, self.name, self.detect = id, name or id, detect

    @abstractmethod
    def load(self, state_dict: Any) -> Any: ...


class ModelTiling(Enum):
    SUPPORTED, DISCOURAGED, INTERNAL = 1, 2, 3


@dataclass(frozen=True)
class SizeRequirements:
    minimum: int | None = None
    multiple_of: int = 1
    square: bool = False


class ImageModelDescriptor:
    """Loads strictly, pads nothing, and holds answers to [0, 1] and the promised shape."""

    def __init__(
        self,
        model: torch.nn.Module,
        state_dict: Any,
        architecture: Any,
        purpose: str,
        tags: list[str],
        supports_half: bool,
        supports_bfloat16: bool,
        scale: int,
        input_channels: int,
        output_channels: int,
        size_requirements: SizeRequirements | None = None,
        tiling: ModelTiling = ModelTiling.SUPPORTED,
        call_fn: Any = None,
    ) -> None:
        model.load_state_dict(state_dict)
        self.model, self.architecture, self.purpose = model.eval(), architecture, purpose
        self.tags, self.scale, self.call_fn = tags, scale, call_fn
        self.size_requirements, self.supports_half = size_requirements, supports_half

    @torch.inference_mode()
    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        output = self.call_fn(self.model, image)
        assert output.shape == (*image.shape[:2], *(n * self.scale for n in image.shape[2:]))
        assert output.dtype == image.dtype
        assert 0 <= output.min() <= output.max() <= 1
        return output


class Registry:
    def __init__(self) -> None:
        self.supports: list[Any] = []

    def add(self, *supports: Any, ignore_duplicates: bool = False) -> list[Any]:
        known = {support.architecture.id for support in self.supports}
        new = [support for support in supports if support.architecture.id not in known]
        assert ignore_duplicates or len(new) == len(supports), "duplicate"
        self.supports += new
        return new

    def load(self, state_dict: Any) -> Any:
        support = next(s for s in self.supports if s.architecture.detect(state_dict))
        return support.architecture.load(state_dict)


@pytest.fixture
def spandrel(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A spandrel into which gpen was installed twice."""
    library = ModuleType("spandrel")
    vars(library).update(
        Architecture=Architecture,
        ArchSupport=SimpleNamespace(from_architecture=lambda a: SimpleNamespace(architecture=a)),
        ImageModelDescriptor=ImageModelDescriptor,
        MAIN_REGISTRY=Registry(),
        ModelTiling=ModelTiling,
        SizeRequirements=SizeRequirements,
    )
    monkeypatch.setitem(sys.modules, "spandrel", library)
    monkeypatch.delitem(sys.modules, "gpen.integrations.spandrel", raising=False)
    integration = import_module("gpen.integrations.spandrel")
    integration.install()
    integration.install()
    yield library
    sys.modules.pop("gpen.integrations.spandrel", None)


STATE = to_torch(random_tensors(TINY))


@pytest.mark.parametrize(
    "wrapped",
    [
        STATE,
        {"g_ema": STATE, "g": to_torch(random_tensors(TINY, seed=1)), "d": {}, "g_optim": {}},
        {"g_ema": {f"module.{name}": tensor for name, tensor in STATE.items()}},
    ],
    ids=["state_dict", "training_checkpoint", "of_many_gpus"],
)
def test_gpen_files_are_recognised_and_loaded(spandrel: Any, wrapped: Any) -> None:
    found = spandrel.MAIN_REGISTRY.load(wrapped)
    assert found.architecture.id == "GPEN"
    assert isinstance(found.architecture, import_module("gpen.integrations.spandrel").GPENArch)
    assert (found.purpose, found.scale, found.tags) == ("FaceSR", 1, ["32px"])
    assert found.size_requirements == SizeRequirements(32, 32, square=True)
    assert not found.supports_half
    for name, tensor in found.model.state_dict().items():
        assert torch.equal(tensor, STATE[name])


def test_installing_twice_adds_one_architecture(spandrel: Any) -> None:
    assert len(spandrel.MAIN_REGISTRY.supports) == 1


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"conv_first.weight": torch.zeros(1), "body.0.rdb1.conv1.weight": torch.zeros(1)},
        {"stylegan_decoder.style_mlp.1.weight": torch.zeros(1), "toRGB.0.weight": torch.zeros(1)},
        {"g_ema": {"input.input": torch.zeros(1)}},
    ],
    ids=["empty", "upscaler", "gfpgan", "stylegan"],
)
def test_other_files_are_left_to_others(spandrel: Any, other: Any) -> None:
    (support,) = spandrel.MAIN_REGISTRY.supports
    assert not support.architecture.detect(other)


@pytest.mark.parametrize(
    "net",
    [TINY, TINY_SR, TINY_DESCRIBED, TINY_SUBPIXEL],
    ids=["gpen", "sr", "described", "subpixel"],
)
def test_answers_are_those_of_gpen_in_the_range_of_spandrel(
    spandrel: Any, net: Any, tmp_path: Any
) -> None:
    path = save_safetensors(net, tmp_path / "n.safetensors")
    found = spandrel.MAIN_REGISTRY.load(to_torch(random_tensors(net)))
    assert found.scale == net.size // net.in_size
    image = torch.rand(1, 3, net.in_size, net.in_size, generator=torch.manual_seed(3))
    own = TorchEngine(find_model(path), device="cpu").run((image * 2 - 1).numpy())
    expected = np.clip((own + 1) / 2, 0, 1)
    np.testing.assert_allclose(found(image).numpy(), expected, atol=2e-5)
    assert ((expected > 0) & (expected < 1)).mean() > 0.02, "all clipped: nothing is compared"


@pytest.mark.parametrize("size_hw", [(20, 24), (48, 40), (64, 64), (1, 1)])
def test_pictures_of_other_sizes_come_back_at_theirs(
    spandrel: Any, size_hw: tuple[int, int]
) -> None:
    found = spandrel.MAIN_REGISTRY.load(STATE)
    assert found(torch.rand(1, 3, *size_hw)).shape == (1, 3, *size_hw)


def test_bfloat16_works_as_promised(spandrel: Any) -> None:
    found = spandrel.MAIN_REGISTRY.load(STATE)
    image = torch.rand(1, 3, 32, 32)
    whole = found(image)
    found.model.to(torch.bfloat16)
    assert (found(image.bfloat16()).float() - whole).abs().mean() < 0.05


def test_the_size_is_read_off_the_weights(spandrel: Any) -> None:
    larger = replace(TINY, size=64, in_size=64, channels=(8, 8, 8, 4, 4))
    found = spandrel.MAIN_REGISTRY.load(to_torch(random_tensors(larger)))
    assert found.size_requirements.minimum == 64


def test_a_file_that_is_cut_off_is_told(spandrel: Any) -> None:
    broken = {name: tensor for name, tensor in STATE.items() if name != "final_linear.0.bias"}
    with pytest.raises(MismatchError, match=r"final_linear\.0\.bias"):
        spandrel.MAIN_REGISTRY.load(broken)


def test_without_spandrel_the_module_loads_and_installing_names_what_is_missing() -> None:
    code = (
        "import sys; sys.modules['spandrel'] = None\n"
        "import gpen.integrations.spandrel as own\n"
        "try:\n    own.install()\nexcept ImportError as error:\n    print(error.name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "spandrel"
