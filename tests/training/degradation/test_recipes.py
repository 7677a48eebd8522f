"""Recipes: what presets draw, how they mix, and that a seed decides everything."""

from __future__ import annotations

import pickle
import subprocess
import sys
import zlib
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("av")

from gpen.errors import ConfigError, MissingExtraError
from gpen.training.degradation import (
    PRESETS,
    Chain,
    Recipe,
    Step,
    degrade,
    recipe,
    shrink_and_damage,
)

EVERY = tuple(PRESETS)


def face(size: int = 64, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)


def mean_error(chosen: Recipe, count: int = 30) -> float:
    pairs = [degrade(face(seed=i), np.random.default_rng(i), chosen) for i in range(count)]
    return float(np.mean([np.abs(a.astype(int) - b).mean() for a, b in pairs]))


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**63), preset=st.sampled_from(EVERY))
def test_same_seed_gives_the_same_damage(seed: int, preset: str) -> None:
    image, chosen = face(), recipe([preset], light=0.2)
    one, same = (degrade(image, np.random.default_rng(seed), chosen) for _ in range(2))
    assert np.array_equal(one[0], same[0])
    assert np.array_equal(one[1], same[1])


def test_another_seed_gives_other_damage() -> None:
    one, other = (degrade(face(), np.random.default_rng(seed))[0] for seed in (1, 2))
    assert not np.array_equal(one, other)


def test_another_process_gives_the_same_damage() -> None:
    script = (
        "import sys, pickle, zlib, numpy as np\n"
        "from gpen.training.degradation import degrade\n"
        "face, recipe = pickle.load(sys.stdin.buffer)\n"
        "for seed in range(12):\n"
        "    print(zlib.crc32(degrade(face, np.random.default_rng(seed), recipe)[0].tobytes()))\n"
    )
    chosen = recipe(EVERY)
    printed = subprocess.run(
        [sys.executable, "-c", script],
        input=pickle.dumps((face(), chosen)),
        capture_output=True,
        check=True,
    ).stdout
    here = [
        zlib.crc32(degrade(face(), np.random.default_rng(seed), chosen)[0].tobytes())
        for seed in range(12)
    ]
    assert [int(line) for line in printed.split()] == here


@pytest.mark.parametrize("preset", EVERY)
@pytest.mark.parametrize("size", [32, 200, 512])
def test_damaged_and_truth_have_the_size_of_the_face(preset: str, size: int) -> None:
    image = face(size)
    for seed in range(4):
        sides = degrade(image, np.random.default_rng(seed), recipe([preset]))
        assert all(side.shape == (size, size, 3) and side.dtype == np.uint8 for side in sides)
        assert all(side.flags.c_contiguous for side in sides)


def test_large_faces_are_damaged() -> None:
    image = face(2048)
    damaged, truth = degrade(image, np.random.default_rng(2), recipe(["real"]))
    assert damaged.shape == truth.shape == image.shape


def test_face_is_left_alone() -> None:
    image = face()
    before = image.copy()
    for seed in range(20):
        degrade(image, np.random.default_rng(seed), recipe(EVERY, grey=0.5))
    assert np.array_equal(image, before)


@pytest.mark.parametrize("preset", sorted(set(EVERY) - {"none", "soft"}))
def test_light_damage_stays_closer_to_the_truth(preset: str) -> None:
    light, full = (mean_error(recipe([preset], light=share, grey=0)) for share in (1.0, 0.0))
    assert light < 0.75 * full


def test_undamaged_face_is_its_own_truth() -> None:
    damaged, truth = degrade(face(), np.random.default_rng(0), recipe(["none"]))
    assert np.array_equal(damaged, face())
    assert np.array_equal(truth, face())


def test_factors_are_drawn_by_ratio() -> None:
    step = Step("shrink_anyhow", {"factor": (1.0, 16.0)}, by_ratio=True)
    factors = [step.draw(np.random.default_rng(seed), 1.0)["factor"] for seed in range(400)]
    assert 0.4 < np.mean(np.array(factors) < 4) < 0.6
    assert 1 <= min(factors) < max(factors) <= 16


@pytest.mark.parametrize("preset", EVERY)
def test_truth_of_a_grey_face_is_grey(preset: str) -> None:
    chosen = recipe([preset], grey=1.0)
    for seed in range(5):
        _, truth = degrade(face(), np.random.default_rng(seed), chosen)
        assert np.ptp(truth, axis=2).max() == 0


def test_grey_of_nought_leaves_all_colours() -> None:
    chosen = recipe(["published"], grey=0.0)
    for seed in range(20):
        assert np.array_equal(degrade(face(), np.random.default_rng(seed), chosen)[1], face())


def test_negative_grey_keeps_the_share_of_each_preset() -> None:
    chosen = recipe(["published", "codeformer"])
    assert [chain.grey for chain in chosen.chains] == [0.2, 0.0, 0.0]


def test_presets_are_mixed_with_equal_chance() -> None:
    shares = [chain.share for chain in recipe(["published", "codeformer", "published"]).chains]
    assert shares == [1.0, 0.5, 0.5, 1.0]


def test_no_recipe_means_the_published_one() -> None:
    image = face()
    default = degrade(image, np.random.default_rng(3))
    named = degrade(image, np.random.default_rng(3), recipe(["published"], light=0.2))
    assert np.array_equal(default[0], named[0])


def test_tones_change_the_truth_and_dirt_does_not() -> None:
    sepia = Step("sepia", {"strength": (1.0, 1.0)})
    dust = Step("dust", {"count": (50.0, 50.0), "opacity": (1.0, 1.0)})
    chosen = Recipe((Chain(damage=((dust,),), tone=((sepia,),)),), light=0)
    damaged, truth = degrade(face(), np.random.default_rng(0), chosen)
    assert np.abs(truth.astype(int) - face()).mean() > 10
    assert 0 < (damaged != truth).any(axis=2).mean() < 0.5


def test_gfpgans_jitter_leaves_the_truth_alone() -> None:
    chosen = recipe(["gfpgan"], grey=0.0)
    for seed in range(20):
        assert np.array_equal(degrade(face(), np.random.default_rng(seed), chosen)[1], face())


def test_files_without_colour_have_grey_noise() -> None:
    chain = replace(PRESETS["published"][0], grey=1.0, grey_files=1.0)
    damaged, _ = degrade(face(), np.random.default_rng(0), Recipe((chain,)))
    assert np.ptp(damaged, axis=2).max() == 0


def test_small_picture_is_square_and_within_the_factors() -> None:
    for seed in range(30):
        small, truth = shrink_and_damage(face(64), np.random.default_rng(seed))
        assert small.shape[0] == small.shape[1]
        assert 64 / 8 <= len(small) <= 64 / 0.8
        assert truth.shape == (64, 64, 3)


@pytest.mark.parametrize("preset", EVERY)
def test_shares_of_a_stage_are_at_most_one(preset: str) -> None:
    for chain in PRESETS[preset]:
        for stage in (*chain.tone, *chain.damage):
            assert 0 < sum(step.share for step in stage) <= 1


def test_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean gfpgan") as caught:
        recipe(["gfpgam"])
    assert caught.value.key == "degradation.presets"


@pytest.mark.parametrize(
    ("presets", "shares"),
    [
        ([], {}),
        (["real"], {"light": 1.5}),
        (["real"], {"light": -0.1}),
        (["real"], {"grey": 2.0}),
        (["real"], {"grey": float("nan")}),
    ],
)
def test_settings_that_mean_nothing_are_refused(
    presets: list[str], shares: dict[str, float]
) -> None:
    with pytest.raises(ConfigError, match="expected"):
        recipe(presets, **shares)


def test_missing_pyav_is_said_at_the_start_and_only_where_it_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    recipe(["published", "gfpgan", "codeformer"])
    with pytest.raises(MissingExtraError, match=r"gpen\[train\]"):
        recipe(["real"])
