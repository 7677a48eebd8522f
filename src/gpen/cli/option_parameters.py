"""Parameters of commands, made from the table of options.

A command names the settings that it takes, and receives their values in `**options`; typer reads
the signature that it is given here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal, TypeVar, get_origin

import typer

from gpen.options import Option, options_of
from gpen.settings import ColorSettings, Settings, VideoSettings

from . import completion

_Command = TypeVar("_Command", bound=Callable[..., None])
#: What the Tab key offers.
_COMPLETIONS = {
    "model": completion.restorers,
    "background": completion.upscalers,
    "detector": completion.detectors,
    "embedding": completion.embeddings,
}


def with_options(*names: str, grouped: bool = False) -> Callable[[_Command], _Command]:
    """Decorator: puts options in the place of a command's `**options`.

    Args:
        names: Fields of `Settings` or `VideoSettings`.
        grouped: Show each under the heading of its group.
    """
    table = {**options_of(Settings), **options_of(VideoSettings), **options_of(ColorSettings)}

    def decorated(command: _Command) -> _Command:
        own = inspect.signature(command, eval_str=True)
        parameters = [
            parameter
            for parameter in own.parameters.values()
            if parameter.kind is not parameter.VAR_KEYWORD
        ]
        parameters += [_parameter(table[name], grouped=grouped) for name in names]
        shown: Any = command
        shown.__signature__ = own.replace(parameters=parameters)
        shown.__annotations__ = {one.name: one.annotation for one in parameters}
        return command

    return decorated


def values_of(kind: Any, options: Any) -> dict[str, Any]:
    """The values that are fields of `Settings` or `VideoSettings`."""
    return {name: options[name] for name in options_of(kind) if name in options}


def _parameter(option: Option, *, grouped: bool) -> inspect.Parameter:
    is_time = option.unit == "s"
    default = f"{option.default:g}" if is_time and option.default is not None else option.default
    described = typer.Option(
        *_flags(option),
        help=option.help_at("cli"),
        metavar=_metavar(option),
        autocompletion=_COMPLETIONS.get(option.name),
        rich_help_panel=option.group if grouped else None,
    )
    kind = str if is_time else option.type
    return inspect.Parameter(
        option.short_name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind | None if option.nullable else kind, described],
    )


def _flags(option: Option) -> Iterable[str]:
    """A switch that is off needs no way to switch it off."""
    if option.type is bool and option.default:
        return (f"{option.flag}/--no-{option.flag.removeprefix('--')}",)
    return (option.flag,)


def _metavar(option: Option) -> str | None:
    """What stands for the value; None leaves it to typer."""
    if option.unit == "s":
        return "TIME"
    if option.choices and not option.metavar and get_origin(option.type) is not Literal:
        return "|".join(map(str, option.choices))
    return option.metavar or option.unit.upper() or None
