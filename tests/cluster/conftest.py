"""What the tests of batches share: places, jobs, and a stand-in for the restorer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

pytest.importorskip("fsspec", reason="gpen[cluster] is not installed")

from gpen.cluster.manifest import PhotoResult
from gpen.cluster.storage import Storage
from gpen.cluster.worker import Job


@pytest.fixture(params=["disk", "memory"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    """An empty target, on a disk and on a store without renaming."""
    if request.param == "disk":
        (tmp_path / "out").mkdir()
        yield Storage(str(tmp_path / "out"))
    else:
        storage = Storage(f"memory://{uuid4().hex}/out")
        storage.write_whole("first", b"", replace=False)
        storage.remove("first")
        yield storage


@pytest.fixture
def source(tmp_path: Path) -> Storage:
    """Five files that are photos by name."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.jpg", "b.jpg", "c.jpg", "sub/a.jpg", "sub/d.png"):
        (folder / name).write_bytes(name.encode())
    return Storage(str(folder))


@pytest.fixture
def job(source: Storage, target: Storage) -> Job:
    return Job.start(source, target, settings="f00d", overwrite=False, jobs=2)


def upper(data: bytes, name: str, path: Path) -> PhotoResult:
    """Restores by writing capitals; fails where the photo says so."""
    if data == b"bad":
        return PhotoResult(error="it is not a photo")
    path.write_bytes(data.upper())
    return PhotoResult(status="restored", faces=1, restored=1)


@pytest.fixture
def restore() -> Callable[[bytes, str, Path], PhotoResult]:
    return upper
