"""Every kind of damage alone: seeded, harmless at one end, worse towards the other."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("av")

from gpen.errors import MissingExtraError
from gpen.training.degradation import CATALOGUE, Step, single_step
from gpen.training.degradation.blur import motion_blur
from gpen.training.degradation.compression import double_jpeg, h264, jpeg
from gpen.training.degradation.noise import sensor_noise
from gpen.training.degradation.prints import halftone, scratches
from gpen.training.degradation.step_catalogue import WORKS
from gpen.training.degradation.tone import colour_jitter, grey

STEPS = pytest.mark.parametrize("step", CATALOGUE.values(), ids=CATALOGUE)
LOSSY = {"jpeg", "double_jpeg", "webp", "h264"}  # colour is stored at half the size even at best


def face(size: int = 96, seed: int = 0) -> np.ndarray:
    """Smooth colours with some texture."""
    random = np.random.default_rng(seed)
    coarse = random.integers(40, 216, (6, 6, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    texture = cv2.resize(random.normal(0, 12, (size // 2, size // 2)), (size, size))
    return np.clip(smooth + texture[..., None], 0, 255).astype(np.uint8)


def error(step: Step, place: float) -> float:
    """Mean absolute change in levels, over some draws."""
    changes = []
    for seed in range(6):
        image = face(seed=seed)
        damaged = single_step(image, np.random.default_rng(seed), step, place)
        changes.append(np.abs(damaged.astype(float) - image).mean())
    return float(np.mean(changes))


def test_catalogue_holds_every_step() -> None:
    assert set(CATALOGUE) == set(WORKS)


@STEPS
def test_harmless_end_leaves_the_picture_as_it_is(step: Step) -> None:
    assert error(step, 0.0) <= (3.0 if step.work in LOSSY else 0.5)


@STEPS
def test_stronger_is_worse(step: Step) -> None:
    harmless, half, worst = (error(step, place) for place in (0.0, 0.5, 1.0))
    assert harmless < half < worst


@STEPS
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**63), place=st.floats(0, 1))
def test_same_seed_gives_the_same_damage_and_leaves_the_input_alone(
    step: Step, seed: int, place: float
) -> None:
    image = face(48)
    before = image.copy()
    one, same = (
        WORKS[step.work](image, np.random.default_rng(seed), **step.at(place)) for _ in range(2)
    )
    assert np.array_equal(one, same)
    assert np.array_equal(image, before)
    assert one.dtype == np.uint8
    assert one.ndim == image.ndim


@STEPS
@pytest.mark.parametrize("shape", [(4, 4), (5, 9), (33, 32)])
def test_tiny_and_odd_pictures_pass(step: Step, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    damaged = WORKS[step.work](image, np.random.default_rng(1), **step.at(1.0))
    assert damaged.dtype == np.uint8
    assert damaged.shape[2] == 3
    if "shrink" not in step.work:
        assert damaged.shape == image.shape


@pytest.mark.parametrize("size", [64, 512])
def test_motion_blur_spreads_a_point_over_its_path_without_shifting_it(size: int) -> None:
    image = np.zeros((size, size, 3), np.uint8)
    image[size // 2, size // 2] = 255
    blurred = motion_blur(image, np.random.default_rng(0), length=20).astype(float)[..., 0]
    y, x = np.mgrid[:size, :size] - size // 2
    assert (blurred > 0).sum() > 0.6 * 20 * size / 512
    if size > 64:  # levels of a point on a small face are rounded too much to be weighed
        assert abs((blurred * x).sum() / blurred.sum()) < 1
        assert abs((blurred * y).sum() / blurred.sum()) < 1


def test_sensor_noise_is_stronger_in_the_light() -> None:
    random = np.random.default_rng(0)
    dark, light = (np.full((64, 64, 3), level, np.uint8) for level in (40, 200))
    spreads = [
        sensor_noise(flat, random, read=2, shot=10, chroma=0).std() for flat in (dark, light)
    ]
    assert spreads[1] > 1.5 * spreads[0]


def test_halftone_of_a_grey_picture_is_grey_and_keeps_its_mean() -> None:
    image = grey(face(128))
    printed = halftone(image, np.random.default_rng(0), pitch=16, depth=1)
    assert np.ptp(printed, axis=2).max() == 0
    assert abs(printed.mean() - image.mean()) < 12
    assert ((printed < 40) | (printed > 215)).mean() > 0.3


def test_second_jpeg_damages_more_than_the_same_one_again() -> None:
    image, random = face(128), np.random.default_rng(0)
    once = jpeg(image, random, quality=40)
    twice = double_jpeg(image, random, first=40, second=40)
    assert (
        np.abs(twice.astype(int) - once).mean()
        > np.abs(jpeg(once, random, quality=40).astype(int) - once).mean()
    )


def test_no_scratch_leaves_no_mark() -> None:
    image = face()
    unmarked = scratches(image, np.random.default_rng(0), count=0, opacity=1)
    assert np.array_equal(unmarked, image)


def test_jitter_of_grey_stays_grey_but_for_brightness() -> None:
    image = grey(face())
    strengths = {"brightness": 0.3, "contrast": 0.3, "saturation": 0.8, "hue": 0.1}
    jittered = colour_jitter(image, np.random.default_rng(0), **strengths)
    assert np.ptp(jittered, axis=2).max() <= 1
    assert not np.array_equal(jittered, image)


def test_h264_without_pyav_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"gpen\[train\]"):
        h264(face(), np.random.default_rng(0), crf=30)
