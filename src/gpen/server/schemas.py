"""Request and response schemas for OpenAPI."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from ..options import Option, options_of
from ..settings import Settings, VideoSettings
from .option_schema import CONTAINER, schema_of


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    type: str = "about:blank"
    title: str = Field(examples=["Unprocessable Entity"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["blend is 1.5; expected a number from 0 to 1"])


class FaceFound(BaseModel):
    """A face, in pixels of the photo."""

    number: int = Field(examples=[0])
    box_xyxy: list[float] = Field(examples=[[162.1, 52.4, 284.9, 190.3]])
    points_xy: list[list[float]] = Field(
        examples=[[[203.5, 101.0], [246.5, 103.5], [224.0, 126.0], [203.0, 140.0], [243.5, 142.0]]]
    )
    score: float = Field(examples=[0.98])
    size_px: float = Field(examples=[137.9])
    thumbnail: str | None = Field(None, description="A data URL, where it was asked for.")


class FaceRestored(FaceFound):
    """A restored face."""

    restored: bool
    blend: float
    similarity: float | None = Field(
        None,
        ge=0,
        le=1,
        description="How alike the face is before and after, where it was asked for; 1 is the "
        "same image, below 0.5 it is taken for another person.",
    )


class Source(BaseModel):
    """The photo that was sent."""

    name: str
    width: int
    height: int
    format: str | None


class Result(BaseModel):
    """The restored photo."""

    id: str | None
    name: str
    url: str | None
    before_url: str | None
    after_url: str | None
    media_type: str
    format: str
    width: int
    height: int
    bytes: int
    expires_s: float | None


class Restored(BaseModel):
    """The result of restoring a photo."""

    faces: list[FaceRestored]
    source: Source
    result: Result
    image_base64: str | None
    seconds: dict[str, float]
    notes: list[str]


class BatchItem(BaseModel):
    """What became of one photo of several; either `restored` or `error` is null."""

    name: str
    restored: Restored | None
    error: Problem | None


class Batch(BaseModel):
    """What became of several photos, in the order in which they were sent."""

    items: list[BatchItem]
    zip_url: str | None = Field(description="All that are restored in one file.")


class Detected(BaseModel):
    """The faces of a photo, largest first."""

    source: Source
    faces: list[FaceFound]
    preview: str | None
    seconds: float


class JobStatus(BaseModel):
    """Status of a video job."""

    id: str
    name: str
    state: str = Field(examples=["running"])
    stage: str | None = Field(examples=["frames"])
    done: int
    total: int | None
    fps: float | None
    part: float | None
    eta_s: float | None
    position: int
    elapsed_s: float
    url: str
    result_url: str | None
    result: dict[str, Any] | None
    error: Problem | None
    notes: list[str]


class JobList(BaseModel):
    """Video jobs, the newest first."""

    videos: list[JobStatus]


def body_of(*, videos: bool) -> dict[str, Any]:
    """The request body: a form, or the file alone."""
    example = {"blend": 0.8, "face_blend": "1=0.5"} if not videos else {"stabilise": 0.9}
    form = {
        "type": "object",
        "required": ["file"],
        "properties": {
            "file": {"type": "string", "format": "binary"},
            **{option.name: schema_of(option) for option in _options(videos=videos)},
        },
        "additionalProperties": False,
    }
    raw = {"schema": {"type": "string", "format": "binary"}}
    kinds = ("video/mp4", "video/webm") if videos else ("image/jpeg", "image/png", "image/webp")
    return {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": form, "example": {"file": "(bytes)", **example}},
            **dict.fromkeys((*kinds, "application/octet-stream"), raw),
        },
    }


def body_of_many(most: int) -> dict[str, Any]:
    """A form with several files."""
    body: dict[str, Any] = body_of(videos=False)
    form = body["content"]["multipart/form-data"]
    file = {"type": "array", "maxItems": most, "items": form["schema"]["properties"]["file"]}
    form["schema"]["properties"]["file"] = file
    form["example"] = {"file": ["(bytes)", "(bytes)"], "blend": 0.8}
    return {"required": True, "content": {"multipart/form-data": form}}


def parameters_of(*, videos: bool) -> list[dict[str, Any]]:
    """The settings as query parameters."""
    extras = [query("name", {"type": "string", "maxLength": 1000}, "File name of a raw body.")]
    options = [*([CONTAINER] if videos else []), *_options(videos=videos)]
    return extras + [
        query(option.name, schema_of(option), option.help_at("http")) for option in options
    ]


def _options(*, videos: bool) -> list[Option]:
    kinds = (Settings, VideoSettings) if videos else (Settings,)
    return [
        option
        for kind in kinds
        for option in options_of(kind).values()
        if "http" not in option.reasons and not (videos and "video" in option.reasons)
    ]


def query(name: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    """One query parameter."""
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": text}


def flag(name: str, text: str) -> dict[str, Any]:
    """A query parameter that is true or false."""
    return query(name, {"type": "boolean", "default": False}, text)


#: A request header by which a request that is sent again is done once.
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "description": "Sent again with the same key, the request gets the same answer.",
}


def file_answers(media_type: str) -> dict[int | str, dict[str, Any]]:
    """Answers that are a file of this type, part of it, or nothing new."""
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {
        200: {"description": "The file", "content": content},
        206: {"description": "The part of it that `Range` asks for", "content": content},
        304: {"description": "It is as `If-None-Match` knows it"},
    }


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Answers that are problems."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    known = {401, 403, 421, 422, 503, *statuses}
    return {
        status: {"description": _MEANINGS[status], "content": content} for status in sorted(known)
    }


_MEANINGS = {
    400: "The body is damaged, or there is no file",
    401: "The token is missing or wrong",
    403: "A page of another site asks",
    404: "There is none (any more)",
    408: "The upload stood still",
    406: "Nothing of what `Accept` names can be sent",
    409: "There is no result yet, or the same request is still worked on",
    413: "More bytes, pixels, seconds or faces than the limits allow",
    415: "Not a photo or video that gpen reads",
    416: "The file has no such range",
    421: "Not a name of this server",
    422: "A setting has a value that means nothing, or the file is damaged",
    429: "The queue is full; Retry-After says when to try again",
    501: "An optional part is not installed",
    503: "The server is stopping, or its disk is full",
    504: "It took longer than allowed",
}
