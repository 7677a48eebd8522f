"""Settings as clients see them, derived from the dataclasses."""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ..errors import SettingsError
from ..images.formats import WRITABLE_NAMES
from ..settings import KEEPABLE, Settings, VideoSettings

_HOST = "the server's own choice, since each one would have to be opened beside the others"
#: Settings that clients may not set, and why.
NOT_SETTABLE: Mapping[str, str] = {
    "models_dir": "a folder of the server; clients choose among the names of /v1/models",
    "detector": _HOST,
    "embedding": _HOST,
    "engine": _HOST,
    "device": _HOST,
    "precision": _HOST,
    "max_pixels": "the server has a limit for all clients",
    "frame_rate": "for folders of images, and only files are uploaded",
}
#: Settings that say nothing about videos.
NOT_FOR_VIDEOS: Mapping[str, str] = {
    "aligned": "is for photos; faces in videos are found in every frame",
    "format": "is for photos; videos have container=",
    "quality": "is for photos; videos have crf=",
    "strip": "is for photos",
}
#: What the dataclasses check but cannot say: smallest and largest values, and choices.
RANGES: Mapping[str, tuple[float | None, float | None]] = {
    "blend": (0, 1), "min_face": (0, None), "quality": (1, 100), "stabilise": (0, 1),
    "start_s": (0, None), "crf": (0, 63), "max_pixels": (1, None),
}  # fmt: skip
CHOICES: Mapping[str, tuple[Any, ...]] = {
    "upscale": (1, 2, 4),
    "format": tuple(WRITABLE_NAMES.split(", ")),
    "keep": KEEPABLE,
}
#: File formats of videos.
CONTAINERS = ("mp4", "mkv", "mov", "webm")
#: Longest value that anything may have.
_MAX_LENGTH = 1000
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


@dataclass(frozen=True, slots=True)
class Option:
    """One setting.

    Attributes:
        name: As a field.
        kind: "boolean", "integer", "number", "string", "choice" or "choices" (joined by commas).
        nullable: An empty value stands for None.
        default: In the dataclass.
        help: From its docstring.
        choices: What it may be, where that is a list.
        reason: Why clients may not set it; empty where they may.
    """

    name: str
    kind: str
    nullable: bool
    default: Any
    help: str
    choices: tuple[Any, ...] | None
    reason: str

    def to_dict(self, default: Any) -> dict[str, Any]:
        """The entry of /v1/settings, with the server's default."""
        low, high = RANGES.get(self.name, (None, None))
        return {
            "name": self.name,
            "type": self.kind,
            "default": None if self.reason else default,
            "help": self.help,
            "choices": self.choices,
            "minimum": low,
            "maximum": high,
            "nullable": self.nullable,
            "settable": not self.reason,
            "reason": self.reason,
            "for_clips": self.name not in NOT_FOR_VIDEOS,
        }

    def to_schema(self) -> dict[str, Any]:
        low, high = RANGES.get(self.name, (None, None))
        schema: dict[str, Any] = {"type": "string" if "choice" in self.kind else self.kind}
        if self.kind == "choice" or (self.choices and self.kind != "choices"):
            schema["enum"] = list(self.choices or ())
            schema["type"] = "integer" if isinstance(schema["enum"][0], int) else "string"
        if schema["type"] == "string":
            schema["maxLength"] = _MAX_LENGTH
        schema |= {k: v for k, v in (("minimum", low), ("maximum", high)) if v is not None}
        if self.default is not None:
            schema["default"] = self.default
        return schema


@cache
def options_of(kind: Any) -> tuple[Option, ...]:
    """The fields of `Settings` or `VideoSettings`, in their order."""
    helps, hints = _helps(kind), get_type_hints(kind)
    return tuple(
        _option(one, hints[one.name], helps.get(one.name, "")) for one in dataclasses.fields(kind)
    )


def _option(field: dataclasses.Field[Any], hint: Any, text: str) -> Option:
    nullable = False
    if get_origin(hint) in (Union, types.UnionType):
        nullable = True
        hint = next(part for part in get_args(hint) if part is not types.NoneType)
    choices = get_args(hint) if get_origin(hint) is Literal else CHOICES.get(field.name)
    plain = {bool: "boolean", int: "integer", float: "number"}.get(hint, "string")
    kind = "choices" if field.name == "keep" else "choice" if choices else plain
    reason = NOT_SETTABLE.get(field.name, "")
    return Option(field.name, kind, nullable, field.default, text, choices, reason)


def _helps(kind: type[Any]) -> dict[str, str]:
    """What the docstring says about each attribute."""
    text = (inspect.getdoc(kind) or "").partition("Attributes:\n")[2]
    entries = re.split(r"^    (\w+): ", text, flags=re.M)[1:]
    return {
        name: " ".join(line.split()) for name, line in zip(entries[::2], entries[1::2], strict=True)
    }


def read_values(pairs: Iterable[tuple[str, str]], known: Iterable[str] = ()) -> dict[str, str]:
    """Names and values of a query or form, each once.

    Args:
        pairs: As they came.
        known: Names that are no settings.

    Raises:
        SettingsError: One is unknown, comes twice, is too long or is not settable.
    """
    allowed = {o.name: o for kind in (Settings, VideoSettings) for o in options_of(kind)}
    values: dict[str, str] = {}
    for name, value in pairs:
        if name not in allowed and name not in known:
            expected = [o.name for o in allowed.values() if not o.reason] + list(known)
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
        if name in allowed and allowed[name].reason:
            raise SettingsError(f"{name} cannot be set by clients: {allowed[name].reason}")
        values[name] = value
    return values


def image_settings_of(base: Settings, values: Mapping[str, str]) -> Settings:
    """The server's settings with those of a client.

    Raises:
        SettingsError: A value means nothing, or is for videos.
    """
    for option in options_of(VideoSettings):
        if option.name in values:
            raise SettingsError(f"{option.name} is for videos; send them to /v1/videos")
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
    return _changed(base, values), _changed(video, values)


def _changed(base: Any, values: Mapping[str, str]) -> Any:
    """A copy of settings with the values that are its fields."""
    changes = {
        option.name: parse(option, values[option.name])
        for option in options_of(base.__class__)
        if option.name in values
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
    if kind == "choice" and option.choices and isinstance(option.choices[0], int):
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
