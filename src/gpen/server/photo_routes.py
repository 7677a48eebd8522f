"""Routes for photos of a visit: sent once, restored and looked at as often as settings change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from ..errors import SettingsError
from ..images.formats import PNG, find_format
from . import image_requests, schemas, views
from .http_problems import HttpProblem
from .kept_files import KeptFile
from .model_pool import CancellableRestorer
from .option_schema import image_settings_of, parse_flag, read_values
from .photo_check import refuse_other_files
from .photo_visits import Photo
from .request_queue import Check
from .responses import app_state_of, file_response
from .state import AppState
from .uploads import read_upload, safe_name
from .visitors import address_of

T = TypeVar("T")
router = APIRouter()
_SETTINGS = schemas.parameters_of(videos=False)[1:]  # without `name`
_PROBLEMS = schemas.problems(404, 413, 415, 429, 504)


async def in_queue(request: Request, work: Callable[[Check], T]) -> T:
    """Do work for a client that waits, in a thread, when it is its turn."""
    app_state, address = app_state_of(request), address_of(request)
    with app_state.request_queue.slot(address):
        return await app_state.request_queue.run(
            request.receive,
            work,
            seconds=app_state.limits.photo_s,
            end=lambda: None,
            address=address,
        )


@router.post(
    "/v1/photos",
    status_code=HTTPStatus.CREATED,
    summary="Send a photo to be worked on for a while",
    responses={**schemas.problems(400, 408, 413, 415, 429, 504)},
    openapi_extra={
        "requestBody": schemas.body_of(videos=False),
        "parameters": [schemas.query("name", {"type": "string"}, "File name of a raw body.")],
    },
)
async def new_photo(request: Request) -> Response:
    """Answers with its faces, and with its address, which is not used up by restoring."""
    app_state = app_state_of(request)
    kept = app_state.kept_files.begin("photo")
    try:
        upload = await read_upload(
            request, lambda: kept.path.open("wb+"), app_state.limits.photo_bytes, app_state.limits
        )
        try:
            await asyncio.to_thread(refuse_other_files, upload.file)
        finally:
            await asyncio.to_thread(upload.file.close)
        values = read_values(upload.fields, ("name",))
        name = safe_name(values["name"]) if values.get("name") else upload.name
        kept = app_state.kept_files.keep(kept, name)

        def work(check: Check) -> dict[str, Any]:
            return photo_json(app_state, open_photo(app_state, kept, check))

        answer = await in_queue(request, work)
    except BaseException:
        app_state.kept_files.remove(kept.id)
        raise
    return JSONResponse(answer, HTTPStatus.CREATED, headers={"Location": answer["url"]})


def open_photo(app_state: AppState, kept: KeptFile, check: Check) -> Photo:
    """The photo, decoded and searched for faces if it is not at hand."""
    restorer = app_state.model_pool.restorer()
    restorer = restorer.for_request(check, 0, app_state.settings)
    return app_state.photo_visits.open(kept, restorer)


def photo_json(app_state: AppState, photo: Photo) -> dict[str, Any]:
    """A photo that was sent, for JSON."""
    source = photo.found.source
    return {
        "id": photo.kept.id,
        "url": f"/v1/photos/{photo.kept.id}",
        "source": image_requests.source_of(source, photo.kept.name),
        "faces": image_requests.face_rows(photo.found.faces, source),
        "notes": list(source.notes),
        "expires_s": app_state.limits.keep_s,
    }


@router.get("/v1/photos/{photo_id}", summary="A photo that was sent", responses=_PROBLEMS)
async def photo(request: Request, photo_id: str) -> Response:
    """As the answer to sending it."""
    app_state = app_state_of(request)
    kept = app_state.kept_files.get(photo_id, "photo")
    work = lambda check: photo_json(app_state, open_photo(app_state, kept, check))  # noqa: E731
    return JSONResponse(await in_queue(request, work))


@router.delete(
    "/v1/photos/{photo_id}",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Remove a photo that was sent",
    responses=schemas.problems(404),
)
async def remove_photo(request: Request, photo_id: str) -> Response:
    """Remove it with all that was made of it; results that were saved stay."""
    app_state = app_state_of(request)
    kept = app_state.kept_files.get(photo_id, "photo")
    app_state.photo_visits.forget(kept.id)
    await asyncio.to_thread(app_state.kept_files.remove, kept.id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get(
    "/v1/photos/{photo_id}/source",
    response_class=Response,
    summary="The photo as it was sent",
    responses={
        **schemas.file_answers("application/octet-stream"),
        **schemas.problems(400, 404, 416),
    },
)
async def photo_source(request: Request, photo_id: str) -> Response:
    """The file."""
    kept = app_state_of(request).kept_files.get(photo_id, "photo")
    return file_response(request, kept.path, "application/octet-stream", kept.name)


class _Wanted:
    """What a request wants of a photo: its settings, and other parameters."""

    def __init__(self, request: Request, photo_id: str, others: tuple[str, ...]) -> None:
        self.app_state = app_state_of(request)
        self.kept = self.app_state.kept_files.get(photo_id, "photo")
        self.values = read_values(request.query_params.multi_items(), others)
        self._model = self.values.pop("model", "") or None
        self._settings = image_settings_of(self.app_state.settings, self.values)

    def open(self, check: Check) -> tuple[Photo, CancellableRestorer]:
        """The photo, and a restorer with the settings.

        Raises:
            HttpProblem: Enlarged, it has too many pixels (413).
        """
        photo = open_photo(self.app_state, self.kept, check)
        limits, upscale = self.app_state.limits, self._settings.upscale
        width, height = photo.found.source.size_wh
        if width * height * upscale**2 > limits.pixels:
            raise HttpProblem(
                413,
                f"enlarged {upscale} times, the photo has "
                f"{width * height * upscale**2 / 1e6:.0f} million pixels, more than the limit of "
                f"{limits.pixels / 1e6:.0f} million",
            )
        restorer = self.app_state.model_pool.restorer(self._model)
        return photo, restorer.for_request(check, limits.faces, self._settings)


@router.post(
    "/v1/photos/{photo_id}/restore",
    summary="Restore a photo that was sent",
    responses=_PROBLEMS,
    openapi_extra={
        "parameters": [
            *_SETTINGS,
            schemas.flag("similarity", "Include the similarity of each face before and after."),
        ]
    },
)
async def restore_photo(request: Request, photo_id: str) -> Response:
    """Says what became of each face; `view` shows it, `file` makes a file of it."""
    wanted = _Wanted(request, photo_id, ("similarity",))
    similarity = parse_flag("similarity", wanted.values.get("similarity", "0"))

    def work(check: Check) -> dict[str, Any]:
        photo, restorer = wanted.open(check)
        described = wanted.app_state.photo_visits.describe(photo, restorer)
        wanted.app_state.metrics.faces.inc(len(described.restored))
        rows = image_requests.restored_rows(described, similarity=similarity)
        source = photo.found.source
        kind = find_format(restorer.settings.format or source.format or "") or PNG
        width, height = described.photo.size_wh
        return {
            "faces": rows,
            "source": image_requests.source_of(source, photo.kept.name),
            "result": {"width": width, "height": height, "format": kind.name},
            "seconds": {step: round(s, 4) for step, s in described.seconds.items()},
            "notes": list(described.notes),
        }

    return JSONResponse(await in_queue(request, work))


@router.get(
    "/v1/photos/{photo_id}/view",
    response_class=Response,
    summary="Part of a photo, before or after",
    responses={
        200: {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}},
        **_PROBLEMS,
    },
    openapi_extra={
        "parameters": [
            *_SETTINGS,
            schemas.query("of", {"type": "string", "enum": ["before", "after"]}, "Which."),
            schemas.query("box", {"type": "string"}, "x0,y0,x1,y1 in pixels of the source."),
            schemas.query("size", {"type": "string"}, "Largest size of the image, as 640x480."),
        ]
    },
)
async def photo_view(request: Request, photo_id: str) -> Response:
    """A JPEG or WebP image in sRGB; never larger than the part has pixels."""
    wanted = _Wanted(request, photo_id, ("of", "box", "size"))
    which = wanted.values.get("of", "after")
    if which not in ("before", "after"):
        raise SettingsError(f"of is {which[:40]!r}; expected before or after")

    def work(check: Check) -> tuple[bytes, str]:
        if which == "before":
            shown = open_photo(wanted.app_state, wanted.kept, check).found.source
            view = views.view_of(wanted.values, shown.size_wh)
            area = views.area_of(view, shown.size_wh, shown.size_wh)
            return views.encode(views.cut_photo(shown, area))
        photo, restorer = wanted.open(check)
        view = views.view_of(wanted.values, photo.found.source.size_wh)
        return views.encode(wanted.app_state.photo_visits.seen(photo, restorer, view))

    data, media_type = await in_queue(request, work)
    return Response(data, media_type=media_type, headers={"Cache-Control": "private, no-store"})


@router.post(
    "/v1/photos/{photo_id}/file",
    status_code=HTTPStatus.CREATED,
    summary="Make a file of a restored photo",
    responses=_PROBLEMS,
    openapi_extra={"parameters": _SETTINGS},
)
async def photo_file(request: Request, photo_id: str) -> Response:
    """Answers with a result, which can be downloaded until it expires."""
    wanted = _Wanted(request, photo_id, ())

    def work(check: Check) -> dict[str, Any]:
        photo, restorer = wanted.open(check)
        described = wanted.app_state.photo_visits.describe(photo, restorer)
        check()
        with photo.kept.path.open("rb") as file:
            made = image_requests.file_of(described, file, photo.kept.name)
        stored = wanted.app_state.results.keep(made.data, made.name, made.media_type, None)
        return {
            "id": stored.id,
            "url": f"/v1/results/{stored.id}",
            "name": made.name,
            "media_type": made.media_type,
            "format": made.kind.name,
            "bytes": len(made.data),
            "expires_s": wanted.app_state.limits.keep_s,
        }

    return JSONResponse(await in_queue(request, work), HTTPStatus.CREATED)
