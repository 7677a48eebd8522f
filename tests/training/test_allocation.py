"""Memory that stays with a training process."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("torch")

from gpen.training import allocation

PROGRAM = """
import resource, sys, torch
from gpen.training.allocation import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        for size in (8 << 20, 3 << 20):
            torch.ones(size)  # 4 bytes each, freed at once
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
without = faults()
kept = keep_freed_memory()
faults()
print(kept, without, faults())
"""


@pytest.mark.skipif(
    not hasattr(allocation.ctypes.CDLL(None), "gnu_get_libc_version"), reason="needs glibc"
)
def test_pages_of_freed_blocks_are_not_taken_from_the_system_again() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    kept, without, after = done.stdout.split()
    assert kept == "True"
    assert int(without) > 100
    assert int(after) < 0.05 * int(without)


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocation.ctypes, "CDLL", lambda _name: object())
    assert allocation.keep_freed_memory() is False
    monkeypatch.setattr(allocation.sys, "platform", "darwin")
    monkeypatch.setattr(allocation.ctypes, "CDLL", lambda _name: pytest.fail("was opened"))
    assert allocation.keep_freed_memory() is False
