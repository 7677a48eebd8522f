"""Smoothed points are still where the face is still, move with it without lag, and bridge gaps."""

from __future__ import annotations

import numpy as np
import pytest

from gpen.video.tracking.smoothing import smooth_points
from support.drawn_faces import face_points

FPS = 25.0


def moved(count: int, hertz: float, reach: float) -> np.ndarray:
    """The points of a face that sways and rolls, (count, 5, 2)."""
    t = np.arange(count) / FPS
    sway, roll = reach * np.sin(2 * np.pi * hertz * t), 0.1 * np.sin(2 * np.pi * hertz * t + 1)
    return np.stack(
        [face_points((200 + x, 150), 30, angle) for x, angle in zip(sway, roll, strict=True)]
    )


def noisy(points: np.ndarray, noise: float) -> np.ndarray:
    random = np.random.default_rng(0)
    return points + random.normal(0, noise, points.shape)


def jitter(points: np.ndarray, truth: np.ndarray) -> float:
    return float(np.abs(np.diff(points - truth, 2, axis=0)).mean())


def error(points: np.ndarray, truth: np.ndarray) -> float:
    return float(np.hypot(*np.moveaxis(points - truth, 2, 0)).mean())


@pytest.mark.parametrize(("hertz", "reach"), [(0, 0), (0.4, 40), (1.0, 30)])
def test_jitter_shrinks_and_the_error_does_not_grow(hertz: float, reach: float) -> None:
    truth = moved(120, hertz, reach)
    raw = noisy(truth, 0.8)
    smooth = smooth_points(raw, np.ones(120), FPS)
    assert jitter(smooth, truth) < 0.3 * jitter(raw, truth)
    assert error(smooth, truth) < 0.9 * error(raw, truth)


def test_nothing_lags() -> None:
    truth = moved(150, 1.0, 40)
    off = smooth_points(noisy(truth, 0.5), np.ones(150), FPS) - truth
    speed = np.gradient(truth, axis=0)
    assert abs((off * speed).sum() / (speed**2).sum()) < 0.02  # frames


def test_a_fast_shake_keeps_its_reach() -> None:
    truth = moved(100, 2.0, 40)
    smooth = smooth_points(noisy(truth, 0.3), np.ones(100), FPS)
    assert np.ptp(smooth[..., 0].mean(axis=1)) > 0.97 * np.ptp(truth[..., 0].mean(axis=1))


def test_a_sudden_start_is_not_rounded_off() -> None:
    truth = moved(80, 0, 0)
    truth[40:, :, 0] += np.minimum(np.arange(40), 10)[:, None] * 6.0
    smooth = smooth_points(noisy(truth, 0.3), np.ones(80), FPS)
    assert np.abs(smooth - truth).max() < 4.0


def test_an_outlier_does_not_pull_its_neighbours() -> None:
    truth = moved(80, 0.4, 30)
    raw = noisy(truth, 0.3)
    raw[40] += 25
    smooth = smooth_points(raw, np.ones(80), FPS)
    assert np.abs(smooth - truth)[35:46].max() < 2.5


def test_a_gap_is_bridged_along_the_motion() -> None:
    truth = moved(80, 0.4, 40)
    raw, scores = noisy(truth, 0.2), np.ones(80)
    raw[40:50], scores[40:50] = np.nan, 0
    smooth = smooth_points(raw, scores, FPS)
    assert np.isfinite(smooth).all()
    assert np.abs(smooth - truth)[38:52].max() < 4.0


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 9])
def test_short_tracks_stay_where_they_are(count: int) -> None:
    truth = moved(count, 0.3, 10)
    smooth = smooth_points(truth.copy(), np.ones(count), FPS)
    assert smooth.shape == truth.shape
    assert np.abs(smooth - truth).max() < 1.5


def test_many_frames_give_the_same_as_few() -> None:
    few = noisy(moved(100, 0.5, 20), 0.5)
    many = np.tile(few, (60, 1, 1))  # more than one block
    smooth = smooth_points(many, np.ones(len(many)), FPS)
    assert np.abs(smooth[3040:3060] - smooth[4040:4060]).max() < 1e-6


def test_points_in_one_place_stay_finite() -> None:
    assert np.isfinite(smooth_points(np.zeros((10, 5, 2)), np.ones(10), FPS)).all()
