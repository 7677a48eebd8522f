"""Checks of `gpen doctor` by trial: models, folders, encoders, an example, speeds."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gpen.errors import EngineError, GpenError, MissingExtraError
from gpen.settings import DEFAULT_MODEL, ENGINES, PRECISIONS

from .doctor_machine import Finding

if TYPE_CHECKING:
    from gpen.engines import Engine
    from gpen.models import ModelInfo

_GIB = 2**30
#: Less free disk is something to fix.
_LEAST_DISK = _GIB
#: Runs of an engine behind its figure, and seconds after which fewer have to do.
_RUNS, _ENOUGH_S = 5, 1.0
#: What writes each codec of `gpen restore`.
ENCODERS = {"h264": "libx264", "h265": "libx265", "av1": "libsvtav1", "vp9": "libvpx-vp9"}


def models() -> Iterator[Finding]:
    """Weight files in the models folders."""
    from gpen import list_models
    from gpen.models.find import OTHER_TOOLS

    for name in filter(None, os.environ.get("GPEN_MODELS", "").split(os.pathsep)):
        if not Path(name).is_dir():
            text = f"GPEN_MODELS names {name}, which is no folder"
            yield Finding("GPEN_MODELS", "fix", text, f"mkdir -p '{name}'")
    found = list_models()
    kinds = {"restorer": "restorers", "detector": "detectors", "identity": "embeddings"}
    for role, about in kinds.items():
        names = dict.fromkeys(model.name for model in found if model.role == role)
        if names:
            yield Finding(about, "ok", ", ".join(names))
    for model in found:
        if model.kind == "unreadable" and model.source not in OTHER_TOOLS:
            todo = f"fetch it again (gpen models get), or rm '{model.path}'"
            yield Finding("model", "fix", model.reason, todo)
        elif not model.usable:
            yield Finding("model", "note", model.reason)


def storage() -> Iterator[Finding]:
    """The cache and other folders that gpen writes to."""
    from gpen.engines.cache_store import cache_entries, cache_limit
    from gpen.files import cache_dir, made_data_dir

    folder = cache_dir()
    used = sum(entry.n_bytes for entry in cache_entries())
    text = f"{folder}, {used / _GIB:.2f} of at most {cache_limit() / _GIB:.2f} GiB"
    yield _writable("cache", folder, text, "export GPEN_CACHE_DIR=/another/folder")
    try:
        fetched = made_data_dir()
        yield _writable("fetched", fetched, str(fetched), f"chown -R \"$USER\" '{fetched}'")
    except GpenError as error:
        yield Finding("fetched", "fix", str(error), "export XDG_DATA_HOME=/another/folder")
    temporary = Path(tempfile.gettempdir())
    yield _writable("temporary", temporary, str(temporary), "export TMPDIR=/another/folder")


def _writable(about: str, folder: Path, text: str, otherwise: str) -> Finding:
    """Whether files can be made in a folder, and whether it has room for them."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding(about, "fix", f"{folder} cannot be written ({error.strerror})", otherwise)
    text += f", {free / _GIB:.1f} GiB free"
    if free < _LEAST_DISK:
        return Finding(about, "fix", text, f"gpen cache --clear, or {otherwise}")
    return Finding(about, "ok", text)


def video() -> Iterator[Finding]:
    """Encoders for videos."""
    try:
        import av
    except ImportError:  # the extra says how to get it
        return
    have, lack = [], []
    for codec, encoder in ENCODERS.items():
        try:
            av.codec.Codec(encoder, "w")
            have.append(codec)
        except Exception:  # its exceptions differ from version to version
            lack.append(codec)
    if lack:
        todo = "pip install --upgrade --force-reinstall av"
        yield Finding("encoders", "fix", f"no {', '.join(lack)} in this PyAV", todo)
    else:
        yield Finding("encoders", "ok", ", ".join(have))


def work() -> Iterator[Finding]:
    """Restore the example with the detector and the restorer that gpen brings."""
    from gpen import Restorer
    from gpen.models import ASSETS

    todo = "pip install --force-reinstall --no-deps gpen; then: gpen cache --clear"
    try:
        restorer = Restorer()
        began = time.perf_counter()
        restorer.restore(ASSETS / "example-face.jpg")
        first_s = time.perf_counter() - began
        result = restorer.restore(ASSETS / "example-face.jpg")
    except GpenError as error:
        yield Finding("example", "fix", str(error), todo)
        return
    if not result.faces:
        yield Finding("example", "fix", "no face was found where there is one", todo)
        return
    seconds = sum(result.seconds.values())
    yield Finding("example", "ok", f"1 face restored in {seconds:.2f} s, {first_s:.1f} s at first")


def speeds(until_s: float) -> Iterator[Finding]:
    """Seconds per face of each engine and precision that is there, with the default network.

    Args:
        until_s: Time of `time.monotonic` after which none is begun.
    """
    from gpen import find_model

    try:
        model = find_model(DEFAULT_MODEL)
    except GpenError as error:
        yield Finding("speed", "fix", str(error), "pip install --force-reinstall --no-deps gpen")
        return
    for engine in ENGINES:
        for precision in PRECISIONS:
            if time.monotonic() > until_s:
                yield Finding("speed", "note", f"{engine} {precision} was left out: out of time")
            elif (speed := _speed(model, engine, precision)) is not None:
                yield speed


def _speed(model: ModelInfo, engine: str, precision: str) -> Finding | None:
    """How fast an engine is; None where it is not installed or has no such precision here."""
    from gpen.engines import open_engine

    about = f"speed of {engine} {precision}"
    try:
        opened = open_engine(model, engine=engine, precision=precision)
        if precision == "f16" and opened.device == "cpu":  # nobody wants it, and it takes long
            return None
        seconds = _seconds(opened)
    except MissingExtraError:
        return None
    except EngineError as error:
        if precision == "f32":
            return Finding(about, "fix", str(error), f"pip install --upgrade 'gpen[{engine}]'")
        return None
    face = f"{opened.size} px on {opened.device}"
    return Finding(about, "ok", f"{seconds * 1000:.0f} ms a face ({face})")


def _seconds(engine: Engine) -> float:
    """Median of a few runs after one to warm up."""
    import numpy as np

    crops = np.zeros((1, 3, engine.in_size, engine.in_size), np.float32)
    engine.run(crops)
    times: list[float] = []
    while len(times) < _RUNS and sum(times) < _ENOUGH_S:
        began = time.perf_counter()
        engine.run(crops)
        times.append(time.perf_counter() - began)
    return statistics.median(times)
