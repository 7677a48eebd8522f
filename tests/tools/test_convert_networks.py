"""The shipped networks of others are what the conversion makes of the published numbers."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from gpen.models import ASSETS

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOLS))
    import convert_networks

    return convert_networks


def contents(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    model = onnx.load(path)
    tensors = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    return tensors, {entry.key: entry.value for entry in model.metadata_props}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_shipped_files_are_what_it_makes(
    tool: ModuleType, shared: Path, tmp_path: Path, number: int
) -> None:
    made = tool.convert(tool.CONVERSIONS[number], shared / "models", tmp_path)
    tensors, notes = contents(made)
    shipped, shipped_notes = contents(ASSETS / made.name)
    assert notes == shipped_notes
    assert set(notes) == {"source", "licence"}
    assert tensors.keys() == shipped.keys()
    for name, values in tensors.items():
        np.testing.assert_array_equal(values, shipped[name])
    large = [t for t in onnx.load(made).graph.initializer if np.prod(t.dims) >= 64]
    assert {t.data_type for t in large} == {TensorProto.FLOAT16}


def test_everything_that_is_shipped_stays_small() -> None:
    assert sum(path.stat().st_size for path in ASSETS.iterdir()) < 60e6
