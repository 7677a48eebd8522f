"""Helpers shared by the routes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from fastapi import Request
from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.staticfiles import NotModifiedResponse
from starlette.types import Scope

from .option_schema import parse_flag
from .state import AppState
from .uploads import Upload, safe_name

#: What stands for itself in an extended value (RFC 8187, section 3.2.1, attr-char).
_ATTRIBUTE_SIGNS = "!#$&+-.^_`|~"
#: Marks requests of HEAD, which are answered like GET.
HEAD = "gpen.head"


def is_head(scope: Scope) -> bool:
    """Whether the client wants no body."""
    return HEAD in scope


def app_state_of(request: Request) -> AppState:
    app_state: AppState = request.app.state.gpen
    return app_state


def named(upload: Upload, values: Mapping[str, str]) -> str:
    """What the user calls the file."""
    return safe_name(values["name"]) if values.get("name") else upload.name


def file_response(request: Request, path: Path, media_type: str, name: str) -> Response:
    """A file of ours, in ranges, or nothing where the client has it already.

    It is an attachment where `download` is asked for.
    """
    download = parse_flag("download", request.query_params.get("download", "0"))
    kind = "attachment" if download else "inline"
    response = FileResponse(
        path,
        media_type=media_type,
        stat_result=path.stat(),
        headers={
            "Cache-Control": "private, no-store",
            "Content-Disposition": disposition(kind, name),
        },
    )
    if _is_known(request.headers, response.headers):
        return NotModifiedResponse(response.headers)
    # FileResponse would read it.
    return Response(headers=response.headers) if is_head(request.scope) else response


def _is_known(request: Headers, response: Headers) -> bool:
    """Whether `If-None-Match` names the file (RFC 9110, section 13.1.2)."""
    tags = [tag.strip().removeprefix("W/") for tag in request.get("if-none-match", "").split(",")]
    return "*" in tags or response["etag"] in tags


def disposition(kind: str, name: str) -> str:
    """The header that names a file; `kind` is "inline" or "attachment".

    Names beyond ASCII come twice: with signs for what old clients cannot read, and as they are
    (RFC 8187).
    """
    plain = name.encode("ascii", "replace").decode()
    quoted = plain.replace("\\", "\\\\").replace('"', '\\"')
    header = f'{kind}; filename="{quoted}"'
    # Some clients take % in the plain name for an encoding.
    if plain == name and "%" not in name:
        return header
    return f"{header}; filename*=UTF-8''{quote(name, safe=_ATTRIBUTE_SIGNS)}"
