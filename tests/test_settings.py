"""Options as people write them: what is meant is accepted, what means nothing is named."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gpen


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("blend", "0.5", 0.5),
        ("blend", 1, 1.0),
        ("upscale", "2", 2),
        ("upscale", 4.0, 4),
        ("quality", "90", 90),
        ("min_face", "32", 32.0),
        ("faces", [0, 2], "0,2"),
        ("faces", (1,), "1"),
        ("faces", np.array([3, 1]), "3,1"),
        ("faces", 0, "0"),
        ("faces", ["left"], "left"),
        ("keep", ["eyes"], "eyes"),
        ("keep", ("eyes", "mouth"), "eyes,mouth"),
        ("face_blend", {0: 0.5, 2: 1}, "0=0.5,2=1"),
        ("model", Path("mine.onnx"), "mine.onnx"),
        ("models_dir", "weights", Path("weights")),
        ("aligned", np.True_, True),
    ],
)
def test_values_that_mean_the_same_are_accepted(name: str, given: Any, kept: Any) -> None:
    settings = gpen.Restorer(**{name: given}).settings
    assert getattr(settings, name) == kept
    assert type(getattr(settings, name)) is type(kept)
    assert settings == gpen.Settings(**{name: kept})


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("blend", "half", "blend is 'half'; expected a number from 0 to 1"),
        ("blend", None, "blend is None; expected a number from 0 to 1"),
        ("blend", float("nan"), "blend is nan; expected a number from 0 to 1"),
        ("blend", True, "blend is True; expected a number from 0 to 1"),
        ("upscale", 2.5, "upscale is 2.5; expected 1, 2 or 4"),
        ("quality", "best", "quality is 'best'; expected 1 to 100"),
        ("faces", [0.5], r"faces is \[0.5\]; expected all, largest"),
        ("faces", [-1], "faces is '-1'; expected all, largest"),
        ("faces", None, "faces is None; expected all, largest"),
        ("keep", ["nose"], "keep has nose; expected some of eyes, mouth, glasses"),
        ("keep", True, "keep is True; expected some of eyes, mouth, glasses"),
        ("face_blend", 0.5, "face_blend is 0.5; expected numbers of faces with blends"),
        ("face_blend", {0: 2}, "face_blend is '0=2'; expected numbers of faces with blends"),
        ("model", None, "model is None; expected a name or path"),
        ("device", 0, "device is 0; expected text"),
        ("aligned", "no", "aligned is 'no'; expected True or False"),
    ],
)
def test_values_that_mean_nothing_are_named(name: str, given: Any, expected: str) -> None:
    with pytest.raises(gpen.SettingsError, match=expected):
        gpen.Restorer(**{name: given})


def test_options_of_clips_are_read_alike() -> None:
    video = gpen.VideoSettings(stabilise="0.5", crf="18", end_s="3")  # type: ignore[arg-type]
    assert dataclasses.astuple(video)[:4] == (0.5, False, 0.0, 3.0)
    assert video.crf == 18
    with pytest.raises(gpen.SettingsError, match="stabilise is 'very'; expected a number from 0"):
        gpen.VideoSettings(stabilise="very")  # type: ignore[arg-type]


@pytest.mark.parametrize("model", ["GPEN-BFR-512", Path("weights/mine.onnx")])
def test_the_first_argument_may_be_the_model(model: str | Path) -> None:
    restorer = gpen.Restorer(model, blend=0.5)
    assert restorer.settings == gpen.Settings(model=str(model), blend=0.5)


def test_a_first_argument_that_is_nothing_of_it_is_named() -> None:
    with pytest.raises(gpen.SettingsError, match="two models are given, 'a' and 'b'"):
        gpen.Restorer("a", model="b")
    with pytest.raises(gpen.SettingsError, match=r"the first argument is \{'blend': 1\}; expected"):
        gpen.Restorer({"blend": 1})  # type: ignore[arg-type]


def test_unknown_options_are_named() -> None:
    for change in (gpen.Restorer, gpen.Restorer().with_, gpen.Settings().with_):
        with pytest.raises(gpen.SettingsError, match="unknown option blnd, fase; expected one of"):
            change(fase="all", blnd=1)
