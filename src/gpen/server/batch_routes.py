"""The route for several photos in one request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from . import image_requests, schemas
from .http_problems import Cancelled, problem_of
from .image_routes import FLAGS, Wants, restored_json
from .option_schema import image_settings_of, read_values
from .photo_check import refuse_other_files
from .request_queue import Check
from .responses import app_state_of
from .state import AppState
from .uploads import Upload, read_uploads
from .visitors import address_of

router = APIRouter()
#: Most photos of one request.
_MOST = 50


@router.post(
    "/v1/batch",
    response_model=schemas.Batch,
    summary="Restore the faces of several photos",
    responses=schemas.problems(400, 408, 409, 413, 415, 429),
    openapi_extra={
        "requestBody": schemas.body_of_many(_MOST),
        "parameters": [schemas.IDEMPOTENCY_KEY],
    },
)
async def batch(request: Request) -> Response:
    """A photo that fails does not keep the others from being restored."""
    keys = app_state_of(request).idempotency_keys
    return await keys.once(request, lambda: _restore_all(request))


async def _restore_all(request: Request) -> Response:
    app_state, address = app_state_of(request), address_of(request)
    with app_state.request_queue.slot(address):
        uploads = await read_uploads(
            request,
            app_state.folder.spool,
            app_state.limits.photo_bytes,
            app_state.limits,
            most_files=_MOST,
        )
        try:
            works = [_plan(app_state, upload) for upload in uploads]
        except BaseException:
            for upload in uploads:
                upload.file.close()
            raise
        runs = [
            app_state.request_queue.run(
                request.receive,
                work,
                seconds=app_state.limits.photo_s * len(uploads),
                end=upload.file.close,
                address=address,
            )
            for upload, work in zip(uploads, works, strict=True)
        ]
        answers = await asyncio.gather(*runs, return_exceptions=True)
    items = [_item(upload.name, answer) for upload, answer in zip(uploads, answers, strict=True)]
    ids = [item["restored"]["result"]["id"] for item in items if item["restored"]]
    query = "&".join(f"id={one}" for one in ids)
    return JSONResponse({"items": items, "zip_url": f"/v1/results.zip?{query}" if ids else None})


def _plan(app_state: AppState, upload: Upload) -> Callable[[Check], dict[str, Any]]:
    """What to do with a photo; its settings are those of all."""
    values = read_values(upload.fields, FLAGS)
    model = values.pop("model", "") or None
    settings, wants = image_settings_of(app_state.settings, values), Wants(values)

    def work(check: Check) -> dict[str, Any]:
        refuse_other_files(upload.file)
        restorer = app_state.model_pool.restorer(model).for_request(
            check, app_state.limits.faces, settings
        )
        restored = image_requests.restore_photo(
            restorer, app_state.decoder, upload.file, upload.name
        )
        app_state.metrics.faces.inc(len(restored.result.restored))
        check()
        return restored_json(app_state, restored, upload.name, wants)

    return work


def _item(name: str, answer: dict[str, Any] | BaseException) -> dict[str, Any]:
    """What became of one photo.

    Raises:
        Cancelled: The client went.
    """
    if isinstance(answer, Cancelled | asyncio.CancelledError):
        raise Cancelled
    if isinstance(answer, BaseException):
        return {"name": name, "restored": None, "error": problem_of(answer, name=name).to_dict()}
    return {"name": name, "restored": answer, "error": None}
