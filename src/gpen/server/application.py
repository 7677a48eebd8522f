"""Puts the application together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Collection
from functools import partial

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ..errors import GpenError
from ..settings import Settings
from ..version import VERSION
from . import (
    batch_routes,
    clip_routes,
    image_routes,
    model_routes,
    photo_routes,
    result_routes,
    status_routes,
    video_routes,
    video_status_routes,
)
from .http_problems import HttpProblem, problem_of
from .limits import Limits
from .middleware import SecurityMiddleware
from .openapi_document import describe_api
from .page_files import PageFiles
from .state import AppState
from .text_responses import TextMiddleware

_log = logging.getLogger("gpen.server")
#: How often old results are looked for, in seconds.
_TIDY_S = 30.0
_ROUTES = (
    image_routes, batch_routes, photo_routes, clip_routes, result_routes, video_routes,
    video_status_routes, model_routes, status_routes,
)  # fmt: skip


def build_app(
    settings: Settings,
    limits: Limits,
    token: str | None,
    hosts: Collection[str],
    webhook_hosts: Collection[str],
) -> FastAPI:
    """The application; see `gpen.server.create_app`.

    Args:
        settings: What clients do not set.
        limits: What a client may ask for.
        token: What clients have to show.
        hosts: Names of the server that requests may call it by, beside its addresses.
        webhook_hosts: Hosts that the server may call.
    """
    app_state = AppState(settings, limits, token, webhook_hosts)
    app = FastAPI(
        title="gpen",
        version=VERSION,
        summary="Face restoration: turns a blurred, tiny, old or compressed face into a sharp one.",
        docs_url=None,  # their pages load scripts from other hosts
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.gpen = app_state
    files = PageFiles()
    for path, name in (("/", "index.html"), ("/docs", "docs.html")):
        app.add_api_route(path, partial(_document, files, name), include_in_schema=False)
    for routes in _ROUTES:
        app.include_router(routes.router)
    app.openapi_schema = describe_api(app)
    app.mount("/static", files, name="static")
    for kind in (HttpProblem, GpenError, OSError, MemoryError):
        app.add_exception_handler(kind, _refuse)
    app.add_exception_handler(HTTPException, _refuse_path)
    app.add_exception_handler(RequestValidationError, _refuse_path)
    app.add_middleware(TextMiddleware)
    app.add_middleware(SecurityMiddleware, app_state=app_state, hosts=hosts)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app_state: AppState = app.state.gpen
    tasks = [asyncio.create_task(_open_model(app_state)), asyncio.create_task(_tidy(app_state))]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.to_thread(app_state.close)


async def _open_model(app_state: AppState) -> None:
    """Start decoding and open the networks before the first photo comes."""
    try:
        await asyncio.to_thread(app_state.decoder.warm_up)
        await asyncio.to_thread(app_state.model_pool.restorer)
    except (GpenError, HttpProblem) as error:
        _log.error("%s", error)


async def _tidy(app_state: AppState) -> None:
    while True:
        await asyncio.sleep(_TIDY_S)
        await asyncio.to_thread(app_state.results.tidy)
        await asyncio.to_thread(app_state.video_queue.tidy)
        await asyncio.to_thread(app_state.kept_files.tidy)
        await asyncio.to_thread(app_state.photo_visits.tidy)


async def _document(files: PageFiles, name: str) -> Response:
    return await asyncio.to_thread(files.document, name)


async def _refuse(_: Request, error: Exception) -> Response:
    return problem_of(error).to_response()


async def _refuse_path(request: Request, error: Exception) -> Response:
    """What the frameworks refuse: unknown paths and methods."""
    status = error.status_code if isinstance(error, HTTPException) else 422
    headers = getattr(error, "headers", None) or {}
    detail = {
        404: f"there is no {request.url.path[:60]!r} here; /openapi.json says what there is",
        405: f"{request.method[:10]} is not possible here; /openapi.json says what is",
    }.get(status, "the request cannot be understood; /openapi.json says what is expected")
    return HttpProblem(status, detail, headers=headers).to_response()
