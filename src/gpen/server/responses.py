"""Helpers shared by the routes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from fastapi import Request
from starlette.responses import FileResponse, Response

from .option_schema import parse_flag
from .state import AppState
from .uploads import Upload, safe_name


def app_state_of(request: Request) -> AppState:
    app_state: AppState = request.app.state.gpen
    return app_state


def named(upload: Upload, values: Mapping[str, str]) -> str:
    """What the user calls the file."""
    return safe_name(values["name"]) if values.get("name") else upload.name


def file_response(request: Request, path: Path, media_type: str, name: str) -> Response:
    """A file of ours; an attachment where `download` is asked for."""
    download = parse_flag("download", request.query_params.get("download", "0"))
    return FileResponse(
        path,
        media_type=media_type,
        filename=name,
        content_disposition_type="attachment" if download else "inline",
        headers={"Cache-Control": "private, no-store"},
    )


def disposition(kind: str, name: str) -> str:
    """The header that names a file; `kind` is "inline" or "attachment"."""
    quoted = quote(name)
    if quoted == name:
        return f'{kind}; filename="{name}"'
    return f"{kind}; filename*=UTF-8''{quoted}"
