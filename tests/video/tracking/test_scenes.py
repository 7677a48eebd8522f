"""Cuts are found; flashes, fades, pans and zooms are none."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import PIL.ImageSequence
import pytest

from gpen.video.tracking.scenes import SceneChangeMeter, find_cuts, flash_frames
from support.drawn_faces import textured

FPS = 24.0


def cuts_of(frames: list[np.ndarray]) -> list[int]:
    memory = flash_frames(FPS)
    watch = SceneChangeMeter(memory)
    table = np.full((len(frames), memory), np.nan, np.float32)
    for row, frame in zip(table, frames, strict=True):
        changes = watch.see(frame)
        row[: len(changes)] = changes
    return find_cuts(table)


def scene(seed: int, count: int = 12) -> list[np.ndarray]:
    """A frame that sways a little, with noise."""
    random = np.random.default_rng(seed)
    image = cv2.GaussianBlur(textured((300, 170), seed=seed), (0, 0), 2)
    frames = []
    for n in range(count):
        x = 5 + n % 5
        noisy = image[5:165, x : x + 284] + random.normal(0, 4, (160, 284, 3))
        frames.append(np.clip(noisy, 0, 255).astype(np.uint8))
    return frames


def brightened(frame: np.ndarray, gain: float, lift: float = 0) -> np.ndarray:
    return np.clip(frame * gain + lift, 0, 255).astype(np.uint8)


def test_each_first_frame_of_a_shot_is_found() -> None:
    assert cuts_of(scene(1) + scene(2) + scene(3, 4) + scene(4)) == [12, 24, 28]


def test_a_shot_that_comes_back_begins_with_a_cut() -> None:
    assert cuts_of(scene(1) + scene(2, 5) + scene(1)) == [12, 17]


@pytest.mark.parametrize("length", [1, 2])
def test_a_flash_is_no_cut(length: int) -> None:
    frames = scene(1, 24)
    for n in range(10, 10 + length):
        frames[n] = np.full_like(frames[n], 255)
    assert cuts_of(frames) == []


def test_a_half_washed_out_flash_is_no_cut() -> None:
    frames = scene(1, 24)
    frames[11] = brightened(frames[11], 2.5, 100)
    assert cuts_of(frames) == []


def test_a_fade_is_no_cut() -> None:
    frames = [brightened(f, max(0.1, abs(1 - n / 12))) for n, f in enumerate(scene(1, 24))]
    assert cuts_of(frames) == []


def test_a_pan_is_no_cut() -> None:
    world = cv2.GaussianBlur(textured((1400, 180), seed=5), (0, 0), 3)
    frames = [np.ascontiguousarray(world[:, 22 * n : 22 * n + 320]) for n in range(40)]
    assert cuts_of(frames) == []


def test_a_zoom_is_no_cut() -> None:
    world = cv2.GaussianBlur(textured((640, 360), seed=6), (0, 0), 3)
    frames = []
    for n in range(24):
        part = np.ascontiguousarray(world[4 * n : 360 - 4 * n, 7 * n : 640 - 7 * n])
        frames.append(cv2.resize(part, (320, 180), interpolation=cv2.INTER_AREA))
    assert cuts_of(frames) == []


def test_one_frame_and_one_pixel_have_no_cut() -> None:
    assert cuts_of([np.zeros((1, 1, 3), np.uint8)]) == []


def test_real_clips_put_together_are_cut_where_they_meet(shared: Path) -> None:
    paths = sorted((shared / "video").glob("*.gif"))[:4]
    frames: list[np.ndarray] = []
    meet = []
    for path in paths:
        meet.append(len(frames))
        with PIL.Image.open(path) as clip:
            images = [f.convert("RGB").resize((480, 270)) for f in PIL.ImageSequence.Iterator(clip)]
        frames += [np.asarray(image) for image in images[:15]]
    assert cuts_of(frames) == meet[1:]


def test_a_lamp_that_is_switched_on_is_no_cut() -> None:
    frames = scene(1, 24)
    for frame in frames[12:]:
        cv2.circle(frame, (200, 60), 15, (255, 255, 240), -1)
    assert cuts_of(frames) == []
