"""The three fixed degrees of damage."""

from __future__ import annotations

import numpy as np
import pytest

from gpen.metrics.evaluation_tasks import enlarge
from gpen.metrics.psnr_ssim import psnr
from gpen.metrics.severities import HARD, SEVERITIES, severity_damage
from support.drawn_faces import textured


@pytest.mark.parametrize(("name", "side"), [("mild", 64), ("medium", 32), ("hard", 16)])
def test_a_face_shrinks_by_the_factor_of_its_severity(name: str, side: int) -> None:
    face = textured((128, 128))
    small, truth = severity_damage(SEVERITIES[name], seed=0)(face, 0)
    assert small.shape == (side, side, 3)
    assert small.dtype == np.uint8
    assert truth is face


def test_damage_follows_seed_and_place() -> None:
    face = textured((128, 128))
    one, same, other = (severity_damage(HARD, seed)(face, 3)[0] for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert not np.array_equal(one, severity_damage(HARD, 1)(face, 4)[0])


def test_each_severity_is_worse_than_the_one_before() -> None:
    face = textured((128, 128))
    quality = [
        psnr(enlarge(severity_damage(s, 0)(face, 0)[0], (128, 128), "face"), face)
        for s in SEVERITIES.values()
    ]
    assert quality == sorted(quality, reverse=True)
