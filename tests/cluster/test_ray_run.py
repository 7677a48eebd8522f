"""Batches on a real Ray: workers and machines are killed, and nothing is lost or done twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("ray.data", reason="gpen[cluster] is not installed")
pytest.importorskip("fsspec", reason="gpen[cluster] is not installed")

from gpen import Settings
from gpen.cli.batch import PhotoRestorer
from gpen.cluster.batch_plan import find_photos, make_plan
from gpen.cluster.manifest import STATE, Manifest, Row
from gpen.cluster.ray_run import WorkerConfig, connected, run_blocks
from gpen.cluster.storage import Storage
from gpen.cluster.worker import Job
from gpen.errors import EngineError

#: `gpen batch` as a process of its own.
GPEN_BATCH = """
import signal, sys
from gpen.cli import app as cli
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it in the background
cli.main(["batch", *sys.argv[1:]])
"""
#: Ray's own settings warn of one another while Ray copies them.
pytestmark = pytest.mark.filterwarnings("ignore:`use_:DeprecationWarning:ray.data.context")


@pytest.fixture
def photos(tmp_path: Path, portrait: Path) -> Path:
    """Eleven photos with a face and one bad one."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for number in range(11):
        (folder / "sub" / f"{number}.jpg").write_bytes(portrait.read_bytes())
    (folder / "bad.jpg").write_bytes(b"bad")
    return folder


def restore_all(
    photos: Path,
    out: Path,
    model: Path,
    worker_config: WorkerConfig,
    after: Callable[[int], None] = lambda _: None,
) -> list[Row]:
    """All photos by Ray; `after` hears how many blocks are done."""
    source, target = Storage(str(photos)), Storage(str(out))
    plan = make_plan(
        find_photos(source, target),
        [],
        (),
        settings="f00d",
        format=None,
        block_size=1,
        overwrite=False,
        skip_existing=False,
    )
    job = Job.start(source, target, settings="f00d", overwrite=False, jobs=1)
    make_restore = partial(PhotoRestorer, Settings(model=str(model)))
    rows = []
    for n, found in enumerate(run_blocks(plan.blocks, job, make_restore, worker_config), 1):
        rows += found
        after(n)
    return rows


def check(photos: Path, out: Path) -> None:
    """Each photo has its result, and one row in the manifest."""
    names = sorted(path.relative_to(photos).as_posix() for path in photos.rglob("*.jpg"))
    target = Storage(str(out))
    rows = Manifest(target).read_all(target.files())
    assert Counter(row.name for row in rows) == Counter(names)
    assert {row.name for row in rows if row.status == "failed"} == {"bad.jpg"}
    found = sorted(name for name in target.files() if not name.startswith(STATE))
    assert found == [name for name in names if name != "bad.jpg"]
    assert not target.names(f"{STATE}/staged")


def worker_pids() -> list[int]:
    """Processes that hold a model, below Ray's own name for them."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                name = (folder / "cmdline").read_bytes().split(b"\0")[0]
            except OSError:
                continue
            if name.startswith(b"ray::") and b"MapWorker" in name and _is_ours(int(folder.name)):
                found.append(int(folder.name))
    return found


def _is_ours(pid: int) -> bool:
    """Whether this test run started the process, through however many others."""
    while pid > 1:
        if pid == os.getpid():
            return True
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return False


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """A cluster of a head without room for workers and two machines with room for one each."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    size = {"object_store_memory": 80 << 20}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **size})
    try:
        cluster.nodes_with_room = [cluster.add_node(num_cpus=1, **size) for _ in range(2)]
        cluster.wait_for_nodes()
        yield cluster
    finally:
        cluster.shutdown()


@pytest.mark.slow
def test_restores_on_this_machine(photos: Path, tmp_path: Path, identity_model: Path) -> None:
    for path in sorted((photos / "sub").iterdir())[2:]:
        path.unlink()
    rows = restore_all(photos, tmp_path / "out", identity_model, WorkerConfig())
    assert Counter(row.status for row in rows) == {"restored": 2, "failed": 1}
    check(photos, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="workers are found in /proc")
def test_a_worker_killed_half_way_loses_nothing(
    photos: Path, tmp_path: Path, identity_model: Path
) -> None:
    killed = []

    def kill(n: int) -> None:
        if n == 4:
            killed.extend(worker_pids()[:1])
            os.kill(killed[0], signal.SIGKILL)

    rows = restore_all(photos, tmp_path / "out", identity_model, WorkerConfig(workers=2), kill)
    assert killed
    assert Counter(Counter(row.name for row in rows).values()) == {1: 12}
    check(photos, tmp_path / "out")


@pytest.mark.slow
def test_a_machine_lost_half_way_loses_nothing(
    photos: Path, tmp_path: Path, identity_model: Path, cluster: object
) -> None:
    lost = []

    def kill(n: int) -> None:
        if n == 4:
            lost.append(cluster.nodes_with_room[1])
            cluster.remove_node(lost[0], allow_graceful=False)

    worker_config = WorkerConfig(cluster.address, workers=2)
    rows = restore_all(photos, tmp_path / "out", identity_model, worker_config, kill)
    assert lost
    assert Counter(Counter(row.name for row in rows).values()) == {1: 12}
    check(photos, tmp_path / "out")


@pytest.mark.slow
def test_a_driver_killed_half_way_goes_on_where_it_stopped(
    photos: Path, tmp_path: Path, identity_model: Path
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-c", GPEN_BATCH, photos, out, "--model", identity_model]
    command += ["--block", "1"]
    driver = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wait_for(lambda: len(list(out.glob(f"{STATE}/parts/*.jsonl"))) >= 3)
    driver.kill()
    driver.wait()
    before = {path: path.stat().st_mtime_ns for path in (out / STATE / "parts").iterdir()}
    assert len(before) < 12
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "restored now" in done.stderr
    assert "Traceback" not in done.stderr
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    report = json.loads((out / STATE / "report.json").read_text())
    assert report["counts"] == {"restored": 11, "failed": 1}
    assert {path.name for path in (out / "sub").iterdir()} == {f"{n}.jpg" for n in range(11)}


@pytest.mark.slow
def test_interrupting_keeps_what_is_done(
    photos: Path, tmp_path: Path, identity_model: Path
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-c", GPEN_BATCH, photos, out, "--model", identity_model]
    driver = subprocess.Popen(
        [*command, "--block", "1"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    wait_for(lambda: len(list((out / "sub").glob("*.jpg"))) >= 2)
    driver.send_signal(signal.SIGINT)
    _, errors = driver.communicate(timeout=120)
    assert driver.returncode == 130, errors
    assert "finished results are kept" in errors
    assert "Traceback" not in errors
    assert (out / STATE / "report.json").exists()


def wait_for(true: Callable[[], bool], seconds: float = 150) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.02)


def test_an_address_where_nothing_listens_is_one_line() -> None:
    with (
        pytest.raises(EngineError, match=r"cannot reach Ray at 127\.0\.0\.1:1: ") as caught,
        connected(WorkerConfig("127.0.0.1:1")),
    ):
        pass
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_troubles_of_workers_end_the_run_in_one_line(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"a worker cannot start: .*absent"):
        restore_all(photos, tmp_path / "out", tmp_path / "absent.onnx", WorkerConfig())
    with pytest.raises(EngineError, match="no machine of the cluster has 1 GPUs"):
        restore_all(photos, tmp_path / "out", tmp_path / "absent.onnx", WorkerConfig(gpus=1))
