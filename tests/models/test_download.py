"""Files that come over a bad line, from a host that lies, or not at all."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import namedtuple
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from gpen.errors import SettingsError, UnknownModelError, WeightsError, WriteError
from gpen.models import load_weights
from gpen.models.catalogue import OFFERS, find_offer, mirrored
from gpen.models.download import download
from support.broken_server import Plan, Server, serving

BODY = os.urandom(1 << 20)
SUM = hashlib.sha256(BODY).hexdigest()

#: Without the pauses of real life.
fetch = partial(download, pauses_s=(0.0, 0.0), timeout_s=5.0)


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave proxies of the machine that runs the tests out of them."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        running.plans["/f.onnx"] = Plan(BODY)
        yield running


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "f.onnx"


def only(target: Path) -> bool:
    """Whether nothing lies beside the file."""
    return list(target.parent.iterdir()) == [target]


def test_fetches_a_file_and_tells_its_sum_and_progress(server: Server, target: Path) -> None:
    told: list[tuple[int, int | None]] = []
    digest = fetch(
        [f"{server.url}/f.onnx"],
        target,
        size=len(BODY),
        sha256=SUM,
        progress=lambda done, total: told.append((done, total)),
    )
    assert digest == SUM
    assert target.read_bytes() == BODY
    assert only(target)
    assert told[0] == (0, len(BODY))
    assert told[-1] == (len(BODY), len(BODY))
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_transfer_cut_twice_goes_on_where_it_stopped(server: Server, target: Path) -> None:
    server.plans["/f.onnx"].cuts = [300_000, 200_000]
    fetch([f"{server.url}/f.onnx"], target, size=len(BODY), sha256=SUM)
    assert target.read_bytes() == BODY
    assert server.ranges() == [None, "bytes=300000-", "bytes=500000-"]
    assert only(target)


def test_a_line_that_breaks_off_all_the_time_gets_there(server: Server, target: Path) -> None:
    server.plans["/f.onnx"].cuts = [1, 65_536, 262_144, 262_145, 99_999, 7, 12_345]
    fetch([f"{server.url}/f.onnx"], target)
    assert target.read_bytes() == BODY
    assert len(server.asked) == 8


def test_a_line_that_gets_nowhere_is_given_up(server: Server, target: Path) -> None:
    server.plans["/f.onnx"].cuts = [1000] + [0] * 10
    with pytest.raises(WeightsError, match="broke off after 1000 of 1048576 bytes"):
        fetch([f"{server.url}/f.onnx"], target)
    assert target.with_name("f.onnx.part").stat().st_size == 1000


def test_a_file_system_without_locks_is_no_obstacle(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    fetch([f"{server.url}/f.onnx"], target)
    assert target.read_bytes() == BODY


def test_a_second_call_goes_on_with_what_the_first_got(server: Server, target: Path) -> None:
    server.plans["/f.onnx"].cuts = [400_000]
    with pytest.raises(WeightsError, match="what has come is kept"):
        download([f"{server.url}/f.onnx"], target, pauses_s=())
    assert not target.exists()
    fetch([f"{server.url}/f.onnx"], target)
    assert target.read_bytes() == BODY
    assert server.asked[-1][1]["Range"] == "bytes=400000-"
    assert server.asked[-1][1]["If-Range"] == '"v1"'


def test_a_file_that_changed_meanwhile_is_fetched_anew(server: Server, target: Path) -> None:
    server.plans["/f.onnx"].cuts = [400_000]
    with pytest.raises(WeightsError):
        download([f"{server.url}/f.onnx"], target, pauses_s=())
    other = os.urandom(600_000)
    server.plans["/f.onnx"] = Plan(other, etag='"v2"')
    fetch([f"{server.url}/f.onnx"], target)
    assert target.read_bytes() == other


def test_without_validator_and_sum_it_begins_anew(server: Server, target: Path) -> None:
    server.plans["/f.onnx"].etag = None
    server.plans["/f.onnx"].cuts = [400_000]
    fetch([f"{server.url}/f.onnx"], target)
    assert target.read_bytes() == BODY
    assert server.ranges() == [None, None]


def test_a_host_that_ignores_ranges_sends_all_of_it_again(server: Server, target: Path) -> None:
    server.plans["/f.onnx"].cuts = [400_000]
    server.plans["/f.onnx"].ranges = False
    fetch([f"{server.url}/f.onnx"], target, size=len(BODY), sha256=SUM)
    assert server.ranges() == [None, "bytes=400000-"]
    assert target.read_bytes() == BODY


def test_another_range_than_asked_for_is_not_written(server: Server, target: Path) -> None:
    server.plans["/f.onnx"].cuts = [400_000]
    server.plans["/f.onnx"].wrong_range = True
    fetch([f"{server.url}/f.onnx"], target, size=len(BODY), sha256=SUM)
    assert target.read_bytes() == BODY
    assert server.ranges() == [None, "bytes=400000-", None]


def test_a_part_that_is_whole_is_not_fetched_again(server: Server, target: Path) -> None:
    part = target.with_name("f.onnx.part")
    part.write_bytes(BODY)
    fetch([f"{server.url}/f.onnx"], target, size=len(BODY), sha256=SUM)
    assert server.asked == []
    part.write_bytes(BODY)
    fetch([f"{server.url}/f.onnx"], target, sha256=SUM)
    assert server.ranges() == [f"bytes={len(BODY)}-"]
    assert target.read_bytes() == BODY


def test_a_part_longer_than_the_file_is_dropped(server: Server, target: Path) -> None:
    target.with_name("f.onnx.part").write_bytes(BODY + b"more")
    fetch([f"{server.url}/f.onnx"], target, sha256=SUM)
    target.with_name("f.onnx.part").write_bytes(BODY + b"more")
    fetch([f"{server.url}/f.onnx"], target, size=len(BODY))
    assert target.read_bytes() == BODY


def test_a_part_of_something_else_is_found_out(server: Server, target: Path) -> None:
    part = target.with_name("f.onnx.part")
    part.write_bytes(bytes(1000))
    with pytest.raises(WeightsError, match="SHA-256") as caught:
        fetch([f"{server.url}/f.onnx"], target, size=len(BODY), sha256=SUM)
    assert "\n" not in str(caught.value)
    assert list(target.parent.iterdir()) == []
    fetch([f"{server.url}/f.onnx"], target, size=len(BODY), sha256=SUM)
    assert target.read_bytes() == BODY


def test_a_file_of_another_size_is_refused_before_it_is_fetched(
    server: Server, target: Path
) -> None:
    with pytest.raises(WeightsError, match=f"offers {len(BODY)} bytes where 5 were expected"):
        fetch([f"{server.url}/f.onnx"], target, size=5)
    server.plans["/f.onnx"].length = False
    with pytest.raises(WeightsError, match="where 5 were expected"):
        fetch([f"{server.url}/f.onnx"], target, size=5)
    assert list(target.parent.iterdir()) == []


def test_a_wrong_sum_leaves_nothing_and_keeps_the_old_file(server: Server, target: Path) -> None:
    target.write_bytes(b"mine")
    with pytest.raises(WeightsError, match=SUM):
        fetch([f"{server.url}/f.onnx"], target, sha256="0" * 64)
    assert target.read_bytes() == b"mine"
    assert only(target)


def test_what_is_no_model_never_gets_its_name(server: Server, target: Path) -> None:
    server.plans["/f.onnx"] = Plan(b"<!DOCTYPE html><html>Log in to this hotel's network</html>")
    with pytest.raises(WeightsError, match="web page"):
        fetch([f"{server.url}/f.onnx"], target, check=load_weights)
    assert list(target.parent.iterdir()) == []


def test_the_next_place_is_tried(server: Server, target: Path) -> None:
    fetch([f"{server.url}/gone", "http://127.0.0.1:9/f", f"{server.url}/f.onnx"], target)
    assert target.read_bytes() == BODY


def test_no_place_at_all_is_one_line_with_all_of_them(server: Server, target: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        fetch([f"{server.url}/gone", "http://127.0.0.1:9/f", "http://no-such.invalid/f"], target)
    text = str(caught.value)
    assert "answers 404" in text
    assert "Connection refused" in text
    assert "no-such.invalid" in text
    assert "HTTPS_PROXY" in text
    assert "\n" not in text
    assert list(target.parent.iterdir()) == []


def test_a_busy_host_is_asked_again(server: Server, target: Path) -> None:
    server.plans["/f.onnx"].codes = [503, 429]
    fetch([f"{server.url}/f.onnx"], target, sha256=SUM)
    assert len(server.asked) == 3


def test_a_host_that_falls_silent_is_given_up_and_taken_up_again(
    server: Server, target: Path
) -> None:
    server.plans["/f.onnx"].stall_s = 1.0
    download([f"{server.url}/f.onnx"], target, sha256=SUM, pauses_s=(0.0,), timeout_s=0.2)
    assert server.ranges()[0] is None
    assert (server.ranges()[1] or "").startswith("bytes=")
    assert target.read_bytes() == BODY


def test_redirects_are_followed_with_the_range(server: Server, target: Path) -> None:
    server.plans["/here"] = Plan(location=f"{server.url}/f.onnx")
    server.plans["/f.onnx"].cuts = [400_000]
    fetch([f"{server.url}/here"], target, sha256=SUM)
    assert server.asked[-1] == ("/f.onnx", server.asked[-1][1])
    assert server.ranges()[-1] == "bytes=400000-"
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("location", ["/round", "file:///etc/passwd", "ftp://127.0.0.1:9/f"])
def test_redirects_that_lead_nowhere_are_one_line(
    server: Server, target: Path, location: str
) -> None:
    server.plans["/round"] = Plan(location=location)
    with pytest.raises(WeightsError) as caught:
        fetch([f"{server.url}/round"], target)
    assert "\n" not in str(caught.value)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("location", ["http://example.invalid/f", "ftp://example.invalid/f"])
def test_redirects_never_leave_https(location: str) -> None:
    """Asked of the handler itself: a server for https needs a certificate."""
    from urllib.request import Request

    from gpen.models.transfer import _RefusedError, _SafeRedirects

    handler = _SafeRedirects()
    request = Request("https://example.invalid/f", headers={"Range": "bytes=5-"})
    with pytest.raises(_RefusedError, match="from https to"):
        handler.redirect_request(request, None, 302, "Found", {}, location)
    onward = handler.redirect_request(request, None, 302, "Found", {}, "https://cdn.invalid/f")
    assert onward is not None
    assert onward.get_header("Range") == "bytes=5-"


def test_the_proxy_of_the_environment_is_used(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "")
    server.plans["http://models.invalid/f.onnx"] = Plan(BODY)
    fetch(["http://models.invalid/f.onnx"], target, sha256=SUM)
    assert target.read_bytes() == BODY


def test_a_full_disk_is_told_before_and_meanwhile(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(1, 1, 1000))
    with pytest.raises(WriteError, match="1 MiB more, and 0 MiB are free"):
        fetch([f"{server.url}/f.onnx"], target)
    monkeypatch.undo()
    code = f"""
    import resource
    from pathlib import Path
    from gpen.models.download import download
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    try:
        download(["{server.url}/f.onnx"], Path({str(target)!r}))
    except Exception as error:
        print(type(error).__name__, error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("WriteError cannot write")
    assert done.stdout.count("\n") == 1
    assert not target.exists()


def test_a_missing_folder_is_one_line(server: Server, tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="absent"):
        fetch([f"{server.url}/f.onnx"], tmp_path / "absent" / "f.onnx")


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there, and none needed")
def test_two_processes_do_not_write_one_part(server: Server, target: Path) -> None:
    import fcntl

    folder = os.open(target.parent, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    with pytest.raises(WriteError, match="another gpen"):
        fetch([f"{server.url}/f.onnx"], target)
    os.close(folder)
    fetch([f"{server.url}/f.onnx"], target)
    assert target.read_bytes() == BODY


def test_ctrl_c_keeps_the_part_for_the_next_time(server: Server, target: Path) -> None:
    server.plans["/f.onnx"].stall_s = 20.0
    code = (
        "import signal, sys; from pathlib import Path; from gpen.models.download import download; "
        "signal.signal(signal.SIGINT, signal.default_int_handler); "  # jobs of a shell ignore it
        "download([sys.argv[1]], Path(sys.argv[2]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, f"{server.url}/f.onnx", str(target)],
        stderr=subprocess.DEVNULL,
    )
    part = target.with_name("f.onnx.part")
    deadline = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=30)
    here = part.stat().st_size
    assert 0 < here < len(BODY)
    fetch([f"{server.url}/f.onnx"], target)
    assert server.ranges()[-1] == f"bytes={here}-"
    assert target.read_bytes() == BODY


def test_every_offer_is_whole() -> None:
    names = [offer.name.casefold() for offer in OFFERS]
    assert len(set(names)) == len(names)
    for offer in OFFERS:
        assert all(url.startswith("https://") for url in offer.urls), offer.name
        assert offer.sha256 is None or len(bytes.fromhex(offer.sha256)) == 32
        assert (offer.size is None) == (offer.sha256 is None)
        assert offer.suffix in (".onnx", ".pth", ".pt")
        assert offer.role != "none"
        assert offer.licence
        assert offer.terms.endswith(".")
        assert offer.home.startswith("https://")


def test_an_offer_is_found_in_any_case_and_close_names_are_told() -> None:
    assert find_offer("gpen-bfr-512").file == "GPEN-BFR-512.pth"
    with pytest.raises(UnknownModelError, match="did you mean gpen_bfr_512"):
        find_offer("gpen_bfr_51")
    with pytest.raises(UnknownModelError, match="expected one of gpen_bfr_256"):
        find_offer("unicorn")


def test_a_mirror_takes_the_place_of_the_hosts() -> None:
    offer = find_offer("gpen_bfr_512")
    assert mirrored(offer, "https://hf-mirror.com/")[0] == (
        "https://hf-mirror.com/facefusion/models-3.0.0/resolve/main/gpen_bfr_512.onnx"
    )
    assert mirrored(offer, "http://files.example/{file}?raw=1") == (
        "http://files.example/gpen_bfr_512.onnx?raw=1",
    )
    for wrong in ("file:///etc", "hf-mirror.com", "https://"):
        with pytest.raises(SettingsError, match="expected an address"):
            mirrored(offer, wrong)
