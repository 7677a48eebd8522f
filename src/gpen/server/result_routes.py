"""Routes for stored results."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from http import HTTPStatus
from typing import BinaryIO

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response, StreamingResponse

from ..errors import SettingsError
from . import schemas
from .responses import app_state_of, disposition, file_response
from .result_store import Part

router = APIRouter()
#: Results in one archive.
_MOST_ZIPPED = 1000
_BLOCK_BYTES = 1 << 18


@router.get(
    "/v1/results.zip",
    response_class=StreamingResponse,
    summary="Several results in one file",
    responses={
        200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}},
        **schemas.problems(404),
    },
    openapi_extra={
        "parameters": [
            schemas.query("id", {"type": "array", "items": {"type": "string"}}, "Of a result.")
        ]
    },
)
async def zip_results(request: Request) -> Response:
    """The files of results, by their ids."""
    ids = request.query_params.getlist("id")
    if not 0 < len(ids) <= _MOST_ZIPPED:
        raise SettingsError(f"{len(ids)} ids; expected id=… once to {_MOST_ZIPPED} times")
    file = await asyncio.to_thread(app_state_of(request).results.zip, ids)
    headers = {"Content-Disposition": disposition("attachment", "gpen.zip")}
    return StreamingResponse(_blocks(file), media_type="application/zip", headers=headers)


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while block := file.read(_BLOCK_BYTES):
            yield block


_RESULT_FILE = {**schemas.file_answers("image/*"), **schemas.problems(400, 404, 416)}


@router.get(
    "/v1/results/{result_id}",
    response_class=FileResponse,
    summary="A restored photo that is kept",
    responses=_RESULT_FILE,
    openapi_extra={"parameters": [schemas.flag("download", "As an attachment.")]},
)
async def result_file(request: Request, result_id: str) -> Response:
    """The file."""
    results = app_state_of(request).results
    kept, path = results.get(result_id), results.path(result_id, "file")
    return file_response(request, path, kept.media_type, kept.name)


@router.get(
    "/v1/results/{result_id}/{part}",
    response_class=FileResponse,
    summary="A before or after preview",
    responses=_RESULT_FILE,
)
async def result_picture(request: Request, result_id: str, part: str) -> Response:
    """`before` or `after`, as WebP."""
    parts: dict[str, Part] = {"before": "before", "after": "after"}
    if part not in parts:
        raise SettingsError(f"{part[:40]!r} is no part of a result; expected before or after")
    path = app_state_of(request).results.path(result_id, parts[part])
    return file_response(request, path, "image/webp", f"{part}.webp")


@router.delete(
    "/v1/results/{result_id}",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Remove a restored photo",
    responses=schemas.problems(404),
)
async def remove_result(request: Request, result_id: str) -> Response:
    """Remove its files."""
    results = app_state_of(request).results
    results.get(result_id)
    await asyncio.to_thread(results.remove, result_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)
