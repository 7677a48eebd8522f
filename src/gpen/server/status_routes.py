"""Routes for models, settings, health and metrics."""

from __future__ import annotations

import asyncio
import importlib.util
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from ..options import options_of
from ..settings import Settings, VideoSettings
from ..version import VERSION
from . import schemas
from .option_schema import CONTAINER, describe
from .responses import app_state_of

router = APIRouter()


@router.get("/v1/models", summary="Weight files found on the server", responses=schemas.problems())
async def models(request: Request) -> dict[str, Any]:
    """Restorers, and files that are of no use, with the reason."""
    return await asyncio.to_thread(app_state_of(request).model_pool.to_dict)


@router.get("/v1/settings", summary="Every setting, and the limits", responses=schemas.problems())
async def settings(request: Request) -> dict[str, Any]:
    """Types, defaults, help, choices, and why some cannot be set."""
    app_state = app_state_of(request)
    limits = app_state.limits
    bounds = (
        "photo_bytes", "video_bytes", "pixels", "faces", "clip_s", "clip_frames", "queue",
        "video_queue", "unheard_s", "keep_s",
    )  # fmt: skip
    defaults = {"model": await asyncio.to_thread(lambda: app_state.model_pool.default)}
    return {
        "photo": [
            describe(option, defaults.get(name, getattr(app_state.settings, name)))
            for name, option in options_of(Settings).items()
        ],
        "video": [
            describe(option, option.default) for option in options_of(VideoSettings).values()
        ],
        "container": describe(CONTAINER, None),
        "limits": {name: getattr(limits, name) for name in bounds},
        "formats": options_of(Settings)["format"].choices,
        "needs_token": app_state.token is not None,
        "version": VERSION,
        "has_video": importlib.util.find_spec("av") is not None,
    }


@router.get("/healthz", summary="Is it alive", responses=schemas.problems())
async def healthz(request: Request) -> dict[str, Any]:
    """`ready` once the server's own model is open."""
    return {"status": "ok", "version": VERSION, "ready": app_state_of(request).model_pool.is_loaded}


@router.get(
    "/metrics",
    response_class=Response,
    summary="Metrics for Prometheus",
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        **schemas.problems(),
    },
)
async def metrics(request: Request) -> Response:
    """Prometheus' text format."""
    text = await asyncio.to_thread(app_state_of(request).metrics.text)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
