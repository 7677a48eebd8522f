"""Routes for models that can be fetched."""

from __future__ import annotations

import asyncio
import ipaddress
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from . import schemas
from .http_problems import HttpProblem
from .option_schema import parse_flag
from .responses import app_state_of

router = APIRouter()


@router.get(
    "/v1/offers",
    summary="Models that can be fetched, and those being fetched",
    responses=schemas.problems(),
)
async def offers(request: Request) -> dict[str, Any]:
    """Restorers of the catalogue with their licences; `can_fetch` says whether this client may."""
    app_state = app_state_of(request)

    def work() -> list[dict[str, Any]]:
        here = {model.path.name.casefold() for model in app_state.model_pool.models()}
        return app_state.downloads.offers(here)

    return {"can_fetch": _is_local(request), "offers": await asyncio.to_thread(work)}


@router.post(
    "/v1/offers/{name}",
    status_code=HTTPStatus.ACCEPTED,
    summary="Fetch a model",
    responses=schemas.problems(403, 404, 409),
    openapi_extra={
        "parameters": [schemas.flag("accept_licence", "The client accepts the licence.")]
    },
)
async def fetch(request: Request, name: str) -> Response:
    """Only for clients on the server's own machine; `GET /v1/offers` has the progress."""
    _refuse_others(request)
    accepted = parse_flag("accept_licence", request.query_params.get("accept_licence", "0"))
    downloads = app_state_of(request).downloads
    started = await asyncio.to_thread(downloads.start, name, accepted=accepted)
    return JSONResponse(started.to_dict(), HTTPStatus.ACCEPTED)


@router.delete(
    "/v1/offers/{name}",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Stop fetching a model",
    responses=schemas.problems(403, 404),
)
async def cancel(request: Request, name: str) -> Response:
    """What came of it is kept for the next time."""
    _refuse_others(request)
    app_state_of(request).downloads.cancel(name)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _refuse_others(request: Request) -> None:
    if not _is_local(request):
        raise HttpProblem(
            403, "models are added on the server's own machine: gpen models get NAME, there"
        )


def _is_local(request: Request) -> bool:
    """Whether the client is on this machine: it adds files to it and accepts their licences."""
    try:
        return ipaddress.ip_address(request.client.host if request.client else "").is_loopback
    except ValueError:
        return False
