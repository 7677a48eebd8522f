"""Backgrounds on the server: its operator names the upscaler, and a request can be cancelled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi")

from gpen import Settings, SettingsError
from gpen.server.model_pool import CancellableRestorer
from gpen.server.option_schema import read_values
from support.upscaler_files import save_enlarging_graph


class _CancelledError(Exception):
    pass


def test_a_request_ends_between_two_tiles(tmp_path: Path) -> None:
    calls: list[int] = []

    def check() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise _CancelledError

    server = Settings(background=save_enlarging_graph(tmp_path / "x2.onnx", 2))
    restorer = CancellableRestorer(server).for_request(check, 0, Settings(upscale=2))
    with pytest.raises(_CancelledError):
        restorer.enlarge(np.zeros((300, 900, 3), np.uint8))
    assert len(calls) == 2


def test_clients_cannot_name_files_of_the_server() -> None:
    with pytest.raises(SettingsError, match="background cannot be set by clients: the server's"):
        read_values([("background", "/etc/passwd.onnx")])
