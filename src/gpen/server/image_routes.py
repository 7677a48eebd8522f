"""Routes for photos."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from ..errors import SettingsError
from . import image_requests, schemas
from .option_schema import image_settings_of, parse_flag, read_values
from .photo_check import refuse_other_files
from .request_queue import Check
from .responses import app_state_of, disposition, named
from .result_store import StoredResult
from .state import AppState
from .uploads import Upload, read_upload
from .visitors import address_of

T = TypeVar("T")
router = APIRouter()
_UPLOAD_PROBLEMS = (400, 408, 413, 415, 429, 504)


async def _with_photo(request: Request, plan: Callable[[Upload], Callable[[Check], T]]) -> T:
    """Read a photo and do work on it in a thread.

    Args:
        request: With the photo as its body.
        plan: Says what to do, before the work waits for its turn.
    """
    app_state = app_state_of(request)
    address = address_of(request)
    with app_state.request_queue.slot(address):
        upload = await read_upload(
            request, app_state.folder.spool, app_state.limits.photo_bytes, app_state.limits
        )
        try:
            work = plan(upload)
            await asyncio.to_thread(refuse_other_files, upload.file)
        except BaseException:
            upload.file.close()
            raise
        return await app_state.request_queue.run(
            request.receive,
            work,
            seconds=app_state.limits.photo_s,
            end=upload.file.close,
            address=address,
        )


@router.post(
    "/v1/restore",
    response_model=schemas.Restored,
    summary="Restore the faces of a photo",
    responses={
        200: {
            "description": "The photo, or with `Accept: application/json` what became of it",
            "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}},
        },
        **schemas.problems(*_UPLOAD_PROBLEMS, 406, 409),
    },
    openapi_extra={
        "requestBody": schemas.body_of(videos=False),
        "parameters": [
            *schemas.parameters_of(videos=False),
            schemas.IDEMPOTENCY_KEY,
            schemas.flag("thumbnails", "Include a thumbnail of each face (JSON only)."),
            schemas.flag("previews", "Include before and after previews (JSON only)."),
            schemas.flag(
                "similarity", "Include the similarity of each face before and after (JSON only)."
            ),
            schemas.query(
                "image",
                {"type": "string", "enum": ["url", "base64"]},
                "How JSON carries the photo: as a URL, or as base64.",
            ),
        ],
    },
)
async def restore(request: Request) -> Response:
    """Answers with the photo, or with JSON if that is what the client accepts."""
    keys = app_state_of(request).idempotency_keys
    return await keys.once(request, lambda: _restore(request))


async def _restore(request: Request) -> Response:
    app_state = app_state_of(request)

    def plan(upload: Upload) -> Callable[[Check], Response]:
        values = read_values(upload.fields, ("name", "image", *FLAGS))
        model = values.pop("model", "") or None
        settings = image_settings_of(app_state.settings, values)
        wants, accept = Wants(values), request.headers.get("accept", "")
        as_json, settings = image_requests.negotiate(accept, settings, upload.file)

        def work(check: Check) -> Response:
            restorer = app_state.model_pool.restorer(model).for_request(
                check, app_state.limits.faces, settings
            )
            name = named(upload, values)
            restored = image_requests.restore_photo(restorer, app_state.decoder, upload.file, name)
            app_state.metrics.faces.inc(len(restored.result.restored))
            check()
            if as_json:
                return JSONResponse(restored_json(app_state, restored, name, wants))
            return _image(restored)

        return work

    return await _with_photo(request, plan)


#: Parameters of /v1/restore that choose the fields of the JSON response.
FLAGS = ("thumbnails", "previews", "similarity")


class Wants:
    """Fields of the JSON response."""

    def __init__(self, values: dict[str, str]) -> None:
        flags = {name: parse_flag(name, values.get(name, "0")) for name in FLAGS}
        self.thumbnails, self.previews = flags["thumbnails"], flags["previews"]
        self.similarity = flags["similarity"]
        image = values.get("image", "url")
        if image not in ("url", "base64"):
            raise SettingsError(f"image is {image[:40]!r}; expected url or base64")
        self.within = image == "base64"


def _image(restored: image_requests.Restored) -> Response:
    result = restored.result
    return Response(
        restored.data,
        media_type=restored.media_type,
        headers={
            "Content-Disposition": disposition("inline", restored.name),
            "X-Gpen-Faces": str(len(result.faces)),
            "X-Gpen-Restored": str(len(result.restored)),
            "X-Gpen-Seconds": f"{sum(result.seconds.values()):.3f}",
        },
    )


def restored_json(
    app_state: AppState, restored: image_requests.Restored, name: str, wants: Wants
) -> dict[str, Any]:
    result, kept = restored.result, None
    if not wants.within:
        images = image_requests.compared(restored) if wants.previews else None
        kept = app_state.results.keep(restored.data, restored.name, restored.media_type, images)
    width, height = result.photo.size_wh
    return {
        "faces": image_requests.faces_of(
            restored, thumbnails=wants.thumbnails, similarity=wants.similarity
        ),
        "source": image_requests.source_of(result.source, name),
        "result": {
            **_links(kept),
            "name": restored.name,
            "media_type": restored.media_type,
            "format": restored.kind.name,
            "width": width,
            "height": height,
            "bytes": len(restored.data),
            "expires_s": app_state.limits.keep_s if kept else None,
        },
        "image_base64": base64.b64encode(restored.data).decode() if wants.within else None,
        "seconds": {step: round(s, 4) for step, s in result.seconds.items()},
        "notes": restored.notes,
    }


def _links(kept: StoredResult | None) -> dict[str, str | None]:
    if kept is None:
        return {"id": None, "url": None, "before_url": None, "after_url": None}
    url = f"/v1/results/{kept.id}"
    return {
        "id": kept.id,
        "url": url,
        "before_url": f"{url}/before" if kept.has_previews else None,
        "after_url": f"{url}/after" if kept.has_previews else None,
    }


@router.post(
    "/v1/detect",
    response_model=schemas.Detected,
    summary="Find the faces of a photo",
    responses=schemas.problems(*_UPLOAD_PROBLEMS),
    openapi_extra={
        "requestBody": schemas.body_of(videos=False),
        "parameters": [
            *schemas.parameters_of(videos=False),
            schemas.flag("thumbnails", "Include a thumbnail of each face."),
            schemas.flag("preview", "Include a small preview of the photo."),
        ],
    },
)
async def detect(request: Request) -> Response:
    """Of the settings of /v1/restore, `at` says where faces are; the others change nothing here."""
    app_state = app_state_of(request)

    def plan(upload: Upload) -> Callable[[Check], Response]:
        values = read_values(upload.fields, ("name", "thumbnails", "preview"))
        known = image_settings_of(app_state.settings, values | {"model": app_state.settings.model})
        settings = app_state.settings.with_(at=known.at)
        thumbnails = parse_flag("thumbnails", values.get("thumbnails", "0"))
        preview = parse_flag("preview", values.get("preview", "0"))

        def work(check: Check) -> Response:
            restorer = app_state.model_pool.restorer().for_request(check, 0, settings)
            photo, response = image_requests.detect_faces(
                restorer, app_state.decoder, upload.file, thumbnails=thumbnails, preview=preview
            )
            source = image_requests.source_of(photo, named(upload, values))
            return JSONResponse({"source": source, **response})

        return work

    return await _with_photo(request, plan)
