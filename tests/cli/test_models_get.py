"""`gpen models get` as a person and as a script use it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from gpen.models import ASSETS, catalogue
from gpen.models.licences import accept, is_accepted
from support.broken_server import Plan, Server, serving

Run = Callable[..., tuple[int, str, str]]

#: What a host sends for a published .pth, whose content decides: a small GPEN generator.
GENERATOR = ASSETS / "gpen-default-256.safetensors"
DETECTOR = ASSETS / "gpen-detector-finder.onnx"


@pytest.fixture
def run(run_gpen: Run) -> Run:
    return partial(run_gpen, "models")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A mirror with one restorer and one detector, and an offer of a known sum."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "GPEN_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    body = DETECTOR.read_bytes()
    detector = replace(
        catalogue.find_offer("face_detection_yunet_2023mar"),
        name="finder",
        size=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
    )
    monkeypatch.setattr(catalogue, "OFFERS", (*catalogue.OFFERS, detector))
    with serving() as running:
        running.plans["/GPEN-BFR-256.pth"] = Plan(GENERATOR.read_bytes())
        running.plans["/finder.onnx"] = Plan(body)
        yield running


@pytest.fixture
def mirror(server: Server) -> str:
    return f"--mirror={server.url}/{{file}}"


def test_lists_what_there_is_and_how_it_is_checked(run: Run) -> None:
    code, out, _ = run("get")
    assert code == 0
    for offer in catalogue.OFFERS:
        assert offer.name in out
    rows = {row["name"]: row for row in json.loads(run("get", "--json")[1])}
    assert len(rows) == len(catalogue.OFFERS)
    assert rows["gpen_bfr_512"]["size"] == 284_340_240
    assert rows["GPEN-BFR-512"]["sha256"] is None
    assert rows["GPEN-BFR-512"]["licence"] == "non-commercial"


def test_the_document_names_each_with_its_size_and_licence() -> None:
    root = Path(__file__).resolve().parents[2]
    rows = (root / "docs" / "models.md").read_text("utf-8").splitlines()
    for offer in catalogue.OFFERS:
        (row,) = (line for line in rows if line.startswith("| `") and f"`{offer.name}`" in line)
        assert f"| {offer.licence} |" in row
        assert (
            f"| {offer.size / 2**20:.1f} | SHA-256 |" if offer.size else "| content only |"
        ) in row


def test_models_alone_still_lists_the_folders(run: Run, tmp_path: Path) -> None:
    assert "gpen-default-256" in run()[1]
    assert json.loads(run("--json", "--models-dir", tmp_path)[1])
    code, _, err = run("--json", "get", "finder")
    assert code == 2
    assert "options of get go behind its name" in re.sub(r"[│\s]+", " ", err)


def test_fetches_a_model_that_then_works_by_name(run: Run, server: Server, mirror: str) -> None:
    code, out, err = run("get", "gpen-bfr-256", mirror, "--accept-licence")
    assert code == 0
    assert "non-commercial use only" in " ".join(err.split())
    assert "a GPEN generator for 256 px" in out
    assert f"sha256 {hashlib.sha256(GENERATOR.read_bytes()).hexdigest()}" in out
    assert "not checked" in out
    rows = {row["name"]: row for row in json.loads(run("--json")[1])}
    assert rows["GPEN-BFR-256"]["usable"] is True


def test_a_published_sum_is_checked_and_not_said_to_be_missing(
    run: Run, server: Server, mirror: str, tmp_path: Path
) -> None:
    code, out, _ = run("get", "finder", mirror, "--accept-licence", "--models-dir", tmp_path / "m")
    assert code == 0
    assert "not checked" not in out
    assert (tmp_path / "m" / "finder.onnx").read_bytes() == DETECTOR.read_bytes()
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["finder.onnx"]


def test_a_licence_is_asked_for_once(run: Run, server: Server, mirror: str) -> None:
    code, _, err = run("get", "finder", mirror)
    assert code == 2
    assert "--accept-licence" in err
    assert server.asked == []
    assert run("get", "finder", mirror, "--accept-licence")[0] == 0
    code, _, err = run("get", "finder", mirror, "--overwrite")
    assert code == 0
    assert "licence" not in err
    assert run("get", "GPEN-BFR-256", mirror)[0] == 2  # its terms are others


def test_accepting_one_accepts_all_of_the_same_terms() -> None:
    first, second = (catalogue.find_offer(name) for name in ("GPEN-BFR-256", "GPEN-BFR-512"))
    assert not is_accepted(first)
    accept(first)
    assert is_accepted(second)
    assert not is_accepted(replace(second, terms="Others."))
    assert not is_accepted(catalogue.find_offer("scrfd-10g"))


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
@pytest.mark.parametrize(("output", "fetched"), [("y", True), ("n", False), ("", False)])
def test_at_a_terminal_the_licence_is_asked_for(
    server: Server, tmp_path: Path, output: str, fetched: bool
) -> None:
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "gpen", "models", "get", "GPEN-BFR-256", "--models-dir", "m"],
        cwd=tmp_path,
        env=os.environ | {"GPEN_MIRROR": f"{server.url}/{{file}}"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    shown = _read_until(ours, b"[y/N]")
    assert b"github.com/yangxy/GPEN" in shown
    os.write(ours, output.encode() + b"\n")
    shown += _read_until(ours, b"sha256 " if fetched else b"not fetched")
    assert process.wait(timeout=60) == (0 if fetched else 3)
    assert (tmp_path / "m" / "GPEN-BFR-256.pth").exists() is fetched
    os.close(ours)
    os.close(theirs)


def _read_until(terminal: int, mark: bytes) -> bytes:
    shown = b""
    while mark not in shown:
        assert select.select([terminal], [], [], 60)[0], shown
        shown += os.read(terminal, 4096)
    return shown


def test_what_is_there_is_not_fetched_again(run: Run, server: Server, mirror: str) -> None:
    run("get", "finder", mirror, "--accept-licence")
    server.asked.clear()
    code, out, _ = run("get", "finder", mirror)
    assert code == 0
    assert "is there already" in out
    assert server.asked == []


def test_another_file_of_its_name_is_kept_unless_asked(
    run: Run, server: Server, mirror: str, tmp_path: Path
) -> None:
    mine = tmp_path / "finder.onnx"
    mine.write_bytes(b"mine")
    arguments = ("get", "finder", mirror, "--accept-licence", "--models-dir", tmp_path)
    code, _, err = run(*arguments)
    assert code == 3
    assert "--overwrite" in err
    assert mine.read_bytes() == b"mine"
    assert run(*arguments, "--overwrite")[0] == 0
    assert mine.read_bytes() == DETECTOR.read_bytes()


def test_one_that_fails_does_not_stop_the_rest(
    run: Run, server: Server, mirror: str, tmp_path: Path
) -> None:
    server.plans["/gpen_bfr_256.onnx"] = Plan(b"short")  # where 75,792,988 bytes are published
    code, out, err = run(
        "get", "gpen_bfr_256", "finder", mirror, "--accept-licence", "--models-dir", tmp_path
    )
    assert code == 1
    assert "offers 5 bytes where 75792988 were expected" in err
    assert "finder.onnx" in out
    assert [path.name for path in tmp_path.iterdir()] == ["finder.onnx"]


def test_a_file_of_another_kind_never_gets_the_name(
    run: Run, server: Server, mirror: str, tmp_path: Path
) -> None:
    server.plans["/GPEN-BFR-256.pth"] = Plan(DETECTOR.read_bytes())
    code, _, err = run("get", "GPEN-BFR-256", mirror, "--accept-licence", "--models-dir", tmp_path)
    assert code == 3
    assert "GPEN-BFR-256" in err
    assert list(tmp_path.iterdir()) == []


def test_unknown_names_and_mirrors_are_one_line(run: Run) -> None:
    code, _, err = run("get", "GPEN-BFR-51")
    assert code == 3
    assert "did you mean GPEN-BFR-512" in err
    code, _, err = run("get", "scrfd-10g", "--mirror", "ftp://x")
    assert code == 2
    assert "expected an address" in err
    code, _, err = run("get", "GPEN-BFR-256", "--mirror", "http://127.0.0.1:9", "--accept-licence")
    assert code == 3
    assert "Connection refused" in err
    assert "Traceback" not in err
