"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from support.open_networks import keep_networks_open
from support.pointwise import write_pointwise_model

# Networks of tests are tiny, and tests run side by side: more threads of torch wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine is no failure.
settings.register_profile("gpen", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gpen")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data beside the checkout; its tests skip where it is absent."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder}")
    return folder


@pytest.fixture(scope="session", autouse=True)
def warm_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One cache for the tests of all workers: compiling the shipped networks takes seconds."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "warm-cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GPEN_CACHE_DIR", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def _open_networks(warm_cache: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        keep_networks_open(patch)
        yield


@pytest.fixture(autouse=True)
def private_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's model folders out of every test."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path.with_name(f"{tmp_path.name}-data")))
    monkeypatch.delenv("GPEN_MODELS", raising=False)


@pytest.fixture
def cold_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for one test, which is about the cache."""
    folder = tmp_path_factory.mktemp("cold") / "cache"
    monkeypatch.setenv("GPEN_CACHE_DIR", str(folder))
    return folder


@pytest.fixture(scope="session")
def demo_photo() -> Path:
    """A real photo with one damaged face, about 110 px wide."""
    return ROOT / "examples" / "demo.jpg"


@pytest.fixture(scope="session")
def portrait() -> Path:
    """The same photo undamaged."""
    return ROOT / "examples" / "portrait.jpg"


@pytest.fixture(scope="session")
def demo_points() -> np.ndarray:
    """The five points of the demo face, placed by hand."""
    return np.array([[203.5, 101], [246.5, 103.5], [224, 126], [203, 140], [243.5, 142]])


@pytest.fixture(scope="session")
def identity_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that changes nothing, with the input and output of a GPEN file."""
    return write_pointwise_model(tmp_path_factory.mktemp("pointwise") / "identity.onnx", "Identity")


@pytest.fixture(scope="session")
def negative_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that inverts its image, so that every touched pixel shows."""
    return write_pointwise_model(tmp_path_factory.mktemp("pointwise") / "negative.onnx", "Neg")


@pytest.fixture(scope="session")
def photo_with_two_faces(tmp_path_factory: pytest.TempPathFactory, portrait: Path) -> Path:
    """The portrait beside a smaller copy of itself."""
    large = cv2.imread(str(portrait))
    small = cv2.resize(large, (256, 256), interpolation=cv2.INTER_AREA)
    canvas = np.full((512, 768, 3), 90, np.uint8)
    canvas[:, :512] = large
    canvas[128:384, 512:] = small
    path = tmp_path_factory.mktemp("photos") / "two faces.png"
    cv2.imwrite(str(path), canvas)
    return path
