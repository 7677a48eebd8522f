"""The table of options is whole, and values are checked from it."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import gpen
from gpen.images.formats import WRITABLE_NAMES
from gpen.options import Option, missing_at, options_of

OPTIONS = [
    pytest.param(kind, option, id=name)
    for kind in (gpen.Settings, gpen.VideoSettings)
    for name, option in options_of(kind).items()
]


@pytest.mark.parametrize(("kind", "option"), OPTIONS)
def test_each_option_can_be_shown(kind: Any, option: Option) -> None:
    assert option.label[0].isupper()
    assert not option.label.endswith(".")
    for text in (option.help, *option.notes.values()):
        assert text.endswith(".")
    assert all(option.reasons.values())
    assert set(option.names) <= set(option.choices)
    assert (option.ends is not None) == (option.minimum == 0 and option.maximum == 1)
    assert f"    {option.name}: {option.help}" in str(inspect.getdoc(kind))


@pytest.mark.parametrize(("kind", "option"), OPTIONS)
def test_what_the_table_allows_is_taken_and_what_it_does_not_is_named(
    kind: Any, option: Option
) -> None:
    bounds = [value for value in (option.minimum, option.maximum) if value is not None]
    for value in (option.default, *bounds, *option.choices):
        kept = getattr(kind(**{option.name: value}), option.name)
        assert kept == value
    beyond: list[Any] = [bound + side for bound, side in zip(bounds, (-1, 1), strict=False)]
    if option.choices and not option.open:
        beyond.append(99 if option.type is int else "nothing")
    for value in beyond:
        with pytest.raises(gpen.SettingsError) as error:
            kind(**{option.name: value})
        assert str(error.value).startswith(f"{option.short_name} ")
        assert str(error.value).endswith(f"expected {option.expectation}")


def test_formats_are_those_that_can_be_written() -> None:
    assert ", ".join(options_of(gpen.Settings)["format"].choices) == WRITABLE_NAMES


def test_a_door_says_why_it_lacks_an_option() -> None:
    missing = missing_at("comfyui", gpen.Settings)
    assert missing["strip"] == "ComfyUI's own nodes save images"
    assert "blend" not in missing


@pytest.mark.parametrize(
    ("text", "blends"),
    [("0=0.5,2=1", (0.5, 0.9, 1.0)), ("1=.25, 2=0", (0.9, 0.25, 0.0)), ("", (0.9, 0.9, 0.9))],
)
def test_single_faces_have_their_own_blend(text: str, blends: tuple[float, ...]) -> None:
    settings = gpen.Settings(blend=0.9, face_blend=text)
    assert tuple(settings.blend_of(number) for number in range(3)) == blends
