"""Too little memory costs time, never a face: less at once, then the CPU, then a clear error."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import pytest
import torch

from gpen.engines.out_of_memory import is_out_of_memory
from gpen.engines.shared_engine import SharedEngine, open_shared
from gpen.errors import EngineError
from gpen.faces.restoration import restore_crops

FULL = {
    "cuda": torch.cuda.OutOfMemoryError(
        "CUDA out of memory. Tried to allocate 512.00 MiB. GPU 0 has a total capacity of 8 GiB"
    ),
    "mps": RuntimeError("MPS backend out of memory (MPS allocated: 5.05 GB, max allowed: 9 GB)"),
    "torch_cpu": RuntimeError(
        "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate "
        "memory: you tried to allocate 4294967296 bytes. Error code 12 (Cannot allocate memory)"
    ),
    "cublas": RuntimeError(
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"
    ),
    "onnxruntime": RuntimeError(
        "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : bfc_arena.cc:376 Available memory of "
        "1048576 is smaller than requested bytes; Failed to allocate memory for requested buffer"
    ),
    "openvino_cpu": RuntimeError("Exception from src/inference/src/cpp/core.cpp:1: std::bad_alloc"),
    "openvino_gpu": RuntimeError(
        "Exception from src/plugins/intel_gpu: [GPU] clEnqueueNDRangeKernel, error code: -5 "
        "CL_OUT_OF_RESOURCES"
    ),
    "numpy": np._core._exceptions._ArrayMemoryError((1 << 20, 1 << 20), np.dtype(np.float32)),
    "python": MemoryError(),
}


class Fake:
    """An engine with room for so many crops; it negates them."""

    name, precision, size, in_size = "fake", "f32", 8, 8

    def __init__(self, room: int, error: Exception, device: str = "cuda:0") -> None:
        self.room, self.error, self.device = room, error, device
        self.batches: list[int] = []

    def run(self, crops: np.ndarray) -> np.ndarray:
        self.batches.append(len(crops))
        if len(crops) > self.room:
            raise self.error
        return -crops


def wrapped(error: Exception) -> EngineError:
    """As engines do it."""
    outer = EngineError("torch failed on 4 crops", engine="torch")
    outer.__cause__ = error
    return outer


def crops(count: int) -> np.ndarray:
    return np.random.default_rng(count).uniform(-1, 1, (count, 3, 8, 8)).astype(np.float32)


def no_cpu() -> Fake:
    raise AssertionError("the CPU was asked for")


@pytest.mark.parametrize("wrap", [lambda error: error, wrapped], ids=["bare", "wrapped"])
@pytest.mark.parametrize("library", FULL)
def test_the_words_of_every_library_are_understood(library: str, wrap: Callable) -> None:
    assert is_out_of_memory(wrap(FULL[library]))


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        EngineError("crops have shape (1, 3, 4, 4); expected (N, 3, 8, 8)", engine="torch"),
        ValueError("array is not writeable"),
        KeyboardInterrupt(),
    ],
)
def test_other_errors_are_not_about_memory(error: BaseException) -> None:
    assert not is_out_of_memory(error)


@pytest.mark.parametrize("library", FULL)
def test_batches_shrink_until_they_fit(library: str) -> None:
    fake = Fake(1, wrapped(FULL[library]))
    output = SharedEngine(fake, no_cpu).run(crops(5))
    np.testing.assert_array_equal(output, -crops(5))
    assert fake.batches == [5, 2, 1, 1, 1, 1, 1]


def test_what_was_too_much_is_not_tried_again() -> None:
    fake = Fake(2, FULL["cuda"])
    engine = SharedEngine(fake, no_cpu)
    engine.run(crops(4))
    engine.run(crops(4))
    assert fake.batches == [4, 2, 2, 2, 2]


def test_enough_memory_changes_nothing() -> None:
    fake = Fake(4, FULL["cuda"])
    engine = SharedEngine(fake, no_cpu)
    np.testing.assert_array_equal(engine.run(crops(4)), -crops(4))
    assert engine.run(crops(0)).shape == (0, 3, 8, 8)
    assert fake.batches == [4, 0]
    assert (engine.name, engine.device, engine.precision) == ("fake", "cuda:0", "f32")
    assert (engine.size, engine.in_size) == (8, 8)


def test_the_cpu_takes_over_and_one_line_says_so(caplog: pytest.LogCaptureFixture) -> None:
    opened = []

    def open_on_cpu() -> Fake:
        opened.append(Fake(1, FULL["python"], "CPU"))
        return opened[-1]

    engine = SharedEngine(Fake(0, FULL["cuda"]), open_on_cpu)
    with caplog.at_level(logging.WARNING, "gpen"):
        for _ in range(2):
            np.testing.assert_array_equal(engine.run(crops(3)), -crops(3))
    assert len(opened) == 1
    assert engine.device == "CPU"
    assert caplog.messages == [
        "cuda:0 has too little memory for one face of 8 px: the CPU takes over"
    ]


def test_a_face_goes_to_the_cpu_but_the_next_may_fit_again() -> None:
    fake = Fake(0, FULL["cuda"])
    engine = SharedEngine(fake, lambda: Fake(9, FULL["python"], "CPU"))
    engine.run(crops(1))
    fake.room = 1
    fake.batches.clear()
    engine.run(crops(2))
    assert fake.batches[-2:] == [1, 1]
    assert engine.device == "cuda:0"


@pytest.mark.parametrize("device", ["CPU", "cpu", "CPUExecutionProvider"])
def test_a_cpu_that_is_full_is_a_clear_error(device: str) -> None:
    engine = SharedEngine(Fake(0, FULL["python"], device), no_cpu)
    with pytest.raises(EngineError, match="too little memory for one face of 8 px: close other"):
        engine.run(crops(2))


def test_a_cpu_that_is_full_too_is_a_clear_error() -> None:
    engine = SharedEngine(Fake(0, FULL["cuda"]), lambda: Fake(0, FULL["openvino_cpu"], "CPU"))
    with pytest.raises(EngineError, match="too little memory for one face"):
        engine.run(crops(1))


def test_other_errors_pass() -> None:
    engine = SharedEngine(Fake(0, EngineError("broken", engine="fake")), no_cpu)
    with pytest.raises(EngineError, match="broken"):
        engine.run(crops(2))


def test_no_crop_of_a_photo_is_lost() -> None:
    pixels = [np.full((8, 8, 3), 10 * n, np.uint8) for n in range(7)]
    outputs = restore_crops(pixels, SharedEngine(Fake(1, FULL["cuda"]), no_cpu))
    assert [int(output[0, 0, 0]) for output in outputs] == [255 - 10 * n for n in range(7)]


def test_a_network_that_a_device_has_no_room_for_opens_on_the_cpu(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def open_() -> Fake:
        raise FULL["cuda"]

    cpu = Fake(4, FULL["python"], "CPU")
    engine = open_shared(open_, lambda: cpu, name="torch", device="cuda")
    np.testing.assert_array_equal(engine.run(crops(2)), -crops(2))
    assert engine.device == "CPU"
    assert caplog.messages == [
        "device cuda has too little memory for the network: the CPU takes over"
    ]


def test_a_network_that_nothing_has_room_for_is_a_clear_error() -> None:
    def open_() -> Fake:
        raise FULL["python"]

    for device in ("cuda", "cpu", "auto"):
        with pytest.raises(EngineError, match="too little memory for the network"):
            open_shared(open_, open_, name="torch", device=device)
