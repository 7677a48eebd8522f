"""Networks that stay open from test to test: opening one takes longer than using it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from gpen import model_set
from gpen.models import ASSETS, ModelInfo
from gpen.settings import DEFAULT_DETECTOR


def keep_networks_open(patch: pytest.MonkeyPatch) -> None:
    """Let restorers take networks of the same files and options from one another.

    Only networks that gpen ships, and those of session fixtures: other files come and go.
    """
    for name, is_kept in (
        ("open_engine", _is_lasting_file),
        ("load_detector", lambda detector: detector == DEFAULT_DETECTOR),
        ("ReliabilityEstimator", lambda _: True),
    ):
        patch.setattr(model_set, name, _once_for_all(getattr(model_set, name), is_kept))


def _is_lasting_file(model: ModelInfo) -> bool:
    return model.path.parent == ASSETS or model.path.parent.name.startswith("pointwise")


def _once_for_all(open_: Callable[..., Any], is_kept: Callable[[Any], bool]) -> Callable[..., Any]:
    opened: dict[tuple[Any, ...], Any] = {}
    lock = threading.Lock()

    def open_once(what: Any, **options: Any) -> Any:
        if not is_kept(what):
            return open_(what, **options)
        key = (what.path if isinstance(what, ModelInfo) else what, *sorted(options.items()))
        with lock:
            if key not in opened:
                opened[key] = open_(what, **options)
        return opened[key]

    return open_once
