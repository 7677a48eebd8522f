"""Servers and clients of the tests of the HTTP interface."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from support.web_server import Running, Start, start_server


@pytest.fixture
def start(private_folders: None) -> Iterator[Start]:
    """Starts servers that are stopped after the test."""
    running: list[Running] = []

    def begin(*arguments: Any, **options: Any) -> Running:
        running.append(start_server(*arguments, **options))
        return running[-1]

    yield begin
    for one in running:
        one.stop()
        assert not one.app_state.folder.path.exists()


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """One server with its usual limits for the tests of a file."""
    server = start_server()
    yield server
    server.stop()


@pytest.fixture
def client(running: Running) -> Iterator[httpx.Client]:
    with running.client() as client:
        yield client
