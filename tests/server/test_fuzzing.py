"""Requests made up from the description of the interface never meet an error of the server."""

from __future__ import annotations

from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.image_files import save
from support.web_server import Running

schemathesis = pytest.importorskip("schemathesis")

GRAY = save(np.full((30, 50, 3), 90, np.uint8), "PNG")
EXAMPLES = 12


def test_fuzzed_requests_are_answered_as_described(running: Running) -> None:
    schema = schemathesis.openapi.from_dict(httpx.get(f"{running.url}/openapi.json").json())
    seen = {
        found.ok().label: fuzz(found.ok(), running.url) for found in schema.get_all_operations()
    }
    assert len(seen) >= 14
    assert {200, 422} <= seen["POST /v1/restore"]
    assert httpx.get(f"{running.url}/healthz").json()["status"] == "ok"


def fuzz(operation: Any, url: str) -> set[int]:
    """The statuses of many requests of one kind."""
    described = set(operation.definition.raw["responses"])
    statuses: set[int] = set()

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(), real=st.booleans())
    def ask(case: Any, real: bool) -> None:
        if real and isinstance(case.body, dict):
            case.body = {**case.body, "file": GRAY}
        response = case.call(base_url=url, timeout=20)
        assert response.status_code < 500, response.content
        assert str(response.status_code) in described, (response.status_code, response.content)
        if response.status_code >= 400:
            assert response.headers["content-type"][0].startswith("application/problem+json")
        statuses.add(response.status_code)

    ask()
    return statuses
