"""Checks of `gpen doctor` without running a network: packages and the machine."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

State = Literal["ok", "note", "fix"]

_GIB = 2**30
#: Less memory that nobody uses is something to fix.
_LEAST_MEMORY = _GIB
#: Kernel's names of what makes networks fast, with what is said of them.
_CPU_FEATURES = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "VNNI",
    "avx512_bf16": "bf16",
    "amx_bf16": "AMX",
    "asimd": "NEON",
    "bf16": "bf16",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        about: What, in a word or two.
        state: "ok", "note" for what is well but worth knowing, "fix" for what needs mending.
        text: What was found.
        todo: What to do about it, a command where there is one; empty where nothing.
    """

    about: str
    state: State
    text: str
    todo: str = ""


def installed() -> Iterator[Finding]:
    """Python, gpen and the packages that it needs or can use."""
    version = platform.python_version()
    yield Finding("python", "ok", f"{version} on {platform.system()} {platform.machine()}")
    try:
        wanted = importlib.metadata.requires("gpen") or []
        yield Finding("gpen", "ok", importlib.metadata.version("gpen"))
    except importlib.metadata.PackageNotFoundError:
        yield Finding("gpen", "fix", "runs from a folder, not installed", "pip install gpen")
        return
    extras: dict[str, dict[str, str]] = {}
    for line in wanted:  # such as "ray[data]<2.64,>=2.60; extra == 'cluster'"
        name, least, extra = (
            found[1] if (found := re.search(pattern, line)) else ""
            for pattern in (r"^([\w.-]+)", r">=\s*([\d.]+)", r"extra == ['\"](\w+)['\"]")
        )
        if extra not in ("all", "dev"):
            extras.setdefault(extra, {})[name] = least
    for extra, packages in extras.items():
        yield _packages(extra, packages)


def _packages(extra: str, packages: dict[str, str]) -> Finding:
    """Whether the packages of an extra are there; "" is what gpen cannot do without."""
    have, lack, old = [], [], []
    for name, least in packages.items():
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            lack.append(name)
            continue
        have.append(f"{name} {version}")
        if _numbers(version) < _numbers(least):
            old.append(f"{name} {version} is older than {least}")
    about = f"extra {extra}" if extra else "packages"
    command = f"pip install --upgrade 'gpen[{extra}]'" if extra else "pip install --upgrade gpen"
    if old or (lack and not extra):
        trouble = "; ".join([*old, *(f"{name} is missing" for name in lack)])
        return Finding(about, "fix", trouble, command)
    if lack:
        return Finding(about, "note", f"not installed ({', '.join(lack)})", command)
    return Finding(about, "ok", ", ".join(have))


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version.partition("+")[0])]


def machine() -> Iterator[Finding]:
    """Processor, other devices, memory and free disk."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    flags = _cpu_flags()
    features = dict.fromkeys(said for flag, said in _CPU_FEATURES.items() if flag in flags)
    text = f"{_cpu_name()}, {cores} cores" + (f", {', '.join(features)}" if features else "")
    if flags and not features:
        yield Finding("cpu", "note", f"{text}; no AVX2: networks run slowly here")
    else:
        yield Finding("cpu", "ok", text)
    yield from _devices()
    free = _free_memory()
    if free is not None:
        enough = free >= _LEAST_MEMORY
        todo = "" if enough else "close other programs: large photos need 1 GiB and more"
        yield Finding("memory", "ok" if enough else "fix", f"{free / _GIB:.1f} GiB free", todo)


def _cpu_flags() -> frozenset[str]:
    """The kernel's list of what the processor can do; empty where there is none."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return frozenset()
    match = re.search(r"^(?:flags|Features)\s*: (.*)$", text, re.MULTILINE)
    return frozenset(match[1].split()) if match else frozenset()


def _cpu_name() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        text = ""
    match = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    return match[1].strip() if match else platform.processor() or platform.machine()


def _devices() -> Iterator[Finding]:
    """Graphics cards and the like that an engine can use."""
    from gpen.engines.openvino import load_openvino

    core = load_openvino().Core()
    for device in core.available_devices:
        if device != "CPU":
            name = core.get_property(device, "FULL_DEVICE_NAME")
            yield Finding("device", "ok", f"{name}: --engine openvino --device {device}")
    if not shutil.which("nvidia-smi"):  # importing torch takes seconds: not for nothing
        return
    cards = []
    with contextlib.suppress(ImportError):
        import torch

        cards = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    for number, name in enumerate(cards):
        yield Finding("device", "ok", f"{name}: --engine torch --device cuda:{number}")
    if not cards:
        todo = "install a torch for CUDA, as https://pytorch.org says, then 'gpen[torch]'"
        yield Finding(
            "device", "note", "there is an NVIDIA driver, and no torch that uses it", todo
        )


def _free_memory() -> int | None:
    """Bytes that programs can have, or None where the system does not say."""
    try:
        text = Path("/proc/meminfo").read_text("utf-8")
    except OSError:
        return None
    match = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    return int(match[1]) * 1024 if match else None
