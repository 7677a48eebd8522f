"""The route that takes videos in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from pathlib import PurePath

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from ..errors import ReadError
from ..settings import Settings, VideoSettings
from . import schemas
from .http_problems import HttpProblem, problem_of
from .model_pool import CancellableRestorer
from .option_schema import CONTAINER, read_values, video_settings_of
from .request_queue import Check
from .responses import app_state_of, named
from .state import AppState
from .uploads import Upload, read_upload
from .video_job import MEDIA_TYPES, Job
from .visitors import address_of, new_visitor, remember, visitor_of

router = APIRouter()
#: Videos may have somewhat more frames than their rate says.
_SLACK = 1.1


@router.post(
    "/v1/videos",
    status_code=HTTPStatus.ACCEPTED,
    response_model=schemas.JobStatus,
    summary="Restore the faces of a video",
    responses=schemas.problems(400, 408, 409, 413, 415, 429, 501, 504),
    openapi_extra={
        "requestBody": schemas.body_of(videos=True),
        "parameters": [
            *schemas.parameters_of(videos=True),
            schemas.IDEMPOTENCY_KEY,
            schemas.query(
                "webhook",
                {"type": "string", "format": "uri"},
                "Where to send the status when the job has ended; the server has to allow it.",
            ),
        ],
    },
)
async def new_clip(request: Request) -> Response:
    """Answers with a job, whose progress is at its `url`."""
    keys = app_state_of(request).idempotency_keys
    return await keys.once(request, lambda: _take_in(request))


async def _take_in(request: Request) -> Response:
    app_state, job = app_state_of(request), new_job(request)
    try:
        upload = await read_upload(
            request,
            lambda: job.source.open("wb+"),
            app_state.limits.video_bytes,
            app_state.limits,
        )
        await asyncio.to_thread(upload.file.close)
        look, video = _plan(app_state, job, upload)
        restorer = await app_state.request_queue.run(
            request.receive,
            look,
            seconds=app_state.limits.photo_s,
            end=upload.file.close,
            address=job.address,
        )
        app_state.video_queue.start(job, restorer, video)
    except BaseException:
        app_state.video_queue.remove(job.id)
        raise
    return accepted(request, job)


def new_job(request: Request) -> Job:
    """A job of the visitor who asks; see `VideoQueue.new_job`."""
    visitor = visitor_of(request) or new_visitor()
    return app_state_of(request).video_queue.new_job(address_of(request), visitor)


def accepted(request: Request, job: Job) -> Response:
    """The answer that a job waits for its turn; it lets the visitor find it again."""
    status = app_state_of(request).video_queue.to_dict(job)
    response = JSONResponse(status, HTTPStatus.ACCEPTED, headers={"Location": status["url"]})
    remember(request, response, job.visitor)
    return response


def _plan(
    app_state: AppState, job: Job, upload: Upload
) -> tuple[Callable[[Check], CancellableRestorer], VideoSettings]:
    """Settings of a video, and a look at it in a thread that gives its restorer."""
    values = read_values(upload.fields, ("name", "container", "webhook"))
    model = values.pop("model", "") or None
    settings, video = video_settings_of(app_state.settings, VideoSettings(), values)
    job.name = named(upload, values)
    if webhook := values.get("webhook"):
        job.webhook = app_state.webhooks.check(webhook)
    job.suffix = suffix_of(job.name, values.get("container", ""))

    def look(_: Check) -> CancellableRestorer:
        check_video(job, settings, video, app_state)
        return app_state.model_pool.restorer(model).for_request(job.check, 0, settings)

    return look, video


def suffix_of(name: str, container: str) -> str:
    """Ending of the result."""
    CONTAINER.check(container[:40] or None)
    own = PurePath(name).suffix.lower()
    return f".{container}" if container else own if own in MEDIA_TYPES else ".mp4"


def check_video(job: Job, settings: Settings, video: VideoSettings, app_state: AppState) -> None:
    """Look at a video before it waits for its turn.

    Raises:
        HttpProblem: It is none (415), or has too many pixels or seconds (413).
        SettingsError: It cannot be encoded like that.
    """
    from ..video.io.containers import Encoding, plan_encoding
    from ..video.io.decode import open_video

    limits = app_state.limits
    try:
        info = open_video(job.source)
    except ReadError as error:
        raise HttpProblem(415, problem_of(error, name=job.name).detail) from None
    width, height = info.size_wh
    if width * height * settings.upscale**2 > limits.pixels:
        raise HttpProblem(
            413,
            f"frames of {width} × {height} pixels, enlarged {settings.upscale} times, have more "
            f"than the limit of {limits.pixels / 1e6:.0f} million pixels",
        )
    encoding = Encoding.for_target(
        job.target, codec=video.codec, crf=video.crf, preset=video.preset
    )
    plan_encoding(info, encoding, (width * settings.upscale, height * settings.upscale))
    end_s = min(video.end_s or float("inf"), info.duration_s or float("inf"))
    if limits.clip_s < end_s - video.start_s < float("inf"):
        raise HttpProblem(
            413,
            f"{end_s - video.start_s:.0f} s are to be restored, more than the limit of "
            f"{limits.clip_s:g} s; choose a part by start_s and end_s",
        )
    seconds = min(end_s - video.start_s, limits.clip_s)
    n_frames = (info.frame_count or 0) if end_s == float("inf") else seconds * float(info.rate)
    if n_frames > limits.clip_frames:
        raise HttpProblem(
            413,
            f"{n_frames:.0f} frames are to be restored, more than the limit of "
            f"{limits.clip_frames}; choose a part by start_s and end_s",
        )
    job.most_frames = min(limits.clip_s * float(info.rate) * _SLACK + 10, limits.clip_frames)
