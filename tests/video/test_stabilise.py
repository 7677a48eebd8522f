from __future__ import annotations

import cv2
import numpy as np
import pytest

from faces import textured
from gpen.errors import SettingsError
from gpen.types import Crop
from gpen.video.stabilise import Stabiliser

SIZE = 256
WORLD = cv2.GaussianBlur(textured((400, 400), np.uint8), (0, 0), 1.5)


def crop_at(x: float, *, light: float = 1.0, dtype: type = np.uint8) -> Crop:
    """The textured world seen through a window that moves."""
    matrix = np.array([[1, 0, -40 - x], [0, 1, -50 - 0.5 * x]])
    seen = cv2.warpAffine(WORLD, matrix, (SIZE, SIZE), flags=cv2.INTER_CUBIC)
    pixels = np.rint(np.clip(seen * light, 0, 255)).astype(np.uint8)
    if dtype is np.uint16:
        pixels = pixels.astype(np.uint16) * 257
    return Crop(pixels, np.eye(2, 3), np.zeros((5, 2)))


def noisy(pixels: np.ndarray, seed: int, spread: float = 6) -> np.ndarray:
    """A network that answers with the crop and its own shimmer."""
    top = np.iinfo(pixels.dtype).max
    shimmer = np.random.default_rng(seed).normal(0, spread * top / 255, (SIZE, SIZE, 3))
    return np.rint(np.clip(pixels + shimmer, 0, top)).astype(pixels.dtype)


def run(crops: list[Crop], answers: list[np.ndarray], strength: float = 1) -> list[np.ndarray]:
    stabiliser = Stabiliser(strength)
    pairs = zip(crops, answers, strict=True)
    return [stabiliser.stabilise(7, i, crop, answer) for i, (crop, answer) in enumerate(pairs)]


def error(pixels: np.ndarray, truth: np.ndarray) -> float:
    inner = slice(24, -24)
    off = pixels[inner, inner].astype(float) - truth[inner, inner]
    return float(np.sqrt(np.square(off).mean()) * 255 / np.iinfo(pixels.dtype).max)


MOVING = [crop_at(0.4 * i) for i in range(12)]
SHIMMER = [noisy(crop.pixels, i) for i, crop in enumerate(MOVING)]


def test_strength_0_returns_the_answers_themselves() -> None:
    results = run(MOVING, SHIMMER, strength=0)
    assert all(a is b for a, b in zip(results, SHIMMER, strict=True))


def test_shimmer_of_a_moving_face_is_steadied_towards_the_truth() -> None:
    coarse = [cv2.GaussianBlur(noisy(c.pixels, i, 40), (0, 0), 2) for i, c in enumerate(MOVING)]
    clear = [cv2.GaussianBlur(c.pixels, (0, 0), 2) for c in MOVING]
    results = run(MOVING, coarse)
    assert error(results[-1], clear[-1]) < 0.7 * error(coarse[-1], clear[-1])


def test_strength_lies_between() -> None:
    still = [cv2.GaussianBlur(a, (0, 0), 2) for a in SHIMMER]
    changes = [error(run(MOVING, still, s)[-1], still[-1]) for s in (0, 0.3, 1)]
    assert changes[0] == 0 < changes[1] < changes[2]


def test_what_the_input_hides_or_shows_is_taken_at_once() -> None:
    crops = [crop_at(0) for _ in range(8)]
    for crop in crops[5:]:
        crop.pixels[90:160, 90:160] = (200, 40, 40)
    answers = [crop.pixels.copy() for crop in crops]
    result = run(crops, answers)[5]
    place = slice(100, 150)
    off = np.abs(result[place, place].astype(int) - answers[5][place, place])
    assert off.mean() < 2


def test_light_that_changes_does_not_lag() -> None:
    crops = [crop_at(0, light=1 - 0.02 * i) for i in range(15)]
    results = run(crops, [crop.pixels for crop in crops])
    lag = results[-1].astype(float).mean() - crops[-1].pixels.mean()
    step = crops[-2].pixels.mean() - crops[-1].pixels.mean()
    assert abs(lag) < 0.5 * step


def test_a_tint_that_flickers_is_steadied() -> None:
    crops = [crop_at(0) for _ in range(12)]
    tints = np.random.default_rng(1).normal(0, 5, (12, 3))
    answers = [
        np.clip(c.pixels * 0.8 + 25 + t, 0, 255).astype(np.uint8)
        for c, t in zip(crops, tints, strict=True)
    ]

    def flicker(frames: list[np.ndarray]) -> float:
        means = np.array([frame.mean(axis=(0, 1)) for frame in frames[3:]])
        return float(np.diff(means, axis=0).std())

    assert flicker(run(crops, answers)) < 0.4 * flicker(answers)


def test_detail_keeps_its_energy() -> None:
    crops = [crop_at(0.4 * i) for i in range(12)]
    answers = [noisy(crop.pixels, i, spread=4) for i, crop in enumerate(crops)]

    def energy(pixels: np.ndarray) -> float:
        luma = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
        return float(cv2.Laplacian(luma, cv2.CV_32F)[24:-24, 24:-24].var())

    blurred = [cv2.GaussianBlur(a, (0, 0), 1) for a in answers]
    assert energy(run(crops, blurred)[-1]) > 0.9 * energy(blurred[-1])


def test_16_bit_gives_what_8_bit_gives() -> None:
    wide = [crop_at(0.4 * i, dtype=np.uint16) for i in range(6)]
    coarse = [cv2.GaussianBlur(noisy(c.pixels, i, 40), (0, 0), 2) for i, c in enumerate(MOVING[:6])]
    result = run(wide, [answer.astype(np.uint16) * 257 for answer in coarse])[-1]
    narrow = run(MOVING[:6], coarse)[-1]
    assert result.dtype == np.uint16
    assert error(result, narrow * np.uint16(257)) < 0.2 * error(coarse[-1], narrow)


def test_a_gap_a_cut_and_a_forgotten_track_start_anew() -> None:
    for index, between in ((9, None), (3, "forget")):
        stabiliser = Stabiliser(1)
        for i in range(3):
            stabiliser.stabilise(1, i, MOVING[i], SHIMMER[i])
        if between:
            stabiliser.forget(1)
        assert stabiliser.stabilise(1, index, MOVING[3], SHIMMER[3]) is SHIMMER[3]
    other = Crop(np.ascontiguousarray(MOVING[5].pixels[::-1, ::-1]), np.eye(2, 3), np.zeros((5, 2)))
    stabiliser = Stabiliser(1)
    for i in range(3):
        stabiliser.stabilise(1, i, MOVING[i], SHIMMER[i])
    assert stabiliser.stabilise(1, 3, other, other.pixels) is other.pixels


def test_tracks_do_not_touch_each_other() -> None:
    alone = run(MOVING, SHIMMER)
    stabiliser = Stabiliser(1)
    for i, (crop, answer) in enumerate(zip(MOVING, SHIMMER, strict=True)):
        result = stabiliser.stabilise(7, i, crop, answer)
        stabiliser.stabilise(8, i, crop_at(60 - i), answer)
        assert np.array_equal(result, alone[i])


def test_a_state_goes_on_bit_by_bit(tmp_path) -> None:
    whole = run(MOVING, SHIMMER)
    first = Stabiliser(1)
    for i in range(6):
        first.stabilise(7, i, MOVING[i], SHIMMER[i])
    np.savez(tmp_path / "state.npz", **first.state())
    first.stabilise(7, 6, MOVING[6], SHIMMER[6])  # what was saved does not change with it
    with np.load(tmp_path / "state.npz", allow_pickle=False) as state:
        second = Stabiliser.from_state(1, state)
    for i in range(6, 12):
        assert np.array_equal(second.stabilise(7, i, MOVING[i], SHIMMER[i]), whole[i])


def test_threads_do_not_change_the_result() -> None:
    threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        one = run(MOVING, SHIMMER)
        cv2.setNumThreads(4)
        assert all(np.array_equal(a, b) for a, b in zip(run(MOVING, SHIMMER), one, strict=True))
    finally:
        cv2.setNumThreads(threads)


@pytest.mark.parametrize("strength", [-0.1, 1.5, float("nan")])
def test_strengths_that_mean_nothing_are_refused(strength: float) -> None:
    with pytest.raises(SettingsError, match="expected 0 to 1"):
        Stabiliser(strength)


def test_a_state_that_lacks_something_is_refused() -> None:
    stabiliser = Stabiliser(1)
    stabiliser.stabilise(7, 0, MOVING[0], SHIMMER[0])
    state = stabiliser.state()
    del state["7.flow"]
    with pytest.raises(SettingsError, match="start anew"):
        Stabiliser.from_state(1, state)
