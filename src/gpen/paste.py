"""Image + restored crops → image: masks, colour, seams.

Convention:
    pixels   uint8 or uint16 RGB, shape (height, width, 3)
    points   (5, 2), (x, y) in pixels, order as in `gpen.types.Face`
    matrix   2×3 float64; `crop_from_image` maps image points to crop points
    mask     float32, 0 keeps the image, 1 takes the restored face

What is pasted is a difference, so that a network that changes nothing changes nothing:

    result = image + mask · blend · (back(restored − crop) − (1 − kept) · (image − back(crop)))

`back` resamples from the crop to the image. `image − back(crop)` is detail that the network never
saw, lost between image and crop. `kept` is the share of it that stays: 1 where the network left its
crop alone, 0 where it cleaned or replaced the finest detail that it saw. See docs/adr/0001.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import geometry
from .masks import Mask, face_mask
from .settings import MaskShape
from .tones import match_tones
from .types import Crop, Float64Array, FloatArray, Pixels

if TYPE_CHECKING:
    from .engines.torch_faces import DevicePhoto

#: A change of this times less energy than noise would have is half way to replacing a face.
REPLACED = 6
#: Regions along the side of a crop by which colours and energies are measured.
REGIONS = 32


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A crop and what the network made of it.

    Attributes:
        crop: The face as cut out of the image that is pasted into.
        pixels: The network's answer, (size, size, 3), same dtype as the crop.
        weight: How much of the answer to take, (size, size) in [0, 1] crop pixels: it multiplies
            the mask. None takes all.
        blend: The same as one number for all of it.
        keep_unseen: Detail beyond the crop stays: grain, where the answer has that of the crop.
    """

    crop: Crop
    pixels: Pixels
    weight: FloatArray | None = None
    blend: float = 1.0
    keep_unseen: bool = False

    def __post_init__(self) -> None:
        """Refuse an answer or a weight that does not fit its crop."""
        before, after = self.crop.pixels, self.pixels
        if (before.shape, before.dtype) != (after.shape, after.dtype):
            raise ValueError(
                f"a restored crop is {after.dtype} {after.shape}; "
                f"expected {before.dtype} {before.shape} like the crop it was made from"
            )
        if self.weight is not None and self.weight.shape != before.shape[:2]:
            raise ValueError(
                f"a weight has shape {self.weight.shape}; expected {before.shape[:2]} like its crop"
            )


def paste_faces(
    image_pixels: Pixels,
    patches: Sequence[Patch],
    *,
    blend: float = 1.0,
    mask: MaskShape = "face",
    match_color: bool = False,
    photo: DevicePhoto | None = None,
) -> Pixels:
    """Put restored faces back into their image.

    Pixels outside all masks stay as they are, bit by bit. Where faces overlap they share each pixel
    in proportion to how deep it lies in their masks; the order of the patches does not matter.

    Args:
        image_pixels: RGB, (height, width, 3), uint8 or uint16: what the crops were cut from. An
            image that was enlarged is enlarged before its crops are cut.
        patches: The crops with the network's answers.
        blend: 0 keeps the image, 1 takes the restored faces.
        mask: "face" follows the face, "box" is a soft square.
        match_color: Give each answer the mean and spread of its crop, per RGB channel as stored,
            within the mask. Both are measured on a coarse grid, where neither blur nor noise count.
        photo: The image on a GPU, which then does most of the work, to within one level; not with
            `match_color`.

    Returns:
        A new image of the same shape and dtype.
    """
    result = image_pixels.copy()
    placed = [_place(patch, image_pixels.shape[1::-1], mask) for patch in patches]
    # A fixed order of summation makes the result the same to the last bit for any order given.
    in_order = sorted(
        (place for place in placed if place is not None),
        key=lambda place: tuple(place.patch.crop.crop_from_image.ravel()),
    )
    for group in _overlapping(in_order):
        left, top, size = _bounds(group)
        change = np.zeros((*size, 3), np.float32)
        for place, weight in zip(group, _weights(group), strict=True):
            on_host = photo is None or match_color or place.patch.keep_unseen
            on_device = None if photo is None or on_host else _change_on(photo, place)
            full_change = (
                _change(place, image_pixels, match_color) if on_device is None else on_device
            )
            change[place.window(left, top)] += full_change * (weight * np.float32(blend))[..., None]
        _add(result[top : top + size[0], left : left + size[1]], change)
    return result


@dataclass(frozen=True, slots=True, eq=False)
class _Placed:
    """A patch and its depth (see `gpen.masks`) in the box of image pixels that its mask touches."""

    patch: Patch
    mask: Mask
    left: int
    top: int
    depth: FloatArray

    @property
    def right(self) -> int:
        return self.left + int(self.depth.shape[1])

    @property
    def bottom(self) -> int:
        return self.top + int(self.depth.shape[0])

    def window(self, left: int = 0, top: int = 0) -> tuple[slice, slice]:
        """Rows and columns of the box in an array that begins at (left, top) of the image."""
        return (
            slice(self.top - top, self.bottom - top),
            slice(self.left - left, self.right - left),
        )

    @property
    def crop_side(self) -> float:
        """Side of the crop in image pixels."""
        return self.patch.crop.size / geometry.scale_of(self.patch.crop.crop_from_image)

    def back(self, field: FloatArray, size_wh: tuple[int, int] | None = None) -> FloatArray:
        """Resample a field over the crop to the box; either may be a grid of any size."""
        height, width = self.depth.shape
        size_wh = size_wh or (width, height)
        crop_from_image = self.patch.crop.crop_from_image
        crop_from_field = geometry.scaling(self.patch.crop.size / field.shape[0])
        result_from_image = geometry.compose(
            geometry.scaling(size_wh[0] / width, size_wh[1] / height),
            geometry.shifting(-self.left, -self.top),
        )
        image_from_field = geometry.compose(geometry.invert(crop_from_image), crop_from_field)
        result_from_field = geometry.compose(result_from_image, image_from_field)
        return geometry.warp(field, result_from_field, size_wh, border="replicate")


def _place(patch: Patch, image_size_wh: tuple[int, ...], shape: MaskShape) -> _Placed | None:
    """Find the box that a mask touches, and its depth there; None where it misses the image."""
    crop = patch.crop
    mask = Mask.of_face(crop.size, crop.points_xy, shape)
    x0, y0, x1, y1 = mask.box_xyxy
    corners = geometry.apply(
        geometry.invert(crop.crop_from_image), [(x0, y0), (x1, y0), (x0, y1), (x1, y1)]
    )
    left, top = np.clip(np.floor(corners.min(axis=0)), 0, image_size_wh).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(axis=0)) + 1, 0, image_size_wh).astype(int)
    if right <= left or bottom <= top:
        return None
    columns, rows = np.arange(left, right)[None, :], np.arange(top, bottom)[:, None]
    x, y = (
        (a * columns).astype(np.float32) + (b * rows + c).astype(np.float32)
        for a, b, c in crop.crop_from_image
    )
    return _Placed(patch, mask, int(left), int(top), np.maximum(mask.depth(x, y), 0))


def _overlapping(places: Sequence[_Placed]) -> list[list[_Placed]]:
    """Group the patches whose boxes overlap, directly or by way of others."""
    groups: list[list[_Placed]] = []
    for place in places:
        touched = [group for group in groups if any(_overlap(place, other) for other in group)]
        groups = [group for group in groups if group not in touched]
        groups.append([other for group in touched for other in group] + [place])
    return groups


def _overlap(a: _Placed, b: _Placed) -> bool:
    return a.left < b.right and b.left < a.right and a.top < b.bottom and b.top < a.bottom


def _bounds(group: Sequence[_Placed]) -> tuple[int, int, tuple[int, int]]:
    """Left, top and (height, width) of the box around some boxes."""
    left, top = min(place.left for place in group), min(place.top for place in group)
    right, bottom = max(place.right for place in group), max(place.bottom for place in group)
    return left, top, (bottom - top, right - left)


def _weights(group: Sequence[_Placed]) -> list[FloatArray]:
    """The mask of each patch in its box; where masks overlap they share, up to the largest."""
    masks = [_weighted(place) for place in group]
    if len(group) == 1:
        return masks
    left, top, size = _bounds(group)
    # A high power gives most of a pixel to the face in which it lies deepest, without a seam.
    claims = [np.square(np.square(place.depth)) for place in group]
    total = np.full(size, np.finfo(np.float32).tiny, np.float32)
    for place, claim in zip(group, claims, strict=True):
        total[place.window(left, top)] += claim
    return [
        mask * claim / total[place.window(left, top)]
        for place, mask, claim in zip(group, masks, claims, strict=True)
    ]


def _weighted(place: _Placed) -> FloatArray:
    """The mask of a patch in its box, times the patch's own weight and blend."""
    mask = place.mask.rise(place.depth) * np.float32(place.patch.blend)
    if place.patch.weight is None:
        return mask
    # Bicubic interpolation overshoots at the edges of a weight.
    return mask * np.clip(place.back(place.patch.weight), 0, 1)


def _add(window: Any, change: FloatArray) -> None:
    """Add to integer pixels in place, rounded to nearest and clipped."""
    change += window
    np.rint(change, out=change)
    np.clip(change, 0, np.iinfo(window.dtype).max, out=change)
    window[...] = change


def _change(place: _Placed, image_pixels: Pixels, match_color: bool) -> FloatArray:
    """What a restored face changes in its box at full weight, (height, width, 3).

    See the formula at the top of this file.
    """
    patch = place.patch
    before, after = patch.crop.pixels.astype(np.float32), patch.pixels.astype(np.float32)
    if match_color:
        after = match_tones(after, before, face_mask(REGIONS, _grid_points(patch.crop)))
    change = place.back(after - before)
    if patch.keep_unseen:
        return change
    unseen = image_pixels[place.window()] - place.back(before)
    unseen *= (1 - _kept(place, unseen))[..., None]
    change -= unseen
    return change


def _change_on(photo: DevicePhoto, place: _Placed) -> FloatArray | None:
    """The same by a device, or None where it has too little memory."""
    patch = place.patch
    return photo.change(
        patch.crop.pixels,
        patch.pixels,
        patch.crop.crop_from_image,
        (place.left, place.top, place.right, place.bottom),
        regions=REGIONS,
        replaced=REPLACED,
    )


def _grid_points(crop: Crop) -> Float64Array:
    return geometry.scale_points(crop.points_xy, REGIONS / crop.size)


def _kept(place: _Placed, unseen: FloatArray) -> FloatArray:
    """The share of unseen detail that stays, by region, (height, width) in [0, 1] over the box.

    White noise whose unseen part has the energy E leaves E / f² in a crop that shows f image pixels
    in one. A network that changed the finest detail of its crop by about as much has cleaned or
    replaced it, and what it could not see has to go too; one that changed far less, by its own
    choice, left a good picture alone, and its pores and lashes stay.
    """
    import cv2

    cell = max(1.0, place.crop_side / REGIONS)
    height, width = unseen.shape[:2]
    cells_wh = max(1, round(width / cell)), max(1, round(height / cell))
    unseen_energy = _energy(cv2.cvtColor(unseen, cv2.COLOR_RGB2GRAY), cells_wh)
    changed = np.maximum(place.back(_changed_energy(place), cells_wh), 0)
    changed *= np.float32(REPLACED * max(1.0, place.crop_side / place.patch.crop.size) ** 2)
    # Squares of energies: in float64, whose range they do not leave.
    unseen_squared = np.square(unseen_energy, dtype=np.float64) + np.finfo(np.float32).tiny
    share = unseen_squared / (unseen_squared + np.square(changed, dtype=np.float64))
    return np.clip(geometry.resize(share.astype(np.float32), (width, height)), 0, 1)


def _changed_energy(place: _Placed) -> FloatArray:
    """How much the network changed the finest detail of its crop, by region, on a grid over it.

    The finest detail is what a Gaussian of one pixel removes from the luma, at the coarser of the
    resolutions of crop and image.
    """
    import cv2

    crop = place.patch.crop
    side = max(1, min(crop.size, round(place.crop_side)))
    before, after = (
        geometry.resize(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (side, side)).astype(np.float32)
        for pixels in (crop.pixels, place.patch.pixels)
    )
    change = after - before
    grid = min(side, REGIONS)
    return _energy(change - cv2.GaussianBlur(change, (0, 0), 1), (grid, grid))


def _energy(picture: Any, cells_wh: tuple[int, int]) -> FloatArray:
    """Mean square by region, smooth."""
    import cv2

    by_cell = cv2.resize(np.square(picture), cells_wh, interpolation=cv2.INTER_AREA)
    smooth: FloatArray = cv2.GaussianBlur(by_cell, (0, 0), 1)
    return smooth
