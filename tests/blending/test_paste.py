from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpen.blending.masks import Mask, face_mask
from gpen.blending.paste import Patch, paste_faces
from gpen.blending.patches import place_patch
from gpen.blending.residual import residual_weight
from gpen.faces.alignment import align_face
from gpen.images import transforms
from gpen.settings import MaskShape
from gpen.types import Crop
from support.drawn_faces import face_points, textured

bounded = settings(max_examples=40, deadline=None, derandomize=True)
SHAPES: list[MaskShape] = ["head", "face", "box"]

PHOTOS = {dtype: textured((400, 300), dtype) for dtype in (np.uint8, np.uint16)}
poses = st.builds(
    face_points,
    st.tuples(st.floats(-60, 460), st.floats(-60, 360)),
    st.floats(0, 10).map(lambda power: 2.0**power),
    st.floats(-np.pi, np.pi),
    st.floats(-1, 1),
)


def flat_patch(photo: np.ndarray, points: np.ndarray, change: int, size: int = 256) -> Patch:
    """A network that adds a constant."""
    crop = align_face(photo, points, size=size)
    return Patch(crop, (crop.pixels.astype(int) + change).astype(crop.pixels.dtype))


def negative(crop: Crop) -> Patch:
    return Patch(crop, np.iinfo(crop.pixels.dtype).max - crop.pixels)


def detail(pixels: np.ndarray, sigma: float) -> float:
    """Standard deviation of what a Gaussian removes."""
    values = pixels.astype(np.float32)
    return float((values - cv2.GaussianBlur(values, (0, 0), sigma)).std())


@bounded
@given(
    st.lists(poses, min_size=1, max_size=3),
    st.sampled_from([np.uint8, np.uint16]),
    st.sampled_from([64, 256]),
    st.sampled_from(SHAPES),
    st.booleans(),
)
def test_identity_network_returns_the_photo_whatever_the_pose(
    faces: list[np.ndarray], dtype: type, size: int, mask: MaskShape, match_color: bool
) -> None:
    photo = PHOTOS[dtype]
    crops = [align_face(photo, points, size=size) for points in faces]
    patches = [Patch(crop, crop.pixels.copy()) for crop in crops]
    result = paste_faces(photo, patches, mask=mask, match_color=match_color)
    assert result.dtype == dtype
    assert np.abs(result.astype(int) - photo).max() <= 1


@bounded
@given(poses, st.sampled_from([64, 256]), st.sampled_from(SHAPES))
def test_pixels_outside_the_mask_stay_bit_by_bit(
    points: np.ndarray, size: int, shape: MaskShape
) -> None:
    photo = PHOTOS[np.uint8]
    crop = align_face(photo, points, size=size)
    result = paste_faces(photo, [negative(crop)], mask=shape)
    support = (face_mask(size, crop.points_xy, shape) > 0).astype(np.float32)
    image_from_crop = transforms.invert(crop.crop_from_image)
    touched = transforms.warp(support, image_from_crop, (400, 300), border="constant") > 1e-6
    crop_pixel = int(np.ceil(1 / transforms.scale_of(crop.crop_from_image)))
    kernel = np.ones((2 * crop_pixel + 1, 2 * crop_pixel + 1), np.uint8)
    inside = cv2.dilate(touched.astype(np.uint8), kernel) > 0
    np.testing.assert_array_equal(result[~inside], photo[~inside])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("eye_distance", [8, 40, 150])
def test_no_edge_shows_on_a_flat_background(eye_distance: float, shape: MaskShape) -> None:
    photo = np.full((700, 700, 3), 10_000, np.uint16)
    change = 20_000
    patch = flat_patch(photo, face_points((350, 350), eye_distance, 0.3), change)
    result = paste_faces(photo, [patch], mask=shape)[..., 0].astype(float) - 10_000
    side = 256 / transforms.scale_of(patch.crop.crop_from_image)
    assert result.max() == pytest.approx(change, abs=1)
    assert result.min() == 0
    slope = max(np.abs(np.diff(result, axis=axis)).max() for axis in (0, 1))
    bend = max(np.abs(np.diff(result, 2, axis=axis)).max() for axis in (0, 1))
    # Of a smoothstep that rises over w pixels: 1.5 / w and 6 / w². The narrowest is a box's.
    width = 0.09 * side
    assert slope <= 1.5 / width * change
    assert bend <= 6 / width**2 * change + 2


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("distance", [40, 90, 130])
def test_overlapping_faces_meet_without_a_seam(distance: int, shape: MaskShape) -> None:
    photo = np.full((400, 500, 3), 30_000, np.uint16)
    places = [
        face_points((250 + d, 200), 40, a) for d, a in ((-distance / 2, 0), (distance / 2, 0.4))
    ]
    up, down = flat_patch(photo, places[0], 9_000), flat_patch(photo, places[1], -9_000)
    result = paste_faces(photo, [up, down], mask=shape)[..., 0].astype(float) - 30_000
    assert result.max() <= 9_000
    assert result.min() >= -9_000
    slope = max(np.abs(np.diff(result, axis=axis)).max() for axis in (0, 1))
    # From one face to the other over no less than 1/32 of a crop, 190 px.
    assert slope < 18_000 / (190 / 32)
    # Together they change no pixel more than one alone, and no less where both masks are full.
    same = [up, flat_patch(photo, places[1], 9_000)]
    both = paste_faces(photo, same, mask=shape).astype(int) - 30_000
    alone = [paste_faces(photo, [patch], mask=shape).astype(int) - 30_000 for patch in same]
    assert (both <= np.maximum(*alone) + 1).all()
    assert (both >= np.minimum(*alone) - 1).all()


def test_order_of_overlapping_faces_does_not_matter() -> None:
    photo = PHOTOS[np.uint8]
    places = [face_points((150 + 30 * i, 140 + 9 * i), 25 + 6 * i, 0.2 * i) for i in range(5)]
    patches = [negative(align_face(photo, points, size=64)) for points in places]
    expected = paste_faces(photo, patches)
    assert (expected != photo).any()
    for order in ([4, 3, 2, 1, 0], [2, 0, 4, 1, 3]):
        np.testing.assert_array_equal(expected, paste_faces(photo, [patches[i] for i in order]))


def test_a_face_given_twice_is_pasted_once() -> None:
    photo = PHOTOS[np.uint8]
    patch = negative(align_face(photo, face_points((200, 150), 30), size=64))
    once, twice = paste_faces(photo, [patch]), paste_faces(photo, [patch, patch])
    assert np.abs(once.astype(int) - twice).max() <= 1


@pytest.mark.parametrize(
    "size", [pytest.param(128, id="face_above_crop"), pytest.param(512, id="face_below_crop")]
)
def test_noise_that_the_network_removed_does_not_survive(size: int) -> None:
    """Neither that which it saw nor that which lies beyond the resolution of its crop."""
    clean = cv2.resize(textured((40, 40)), (600, 600), interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(0).normal(0, 20, clean.shape)
    noisy = np.clip(clean + noise, 0, 255).astype(np.uint8)
    points = face_points((300, 300), 80)
    crop = align_face(noisy, points, size=size)
    result = paste_faces(noisy, [Patch(crop, align_face(clean, points, size=size).pixels)])
    face = np.s_[260:360, 250:350]
    left = result[face].astype(float) - clean[face]
    assert left.std() < 0.15 * noise[face].std()
    assert detail(result[face], 2) < 1.3 * detail(clean[face], 2) + 2


@pytest.mark.parametrize("keep", [False, True])
def test_grain_finer_than_the_crop_stays_where_it_is_asked_for(keep: bool) -> None:
    clean = cv2.resize(textured((40, 40)), (600, 600), interpolation=cv2.INTER_CUBIC) // 2 + 50
    noise = np.random.default_rng(0).normal(0, 15, clean.shape)
    noisy = np.clip(clean + noise, 0, 255).astype(np.uint8)
    points = face_points((300, 300), 80)
    crop = align_face(noisy, points, size=128)
    output = align_face(clean, points, size=128).pixels
    result = paste_faces(noisy, [Patch(crop, output, keep_residual=keep)])
    face = np.s_[260:360, 250:350]
    left = (result[face].astype(float) - clean[face]).std()
    assert left > 0.75 * noise[face].std() if keep else left < 0.2 * noise[face].std()


def test_detail_beyond_the_crop_stays_where_only_tones_changed() -> None:
    photo = (PHOTOS[np.uint8] // 2 + 40).repeat(2, 0).repeat(2, 1)
    patch = flat_patch(photo, face_points((400, 300), 100), 20, size=64)
    result = paste_faces(photo, [patch])
    np.testing.assert_array_equal(result[270:350, 370:430], photo[270:350, 370:430] + 20)


def test_detail_beyond_the_photo_is_averaged_and_not_sampled() -> None:
    photo = np.full((100, 100, 3), 128, np.uint8)
    crop = align_face(photo, face_points((50, 50), 12), size=512)
    checks = ((np.indices((512, 512)).sum(axis=0) % 2) * 255).astype(np.uint8)
    result = paste_faces(photo, [Patch(crop, np.repeat(checks[..., None], 3, axis=2))])
    assert np.abs(result.astype(int) - 128).max() <= 2


def test_blend_is_linear() -> None:
    photo = PHOTOS[np.uint16]
    patch = negative(align_face(photo, face_points((200, 150), 30, 0.5), size=256))
    none, half, full = (paste_faces(photo, [patch], blend=b).astype(int) for b in (0, 0.5, 1))
    np.testing.assert_array_equal(none, photo)
    assert np.abs(2 * half - photo - full)[(full > 0) & (full < 65535)].max() <= 2


def test_sixteen_bits_agree_with_eight() -> None:
    photo = PHOTOS[np.uint8]
    points = face_points((200, 150), 45, 0.5)
    eight = paste_faces(photo, [negative(align_face(photo, points, size=128))])
    deep = photo.astype(np.uint16) * 257
    sixteen = paste_faces(deep, [negative(align_face(deep, points, size=128))])
    assert np.abs(sixteen / 257 - eight).max() < 3


def test_match_color_takes_a_tint_out_again() -> None:
    photo = cv2.GaussianBlur(PHOTOS[np.uint8], (0, 0), 3)
    crop = align_face(photo, face_points((200, 150), 30), size=128)
    tinted = np.clip(crop.pixels * [0.8, 0.9, 0.7] + [40, 0, 30], 0, 255).astype(np.uint8)
    plain = paste_faces(photo, [Patch(crop, tinted)])
    matched = paste_faces(photo, [Patch(crop, tinted)], match_color=True)
    assert np.abs(plain.astype(int) - photo).max() > 15
    assert np.abs(matched.astype(int) - photo).max() <= 3


def test_match_color_does_not_dull_a_restored_face() -> None:
    """Spread is compared at a coarse scale, where neither blur nor noise count."""
    sharp = textured((256, 256))
    blurred = cv2.GaussianBlur(sharp, (0, 0), 2)
    points = face_points((128, 140), 54)
    patch = Patch(align_face(blurred, points, size=256), align_face(sharp, points, size=256).pixels)
    middle = np.s_[100:180, 90:170]
    matched = paste_faces(blurred, [patch], match_color=True)[middle].astype(float)
    assert detail(matched, 2) > 0.9 * detail(paste_faces(blurred, [patch])[middle], 2)


def formula(photo: np.ndarray, patch: Patch, shape: MaskShape) -> np.ndarray:
    """What `gpen.blending.paste` says at its top, for one face, over all of the photo at once."""
    crop = patch.crop
    height, width = photo.shape[:2]
    image_from_crop = transforms.invert(crop.crop_from_image)

    def back(field: np.ndarray) -> np.ndarray:
        return transforms.warp(field, image_from_crop, (width, height), border="replicate")

    before, after = crop.pixels.astype(np.float32), patch.pixels.astype(np.float32)
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    x, y = np.moveaxis(transforms.apply(crop.crop_from_image, np.stack([x, y], -1)), -1, 0)
    face = Mask.of_face(crop.size, crop.points_xy, shape)
    weight = face.rise(face.depth(x.astype(np.float32), y.astype(np.float32)))
    place = place_patch(patch, (width, height), shape)
    assert place is not None
    unseen = photo - back(before)
    lost = np.zeros((height, width), np.float32)
    lost[place.window()] = residual_weight(crop, patch.pixels, unseen[place.window()], place.back)
    change = back(after - before) - unseen * lost[..., None]
    result = photo + change * weight[..., None] * patch.blend
    return np.clip(np.rint(result), 0, np.iinfo(photo.dtype).max).astype(photo.dtype)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("eye_distance", [30, 60, 150, 600])
def test_parts_and_straight_lines_are_the_formula_to_within_a_level(
    eye_distance: float, dtype: type, shape: MaskShape
) -> None:
    photo = textured((1000, 800), dtype)
    crop = align_face(photo, face_points((500, 400), eye_distance, 0.3), size=128)
    patch = Patch(crop, negative(crop).pixels, blend=0.7)
    result = paste_faces(photo, [patch], mask=shape)
    expected = formula(photo, patch, shape)
    level = 1 if dtype == np.uint8 else 257
    assert np.abs(result.astype(int) - expected.astype(int)).max() <= level
    assert (result != photo).any()


def test_no_faces_give_a_copy() -> None:
    photo = PHOTOS[np.uint8]
    result = paste_faces(photo, [])
    np.testing.assert_array_equal(result, photo)
    assert not np.shares_memory(result, photo)


def test_the_photo_and_its_crops_are_not_written_to() -> None:
    photo = PHOTOS[np.uint8].copy()
    patch = negative(align_face(photo, face_points((200, 150), 30), size=64))
    for array in (photo, patch.crop.pixels, patch.pixels):
        array.setflags(write=False)
    paste_faces(photo, [patch], match_color=True)


def test_two_hundred_faces_cost_no_more_than_their_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work on the whole photo for each face would be a hundred times as much."""
    photo = np.full((3000, 4000, 3), 90, np.uint8)
    places = [face_points((100 + 200 * (i % 20), 150 + 300 * (i // 20)), 20) for i in range(200)]
    patches = [flat_patch(photo, points, 30, size=64) for points in places]
    resampled: list[int] = []
    warp = transforms.warp

    def counted(*arguments: Any, **options: Any) -> Any:
        result = warp(*arguments, **options)
        resampled.append(result.shape[0] * result.shape[1])
        return result

    monkeypatch.setattr(transforms, "warp", counted)
    result = paste_faces(photo, patches)
    assert len(resampled) >= len(patches)
    assert sum(resampled) < 2 * photo.shape[0] * photo.shape[1]
    assert all(result[round(y), round(x), 0] == 120 for x, y in (p[2] for p in places))


@pytest.mark.parametrize("eye_distance", [12, 90])
def test_weight_chooses_what_is_taken_of_an_answer(eye_distance: float) -> None:
    photo = PHOTOS[np.uint8] // 2 + 40
    patch = flat_patch(photo, face_points((200, 150), eye_distance), 40, size=128)
    weight = np.ones((128, 128), np.float32)
    weight[:, 64:] = 0
    half = paste_faces(photo, [Patch(patch.crop, patch.pixels, weight)]).astype(int)
    whole = paste_faces(photo, [patch]).astype(int)
    edge = round(transforms.apply(transforms.invert(patch.crop.crop_from_image), (63.5, 64))[0])
    reach = int(np.ceil(3 / transforms.scale_of(patch.crop.crop_from_image)))
    np.testing.assert_array_equal(half[:, edge + reach :], photo[:, edge + reach :])
    np.testing.assert_array_equal(half[:, : edge - reach], whole[:, : edge - reach])
    assert (half - photo).max() <= 41
    assert (half - photo).min() >= -1


def test_full_and_empty_weights_are_all_and_nothing() -> None:
    photo = PHOTOS[np.uint16]
    patch = negative(align_face(photo, face_points((200, 150), 30, 0.5), size=256))
    ones = np.ones((256, 256), np.float32)
    full = paste_faces(photo, [Patch(patch.crop, patch.pixels, ones)])
    assert np.abs(full.astype(int) - paste_faces(photo, [patch])).max() <= 1
    none = paste_faces(photo, [Patch(patch.crop, patch.pixels, 0 * ones)])
    np.testing.assert_array_equal(none, photo)


def test_where_faces_overlap_one_weight_leaves_the_other_face_whole() -> None:
    photo = np.full((400, 500, 3), 30_000, np.uint16)
    up = flat_patch(photo, face_points((210, 200), 40), 9_000)
    unwanted = flat_patch(photo, face_points((290, 200), 40), -9_000)
    nothing = Patch(unwanted.crop, unwanted.pixels, np.zeros((256, 256), np.float32))
    result = paste_faces(photo, [up, nothing]).astype(int)
    alone = paste_faces(photo, [up]).astype(int)
    assert (result <= alone).all()  # it still claims its share of what both masks cover
    np.testing.assert_array_equal(result[:, :180], alone[:, :180])


def test_refuses_a_weight_of_another_size() -> None:
    crop = align_face(PHOTOS[np.uint8], face_points((200, 150), 30), size=64)
    with pytest.raises(ValueError, match=r"shape \(32, 32\); expected \(64, 64\) like its crop"):
        Patch(crop, crop.pixels, np.ones((32, 32), np.float32))


def test_refuses_an_answer_of_another_size() -> None:
    crop = align_face(PHOTOS[np.uint8], face_points((200, 150), 30), size=64)
    with pytest.raises(ValueError, match=r"expected uint8 \(64, 64, 3\) like the crop"):
        Patch(crop, np.zeros((128, 128, 3), np.uint8))
