"""Training configs as TOML: read, overridden, checked, and written back.

Every value is checked when the file is read, so that a typo costs a second and not a night.
"""

from __future__ import annotations

import dataclasses
import difflib
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from ..errors import ConfigError
from .config import Config
from .config_checks import check_config
from .config_sections import Loss

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: Above all numbers that make sense here.
_BEYOND = 1 << 64


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read and check a config.

    Args:
        path: TOML file, or the config.toml of a run.
        overrides: `section.key=value`, the value as TOML or as plain text; later ones win.

    Raises:
        ConfigError: The file cannot be read, a key is unknown (the nearest one is named), a value
            has the wrong type, or settings contradict each other.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path} ({error}); expected a TOML file") from error
    return parse_config(text, overrides, source=str(path))


def parse_config(text: str, overrides: Sequence[str] = (), *, source: str = "text") -> Config:
    """What `load_config` does, for the text of a file.

    Raises:
        ConfigError: As for `load_config`.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source} is no TOML: {error}") from error
    for override in overrides:
        _apply(tree, override)
    config: Config = _build(Config, tree, "")
    check_config(config)
    return config


def _apply(tree: dict[str, Any], override: str) -> None:
    """Put one `section.key=value` into a tree.

    Raises:
        ConfigError: There is no `=`, or the place is no table.
    """
    name, separator, text = override.partition("=")
    if not separator:
        raise ConfigError(
            f"{override!r} is no setting: expected key=value, as in optimiser.batch=8"
        )
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *sections, key = name.strip().split(".")
    for section in sections:
        inner = tree.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{name} is no place in the config: {section} is no table", key=name)
        tree = inner
    tree[key] = value


def _build(kind: Any, tree: Any, where: str) -> Any:
    """A dataclass from a table, checked.

    Raises:
        ConfigError: Names the key.
    """
    if not isinstance(tree, dict):
        raise ConfigError(f"{where or 'the config'} is {tree!r}; expected a table", key=where)
    hints = get_type_hints(kind)
    values = {}
    for key, value in tree.items():
        name = f"{where}.{key}" if where else key
        if key not in hints:
            near = difflib.get_close_matches(key, hints, n=1)
            hint = f": did you mean {near[0]}?" if near else f"; known are {', '.join(hints)}"
            raise ConfigError(f"{name} is no setting{hint}", key=name)
        values[key] = _convert(hints[key], value, name)
    return kind(**values)


def _convert(hint: Any, value: Any, name: str) -> Any:
    """A value, converted to its type.

    Raises:
        ConfigError: It does not fit.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, name)
    if origin is Literal and any(value == a and type(value) is type(a) for a in arguments):
        return value
    if hint == tuple[str, ...] and isinstance(value, str):  # as in data.train=faces/,more/
        value = [part for part in value.split(",") if part]
    if origin is tuple and isinstance(value, list):
        variable = arguments[-1] is Ellipsis
        kinds = [arguments[0]] * len(value) if variable else arguments
        if len(kinds) == len(value):
            pairs = zip(kinds, value, strict=True)
            return tuple(_convert(k, v, f"{name}[{i}]") for i, (k, v) in enumerate(pairs))
    if origin is not None and origin not in (Literal, tuple, types.UnionType, typing.Union):
        stage_losses = _build(Loss, value, name)  # the only mapping: losses of a stage
        return {key: getattr(stage_losses, key) for key in value}
    if hint in (int, float) and isinstance(value, (int, float)):
        if not abs(value) < _BEYOND:
            raise ConfigError(f"{name} is {value}; expected a finite number below 2⁶⁴", key=name)
        if hint is float and not isinstance(value, bool):
            return float(value)
    if isinstance(hint, type) and type(value) is hint:
        return value
    expected = (
        " or ".join(map(repr, arguments)) if origin is Literal else getattr(hint, "__name__", hint)
    )
    raise ConfigError(f"{name} is {value!r}; expected {expected}", key=name)


def to_toml(config: Config) -> str:
    """The whole config as TOML, such that `load_config` reads the same one."""
    lines: list[str] = []
    tables: list[tuple[str, Any]] = []
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        if dataclasses.is_dataclass(value) or item.name == "stages":
            tables.append((item.name, value))
        else:
            lines.append(f"{item.name} = {_toml_value(value)}")
    for name, value in tables:
        for head, table in (
            [("[[stages]]", stage) for stage in value]
            if name == "stages"
            else [(f"[{name}]", value)]
        ):
            lines += ["", head]
            fields = dataclasses.fields(table)
            lines += [f"{f.name} = {_toml_value(getattr(table, f.name))}" for f in fields]
    return "\n".join(lines) + "\n"


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{k} = {_toml_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    return repr(value)
