"""Small faces and configs for tests of training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")

from gpen.training.config import Config
from gpen.training.config_file import parse_config
from support.tiny_training import CONFIG, draw_faces


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Folders `train` and `val` of a few drawn images."""
    return draw_faces(tmp_path)


@pytest.fixture
def tiny_with(faces: Path) -> Callable[..., Config]:
    """Makes the tiny run with some settings changed."""

    def make(*overrides: str) -> Config:
        data = (f"data.train={faces / 'train'}", f"data.val={faces / 'val'}")
        return parse_config(CONFIG, [*data, *overrides])

    return make


@pytest.fixture
def tiny(tiny_with: Callable[..., Config]) -> Config:
    """A run of four adversarial steps at 32 px."""
    return tiny_with()
