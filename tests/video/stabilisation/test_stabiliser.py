from __future__ import annotations

import weakref

import cv2
import numpy as np
import pytest

from gpen.errors import SettingsError
from gpen.types import Crop
from gpen.video.stabilisation.stabiliser import REACH, SPAN, Stabiliser
from support.drawn_faces import textured

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


def run(
    crops: list[Crop], outputs: list[np.ndarray], strength: float = 1, first: int = 0
) -> list[np.ndarray]:
    """All frames as a stream; `first` is the number of the first one."""
    stabiliser = Stabiliser(strength)
    results = []
    for i in range(len(crops) + stabiliser.reach):
        if i < len(crops):
            stabiliser.push(7, first + i, crops[i], outputs[i])
        if i >= stabiliser.reach:
            done = i - stabiliser.reach
            results.append(stabiliser.take(7, first + done, outputs[done]))
    return results


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
    for place, share in ((6, 0.55), (0, 0.75), (-1, 0.75)):  # fewer neighbours at the ends
        assert error(results[place], clear[place]) < share * error(coarse[place], clear[place])


def test_an_outlier_is_outvoted_and_does_not_linger() -> None:
    outputs = [crop.pixels.copy() for crop in MOVING]
    outputs[5] = cv2.GaussianBlur(noisy(MOVING[5].pixels, 1, 60), (0, 0), 3)
    results = run(MOVING, outputs)
    assert error(results[5], MOVING[5].pixels) < 0.5 * error(outputs[5], MOVING[5].pixels)
    usual = run(MOVING, [crop.pixels.copy() for crop in MOVING])
    for i in (*range(5 - SPAN), *range(6 + SPAN, 12)):
        assert np.array_equal(results[i], usual[i])


def test_strength_lies_between() -> None:
    still = [cv2.GaussianBlur(a, (0, 0), 2) for a in SHIMMER]
    changes = [error(run(MOVING, still, s)[-1], still[-1]) for s in (0, 0.3, 1)]
    assert changes[0] == 0 < changes[1] < changes[2]


def test_what_the_input_hides_or_shows_is_taken_at_once() -> None:
    crops = [crop_at(0) for _ in range(8)]
    for crop in crops[5:]:
        crop.pixels[90:160, 90:160] = (200, 40, 40)
    outputs = [crop.pixels.copy() for crop in crops]
    result = run(crops, outputs)[5]
    place = slice(100, 150)
    off = np.abs(result[place, place].astype(int) - outputs[5][place, place])
    assert off.mean() < 2


def test_light_that_changes_does_not_lag_not_even_at_the_ends() -> None:
    crops = [crop_at(0, light=1 - 0.02 * i) for i in range(15)]
    results = run(crops, [crop.pixels for crop in crops])
    step = crops[-2].pixels.mean() - crops[-1].pixels.mean()
    for i in (0, 7, 14):
        assert abs(results[i].mean() - crops[i].pixels.mean()) < 0.2 * step


def test_a_tint_that_flickers_is_steadied() -> None:
    crops = [crop_at(0) for _ in range(12)]
    tints = np.random.default_rng(1).normal(0, 5, (12, 3))
    outputs = [
        np.clip(c.pixels * 0.8 + 25 + t, 0, 255).astype(np.uint8)
        for c, t in zip(crops, tints, strict=True)
    ]

    def flicker(frames: list[np.ndarray]) -> float:
        means = np.array([frame.mean(axis=(0, 1)) for frame in frames[3:]])
        return float(np.diff(means, axis=0).std())

    assert flicker(run(crops, outputs)) < 0.45 * flicker(outputs)


def test_detail_keeps_its_energy() -> None:
    crops = [crop_at(0.4 * i) for i in range(12)]
    outputs = [noisy(crop.pixels, i, spread=4) for i, crop in enumerate(crops)]

    def energy(pixels: np.ndarray) -> float:
        luma = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
        return float(cv2.Laplacian(luma, cv2.CV_32F)[24:-24, 24:-24].var())

    blurred = [cv2.GaussianBlur(a, (0, 0), 1) for a in outputs]
    for result, output in zip(run(crops, blurred), blurred, strict=True):
        assert 0.95 < energy(result) / energy(output) < 1.1


def test_16_bit_gives_what_8_bit_gives() -> None:
    wide = [crop_at(0.4 * i, dtype=np.uint16) for i in range(6)]
    coarse = [cv2.GaussianBlur(noisy(c.pixels, i, 40), (0, 0), 2) for i, c in enumerate(MOVING[:6])]
    result = run(wide, [output.astype(np.uint16) * 257 for output in coarse])[-1]
    narrow = run(MOVING[:6], coarse)[-1]
    assert result.dtype == np.uint16
    assert error(result, narrow * np.uint16(257)) < 0.2 * error(coarse[-1], narrow)


def test_frames_beyond_a_gap_or_a_cut_have_no_influence() -> None:
    other = np.ascontiguousarray(MOVING[5].pixels[::-1, ::-1])
    cut = [*MOVING[:6], *(Crop(other, np.eye(2, 3), np.zeros((5, 2))) for _ in range(6))]
    outputs = [*SHIMMER[:6], *(noisy(other, i) for i in range(6))]
    alone = [*run(MOVING[:6], SHIMMER[:6]), *run(cut[6:], outputs[6:])]
    for a, b in zip(run(cut, outputs), alone, strict=True):
        assert np.array_equal(a, b)
    stabiliser = Stabiliser(1)
    for i in range(12):
        stabiliser.push(1, i if i < 6 else i + 1, MOVING[i], SHIMMER[i])
    apart = [*run(MOVING[:6], SHIMMER[:6]), *run(MOVING[6:], SHIMMER[6:])]
    for i in range(12):
        result = stabiliser.take(1, i if i < 6 else i + 1, SHIMMER[i])
        assert np.array_equal(result, apart[i])


def test_a_face_seen_once_keeps_its_answer() -> None:
    assert run(MOVING[:1], SHIMMER[:1])[0] is SHIMMER[0]


def test_any_part_can_be_made_by_itself() -> None:
    whole = run(MOVING, SHIMMER)
    stabiliser = Stabiliser(1)
    for i in range(5 - REACH, 7 + REACH):
        stabiliser.push(7, i, MOVING[i], SHIMMER[i])
    for i in (5, 6):
        assert np.array_equal(stabiliser.take(7, i, SHIMMER[i]), whole[i])


def test_tracks_do_not_touch_each_other() -> None:
    alone = run(MOVING, SHIMMER)
    stabiliser = Stabiliser(1)
    for i, output in enumerate(SHIMMER):
        stabiliser.push(7, i, MOVING[i], output)
        stabiliser.push(8, i, crop_at(60 - i), output)
    for i, output in enumerate(SHIMMER):
        assert np.array_equal(stabiliser.take(7, i, output), alone[i])
        stabiliser.take(8, i, output)


def test_nothing_is_kept_of_frames_that_have_no_more_influence() -> None:
    stabiliser = Stabiliser(1)
    kept = []
    for i in range(40):
        output = SHIMMER[i % 12].copy()
        kept.append(weakref.ref(output))
        stabiliser.push(7, i, MOVING[i % 12], output)
        if i >= REACH:
            stabiliser.take(7, i - REACH, kept[i - REACH]())
        del output
        assert sum(ref() is not None for ref in kept) <= 2 * REACH + 1
    for i in range(40 - REACH, 40):
        stabiliser.take(7, i, kept[i]())
    assert not any(ref() is not None for ref in kept)


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
