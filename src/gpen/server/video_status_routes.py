"""Routes for video jobs that were taken in: status, progress, result."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse

from ..errors import SettingsError
from . import schemas
from .http_problems import HttpProblem
from .responses import app_state_of, file_response, is_head
from .video_job import ENDED, MEDIA_TYPES, Job
from .video_queue import VideoQueue
from .visitors import visitor_of

router = APIRouter()
_EVENTS = "text/event-stream"
#: Longest time that a client may ask to wait for the end of a job, in seconds.
_MOST_WAIT_S = 30.0
#: How often progress is looked at, and after how many seconds without any a sign of life is sent.
_LOOK_S, _QUIET_S = 0.5, 15.0


@router.get(
    "/v1/videos",
    response_model=schemas.JobList,
    summary="Your own video jobs",
    responses=schemas.problems(),
)
async def clips(request: Request) -> Response:
    """The newest first; known by the cookie that came with the first of them."""
    videos = app_state_of(request).video_queue
    return JSONResponse(
        {"videos": [videos.to_dict(job) for job in videos.of_visitor(visitor_of(request))]}
    )


@router.get(
    "/v1/videos/{job_id}",
    response_model=schemas.JobStatus,
    summary="Status of a video job",
    responses=schemas.problems(404),
    openapi_extra={
        "parameters": [
            schemas.query(
                "wait",
                {"type": "number", "minimum": 0, "maximum": _MOST_WAIT_S},
                "Seconds to wait for the end of the job.",
            )
        ]
    },
)
async def clip_status(request: Request, job_id: str) -> Response:
    """Answers at once, or when the job has ended."""
    videos = app_state_of(request).video_queue
    job = videos.get(job_id)
    text = request.query_params.get("wait", "0")
    if not re.fullmatch(r"\d{1,2}(\.\d{1,6})?", text, re.ASCII) or float(text) > _MOST_WAIT_S:
        raise SettingsError(f"wait is {text[:40]!r}; expected 0 to {_MOST_WAIT_S:g} seconds")
    await videos.ended(job, float(text))
    return JSONResponse(videos.to_dict(job))


@router.get(
    "/v1/videos/{job_id}/events",
    response_class=StreamingResponse,
    summary="Progress of a video job, as it happens",
    responses={
        200: {"content": {_EVENTS: {"schema": {"type": "string"}}}},
        **schemas.problems(404),
    },
)
async def clip_events(request: Request, job_id: str) -> Response:
    """Server-sent events: `progress` with the job as JSON when it changes, `end` when it has."""
    videos = app_state_of(request).video_queue
    job = videos.get(job_id)
    if is_head(request.scope):
        return Response(media_type=_EVENTS)
    return StreamingResponse(
        _events(videos, job),
        media_type=_EVENTS,
        headers={"X-Accel-Buffering": "no"},  # nginx
    )


async def _events(videos: VideoQueue, job: Job) -> AsyncIterator[str]:
    known, sent_s = None, time.monotonic()
    while job.state not in ENDED:
        job.heard_s = time.monotonic()
        if known != (now := (job.state, job.stage, job.done, videos.position(job))):
            known, sent_s = now, job.heard_s
            yield f"event: progress\ndata: {json.dumps(videos.to_dict(job))}\n\n"
        elif job.heard_s - sent_s > _QUIET_S:
            sent_s = job.heard_s
            yield ": still here\n\n"
        await asyncio.sleep(_LOOK_S)
    yield f"event: end\ndata: {json.dumps(videos.to_dict(job))}\n\n"


@router.get(
    "/v1/videos/{job_id}/result",
    response_class=FileResponse,
    summary="The restored video",
    responses={**schemas.file_answers("video/*"), **schemas.problems(400, 404, 409, 416)},
    openapi_extra={"parameters": [schemas.flag("download", "As an attachment.")]},
)
async def clip_result(request: Request, job_id: str) -> Response:
    """The file, or ranges of it."""
    job = app_state_of(request).video_queue.get(job_id)
    if job.state != "done":
        raise HttpProblem(409, f"the video is {job.state}; there is no result")
    return file_response(request, job.target, MEDIA_TYPES[job.suffix], job.result_name)


@router.delete(
    "/v1/videos/{job_id}",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Cancel a job, or remove one that has ended",
    responses=schemas.problems(404),
)
async def remove_clip(request: Request, job_id: str) -> Response:
    """Work ends at the next frame."""
    videos = app_state_of(request).video_queue
    job = videos.get(job_id)
    await asyncio.to_thread(videos.cancel, job)
    return Response(status_code=HTTPStatus.NO_CONTENT)
