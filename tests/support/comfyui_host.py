"""A stand-in for ComfyUI: just what its node packs may rely on."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
PACK = ROOT / "plugins" / "comfyui"
_NAME = "custom_nodes_gpen"


class InterruptedProcessingError(Exception):
    """What ComfyUI raises where "Cancel" was pressed."""


class ComfyUI:
    """One start of ComfyUI with the pack loaded as it loads packs: a module from a folder."""

    def __init__(
        self,
        patch: pytest.MonkeyPatch,
        models: Path,
        *,
        device: str = "cpu",
        folder: Path = PACK,
    ) -> None:
        self.models, self.bars, self.cancel_after = models, [], -1
        self.folders: dict[str, tuple[list[str], set[str]]] = {}
        self.device = torch.device(device)
        for module in self._modules():
            patch.setitem(sys.modules, module.__name__, module)
        for name in [name for name in sys.modules if name.partition(".")[0] == _NAME]:
            patch.delitem(sys.modules, name)
        spec = importlib.util.spec_from_file_location(_NAME, folder / "__init__.py")
        self.pack = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, _NAME, self.pack)
        spec.loader.exec_module(self.pack)

    def _modules(self) -> list[ModuleType]:
        comfy, utils = ModuleType("comfy"), ModuleType("comfy.utils")
        management, paths = ModuleType("comfy.model_management"), ModuleType("folder_paths")
        comfy.utils, comfy.model_management = utils, management
        utils.ProgressBar = self._bar
        management.get_torch_device = lambda: self.device
        management.throw_exception_if_processing_interrupted = self._check
        paths.models_dir = str(self.models)
        paths.get_input_directory = lambda: str(self.models.parent / "input")
        paths.folder_names_and_paths = self.folders
        paths.add_model_folder_path = self._add_folder
        return [comfy, utils, management, paths]

    def _bar(self, total: int) -> Any:
        host = self

        class Bar:
            def __init__(self) -> None:
                self.total, self.done = total, 0
                host.bars.append(self)

            def update(self, count: int) -> None:
                self.done += count

        return Bar()

    def _check(self) -> None:
        if self.cancel_after == 0:
            raise InterruptedProcessingError
        self.cancel_after -= 1

    def _add_folder(self, key: str, path: str, is_default: bool = False) -> None:
        paths, _ = self.folders.setdefault(key, ([], set()))
        if path not in paths:
            paths.insert(0, path) if is_default else paths.append(path)

    def node(self, name: str) -> type:
        return self.pack.NODE_CLASS_MAPPINGS[name]

    def run(self, name: str, **values: Any) -> tuple[Any, ...]:
        """Run a node as ComfyUI does: check its inputs, fill in widgets' defaults, call it."""
        node = self.node(name)
        declared = node.INPUT_TYPES()
        known = {**declared["required"], **declared.get("optional", {})}
        assert set(values) <= set(known), f"{name} has no {set(values) - set(known)}"
        missing = set(declared["required"]) - set(values)
        assert not missing, f"{name} lacks {missing}"
        for key, value in values.items():
            if isinstance(known[key][0], list):
                assert value in known[key][0], f"{value!r} is not in the list of {key}"
        output = getattr(node(), node.FUNCTION)(**values)
        assert isinstance(output, tuple)
        assert len(output) == len(node.RETURN_TYPES)
        for kind, value in zip(node.RETURN_TYPES, output, strict=True):
            if kind in ("IMAGE", "MASK"):
                assert value.dtype == torch.float32
                assert value.ndim == (4 if kind == "IMAGE" else 3)
                assert 0 <= value.min() <= value.max() <= 1
        return output
