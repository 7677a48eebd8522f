"""Routes for videos of a visit: sent once, then looked at, searched for people and restored."""

from __future__ import annotations

import asyncio
import os
import shutil
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from ..errors import ReadError
from ..images.write import encode_image
from ..options import options_of
from ..settings import VideoSettings
from ..types import Image
from . import schemas
from .http_problems import HttpProblem, problem_of
from .kept_files import KeptFile
from .option_schema import parse, read_values, video_settings_of
from .photo_routes import in_queue, open_photo, photo_json
from .request_queue import Check
from .responses import app_state_of, file_response
from .uploads import read_upload, safe_name
from .video_job import MEDIA_TYPES, Job
from .video_routes import accepted, check_video, new_job, suffix_of

router = APIRouter()
_SETTINGS = schemas.parameters_of(videos=True)[1:]  # without `name`
_PROBLEMS = schemas.problems(404, 413, 415, 429, 501, 504)


@router.post(
    "/v1/clips",
    status_code=HTTPStatus.CREATED,
    summary="Send a video to be worked on for a while",
    responses=schemas.problems(400, 408, 413, 415, 429, 501, 504),
    openapi_extra={
        "requestBody": schemas.body_of(videos=True),
        "parameters": [schemas.query("name", {"type": "string"}, "File name of a raw body.")],
    },
)
async def new_clip(request: Request) -> Response:
    """Answers with what it is, and with its address."""
    app_state = app_state_of(request)
    kept = app_state.kept_files.begin("clip")
    try:
        upload = await read_upload(
            request, lambda: kept.path.open("wb+"), app_state.limits.video_bytes, app_state.limits
        )
        await asyncio.to_thread(upload.file.close)
        values = read_values(upload.fields, ("name",))
        name = safe_name(values["name"]) if values.get("name") else upload.name
        kept = app_state.kept_files.keep(kept, name)
        answer = await in_queue(request, lambda _: clip_json(kept))
    except BaseException:
        app_state.kept_files.remove(kept.id)
        raise
    return JSONResponse(answer, HTTPStatus.CREATED, headers={"Location": answer["url"]})


def clip_json(kept: KeptFile) -> dict[str, Any]:
    """A video that was sent, for JSON.

    Raises:
        HttpProblem: It is none (415).
    """
    from ..video.io.decode import open_video

    try:
        info = open_video(kept.path)
    except ReadError as error:
        raise HttpProblem(415, problem_of(error, name=kept.name).detail) from None
    width, height = info.shown_size_wh
    url = f"/v1/clips/{kept.id}"
    return {
        "id": kept.id,
        "url": url,
        "source_url": f"{url}/source",
        "name": kept.name,
        "width": width,
        "height": height,
        "fps": round(float(info.rate), 3),
        "frames": info.frames_between(0, None),
        "duration_s": info.duration_s,
    }


@router.get("/v1/clips/{clip_id}", summary="A video that was sent", responses=_PROBLEMS)
async def clip(request: Request, clip_id: str) -> Response:
    """As the answer to sending it."""
    kept = app_state_of(request).kept_files.get(clip_id, "clip")
    return JSONResponse(await in_queue(request, lambda _: clip_json(kept)))


@router.get(
    "/v1/clips/{clip_id}/source",
    response_class=Response,
    summary="The video as sent",
    responses={**schemas.file_answers("video/*"), **schemas.problems(400, 404, 416)},
)
async def clip_source(request: Request, clip_id: str) -> Response:
    """The file, or ranges of it."""
    kept = app_state_of(request).kept_files.get(clip_id, "clip")
    suffix = f".{kept.name.rpartition('.')[2].lower()}"
    media_type = MEDIA_TYPES.get(suffix, "video/mp4")
    return file_response(request, kept.path, media_type, kept.name)


@router.delete(
    "/v1/clips/{clip_id}",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Remove a video that was sent",
    responses=schemas.problems(404),
)
async def remove_clip(request: Request, clip_id: str) -> Response:
    """Remove it; jobs that work on it go on."""
    app_state = app_state_of(request)
    kept = app_state.kept_files.get(clip_id, "clip")
    app_state.people.cancel(kept)
    await asyncio.to_thread(app_state.kept_files.remove, kept.id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.post(
    "/v1/clips/{clip_id}/frame",
    status_code=HTTPStatus.CREATED,
    summary="One frame of a video, as a photo of the visit",
    responses=_PROBLEMS,
    openapi_extra={"parameters": [schemas.query("at", {"type": "number"}, "When, in seconds.")]},
)
async def clip_frame(request: Request, clip_id: str) -> Response:
    """Answers as `POST /v1/photos`: settings are tried on one frame before a video is restored."""
    app_state = app_state_of(request)
    kept = app_state.kept_files.get(clip_id, "clip")
    values = read_values(request.query_params.multi_items(), ("at",))
    at_s = parse(options_of(VideoSettings)["start_s"], values.get("at", "0"))

    def work(check: Check) -> dict[str, Any]:
        frame = _frame_at(kept, at_s)
        photo = app_state.kept_files.begin("photo")
        photo.path.write_bytes(encode_image(frame, format="png", quality=None, strip=False))
        stem = kept.name.rpartition(".")[0] or kept.name
        photo = app_state.kept_files.keep(photo, f"{stem} {at_s:g} s.png")
        return photo_json(app_state, open_photo(app_state, photo, check))

    return JSONResponse(await in_queue(request, work), HTTPStatus.CREATED)


def _frame_at(kept: KeptFile, at_s: float) -> Image:
    from contextlib import closing

    from ..video.io.decode import open_video, read_frames

    with closing(read_frames(open_video(kept.path), start_s=at_s)) as frames:
        return Image(next(frames).pixels(), format="PNG")


@router.post(
    "/v1/clips/{clip_id}/people",
    status_code=HTTPStatus.ACCEPTED,
    summary="Find the people of a video",
    responses=_PROBLEMS,
    openapi_extra={"parameters": _SETTINGS},
)
async def clip_people(request: Request, clip_id: str) -> Response:
    """Begins a search, or tells how far it is; ask again until its `state` is done.

    The numbers are those of `faces=track:1,2`, with the same start_s and end_s.
    """
    app_state = app_state_of(request)
    kept = app_state.kept_files.get(clip_id, "clip")
    values = read_values(request.query_params.multi_items(), ("container",))
    values.pop("model", None)
    settings, video = video_settings_of(app_state.settings, VideoSettings(), values)
    restorer = await asyncio.to_thread(app_state.model_pool.restorer)
    search = app_state.people.start(kept, video, restorer.for_request(lambda: None, 0, settings))
    return JSONResponse(search.to_dict(), HTTPStatus.ACCEPTED)


@router.post(
    "/v1/clips/{clip_id}/restore",
    status_code=HTTPStatus.ACCEPTED,
    response_model=schemas.JobStatus,
    summary="Restore a video that was sent",
    responses=_PROBLEMS,
    openapi_extra={"parameters": _SETTINGS},
)
async def restore_clip(request: Request, clip_id: str) -> Response:
    """Answers with a job, as `POST /v1/videos` does."""
    app_state = app_state_of(request)
    kept = app_state.kept_files.get(clip_id, "clip")
    values = read_values(request.query_params.multi_items(), ("container",))
    model = values.pop("model", "") or None
    settings, video = video_settings_of(app_state.settings, VideoSettings(), values)
    job = new_job(request)
    try:
        job.name = kept.name
        job.suffix = suffix_of(job.name, values.get("container", ""))
        job.faces_log = app_state.people.log_if_whole(kept, video)

        def work(_: Check) -> None:
            _link(kept, job)
            check_video(job, settings, video, app_state)
            restorer = app_state.model_pool.restorer(model)
            app_state.video_queue.start(job, restorer.for_request(job.check, 0, settings), video)

        await in_queue(request, work)
    except BaseException:
        app_state.video_queue.remove(job.id)
        raise
    return accepted(request, job)


def _link(kept: KeptFile, job: Job) -> None:
    """Give a job its source: the upload itself, under a second name where the disk can do that."""
    try:
        os.link(kept.path, job.source)
    except OSError:
        shutil.copyfile(kept.path, job.source)


@router.post(
    "/v1/videos/{job_id}/pause",
    response_model=schemas.JobStatus,
    summary="Pause a video job",
    responses=schemas.problems(404, 409),
)
async def pause_job(request: Request, job_id: str) -> Response:
    """It goes on where it was after `resume`; others go first meanwhile."""
    return _controlled(request, job_id, paused=True)


@router.post(
    "/v1/videos/{job_id}/resume",
    response_model=schemas.JobStatus,
    summary="Go on with a paused video job",
    responses=schemas.problems(404, 409),
)
async def resume_job(request: Request, job_id: str) -> Response:
    """Answers with the job."""
    return _controlled(request, job_id, paused=False)


def _controlled(request: Request, job_id: str, *, paused: bool) -> Response:
    queue = app_state_of(request).video_queue
    job = queue.get(job_id)
    if paused:
        queue.pause(job)
    else:
        queue.resume(job)
    return JSONResponse(queue.to_dict(job))
