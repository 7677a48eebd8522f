from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpen.errors import AlignError
from gpen.images import transforms
from support.drawn_faces import textured

bounded = settings(max_examples=40, deadline=None, derandomize=True)
angles = st.floats(-math.pi, math.pi)
scales = st.floats(-3, 3).map(lambda power: 2.0**power)
shifts = st.floats(-500, 500)
depths = st.sampled_from([np.uint8, np.uint16, np.float32])


def similarity(scale: float, angle: float, x: float, y: float) -> np.ndarray:
    a, b = scale * math.cos(angle), scale * math.sin(angle)
    return np.array([[a, -b, x], [b, a, y]])


def smooth_picture(size_wh: tuple[int, int], seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 1, (size_wh[1], size_wh[0], 3))
    blurred = cv2.GaussianBlur(noise, (0, 0), 4)
    return (blurred / np.abs(blurred).max() * 110 + 128).astype(np.float32)


@bounded
@given(scales, angles, shifts, shifts, st.integers(2, 7), st.integers(0, 99))
def test_fit_recovers_any_similarity(
    scale: float, angle: float, x: float, y: float, count: int, seed: int
) -> None:
    points = np.random.default_rng(seed).uniform(-100, 100, (count, 2))
    expected = similarity(scale, angle, x, y)
    matrix = transforms.fit_similarity(points, transforms.apply(expected, points))
    np.testing.assert_allclose(matrix, expected, atol=1e-8 * max(1, scale * 100))


@bounded
@given(st.integers(0, 10**6))
def test_fit_is_the_best_similarity(seed: int) -> None:
    """No similarity near the fitted one brings the points closer to their targets."""
    rng = np.random.default_rng(seed)
    source, target = rng.normal(0, 50, (2, 5, 2))
    best = transforms.fit_similarity(source, target)

    def error(matrix: np.ndarray) -> float:
        return float(np.square(transforms.apply(matrix, source) - target).sum())

    for _ in range(10):
        a, b, x, y = rng.normal(0, [1e-3, 1e-3, 1e-1, 1e-1])
        nearby = best + np.array([[a, -b, x], [b, a, y]])
        assert error(best) <= error(nearby)


def test_fit_never_mirrors() -> None:
    square = np.array([[0, 0], [3, 0], [3, 1], [0, 1]], dtype=float)
    matrix = transforms.fit_similarity(square, square * [-1, 1])
    assert np.linalg.det(matrix[:, :2]) > 0


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param(np.full((5, 2), 7.3), "all in one place", id="one_place"),
        pytest.param(np.full((5, 2), 1e9) + np.eye(5, 2) * 1e-3, "one place", id="rounding"),
        pytest.param(np.full((5, 2), np.nan), "not finite", id="nan"),
        pytest.param(np.full((5, 2), np.inf), "not finite", id="infinite"),
        pytest.param(np.zeros((4, 2)), r"expected twice \(N, 2\)", id="too_few"),
    ],
)
def test_fit_refuses_points_that_have_no_fit(source: np.ndarray, message: str) -> None:
    target = np.array([[0, 0], [10, 0], [5, 5], [2, 9], [8, 9]], dtype=float)
    with pytest.raises(AlignError, match=message):
        transforms.fit_similarity(source, target)


def test_fit_refuses_a_pure_mirror_image() -> None:
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=float)
    with pytest.raises(AlignError, match="mirrored"):
        transforms.fit_similarity(square, square[:, ::-1])


@bounded
@given(scales, angles, shifts, shifts)
def test_invert_and_compose_cancel(scale: float, angle: float, x: float, y: float) -> None:
    matrix = similarity(scale, angle, x, y)
    identity = transforms.compose(transforms.invert(matrix), matrix)
    np.testing.assert_allclose(identity, np.eye(2, 3), atol=1e-9 * (1 + abs(x) + abs(y)) / scale)
    assert transforms.scale_of(matrix) == pytest.approx(scale)


def test_invert_refuses_a_flat_matrix() -> None:
    with pytest.raises(AlignError, match="no inverse"):
        transforms.invert(np.zeros((2, 3)))


@pytest.mark.parametrize("factor", [0.25, 2, 4])
def test_scaled_points_follow_the_resized_picture(factor: float) -> None:
    pil_image = np.zeros((40, 40), np.float32)
    pil_image[12:16, 24:28] = 1
    resized = transforms.resize(pil_image, (int(40 * factor), int(40 * factor)))
    rows, columns = np.indices(resized.shape)
    centre = [(columns * resized).sum() / resized.sum(), (rows * resized).sum() / resized.sum()]
    expected = transforms.scale_points([25.5, 13.5], factor)
    np.testing.assert_allclose(centre, expected, atol=1e-3)


@pytest.mark.parametrize("size_wh", [(7, 90), (90, 7), (30, 20), (1, 1)])
def test_resize_keeps_the_mean_and_gives_the_size(size_wh: tuple[int, int]) -> None:
    pil_image = smooth_picture((60, 45))
    resized = transforms.resize(pil_image, size_wh)
    assert resized.shape == (size_wh[1], size_wh[0], 3)
    np.testing.assert_allclose(resized.mean(axis=(0, 1)), pil_image.mean(axis=(0, 1)), atol=1.5)


@bounded
@given(angles, st.floats(1.05, 6), st.integers(0, 9))
def test_warp_averages_over_the_footprint_when_it_shrinks(
    angle: float, shrink: float, seed: int
) -> None:
    """Compared with 256 samples per target pixel; detail of the image is about 3 px wide."""
    noise = np.random.default_rng(seed).normal(0, 1, (300, 300)).astype(np.float32)
    pil_image = cv2.GaussianBlur(noise, (0, 0), 1) * 140 + 128
    size = int(180 / shrink)
    matrix = similarity(1 / shrink, angle, 0, 0)
    matrix[:, 2] = (size - 1) / 2 - transforms.apply(matrix, [150.3, 149.1])
    fine = 16
    many = cv2.warpAffine(
        pil_image,
        transforms.compose(transforms.scaling(fine), matrix),
        (size * fine, size * fine),
        flags=cv2.INTER_NEAREST,
    )
    expected = cv2.resize(many, (size, size), interpolation=cv2.INTER_AREA)
    warped = transforms.warp(pil_image, matrix, (size, size))
    single = cv2.warpAffine(pil_image, matrix, (size, size), flags=cv2.INTER_CUBIC)
    assert np.std(warped - expected) < 0.25 * expected.std()
    # Near 2 a single bicubic sample covers half of the footprint, and does well itself.
    assert shrink < 2.2 or np.std(warped - expected) < 0.35 * np.std(single - expected)


@bounded
@given(scales, angles)
def test_warp_there_and_back_keeps_a_smooth_picture(scale: float, angle: float) -> None:
    pil_image = smooth_picture((64, 64))
    size = math.ceil(64 * 1.5 * scale)
    matrix = similarity(scale, angle, 0, 0)
    matrix[:, 2] = (size - 1) / 2 - transforms.apply(matrix, [31.5, 31.5])
    there = transforms.warp(pil_image, matrix, (size, size))
    back = transforms.warp(there, transforms.invert(matrix), (64, 64))
    if scale >= 1:
        assert np.abs(back - pil_image)[4:-4, 4:-4].max() < 6
    assert np.abs(back.mean() - pil_image.mean()) < 2


@bounded
@given(st.floats(0.2, 4), angles, st.floats(-90, 170), st.floats(-90, 150), depths)
def test_warp_reflects_like_a_padded_picture(
    scale: float, angle: float, x: float, y: float, depth: type
) -> None:
    pil_image = smooth_picture((80, 60)).astype(depth)
    padded = cv2.copyMakeBorder(pil_image, 300, 300, 300, 300, cv2.BORDER_REFLECT)
    matrix = similarity(scale, angle, 0, 0)
    matrix[:, 2] = 12 - transforms.apply(matrix, [x, y])
    expected = transforms.warp(
        padded, transforms.compose(matrix, transforms.shifting(-300, -300)), (24, 24)
    )
    warped = transforms.warp(pil_image, matrix, (24, 24))
    assert warped.dtype == depth
    # Shrinking starts at another pixel, which moves the shares of the averages a little.
    np.testing.assert_allclose(warped.astype(float), expected.astype(float), atol=6)


@pytest.mark.parametrize("periods_xy", [(1, 0), (0, -1), (-7, 5), (3000, -2000)])
@pytest.mark.parametrize("at_xy", [(-25, 10), (70, 50), (150, -70)], ids=str)
def test_mirror_images_far_away_are_those_close_by(
    periods_xy: tuple[int, int], at_xy: tuple[int, int]
) -> None:
    pil_image = textured((80, 60), np.uint8)
    near = transforms.compose(similarity(1, 0.3, 0, 0), transforms.shifting(-at_xy[0], -at_xy[1]))
    way = transforms.shifting(2 * 80 * periods_xy[0], 2 * 60 * periods_xy[1])
    far = transforms.warp(pil_image, transforms.compose(near, way), (40, 30))
    np.testing.assert_allclose(far, transforms.warp(pil_image, near, (40, 30)), atol=1)


@pytest.mark.parametrize("border", ["reflect", "replicate", "constant"])
@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 3, 3), (50, 40), (31, 500, 3)])
@pytest.mark.parametrize("scale", [1e-6, 1e-3, 0.3, 1, 40, 1e6])
@pytest.mark.parametrize("shift", [0, -3000, 1e7])
def test_warp_survives_any_scale_and_place(
    border: transforms.Border, shape: tuple[int, ...], scale: float, shift: float
) -> None:
    pil_image = np.full(shape, 200, np.uint8)
    warped = transforms.warp(pil_image, similarity(scale, 0.6, shift, 9), (48, 32), border=border)
    assert warped.shape == (32, 48, *shape[2:])
    if border != "constant":
        assert (warped == 200).all()


def test_warp_with_constant_border_gives_zeros_outside() -> None:
    pil_image = np.full((20, 20, 3), 200, np.uint8)
    warped = transforms.warp(pil_image, transforms.shifting(10, 0), (40, 20), border="constant")
    assert (warped[:, :8] == 0).all()
    assert (warped[:, 12:28] == 200).all()
    assert (warped[:, 32:] == 0).all()


def test_warp_clips_overshoot_instead_of_wrapping() -> None:
    step = np.zeros((20, 20), np.uint8)
    step[:, 10:] = 255
    warped = transforms.warp(step, transforms.scaling(7.3), (146, 146))
    row = warped[70].astype(int)
    assert (np.diff(row) >= 0).all()
    assert row[0] == 0
    assert row[-1] == 255


@pytest.mark.parametrize("size_wh", [(40_000, 30), (30, 40_000)])
def test_warp_reads_sources_longer_than_sixteen_bits(size_wh: tuple[int, int]) -> None:
    """cv2.warpAffine alone has a limit of 32767 pixels."""
    width, height = size_wh
    pil_image = np.zeros((height, width), np.uint8)
    pil_image[height // 4 * 3 :, width // 4 * 3 :] = 255
    far = transforms.warp(pil_image, transforms.shifting(-(width - 30), -(height - 30)), (30, 30))
    np.testing.assert_array_equal(far, pil_image[-30:, -30:])
    small_wh = max(1, width // 100), max(1, height // 100)
    small = transforms.warp(
        pil_image, transforms.scaling(0.01), small_wh, border="replicate"
    ).ravel()
    assert small[:290].max() == 0
    assert small[310:].min() > 50
