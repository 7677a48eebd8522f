"""Paths of clips."""

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
from .http_problems import Refusal, refusal_of
from .model_pool import GuardedRestorer
from .option_schema import CONTAINERS, clip_settings, read_values
from .request_queue import Check
from .responses import file_response, house_of, named
from .state import House
from .uploads import Upload, read_upload
from .video_job import MEDIA_TYPES, Job

router = APIRouter()
#: Longest time that a client may ask to wait for the end of a job, in seconds.
_MOST_WAIT_S = 30.0
#: Clips may have somewhat more frames than their rate says.
_SLACK = 1.1


@router.post(
    "/v1/videos",
    status_code=HTTPStatus.ACCEPTED,
    response_model=schemas.JobStatus,
    summary="Restore the faces of a clip",
    responses=schemas.problems(400, 408, 413, 415, 429, 501, 504),
    openapi_extra={
        "requestBody": schemas.body_of(clips=True),
        "parameters": schemas.parameters_of(clips=True),
    },
)
async def new_clip(request: Request) -> Response:
    """Answers with a job, whose progress is at its `url`."""
    house = house_of(request)
    job = house.clips.new_job()
    try:
        upload = await read_upload(
            request, job.source.open("wb+"), house.limits.video_bytes, house.limits
        )
        await asyncio.to_thread(upload.file.close)
        look, video = _plan(house, job, upload)
        restorer = await house.room.run(
            request.receive, look, seconds=house.limits.photo_s, end=upload.file.close
        )
        house.clips.start(job, restorer, video)
    except BaseException:
        house.clips.remove(job.id)
        raise
    answer = house.clips.to_dict(job)
    return JSONResponse(answer, HTTPStatus.ACCEPTED, headers={"Location": answer["url"]})


def _plan(
    house: House, job: Job, upload: Upload
) -> tuple[Callable[[Check], GuardedRestorer], VideoSettings]:
    """Settings of a clip, and a look at it in a thread that gives its restorer."""
    values = read_values(upload.fields, ("name", "container"))
    model = values.pop("model", "") or None
    settings, video = clip_settings(house.settings, VideoSettings(), values)
    job.name = named(upload, values)
    job.suffix = _suffix(job.name, values.get("container", ""))

    def look(_: Check) -> GuardedRestorer:
        _check_clip(job, settings, video, house)
        return house.shelf.restorer(model).guarded(job.check, 0, settings)

    return look, video


def _suffix(name: str, container: str) -> str:
    """Ending of the result."""
    if container and container not in CONTAINERS:
        raise SettingsError(
            f"container is {container[:40]!r}; expected one of {', '.join(CONTAINERS)}"
        )
    own = PurePath(name).suffix.lower()
    return f".{container}" if container else own if own in MEDIA_TYPES else ".mp4"


def _check_clip(job: Job, settings: Settings, video: VideoSettings, house: House) -> None:
    """Look at a clip before it waits for its turn.

    Raises:
        Refusal: It is none (415), or has too many pixels or seconds (413).
        SettingsError: It cannot be encoded like that.
    """
    from ..video.io.containers import Encoding, plan_encoding
    from ..video.io.decode import open_clip

    limits = house.limits
    try:
        clip = open_clip(job.source)
    except ReadError as error:
        raise Refusal(415, refusal_of(error, name=job.name).detail) from None
    width, height = clip.size_wh
    if width * height * settings.upscale**2 > limits.pixels:
        raise Refusal(
            413,
            f"frames of {width} × {height} pixels, enlarged {settings.upscale} times, have more "
            f"than the limit of {limits.pixels / 1e6:.0f} million pixels",
        )
    encoding = Encoding.for_target(
        job.target, codec=video.codec, crf=video.crf, preset=video.preset
    )
    plan_encoding(clip, encoding, (width * settings.upscale, height * settings.upscale))
    end_s = min(video.end_s or float("inf"), clip.duration_s or float("inf"))
    if limits.clip_s < end_s - video.start_s < float("inf"):
        raise Refusal(
            413,
            f"{end_s - video.start_s:.0f} s are to be restored, more than the limit of "
            f"{limits.clip_s:g} s; choose a part by start_s and end_s",
        )
    job.most_frames = limits.clip_s * float(clip.rate) * _SLACK + 10


@router.get(
    "/v1/videos/{job_id}",
    response_model=schemas.JobStatus,
    summary="How far a clip is",
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
    clips = house_of(request).clips
    job = clips.get(job_id)
    text = request.query_params.get("wait", "0")
    if not re.fullmatch(r"\d{1,2}(\.\d{1,6})?", text, re.ASCII) or float(text) > _MOST_WAIT_S:
        raise SettingsError(f"wait is {text[:40]!r}; expected 0 to {_MOST_WAIT_S:g} seconds")
    await clips.ended(job, float(text))
    return JSONResponse(clips.to_dict(job))


@router.get(
    "/v1/videos/{job_id}/result",
    response_class=FileResponse,
    summary="The restored clip",
    responses={
        200: {"content": {"video/*": {"schema": {"type": "string", "format": "binary"}}}},
        **schemas.problems(404, 409),
    },
    openapi_extra={"parameters": [schemas.flag("download", "As an attachment.")]},
)
async def clip_result(request: Request, job_id: str) -> Response:
    """The file, or ranges of it."""
    job = house_of(request).clips.get(job_id)
    if job.state != "done":
        raise Refusal(409, f"the clip is {job.state}; there is no result")
    return file_response(request, job.target, MEDIA_TYPES[job.suffix], job.result_name)


@router.delete(
    "/v1/videos/{job_id}",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Cancel a job, or remove one that has ended",
    responses=schemas.problems(404),
)
async def remove_clip(request: Request, job_id: str) -> Response:
    """Work ends at the next frame."""
    clips = house_of(request).clips
    job = clips.get(job_id)
    await asyncio.to_thread(clips.cancel, job)
    return Response(status_code=HTTPStatus.NO_CONTENT)
