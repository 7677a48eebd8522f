"""Batches, recorded networks and what happens when they cannot be recorded; CUDA where it is."""

from __future__ import annotations

import contextlib
import logging
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from gpen.engines import open_engine
from gpen.engines.memory import SparingEngine
from gpen.engines.torch_cuda import BATCHES, CudaRunner, Recorded, spans
from gpen.weights import find_model
from networks import TINY, TINY_SR, published, save_safetensors


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, []), (1, [1]), (3, [2, 1]), (4, [4]), (7, [4, 2, 1]), (37, [16, 16, 4, 1])],
)
def test_batches_have_few_sizes_and_miss_nothing(count: int, expected: list[int]) -> None:
    found = list(spans(count))
    assert [end - start for start, end in found] == expected
    assert [i for start, end in found for i in range(start, end)] == list(range(count))
    assert {end - start for start, end in found} <= set(BATCHES)


class Recorder:
    """Records as CUDA graphs do: into memory that every call writes anew."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.recorded, self.replayed = error, [], 0

    def __call__(self, network, pictures):
        if self.error:
            raise self.error
        self.recorded.append(len(pictures))
        given, found = pictures.clone(), network(pictures)

        def replay(pictures):
            self.replayed += 1
            given.copy_(pictures)
            found.copy_(network(given))
            return found.clone()

        return replay


def negative(pictures: torch.Tensor) -> torch.Tensor:
    return -pictures


def batch(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(seed))


def test_a_number_of_faces_that_comes_again_is_recorded_once() -> None:
    record = Recorder()
    network = Recorded(negative, record)
    for seed in range(4):
        for count in (1, 2):
            assert torch.equal(network(batch(count, seed)), -batch(count, seed))
    network(batch(4))
    assert record.recorded == [1, 2]
    assert record.replayed == 6  # the first of each ran as it came


def test_answers_stay_when_the_next_are_computed() -> None:
    network = Recorded(negative, Recorder())
    answers = [network(batch(1, seed)) for seed in range(4)]
    for seed, answer in enumerate(answers):
        assert torch.equal(answer, -batch(1, seed))


def test_a_network_that_cannot_be_recorded_runs_without(caplog: pytest.LogCaptureFixture) -> None:
    error = torch.cuda.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2 GiB")
    network = Recorded(negative, Recorder(error))
    with caplog.at_level(logging.INFO, "gpen"):
        for seed in range(3):
            assert torch.equal(network(batch(2, seed)), -batch(2, seed))
    assert caplog.messages == ["no CUDA graph of 2 faces: CUDA out of memory."]


def test_records_can_be_given_back() -> None:
    record = Recorder()
    network = Recorded(negative, record)
    for _ in range(2):
        network(batch(1))
        network(batch(1))
        network.forget()
    assert record.recorded == [1, 1]


class Stream:
    """A stream, or an event, of a device that is never busy."""

    def record_event(self) -> Stream:
        return self

    def wait_event(self, _: Stream) -> None: ...

    def synchronize(self) -> None: ...


@pytest.fixture
def cuda_on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA as far as the runner asks for it, by the CPU: what is copied and computed is real."""
    empty = torch.empty
    nothing = contextlib.nullcontext()
    monkeypatch.setattr(torch, "empty", lambda shape, pin_memory: empty(shape))
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda tensor, stream: None)
    for name, fake in {
        "Stream": lambda device: Stream(),
        "graph_pool_handle": lambda: None,
        "device": lambda device: nothing,
        "stream": lambda stream: nothing,
        "empty_cache": lambda: None,
    }.items():
        monkeypatch.setattr(torch.cuda, name, fake)


def host(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, 3, 4, 4)).astype(np.float32)


@pytest.mark.usefixtures("cuda_on_cpu")
def test_a_runner_answers_every_crop_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    record = Recorder()
    monkeypatch.setattr(CudaRunner, "record", lambda self, *given: record(*given))
    run = CudaRunner(negative, torch.device("cpu"), 4)
    crops = [host(count, count) for count in (37, 3, 1, 0, 37)]
    answers = [run(batch) for batch in crops]
    for batch, answer in zip(crops, answers, strict=True):
        np.testing.assert_array_equal(answer, -batch)
    assert sorted(record.recorded) == [1, 4, 16]


@pytest.mark.usefixtures("cuda_on_cpu")
def test_a_device_that_is_full_gives_records_back_and_takes_fewer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record, room = Recorder(), [16]
    monkeypatch.setattr(CudaRunner, "record", lambda self, *given: record(*given))

    def network(pictures: torch.Tensor) -> torch.Tensor:
        if len(pictures) > room[0]:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return -pictures

    class Engine:
        name, device, precision, size, in_size = "torch", "cuda", "f16", 4, 4
        run = staticmethod(CudaRunner(network, torch.device("cpu"), 4))

    engine = SparingEngine(Engine(), lambda: pytest.fail("the CPU was asked for"))
    for number in range(2):
        np.testing.assert_array_equal(engine.run(host(4, number)), -host(4, number))
    room[0] = 2
    np.testing.assert_array_equal(engine.run(host(7, 9)), -host(7, 9))
    assert record.recorded[0] == 4
    assert 2 in record.recorded[1:]


CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")


@pytest.mark.gpu
@CUDA
@pytest.mark.parametrize("net", [TINY, TINY_SR, published(256, widest=64)], ids=str)
@pytest.mark.parametrize(("precision", "tolerance"), [("f32", 1e-3), ("f16", 0.02), ("bf16", 0.15)])
def test_cuda_equals_the_cpu_and_repeats_itself(
    net, precision: str, tolerance: float, tmp_path: Path
) -> None:
    model = find_model(save_safetensors(net, tmp_path / "a.safetensors"))
    crops = np.random.default_rng(1).uniform(-1, 1, (7, 3, net.in_size, net.in_size))
    crops = crops.astype(np.float32)
    exact = open_engine(model, engine="torch", device="cpu", precision="f32").run(crops)
    engine = open_engine(model, engine="torch", device="cuda", precision=precision)
    for _ in range(3):  # as it comes, recorded, replayed
        assert np.abs(engine.run(crops) - exact).max() <= tolerance * np.abs(exact).max()


@pytest.mark.gpu
@CUDA
def test_cuda_serves_many_threads(tmp_path: Path) -> None:
    model = find_model(save_safetensors(TINY, tmp_path / "a.safetensors"))
    engine = open_engine(model, engine="torch", device="cuda", precision="f32")
    crops = np.random.default_rng(1).uniform(-1, 1, (8, 5, 3, 32, 32)).astype(np.float32)
    expected = [engine.run(batch) for batch in crops]
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(20):
            if np.abs(engine.run(crops[number]) - expected[number]).max() > 1e-4:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
