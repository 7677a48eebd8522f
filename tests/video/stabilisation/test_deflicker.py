from __future__ import annotations

import numpy as np
import pytest

from gpen.video.stabilisation import deflicker
from support.drawn_faces import textured

RNG = np.random.default_rng(3)
SCENE = textured((160, 120), np.uint8) // 2 + 40


def film(lights: np.ndarray, gains: np.ndarray | float = 1.0) -> list[np.ndarray]:
    """The scene under a light that changes, seen through a projector that flickers."""
    return [np.rint(np.clip(SCENE * level, 0, 255)).astype(np.uint8) for level in lights * gains]


def steadied(frames: list[np.ndarray], cuts: tuple[int, ...] = ()) -> list[np.ndarray]:
    plan = deflicker.corrections([deflicker.measure(frame) for frame in frames], cuts)
    return [deflicker.apply(frame, one) for frame, one in zip(frames, plan, strict=True)]


def levels(frames: list[np.ndarray]) -> np.ndarray:
    return np.array([frame.mean() for frame in frames])


def shake(values: np.ndarray) -> float:
    """Spread of second differences: flicker, but no ramp."""
    return float(np.diff(values, 2).std())


FLICKER = 1 + 0.06 * RNG.normal(size=60)


def test_flicker_goes_to_less_than_a_quarter() -> None:
    frames = film(np.ones(60), FLICKER)
    assert shake(levels(steadied(frames))) < 0.25 * shake(levels(frames))


def test_a_fade_stays_a_fade_and_does_not_lag() -> None:
    fade = np.linspace(1, 0.4, 60)
    result, wanted = levels(steadied(film(fade, FLICKER))), levels(film(fade))
    assert shake(result) < 0.3 * shake(levels(film(fade, FLICKER)))
    assert abs(float((result - wanted)[8:-8].mean())) < 2
    slope = np.polyfit(np.arange(60), result, 1)[0] / np.polyfit(np.arange(60), wanted, 1)[0]
    assert slope == pytest.approx(1, abs=0.1)


def test_a_lamp_that_is_switched_on_stays_a_step() -> None:
    lamp = np.where(np.arange(60) < 30, 0.6, 1.2)
    result = levels(steadied(film(lamp, 1 + 0.01 * RNG.normal(size=60))))
    wanted = levels(film(lamp))
    assert np.abs(result - wanted)[[28, 29, 30, 31]].max() < 0.1 * (wanted[-1] - wanted[0])


def test_scenes_do_not_look_across_a_cut() -> None:
    dark = film(np.full(30, 0.5), FLICKER[:30])
    bright = film(np.full(30, 1.1), FLICKER[30:])
    apart = steadied(dark) + steadied(bright)
    together = steadied(dark + bright, cuts=(30,))
    assert all(np.array_equal(a, b) for a, b in zip(apart, together, strict=True))


def test_a_steady_clip_is_returned_itself() -> None:
    frames = film(np.ones(20))
    assert all(a is b for a, b in zip(steadied(frames), frames, strict=True))


def test_16_bit_frames_stay_16_bit() -> None:
    frames = [frame.astype(np.uint16) * 257 for frame in film(np.ones(60), FLICKER)]
    result = steadied(frames)
    assert result[0].dtype == np.uint16
    assert shake(levels(result)) < 0.25 * shake(levels(frames))


def test_grey_stays_grey() -> None:
    frames = [np.repeat(frame[..., :1], 3, axis=2) for frame in film(np.ones(60), FLICKER)]
    assert all((np.ptp(frame, axis=2) == 0).all() for frame in steadied(frames))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_clips_too_short_to_flicker_are_left_alone(count: int) -> None:
    plan = deflicker.corrections(np.tile(deflicker.measure(SCENE), (count, 1)))
    assert plan.shape == (count, 2)
    assert (plan == [1, 0]).all()


def test_black_frames_give_no_wild_gain() -> None:
    frames = film(np.where(np.arange(40) % 2, 0, 1.0))
    plan = deflicker.corrections([deflicker.measure(frame) for frame in frames])
    assert np.isfinite(plan).all()
    assert plan[:, 0].max() <= deflicker.GAIN[1]
