"""Metadata says what a network is; its tensors have the last word."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from gpen.models import Architecture, config_note, convert, load_weights, read_onnx
from gpen.models.safetensors import read_safetensors, write_safetensors
from support.small_networks import (
    TINY,
    TINY_DESCRIBED,
    TINY_SUBPIXEL,
    random_tensors,
    save_safetensors,
)


@pytest.mark.parametrize(
    "net", [TINY, TINY_DESCRIBED, TINY_SUBPIXEL], ids=["published", "described", "subpixel"]
)
def test_note_holds_all_numbers(net: Architecture) -> None:
    numbers = json.loads(config_note(net)["gpen.config"])
    assert Architecture(**{**numbers, "channels": tuple(numbers["channels"])}) == net


def test_converted_files_say_what_they_are(tmp_path: Path) -> None:
    source = save_safetensors(TINY_DESCRIBED, tmp_path / "a.safetensors")
    graph = convert(source, tmp_path / "b.onnx")
    back = convert(graph, tmp_path / "c.safetensors")
    for notes in (read_onnx(graph).notes, read_safetensors(back)[1]):
        assert notes["gpen.config"] == config_note(TINY_DESCRIBED)["gpen.config"]
        assert notes["gpen.kind"] == "gpen-described"


def test_other_notes_are_kept_on_the_way_there_and_back(tmp_path: Path) -> None:
    own = {"format": "pt", "gpen.template": "ffhq_512", "licence": "Apache-2.0"}
    write_safetensors(random_tensors(TINY), tmp_path / "a.safetensors", own)
    graph = convert(tmp_path / "a.safetensors", tmp_path / "b.onnx")
    notes = read_safetensors(convert(graph, tmp_path / "c.safetensors"))[1]
    assert own.items() <= notes.items()
    assert "gpen.graph" not in notes


@pytest.mark.parametrize(
    "note",
    [
        pytest.param(config_note(TINY_DESCRIBED)["gpen.config"], id="another_network"),
        pytest.param("{", id="no_json"),
        pytest.param("[1]", id="no_table"),
    ],
)
def test_a_note_that_contradicts_the_tensors_is_ignored(
    note: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.safetensors"
    write_safetensors(random_tensors(TINY), path, {"gpen.config": note, "by": "me"})
    weights = load_weights(path)
    assert weights.net == TINY
    assert weights.notes == {"by": "me"}
    assert "a.safetensors says in its metadata" in caplog.text
    convert(path, tmp_path / "b.safetensors")
    assert (
        load_weights(tmp_path / "b.safetensors").notes["gpen.config"]
        == (config_note(TINY)["gpen.config"])
    )


def test_a_note_may_say_less_or_more_than_the_tensors(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "gpen")
    note = json.dumps({"size": 32, "of_the_future": 1})
    write_safetensors(random_tensors(TINY), tmp_path / "a.safetensors", {"gpen.config": note})
    assert load_weights(tmp_path / "a.safetensors").notes["gpen.config"] == note
    assert not caplog.records


@pytest.mark.parametrize(
    ("net", "title"),
    [
        (TINY, "a GPEN generator for 32 px"),
        (
            TINY_DESCRIBED,
            "a described GPEN generator for 32 px (encoder resnet50, mapping of 2, adain, nearest)",
        ),
        (
            replace(TINY, encoder_features=False, injection="add"),
            "a modular GPEN generator for 32 px "
            "(encoder conv, no features, mapping of 2, add, blur)",
        ),
    ],
    ids=["published", "described", "modular"],
)
def test_titles_name_the_parts(net: Architecture, title: str, tmp_path: Path) -> None:
    assert load_weights(save_safetensors(net, tmp_path / "a.safetensors")).title == title
