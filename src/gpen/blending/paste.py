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
crop alone, 0 where it cleaned or replaced the finest detail that it saw, unless
`Patch.keep_residual` keeps all of it. See docs/adr/0001.

Where the image was enlarged by a network, its crops were cut from the plain enlargement: then that
is `image` in the formula, and its result takes the place of the network's image within the mask.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np

from ..images import transforms
from ..images.enlarged_view import EnlargedView
from ..images.tones import match_tones
from ..settings import MaskShape
from ..types import Crop, Float64Array, FloatArray, Pixels
from .masks import face_mask
from .patches import Patch, PlacedPatch, bounds, overlapping, parts, place_patch, weights
from .residual import REGIONS, residual_weight

__all__ = ["Patch", "blend_crop", "paste_faces"]


def paste_faces(
    image_pixels: Pixels,
    patches: Sequence[Patch],
    *,
    blend: float = 1.0,
    mask: MaskShape = "face",
    match_color: bool = False,
    cut_from: EnlargedView | None = None,
    in_place: bool = False,
) -> Pixels:
    """Put restored faces back into their image.

    Pixels outside all masks stay as they are, bit by bit. Where faces overlap they share each pixel
    in proportion to how deep it lies in their masks; the order of the patches does not matter.

    Args:
        image_pixels: RGB, (height, width, 3), uint8 or uint16: what the crops were cut from. An
            image that was enlarged is enlarged before its crops are cut.
        patches: The crops with the network's outputs.
        blend: 0 keeps the image, 1 takes the restored faces.
        mask: "face" follows the face, "box" is a soft square.
        match_color: Give each output the mean and spread of its crop, per RGB channel as stored,
            within the mask. Both are measured on a coarse grid, where neither blur nor noise count.
        cut_from: What the crops were cut from, where the image is another enlargement of it.
        in_place: Change the image itself, which saves the memory of another.

    Returns:
        An image of the same shape and dtype.
    """
    import cv2

    result = image_pixels if in_place else image_pixels.copy()
    placed = [place_patch(patch, image_pixels.shape[1::-1], mask) for patch in patches]
    # A fixed order of summation makes the result the same to the last bit for any order given.
    in_order = sorted(
        (placed_patch for placed_patch in placed if placed_patch is not None),
        key=lambda placed_patch: tuple(placed_patch.patch.crop.crop_from_image.ravel()),
    )
    for group in overlapping(in_order):
        left, top, size = bounds(group)
        # Where faces meet, their changes add up before they are rounded.
        total = np.zeros((*size, 3), np.float32) if len(group) > 1 else None
        for placed_patch, weight in zip(group, weights(group), strict=True):
            changes = _changes(placed_patch, image_pixels, cut_from, match_color=match_color)
            for part, change in changes:
                share = _in_channels(weight[part.window(placed_patch.left, placed_patch.top)])
                cv2.multiply(change, share, dst=change, scale=blend * placed_patch.patch.blend)
                if total is None:
                    _add(result[part.window()], change)
                else:
                    total[part.window(left, top)] += change
        if total is not None:
            _add(result[top : top + size[0], left : left + size[1]], total)
    return result


def blend_crop(patch: Patch) -> Pixels:
    """Blend a whole crop with its output, without a mask."""
    before, after = patch.crop.pixels.astype(np.float32), patch.pixels.astype(np.float32)
    share = patch.blend if patch.weight is None else patch.weight[..., None] * patch.blend
    mixed = before + (after - before) * share
    return cast("Pixels", np.rint(mixed).astype(patch.pixels.dtype))


def _add(window: Any, change: Any) -> None:
    """Add to integer pixels in place, rounded to nearest and clipped."""
    import cv2

    cv2.add(window, change, dst=window, dtype=cv2.CV_8U if window.dtype == np.uint8 else cv2.CV_16U)


def _changes(
    placed_patch: PlacedPatch,
    image_pixels: Pixels,
    cut_from: EnlargedView | None,
    *,
    match_color: bool,
) -> Iterator[tuple[PlacedPatch, FloatArray]]:
    """What a restored face changes at full weight, (height, width, 3), part by part of its box.

    See the formula at the top of this file.
    """
    import cv2

    crop, output, keep_residual = (
        placed_patch.patch.crop,
        placed_patch.patch.pixels,
        placed_patch.patch.keep_residual,
    )
    before = crop.pixels.astype(np.float32)
    residual: Any = None
    around = image_pixels[placed_patch.window()]
    source = around if cut_from is None else cut_from.window(*placed_patch.window())
    exchange: Any = None if cut_from is None else cv2.subtract(source, around, dtype=cv2.CV_32F)
    if not keep_residual:
        seen = placed_patch.back(before)
        residual = cv2.subtract(source, seen, dst=seen, dtype=cv2.CV_32F)
        lost = residual_weight(crop, output, residual, placed_patch.back)
    step: Any = cv2.subtract(output, crop.pixels, dtype=cv2.CV_32F)
    if match_color:
        tones = match_tones(
            output.astype(np.float32), before, face_mask(REGIONS, _grid_points(crop))
        )
        step = tones - before
    for part in parts(placed_patch):
        change = part.back(step)
        window = part.window(placed_patch.left, placed_patch.top)
        if exchange is not None:
            change += exchange[window]
        if residual is not None:
            change -= cv2.multiply(residual[window], _in_channels(lost[window]))
        yield part, change


def _in_channels(weight: FloatArray) -> Any:
    """(height, width) as (height, width, 3), in which OpenCV multiplies three times as fast."""
    import cv2

    return cv2.cvtColor(weight, cv2.COLOR_GRAY2RGB)


def _grid_points(crop: Crop) -> Float64Array:
    return transforms.scale_points(crop.points_xy, REGIONS / crop.size)
