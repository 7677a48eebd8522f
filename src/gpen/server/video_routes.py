"""Routes for videos."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from http import HTTPStatus
from pathlib import PurePath

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, JSONResponse, Response

from ..errors import ReadError, SettingsError
from ..settings import Settings, VideoSettings
from . import schemas
from .http_problems import HttpProblem, problem_of
from .model_pool import CancellableRestorer
from .option_schema import CONTAINER, read_values, video_settings_of
from .request_queue import Check
from .responses import app_state_of, file_response, named
from .state import AppState
from .uploads import Upload, read_upload
from .video_job import MEDIA_TYPES, Job

router = APIRouter()
#: Longest time that a client may ask to wait for the end of a job, in seconds.
_MOST_WAIT_S = 30.0
#: Videos may have somewhat more frames than their rate says.
_SLACK = 1.1


@router.post(
    "/v1/videos",
    status_code=HTTPStatus.ACCEPTED,
    response_model=schemas.JobStatus,
    summary="Restore the faces of a video",
    responses=schemas.problems(400, 408, 413, 415, 429, 501, 504),
    openapi_extra={
        "requestBody": schemas.body_of(videos=True),
        "parameters": schemas.parameters_of(videos=True),
    },
)
async def new_clip(request: Request) -> Response:
    """Answers with a job, whose progress is at its `url`."""
    app_state = app_state_of(request)
    job = app_state.video_queue.new_job()
    try:
        upload = await read_upload(
            request, job.source.open("wb+"), app_state.limits.video_bytes, app_state.limits
        )
        await asyncio.to_thread(upload.file.close)
        look, video = _plan(app_state, job, upload)
        restorer = await app_state.request_queue.run(
            request.receive, look, seconds=app_state.limits.photo_s, end=upload.file.close
        )
        app_state.video_queue.start(job, restorer, video)
    except BaseException:
        app_state.video_queue.remove(job.id)
        raise
    response = app_state.video_queue.to_dict(job)
    return JSONResponse(response, HTTPStatus.ACCEPTED, headers={"Location": response["url"]})


def _plan(
    app_state: AppState, job: Job, upload: Upload
) -> tuple[Callable[[Check], CancellableRestorer], VideoSettings]:
    """Settings of a video, and a look at it in a thread that gives its restorer."""
    values = read_values(upload.fields, ("name", "container"))
    model = values.pop("model", "") or None
    settings, video = video_settings_of(app_state.settings, VideoSettings(), values)
    job.name = named(upload, values)
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
    job.most_frames = limits.clip_s * float(info.rate) * _SLACK + 10


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
    "/v1/videos/{job_id}/result",
    response_class=FileResponse,
    summary="The restored video",
    responses={
        200: {"content": {"video/*": {"schema": {"type": "string", "format": "binary"}}}},
        **schemas.problems(404, 409),
    },
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
