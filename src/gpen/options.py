"""What an option is: one description, from which every door that shows it is made.

`Settings` and `VideoSettings` put an `Option` on each field by `Annotated`. Their checks, the
command line, the HTTP schema, the web page, the plugins and the docs are all derived from it, so
that a new field is everywhere at once, or says why it is not.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from .errors import SettingsError
from .values import convert, joined

#: Places that may leave an option out, or say more about it; "video" is HTTP for videos.
Door = Literal["python", "cli", "http", "video", "webui", "comfyui"]
_KINDS = {bool: "boolean", int: "integer", float: "number"}
#: Units in words.
UNITS = {"px": "pixels", "s": "seconds", "fps": "frames per second"}
_Class = TypeVar("_Class", bound=type)


@dataclass(frozen=True, slots=True)
class Option:
    """An option, as users read it and as values are checked.

    Attributes:
        label: A few words beside a control.
        group: Heading that it stands under.
        help: One sentence that holds at every door.
        minimum: Smallest value.
        maximum: Largest value.
        step: Distance of two positions of a slider.
        unit: "px", "s", "fps", or nothing. Where it is "s", names end in "_s", and the command line
            takes times such as 1:30.
        names: What it may be, with readable names. A `Literal` may leave out names, not values.
        several: Its value is made of parts joined by commas; lists are taken as well.
        open: Values that `names` lacks are accepted here, and checked where they are used.
        pattern: Regular expression of the whole value.
        expected: What it may be, for errors, where that does not follow from the above.
        metavar: What stands for a value on the command line, where that does not follow either.
        ends: Words for both ends of a slider.
        empty: What no value stands for.
        reasons: Why a door does not have it.
        notes: A sentence that one door adds to `help`.
        name: Name of the field. This and what follows is filled in by `options_of`.
        type: Python type of a value that is there.
        nullable: None is a value too.
        default: Of the field.
    """

    label: str
    group: str
    help: str
    _: KW_ONLY
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    unit: str = ""
    names: Mapping[Any, str] = field(default_factory=dict)
    several: bool = False
    open: bool = False
    pattern: str = ""
    expected: str = ""
    metavar: str = ""
    ends: tuple[str, str] | None = None
    empty: str = ""
    reasons: Mapping[Door, str] = field(default_factory=dict)
    notes: Mapping[Door, str] = field(default_factory=dict)
    name: str = ""
    type: Any = str
    nullable: bool = False
    default: Any = None

    @property
    def choices(self) -> tuple[Any, ...]:
        """What it may be, where that is a list."""
        return get_args(self.type) if get_origin(self.type) is Literal else tuple(self.names)

    @property
    def kind(self) -> str:
        """Whether it is "boolean", "integer", "number", "string", "choice" or "choices"."""
        if self.choices:
            return "choices" if self.several else "choice"
        return _KINDS.get(self.type, "string")

    @property
    def short_name(self) -> str:
        """Its name without the unit, as the command line and errors call it."""
        return self.name.removesuffix("_s") if self.unit == "s" else self.name

    @property
    def flag(self) -> str:
        """Its name on the command line."""
        return f"--{self.short_name.replace('_', '-')}"

    @property
    def expectation(self) -> str:
        """What it may be, for errors; empty where any value of its type will do."""
        low, high = self.minimum, self.maximum
        if self.expected:
            return self.expected
        if self.choices:
            *most, last = map(str, self.choices)
            if self.type is int:
                return f"{', '.join(most)} or {last}"
            return f"{'some' if self.several else 'one'} of {', '.join((*most, last))}"
        if low is not None and high is not None:
            return f"{'a number from ' if self.type is float else ''}{low:g} to {high:g}"
        if low is not None:
            unit = UNITS.get(self.unit)
            return f"{low:g} or more {unit}" if unit else f"at least {low:g}"
        return ""

    def help_at(self, door: Door) -> str:
        """The help, with what one door adds to it."""
        return f"{self.help} {self.notes[door]}" if door in self.notes else self.help

    def check(self, value: Any) -> Any:
        """The value in the type that the option has.

        Raises:
            SettingsError: Names the option, the value and what was expected.
        """
        if value is None and self.nullable:
            return None
        if self.several:
            value = joined(self.short_name, value, self.expectation)
        value = convert(self.short_name, value, self.type, self.expectation)
        if self.kind == "choices":
            parts = {part.strip() for part in value.split(",")} - {""}
            if unknown := sorted(parts - set(self.choices)):
                raise SettingsError(
                    f"{self.short_name} has {', '.join(unknown)}; expected {self.expectation}"
                )
        elif not self._holds(value):
            raise SettingsError(f"{self.short_name} is {value!r}; expected {self.expectation}")
        return value

    def _holds(self, value: Any) -> bool:
        if self.choices:
            return self.open or value in self.choices
        if self.pattern:
            return re.fullmatch(self.pattern, value) is not None
        low = self.minimum is None or value >= self.minimum
        return low and (self.maximum is None or value <= self.maximum)


def options_of(kind: Any) -> dict[str, Option]:
    """The options of `Settings` or `VideoSettings` by name, in their order."""
    return _filled_in_once(kind)


@cache
def _filled_in_once(kind: Any) -> dict[str, Option]:
    return {one.name: _filled_in(one) for one in dataclasses.fields(kind)}


def _filled_in(one: dataclasses.Field[Any]) -> Option:
    hint, option = get_args(one.type)
    nullable = get_origin(hint) in (Union, types.UnionType)
    if nullable:
        (hint,) = (part for part in get_args(hint) if part is not types.NoneType)
    filled: Option = replace(
        option, name=one.name, type=hint, nullable=nullable, default=one.default
    )
    return filled


def check_all(settings: Any) -> None:
    """Bring the values of frozen settings into the types they have.

    Raises:
        SettingsError: Names the first option whose value means nothing.
    """
    for name, option in options_of(type(settings)).items():
        object.__setattr__(settings, name, option.check(getattr(settings, name)))


def missing_at(door: Door, kind: Any) -> dict[str, str]:
    """The options that a door does not have, each with the reason."""
    found = options_of(kind).items()
    return {name: option.reasons[door] for name, option in found if door in option.reasons}


def documented(kind: _Class) -> _Class:
    """Class decorator: adds a section "Attributes", and keeps the signature short."""
    lines = [f"    {name}: {option.help_at('python')}" for name, option in options_of(kind).items()]
    kind.__doc__ = "\n".join([inspect.cleandoc(kind.__doc__ or ""), "", "Attributes:", *lines])
    hints = {one.name: get_args(one.type)[0] for one in dataclasses.fields(kind)}
    vars(kind)["__init__"].__annotations__.update(hints)
    return kind
