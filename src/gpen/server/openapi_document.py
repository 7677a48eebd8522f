"""The description of the interface, /openapi.json, where FastAPI needs help."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from .middleware import is_open

_TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "description": "The token that the server was started with; none where it has none.",
}
_LICENCE = {"name": "Apache 2.0", "identifier": "Apache-2.0"}


def describe_api(app: FastAPI) -> dict[str, Any]:
    """The description of all routes of an application.

    FastAPI notes its own form of 422, which no route here answers with, and knows nothing of tokens
    that a middleware checks.
    """
    api = app.openapi()
    api["info"]["license"] = _LICENCE
    api["servers"] = [{"url": "/", "description": "The server that this comes from"}]
    api["security"] = [{"token": []}, {}]
    components = api["components"]
    components["securitySchemes"] = {"token": _TOKEN}
    for path, operations in api["paths"].items():
        for method, operation in operations.items():
            if is_open(method.upper(), path):
                operation["security"] = []
    for name in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(name, None)
    return api
