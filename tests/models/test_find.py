"""Models are found by name or path, in the order of the folders."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from gpen.errors import MismatchError, UnknownModelError, UnsafeFileError, WeightsError
from gpen.files import cache_dir, sha256
from gpen.models import ASSETS, convert, find_model, list_models, model_folders
from support.small_networks import TINY, TINY_SR, save_safetensors


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def put(folder: Path, name: str = "GPEN-BFR-512.safetensors", net=TINY) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return save_safetensors(net, folder / name)


def test_folders_are_searched_in_the_documented_order(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPEN_MODELS", os.pathsep.join([str(tmp_path / "e1"), str(tmp_path / "e2")]))
    data = Path(os.environ["XDG_DATA_HOME"]) / "gpen" / "models"
    expected = [
        tmp_path / "option",
        tmp_path / "e1",
        tmp_path / "e2",
        here / "models",
        data,
        here / "models" / "GPEN",
        here / "models" / "facerestore_models",
        here / ".assets" / "models",
        here / "weights",
    ]
    for folder in expected:
        put(folder)
    for folder in expected:
        found = find_model("GPEN-BFR-512", tmp_path / "option")
        assert found.path.resolve() == folder / "GPEN-BFR-512.safetensors"
        assert Path(found.source).resolve() == folder
        found.path.unlink()


def test_folders_that_are_not_there_are_passed_over(here: Path) -> None:
    assert [folder.name for folder in model_folders()] == ["assets"]
    with pytest.raises(WeightsError, match="is no folder"):
        model_folders("nowhere")


@pytest.mark.parametrize(
    "name",
    ["GPEN-BFR-512", "gpen-bfr-512", "GPEN-BFR-512.safetensors", "models/GPEN-BFR-512.safetensors"],
)
def test_a_name_means_the_file_however_it_is_written(here: Path, name: str) -> None:
    put(here / "models")
    assert find_model(name).name == "GPEN-BFR-512"


def test_an_explicit_path_comes_first(here: Path, tmp_path: Path) -> None:
    put(here / "models")
    path = put(tmp_path / "weights with späces", "GPEN-BFR-512.safetensors", TINY_SR)
    found = find_model(path)
    assert (found.path, found.source, found.kind) == (path, "path", "gpen-sr")


@pytest.mark.parametrize("name", ["gpen-default-256", "GPEN-Default-256", "gpen-default-256.onnx"])
def test_names_of_shipped_models_mean_those(
    here: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    shipped = find_model(name)
    other = put(here / "models", "gpen-default-256.safetensors")
    convert(other, here / "models" / "gpen-default-256.onnx")
    (here / "gpen-default-256").write_bytes(other.read_bytes())
    assert not caplog.messages
    assert find_model(name) == shipped
    assert shipped.source == "gpen"
    assert any(
        message.startswith("models/gpen-default-256.onnx is not used: its name is that of a model")
        for message in caplog.messages
    )


def test_a_file_named_like_a_shipped_model_is_used_by_path_and_listed_as_unused(
    here: Path,
) -> None:
    put(here / "models", "gpen-default-256.safetensors")
    by_path = find_model("models/gpen-default-256.safetensors")
    assert (by_path.source, by_path.size) == ("path", 32)
    rows = {row.source: row for row in list_models() if row.path.name == by_path.path.name}
    assert not rows["models"].usable
    assert "rename it, or give its path" in rows["models"].reason
    assert rows["gpen"].usable


def test_the_shipped_models_may_be_named_by_their_folder(
    here: Path,
) -> None:
    (here / "link").symlink_to(ASSETS)
    found = find_model("gpen-default-256", "link")
    assert found.source == "gpen"
    assert found.usable


def test_of_several_files_the_one_that_starts_fastest_is_taken(here: Path) -> None:
    path = put(here / "models")
    convert(path, path.with_suffix(".onnx"))
    convert(path, path.with_suffix(".pth"))
    assert find_model("GPEN-BFR-512").path.suffix == ".onnx"
    assert find_model("GPEN-BFR-512.pth").path.suffix == ".pth"


def test_unknown_names_bring_close_ones(here: Path) -> None:
    put(here / "models")
    with pytest.raises(UnknownModelError, match="did you mean GPEN-BFR-512") as caught:
        find_model("gpen-bfr-521")
    assert caught.value.name == "gpen-bfr-521"
    assert "GPEN-BFR-512" in caught.value.known
    with pytest.raises(UnknownModelError, match="expected a weight file"):
        find_model("nowhere/at-all.pth")


def test_names_that_can_be_fetched_bring_the_command(here: Path) -> None:
    with pytest.raises(UnknownModelError, match="`gpen models get GPEN-BFR-512` fetches it"):
        find_model("gpen-bfr-512")


def test_info_says_all_about_a_file(here: Path) -> None:
    path = put(here / "models", "a.safetensors", TINY_SR)
    found = find_model("a")
    assert (found.size, found.in_size, found.dtype, found.template) == (64, 16, "f32", "gpen")
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.usable
    assert not found.reason
    json.dumps(asdict(found), default=str)


def test_listing_shows_every_file_and_why_it_was_refused(here: Path) -> None:
    models = here / "models"
    put(models, "good.safetensors")
    (models / "page.pth").write_text("<html>")
    torch.save({"model.diffusion_model.x": torch.zeros(2)}, models / "sd.ckpt")
    (models / "notes.txt").write_text("not a model")
    listed = {model.name: model for model in list_models() if model.source == "models"}
    assert list(listed) == ["good", "page", "sd"]
    assert listed["good"].usable
    assert listed["page"].kind == "unreadable"
    assert "web page" in listed["page"].reason
    assert listed["sd"].kind == "stable-diffusion"
    assert "is a Stable Diffusion model; expected a GPEN generator" in listed["sd"].reason
    assert not listed["page"].usable
    assert not listed["sd"].usable


def test_a_model_for_other_work_is_refused(here: Path, shared: Path) -> None:
    yunet = shared / "models" / "yunet_n_640_640.onnx"
    with pytest.raises(WeightsError, match="is a YuNet detector; expected a GPEN generator"):
        find_model(yunet)
    assert find_model(yunet, role="detector").kind == "yunet"
    with pytest.raises(WeightsError, match="expected a face detector"):
        find_model(put(here / "models"), role="detector")


def test_errors_keep_their_class(here: Path) -> None:
    put(here)
    torch.save(torch.nn.Linear(2, 2), here / "unsafe.pth")
    torch.save(
        {
            k: torch.zeros(1)
            for k in ("ecd0.0.0.weight", "final_linear.0.weight", "generator.input.input")
        },
        here / "half.pth",
    )
    with pytest.raises(UnsafeFileError):
        find_model(here / "unsafe.pth")
    with pytest.raises(MismatchError):
        find_model(here / "half.pth")


def test_foreign_restorers_get_the_ffhq_template(identity_model: Path, tmp_path: Path) -> None:
    assert find_model(identity_model).template == "ffhq_512"
    other = tmp_path / "gpen_bfr_512.onnx"
    other.write_bytes(identity_model.read_bytes())
    assert find_model(other).template == "gpen"


def test_sum_is_remembered_until_the_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    os.utime(path, ns=(1, 1))
    first = sha256(path)
    path.write_bytes(b"two")
    os.utime(path, ns=(1, 1))
    assert sha256(path) == first  # same size and time: remembered
    os.utime(path, ns=(2, 2))
    assert sha256(path) == hashlib.sha256(b"two").hexdigest()


def test_damaged_note_of_a_sum_is_not_believed(tmp_path: Path, cold_cache: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    sha256(path)
    for note in (cache_dir() / "sums").iterdir():
        note.write_text('{"stamp": [3')
    assert sha256(path) == hashlib.sha256(b"one").hexdigest()
