"""Settings as clients see them: the table of options, without what the server decides."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import SettingsError
from ..options import Option, missing_at, options_of
from ..settings import VIDEO_FILES, Settings, VideoSettings

#: Settings that clients may not set, and why.
NOT_SETTABLE = missing_at("http", Settings) | missing_at("http", VideoSettings)
#: Settings that say nothing about videos.
NOT_FOR_VIDEOS = missing_at("video", Settings)
#: File format of videos, where the command line goes by the name of the file.
CONTAINER = Option(
    label="Video format",
    help="File format of the result; without it, that of the video, or mp4.",
    group=VIDEO_FILES,
    names={"mp4": "MP4", "mkv": "Matroska", "mov": "QuickTime", "webm": "WebM"},
    empty="As the video",
    name="container",
    nullable=True,
)
#: Longest value that anything may have.
_MAX_LENGTH = 1000
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def describe(option: Option, default: Any) -> dict[str, Any]:
    """The entry of /v1/settings, with the server's default."""
    reason = option.reasons.get("http", "")
    return {
        "name": option.name,
        "type": option.kind,
        "default": None if reason else default,
        "label": option.label,
        "help": option.help_at("http"),
        "group": option.group,
        "choices": option.choices or None,
        "names": {str(choice): option.names.get(choice, choice) for choice in option.choices},
        "minimum": option.minimum,
        "maximum": option.maximum,
        "step": option.step,
        "unit": option.unit,
        "ends": option.ends,
        "empty": option.empty,
        "nullable": option.nullable,
        "settable": not reason,
        "reason": reason,
        "for_videos": "video" not in option.reasons,
    }


def schema_of(option: Option) -> dict[str, Any]:
    """The option in OpenAPI's words."""
    schema: dict[str, Any] = {"type": "string" if "choice" in option.kind else option.kind}
    if option.kind == "choice":
        schema["enum"] = list(option.choices)
        schema["type"] = "integer" if option.type is int else "string"
    if schema["type"] == "string":
        schema["maxLength"] = _MAX_LENGTH
    bounds = {"minimum": option.minimum, "maximum": option.maximum, "default": option.default}
    return schema | {name: value for name, value in bounds.items() if value is not None}


def read_values(pairs: Iterable[tuple[str, str]], known: Iterable[str] = ()) -> dict[str, str]:
    """Names and values of a query or form, each once.

    Args:
        pairs: As they came.
        known: Names that are no settings.

    Raises:
        SettingsError: One is unknown, comes twice, is too long or is not settable.
    """
    allowed = {**options_of(Settings), **options_of(VideoSettings)}
    values: dict[str, str] = {}
    for name, value in pairs:
        if name not in allowed and name not in known:
            expected = [*(one for one in allowed if one not in NOT_SETTABLE), *known]
            raise SettingsError(
                f"unknown setting {name[:40]!r}; expected some of {', '.join(expected)}"
            )
        if name in values:
            raise SettingsError(f"{name} comes twice; expected it once")
        if len(value) > _MAX_LENGTH or not (value.isprintable() or not value):
            raise SettingsError(
                f"{name} is too long or has control characters; expected at most {_MAX_LENGTH} "
                "characters of plain text"
            )
        if name in NOT_SETTABLE:
            raise SettingsError(f"{name} cannot be set by clients: {NOT_SETTABLE[name]}")
        values[name] = value
    return values


def image_settings_of(base: Settings, values: Mapping[str, str]) -> Settings:
    """The server's settings with those of a client.

    Raises:
        SettingsError: A value means nothing, or is for videos.
    """
    for name in options_of(VideoSettings):
        if name in values:
            raise SettingsError(f"{name} is for videos; send them to /v1/videos")
    settings: Settings = _changed(base, values)
    if settings.faces.startswith("track:"):
        raise SettingsError("faces=track: is for videos; expected all, largest or numbers as 0,2")
    return settings


def video_settings_of(
    base: Settings, video: VideoSettings, values: Mapping[str, str]
) -> tuple[Settings, VideoSettings]:
    """The server's settings for videos with those of a client.

    Raises:
        SettingsError: A value means nothing, or is for photos.
    """
    for name, reason in NOT_FOR_VIDEOS.items():
        if name in values:
            raise SettingsError(f"{name} {reason}")
    preset = values.get("preset", "")
    if not re.fullmatch(r"[a-z0-9]{0,16}", preset):
        raise SettingsError(f"preset is {preset!r}; expected a word such as fast or 6")
    settings = _changed(base, values)
    if settings.faces == "whole":
        raise SettingsError("faces=whole is for photos; expected all, largest or numbers as 0,2")
    return settings, _changed(video, values)


def _changed(base: Any, values: Mapping[str, str]) -> Any:
    """A copy of settings with the values that are its fields."""
    changes = {
        name: parse(option, values[name])
        for name, option in options_of(type(base)).items()
        if name in values
    }
    faces = changes.get("faces", "")
    if faces.startswith("like:"):
        raise SettingsError("faces=like: needs a photo on the server; expected numbers as 0,2")
    if re.search(r"\d{7}", faces) or re.search(r"\d{7}=", changes.get("face_blend", "")):
        raise SettingsError("faces or face_blend has a number of more digits than any face has")
    return dataclasses.replace(base, **changes)


def parse(option: Option, text: str) -> Any:
    """The value that a text means.

    Raises:
        SettingsError: It means none.
    """
    text = text.strip()
    if option.nullable and not text:
        return None
    kind = option.kind
    if kind == "choice" and option.type is int:
        kind = "integer"
    if kind == "boolean":
        return parse_flag(option.name, text)
    if kind == "integer" and re.fullmatch(r"[+-]?\d{1,15}", text, re.ASCII):
        return int(text)
    if kind == "number" and re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", text, re.I | re.A):
        number = float(text)
        if math.isfinite(number):
            return number
    if kind in ("integer", "number"):
        raise SettingsError(f"{option.name} is {text[:40]!r}; expected a {kind}")
    return text


def parse_flag(name: str, text: str) -> bool:
    """True or false of a text.

    Raises:
        SettingsError: It is neither.
    """
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise SettingsError(f"{name} is {text[:40]!r}; expected true or false")
