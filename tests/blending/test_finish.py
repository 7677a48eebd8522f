"""What is done to a network's output before it is pasted."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from gpen.blending.finish import Finish, finish_crop
from gpen.face_templates import TEMPLATES
from gpen.types import Crop
from support.drawn_faces import textured

#: Colours are the network's, nothing else is asked for.
OFF = Finish(restore_color=True)
OCCLUSION = Finish(restore_color=True, occlusion=True)
GRAIN = Finish(restore_color=True, match_grain=True)


def crop_of(pixels: np.ndarray, enlarged: float = 1.0) -> Crop:
    size = pixels.shape[0]
    return Crop(pixels, np.eye(2, 3) * enlarged, TEMPLATES["gpen"] * size)


def face(portrait_file: object, size: int = 256) -> np.ndarray:
    """The portrait's face in the template, RGB."""
    from gpen.faces.alignment import align_face

    photo = cv2.cvtColor(cv2.imread(str(portrait_file)), cv2.COLOR_BGR2RGB)
    points = np.array([[203.5, 101], [246.5, 103.5], [224, 126], [203, 140], [243.5, 142]])
    return align_face(photo, points, size=size).pixels


def noisy(image: np.ndarray, strength: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, strength, image.shape)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def gray(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def sepia(image: np.ndarray) -> np.ndarray:
    tinted = gray(image).astype(float) * [0.95, 0.8, 0.6] + [20, 12, 5]
    return np.clip(np.rint(tinted), 0, 255).astype(np.uint8)


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    code = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.cvtColor(cv2.imdecode(code, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


@pytest.fixture(scope="module")
def sharp() -> np.ndarray:
    return face(Path(__file__).parents[2] / "examples" / "portrait.jpg")


def test_without_options_the_answer_comes_back_itself(sharp: np.ndarray) -> None:
    finished, weight = finish_crop(crop_of(noisy(sharp, 20)), sharp, OFF)
    assert finished is sharp
    assert weight is None


def test_a_colour_face_keeps_the_colours_of_its_answer(sharp: np.ndarray) -> None:
    warmer = np.clip(sharp + np.array([12, 0, -12]), 0, 255).astype(np.uint8)
    finished, weight = finish_crop(crop_of(sharp), warmer, Finish())
    assert finished is warmer
    assert weight is None


# Colour ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_stays_grey_to_the_last_bit(sharp: np.ndarray, dtype: type) -> None:
    factor = 1 if dtype == np.uint8 else 257
    crop = crop_of(gray(sharp).astype(dtype) * dtype(factor))
    finished, _ = finish_crop(crop, sharp.astype(dtype) * dtype(factor), Finish())
    assert finished.dtype == dtype
    np.testing.assert_array_equal(finished[..., 0], finished[..., 1])
    np.testing.assert_array_equal(finished[..., 0], finished[..., 2])
    assert np.abs(finished[..., 0] / factor - gray(sharp)[..., 0]).max() <= 1


@pytest.mark.parametrize("damage", [lambda p: p, lambda p: jpeg(p, 30), lambda p: noisy(p, 12)])
def test_one_tint_stays_and_a_colouring_network_is_overruled(sharp: np.ndarray, damage) -> None:
    before = sepia(sharp)
    colours = (sharp.astype(float) - gray(sharp)) - (sepia(sharp).astype(float) - gray(before))
    output = np.clip(np.rint(before + colours), 0, 255).astype(np.uint8)
    finished, _ = finish_crop(crop_of(damage(before)), output, Finish())
    assert np.abs(finished.astype(int) - before).mean() < 3
    assert np.abs(output.astype(int) - before).mean() > 8


def test_detail_of_the_answer_stays_where_its_colour_goes(sharp: np.ndarray) -> None:
    blurred = cv2.GaussianBlur(sepia(sharp), (0, 0), 3)
    finished, _ = finish_crop(crop_of(blurred), sharp, Finish())
    luma = [cv2.cvtColor(p, cv2.COLOR_RGB2GRAY).astype(int) for p in (finished, sharp)]
    assert np.abs(luma[0] - luma[1]).max() <= 2


def test_yellowed_paper_stays_yellowed_where_it_is(sharp: np.ndarray) -> None:
    stained = gray(sharp).astype(np.float32)
    stain = np.linspace(0, 20, 256, dtype=np.float32)[None, :, None]
    stained = np.clip(stained + stain * [0.3, 0, -0.7], 0, 255).astype(np.uint8)
    finished, _ = finish_crop(crop_of(stained), gray(sharp), Finish())
    yellow = finished[..., 0].astype(int) - finished[..., 2]
    assert yellow[64:192, 8:40].mean() < 8
    assert yellow[64:192, -40:-8].mean() > 11


def test_colours_are_taken_where_they_are_asked_for(sharp: np.ndarray) -> None:
    finished, _ = finish_crop(crop_of(gray(sharp)), sharp, OFF)
    assert finished is sharp


def test_between_grey_and_colour_there_is_no_jump(sharp: np.ndarray) -> None:
    """A video whose colours fade must not switch from one frame to the next."""
    grey, results = gray(sharp).astype(np.float32), []
    shares = np.linspace(0, 0.6, 31)
    for share in shares:
        before = np.rint(grey + share * (sharp - grey)).astype(np.uint8)
        results.append(finish_crop(crop_of(before), sharp, Finish())[0].astype(int))
    steps = [np.abs(b - a).mean() for a, b in itertools.pairwise(results)]
    assert np.abs(results[0] - results[-1]).mean() > 5
    assert max(steps) < 2.5


# Kept regions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [64, 256, 512])
def test_kept_parts_are_the_input_and_the_rest_is_the_answer(size: int) -> None:
    pixels = textured((size, size))
    crop, points = crop_of(pixels), np.rint(TEMPLATES["gpen"] * size).astype(int)
    eyes, nose, mouth = points[:2], points[2], points[3:].mean(axis=0).astype(int)

    def weight_of(*parts: str) -> np.ndarray:
        finished, weight = finish_crop(crop, pixels, Finish(restore_color=True, keep=parts))
        assert finished is pixels
        assert weight is not None
        assert weight.shape == (size, size)
        assert weight.min() >= 0
        assert weight.max() == 1
        return weight

    bridge = eyes.mean(axis=0).astype(int)
    for part, kept, taken in [
        ("eyes", [*eyes], [bridge, nose, mouth]),
        ("glasses", [*eyes, bridge], [nose, mouth]),
        ("mouth", [*points[3:], mouth], [*eyes, nose]),
    ]:
        weight = weight_of(part)
        assert all(weight[y, x] == 0 for x, y in kept)
        assert all(weight[y, x] == 1 for x, y in taken)
        assert np.abs(np.diff(weight, axis=0)).max() < 90 / size  # feathered
    both = weight_of("eyes", "mouth")
    np.testing.assert_allclose(both, np.minimum(weight_of("eyes"), weight_of("mouth")), atol=1e-6)


def test_kept_parts_turn_with_the_head() -> None:
    size, angle = 256, 0.5
    middle = (size - 1) / 2
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (TEMPLATES["gpen"] * size - middle) @ turn.T + middle
    crop = Crop(textured((size, size)), np.eye(2, 3), points)
    weights = [
        finish_crop(c, c.pixels, Finish(restore_color=True, keep=("glasses", "mouth")))[1]
        for c in (crop_of(crop.pixels), crop)
    ]
    matrix = np.column_stack([turn, middle - turn @ [middle, middle]])
    turned = cv2.warpAffine(weights[0], matrix, (size, size), borderValue=1)
    assert np.abs(turned - weights[1]).max() < 0.1


def test_points_in_one_place_give_a_mask_and_no_nan() -> None:
    crop = Crop(textured((128, 128)), np.eye(2, 3), np.full((5, 2), 64.0))
    options = Finish(keep=("eyes", "mouth", "glasses"), occlusion=True, match_grain=True)
    finished, weight = finish_crop(crop, crop.pixels[::-1].copy(), options)
    assert np.isfinite(weight).all()
    assert finished.shape == crop.pixels.shape


def test_an_unknown_part_is_refused(sharp: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"no part \['ears'\]; expected some of \('eyes'"):
        finish_crop(crop_of(sharp), sharp, Finish(keep=("ears",)))


# Things in front of a face -----------------------------------------------------------------------


def with_ball(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A dark microphone before the mouth, and where it is."""
    mask = np.zeros(image.shape[:2], np.float32)
    cv2.circle(mask, (128, 190), 26, 1, -1, cv2.LINE_AA)
    cv2.line(mask, (128, 190), (110, 256), 1, 16, cv2.LINE_AA)
    blended = image * (1 - mask[..., None]) + mask[..., None] * np.array([40, 38, 45])
    return blended.astype(np.uint8), mask > 0.5


DAMAGES = {
    "none": lambda p: p,
    "blur": lambda p: cv2.GaussianBlur(p, (0, 0), 3),
    "noise": lambda p: noisy(p, 25),
    "blocks": lambda p: jpeg(p, 12),
    "grey": gray,
    "tint": sepia,
    "small": lambda p: cv2.resize(cv2.resize(p, (48, 48), interpolation=3), (256, 256)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_thing_painted_over_by_the_network_stays(sharp: np.ndarray, damage: str) -> None:
    covered, mask = with_ball(sharp)
    crop = crop_of(DAMAGES[damage](covered))
    output = sepia(sharp) if damage == "tint" else sharp  # networks keep tones
    _, weight = finish_crop(crop, output, OCCLUSION)
    assert weight is not None
    found = weight < 0.5
    face_part = np.s_[:224]
    overlap = (found & mask)[face_part].sum() / (found | mask)[face_part].sum()
    assert overlap > 0.55
    assert weight[60:120, 90:166].min() == 1


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_nothing_in_front_of_a_face(sharp: np.ndarray, damage: str) -> None:
    _, weight = finish_crop(crop_of(DAMAGES[damage](sharp)), sharp, OCCLUSION)
    assert weight is None


def test_a_thing_that_the_network_kept_needs_no_help(sharp: np.ndarray) -> None:
    covered, _ = with_ball(sharp)
    _, weight = finish_crop(crop_of(noisy(covered, 15)), covered, OCCLUSION)
    assert weight is None


def test_an_answer_of_another_picture_is_not_taken_for_one_great_thing(sharp: np.ndarray) -> None:
    _, weight = finish_crop(crop_of(sharp), 255 - sharp, OCCLUSION)
    assert weight is None


def test_sixteen_bits_find_what_eight_find(sharp: np.ndarray) -> None:
    covered, _ = with_ball(sharp)
    deep = [p.astype(np.uint16) * 257 for p in (covered, sharp)]
    _, eight = finish_crop(crop_of(covered), sharp, OCCLUSION)
    _, sixteen = finish_crop(crop_of(deep[0]), deep[1], OCCLUSION)
    assert eight is not None
    assert sixteen is not None
    assert np.abs(eight - sixteen).mean() < 0.01


# Grain -------------------------------------------------------------------------------------------


def added(finished: np.ndarray, output: np.ndarray) -> np.ndarray:
    return finished[48:208, 64:192].astype(float) - output[48:208, 64:192]


@pytest.mark.parametrize("strength", [4, 12, 25])
def test_grain_has_the_strength_and_spectrum_of_the_input(sharp: np.ndarray, strength: int) -> None:
    middle = (sharp * 0.6 + 50).astype(np.uint8)  # no noise is clipped
    finished, weight = finish_crop(crop_of(noisy(middle, strength)), middle, GRAIN)
    assert weight is None
    grain = added(finished, middle)
    assert grain.std(axis=(0, 1)) == pytest.approx([strength] * 3, rel=0.12)
    neighbours = (grain[:, 1:] * grain[:, :-1]).mean() / grain.var()
    assert abs(neighbours) < 0.12  # white
    channels = np.corrcoef(grain.reshape(-1, 3).T)
    assert abs(channels[0, 1]) < 0.12


def test_grey_grain_stays_grey(sharp: np.ndarray) -> None:
    noise = np.random.default_rng(0).normal(0, 12, sharp.shape[:2])[..., None]
    before = np.clip(gray(sharp) * 0.6 + 50 + noise, 0, 255).astype(np.uint8)
    output = (gray(sharp) * 0.6 + 50).astype(np.uint8)
    finished, _ = finish_crop(crop_of(before), output, GRAIN)
    assert added(finished, output).std() == pytest.approx(12, rel=0.12)
    assert np.ptp(finished.astype(int), axis=2).max() == 0


def test_soft_grain_of_an_enlarged_face_is_as_soft(sharp: np.ndarray) -> None:
    small = cv2.resize((sharp * 0.6 + 50).astype(np.uint8), (64, 64), interpolation=cv2.INTER_AREA)
    before, output = (
        cv2.resize(p, (256, 256), interpolation=cv2.INTER_CUBIC) for p in (noisy(small, 12), small)
    )
    finished, _ = finish_crop(crop_of(before, enlarged=4), output, GRAIN)
    wanted, grain = added(before, output), added(finished, output)
    assert grain.std() == pytest.approx(wanted.std(), rel=0.15)

    def finest(noise: np.ndarray) -> float:
        return float((noise - cv2.GaussianBlur(noise, (0, 0), 1)).std())

    assert finest(grain) < 0.4 * grain.std()
    assert finest(wanted) < 0.4 * wanted.std()


def test_shadows_and_lights_have_grain_of_their_own(sharp: np.ndarray) -> None:
    ramp = np.linspace(60, 200, 256, dtype=np.float32)[None, :, None] * np.ones((256, 1, 3))
    strength = np.linspace(4, 16, 256)[None, :, None]
    noise = np.random.default_rng(0).normal(0, 1, ramp.shape) * strength
    before = np.clip(ramp + noise, 0, 255).astype(np.uint8)
    output = ramp.astype(np.uint8)
    finished, _ = finish_crop(crop_of(before), output, GRAIN)
    grain = finished.astype(float) - output
    assert grain[:, 160:190].std() > 1.4 * grain[:, 66:96].std()


@pytest.mark.parametrize("damage", ["none", "blur", "small"])
def test_a_face_without_grain_gets_none(sharp: np.ndarray, damage: str) -> None:
    before = DAMAGES[damage](sharp)
    finished, _ = finish_crop(crop_of(before, 5 if damage == "small" else 1), sharp, GRAIN)
    assert finished is sharp


def test_grain_that_the_network_left_is_not_added_again(sharp: np.ndarray) -> None:
    before = noisy(sharp, 15)
    finished, _ = finish_crop(crop_of(before), before.copy(), GRAIN)
    np.testing.assert_array_equal(finished, before)


def test_grain_is_the_same_for_the_same_seed_only(sharp: np.ndarray) -> None:
    crop = crop_of(noisy(sharp, 15))
    first, again, other = (finish_crop(crop, sharp, GRAIN, seed=s)[0] for s in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    one, two = added(first, sharp), added(other, sharp)
    assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 0.05


def test_sixteen_bits_get_grain_as_eight_do(sharp: np.ndarray) -> None:
    before = noisy((sharp * 0.6 + 50).astype(np.uint8), 12)
    output = (sharp * 0.6 + 50).astype(np.uint8)
    eight, _ = finish_crop(crop_of(before), output, GRAIN)
    deep = [p.astype(np.uint16) * 257 for p in (before, output)]
    sixteen, _ = finish_crop(crop_of(deep[0]), deep[1], GRAIN)
    assert sixteen.dtype == np.uint16
    assert np.abs(sixteen / 257 - eight).max() <= 0.6
    assert len(np.unique(sixteen % 257)) > 200  # not eight bits in disguise


@pytest.mark.parametrize("size", [8, 16, 32, 1024])
def test_any_size_of_crop_will_do(size: int) -> None:
    pixels = textured((size, size))
    options = Finish(keep=("eyes",), occlusion=True, match_grain=True)
    finished, weight = finish_crop(crop_of(pixels), cv2.GaussianBlur(pixels, (0, 0), 2), options)
    assert finished.shape == pixels.shape
    assert weight is not None
    assert weight.shape == (size, size)


def test_inputs_are_not_written_to(sharp: np.ndarray) -> None:
    before, output = noisy(gray(sharp), 15), sharp.copy()
    for array in (before, output):
        array.setflags(write=False)
    finish_crop(crop_of(before), output, Finish(keep=("eyes",), occlusion=True, match_grain=True))


def test_all_of_it_is_cheap(sharp: np.ndarray) -> None:
    """About 7 ms of one processor at 512 px; work that grows beyond sight shows here."""
    large = cv2.resize(sharp, (512, 512), interpolation=cv2.INTER_CUBIC)
    crop = crop_of(noisy(large, 10))
    options = Finish(keep=("eyes", "mouth"), occlusion=True, match_grain=True)
    finish_crop(crop, large, options)
    started = time.process_time()
    for _ in range(5):
        finish_crop(crop, large, options)
    assert (time.process_time() - started) / 5 < 0.05
