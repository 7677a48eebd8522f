"""Images as tensors."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gpen.perceptual.image_tensors import to_tensor  # noqa: E402


def test_levels_become_minus_1_to_1_with_channels_first() -> None:
    levels = np.zeros((2, 4, 5, 3), np.uint8)
    levels[1, 2, 3] = 255, 51, 0
    tensor = to_tensor(levels)
    assert (tuple(tensor.shape), tensor.dtype) == ((2, 3, 4, 5), torch.float32)
    torch.testing.assert_close(tensor[1, :, 2, 3], torch.tensor([1.0, -0.6, -1.0]))
    assert (tensor[0] == -1).all()


def test_arrays_that_are_mirrored_and_tensors_give_the_same() -> None:
    levels = np.random.default_rng(0).integers(0, 256, (1, 6, 6, 3), np.uint8)
    expected = to_tensor(levels[:, :, ::-1].copy())
    assert torch.equal(to_tensor(levels[:, :, ::-1]), expected)
    assert torch.equal(to_tensor(torch.from_numpy(levels)).flip(3), expected)
