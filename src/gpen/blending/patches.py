"""Patches placed in an image: boxes, masks, and the weights where faces overlap.

Convention:
    points   (5, 2), (x, y) in pixels, order as in `gpen.types.Face`
    matrix   2×3 float64; `crop_from_image` maps image points to crop points
    mask     float32, 0 keeps the image, 1 takes the restored face
    depth    float32, see `gpen.blending.masks`
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..images import transforms
from ..settings import MaskShape
from ..types import Crop, FloatArray, Pixels
from .masks import Mask

#: Samples along the side of a crop at which the depth of a mask is computed; between them it is a
#: straight line, to within 0.2 levels of a change from black to white.
DEPTHS = 128
#: Pixels processed at once.
PART_PIXELS = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A crop and what the network made of it.

    Attributes:
        crop: The face as cut out of the image that is pasted into.
        pixels: The network's output, (size, size, 3), same dtype as the crop.
        weight: How much of the output to take, (size, size) in [0, 1] crop pixels: it multiplies
            the mask. None takes all.
        blend: The same as one number for all of it.
        keep_residual: Detail beyond the crop stays: where the input is kept as far as it can be
            trusted, and where the output has the grain of the crop.
    """

    crop: Crop
    pixels: Pixels
    weight: FloatArray | None = None
    blend: float = 1.0
    keep_residual: bool = False

    def __post_init__(self) -> None:
        """Refuse an output or a weight that does not fit its crop."""
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


@dataclass(frozen=True, slots=True, eq=False)
class PlacedPatch:
    """A patch in the box of image pixels that its mask touches; for depth see `.masks`."""

    patch: Patch
    mask: Mask
    left: int
    top: int
    depth: FloatArray

    @property
    def right(self) -> int:
        """Column after the last."""
        return self.left + int(self.depth.shape[1])

    @property
    def bottom(self) -> int:
        """Row after the last."""
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
        return self.patch.crop.size / transforms.scale_of(self.patch.crop.crop_from_image)

    def back(self, field: FloatArray, size_wh: tuple[int, int] | None = None) -> FloatArray:
        """Resample a field over the crop to the box; either may be a grid of any size."""
        height, width = self.depth.shape
        size_wh = size_wh or (width, height)
        crop_from_image = self.patch.crop.crop_from_image
        crop_from_field = transforms.scaling(self.patch.crop.size / field.shape[0])
        result_from_image = transforms.compose(
            transforms.scaling(size_wh[0] / width, size_wh[1] / height),
            transforms.shifting(-self.left, -self.top),
        )
        image_from_field = transforms.compose(transforms.invert(crop_from_image), crop_from_field)
        result_from_field = transforms.compose(result_from_image, image_from_field)
        return transforms.warp(field, result_from_field, size_wh, border="replicate")


def place_patch(
    patch: Patch, image_size_wh: tuple[int, ...], shape: MaskShape
) -> PlacedPatch | None:
    """Find the box that a mask touches, and its depth there; None where it misses the image."""
    crop = patch.crop
    mask = Mask.of_face(crop.size, crop.points_xy, shape)
    x0, y0, x1, y1 = mask.box_xyxy
    corners = transforms.apply(
        transforms.invert(crop.crop_from_image), [(x0, y0), (x1, y0), (x0, y1), (x1, y1)]
    )
    left, top = np.clip(np.floor(corners.min(axis=0)), 0, image_size_wh).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(axis=0)) + 1, 0, image_size_wh).astype(int)
    if right <= left or bottom <= top:
        return None
    box = int(left), int(top), int(right), int(bottom)
    return PlacedPatch(patch, mask, box[0], box[1], _depth(crop, mask, box))


def _depth(crop: Crop, mask: Mask, box_xyxy: tuple[int, int, int, int]) -> FloatArray:
    """How deep the pixels of a box of the image lie in a mask, 0 outside of it."""
    import cv2

    left, top, right, bottom = box_xyxy
    crop_side = crop.size / transforms.scale_of(crop.crop_from_image)
    step = max(1, int(crop_side / DEPTHS))
    # One sample more on either side: nothing is known beyond the outermost ones.
    columns, rows = (
        low + (np.arange(-1, -(-(high - low) // step) + 1) + 0.5) * step - 0.5
        for low, high in ((left, right), (top, bottom))
    )
    x, y = (
        (a * columns[None, :]).astype(np.float32) + (b * rows[:, None] + c).astype(np.float32)
        for a, b, c in crop.crop_from_image
    )
    depth: Any = mask.depth(x, y)
    if step > 1:
        size_wh = len(columns) * step, len(rows) * step
        depth = cv2.resize(depth, size_wh, interpolation=cv2.INTER_LINEAR)
    inner: FloatArray = depth[step : step + bottom - top, step : step + right - left]
    return np.maximum(inner, 0)


def overlapping(placed_patches: Sequence[PlacedPatch]) -> list[list[PlacedPatch]]:
    """Group the patches whose boxes overlap, directly or by way of others."""
    groups: list[list[PlacedPatch]] = []
    for placed_patch in placed_patches:
        touched = [
            group for group in groups if any(_overlap(placed_patch, other) for other in group)
        ]
        groups = [group for group in groups if group not in touched]
        groups.append([other for group in touched for other in group] + [placed_patch])
    return groups


def _overlap(a: PlacedPatch, b: PlacedPatch) -> bool:
    return a.left < b.right and b.left < a.right and a.top < b.bottom and b.top < a.bottom


def bounds(group: Sequence[PlacedPatch]) -> tuple[int, int, tuple[int, int]]:
    """Left, top and (height, width) of the box around some boxes."""
    left, top = (
        min(placed_patch.left for placed_patch in group),
        min(placed_patch.top for placed_patch in group),
    )
    right, bottom = (
        max(placed_patch.right for placed_patch in group),
        max(placed_patch.bottom for placed_patch in group),
    )
    return left, top, (bottom - top, right - left)


def weights(group: Sequence[PlacedPatch]) -> list[FloatArray]:
    """The mask of each patch in its box; where masks overlap they share, up to the largest.

    Without what `Patch.blend` says.
    """
    masks = [_weighted(placed_patch) for placed_patch in group]
    if len(group) == 1:
        return masks
    left, top, size = bounds(group)
    # A high power gives most of a pixel to the face in which it lies deepest, without a seam.
    claims: list[FloatArray] = [np.square(np.square(placed_patch.depth)) for placed_patch in group]
    total = np.full(size, np.finfo(np.float32).tiny, np.float32)
    for placed_patch, claim in zip(group, claims, strict=True):
        total[placed_patch.window(left, top)] += claim
    return [
        mask * (claim / total[placed_patch.window(left, top)])
        for placed_patch, mask, claim in zip(group, masks, claims, strict=True)
    ]


def _weighted(placed_patch: PlacedPatch) -> FloatArray:
    """The mask of a patch in its box, times the patch's own weight."""
    mask = placed_patch.mask.rise(placed_patch.depth)
    if placed_patch.patch.weight is not None:
        # Bicubic interpolation overshoots at the edges of a weight.
        mask *= np.clip(placed_patch.back(placed_patch.patch.weight), 0, 1)
    return mask


def parts(placed_patch: PlacedPatch) -> Iterator[PlacedPatch]:
    """The box in bands as wide as the mask, which stay in the processor's cache."""
    if 2 * placed_patch.crop_side < placed_patch.patch.crop.size:
        # Its crop is shrunk first, which in parts would begin at other pixels.
        yield placed_patch
        return
    height, width = placed_patch.depth.shape
    rows = max(1, PART_PIXELS // width)
    for top in range(0, height, rows):
        depth = placed_patch.depth[top : top + rows]
        columns = np.flatnonzero(depth.any(axis=0))
        if len(columns):
            left, right = int(columns[0]), int(columns[-1]) + 1
            yield replace(
                placed_patch,
                left=placed_patch.left + left,
                top=placed_patch.top + top,
                depth=depth[:, left:right],
            )
