"""Cutting faces out of a photo and pasting them back, on the device that runs the network.

What `gpen.geometry.warp` and `gpen.paste` compute, to within a grey level, in f32 and without any
operation that MPS lacks. Arrays come and go as numpy; only the photo stays on the device.

Convention:
    pixels   uint8 or uint16 RGB, shape (height, width, 3)
    picture  torch f32, (channels, height, width), on the device
    matrix   2×3 float64; `crop_from_image` maps image points to crop points
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .. import geometry
from ..types import Float64Array, FloatArray, Pixels
from .memory import is_out_of_memory

Box = tuple[int, int, int, int]
P = ParamSpec("P")
Answer = TypeVar("Answer")

#: Rec. 601, as OpenCV's luma.
_LUMA = (0.299, 0.587, 0.114)
_PADDING = {"reflect": "reflection", "replicate": "border", "constant": "zeros"}
#: Of bicubic interpolation, as OpenCV and torch have it.
_CUBIC = -0.75


class DevicePhoto:
    """A photo on a device; it stays there as bytes, and only what is needed is widened.

    Args:
        pixels: RGB, (height, width, 3), uint8 or uint16.
        device: torch's name of the device.
    """

    def __init__(self, pixels: Pixels, device: str) -> None:
        self._device, self._dtype = torch.device(device), pixels.dtype
        self._top = float(np.iinfo(pixels.dtype).max)
        self._photo = self._sent(pixels)

    def cut_out(self, crop_from_image: Float64Array, size: int) -> Pixels | None:
        """A face, (size, size, 3), as `gpen.align.align_face` cuts it out.

        Returns:
            The crop, or None where the device has too little memory.

        Raises:
            AlignError: The matrix has no inverse.
        """
        return _if_enough(self._cut_out, crop_from_image, size)

    @torch.inference_mode()
    def _cut_out(self, crop_from_image: Float64Array, size: int) -> Pixels:
        height, width = self._photo.shape[:2]
        steps = geometry.plan_warp((width, height), crop_from_image, (size, size))
        left, top, right, bottom = steps.part_xyxy
        part = _wide(self._photo[top:bottom, left:right])
        crop = _sampled(part, steps, (size, size), "reflect", self._whole)
        rows = crop.permute(1, 2, 0).contiguous().cpu().numpy()
        return cast("Pixels", rows.astype(self._dtype))

    def change(
        self,
        before: Pixels,
        after: Pixels,
        crop_from_image: Float64Array,
        box_xyxy: Box,
        *,
        regions: int,
        replaced: float,
    ) -> FloatArray | None:
        """What a restored face changes in a box of the photo; see the formula of `gpen.paste`.

        Args:
            before: The crop, (size, size, 3), of the photo's dtype.
            after: What the network made of it.
            crop_from_image: 2×3.
            box_xyxy: Columns and rows of the photo, ends excluded.
            regions: `gpen.unseen.REGIONS`.
            replaced: `gpen.unseen.REPLACED`.

        Returns:
            (height, width, 3), to be added at full weight; None where the device has too little
            memory.
        """
        return _if_enough(self._change, before, after, crop_from_image, box_xyxy, regions, replaced)

    @torch.inference_mode()
    def _change(
        self,
        before: Pixels,
        after: Pixels,
        crop_from_image: Float64Array,
        box_xyxy: Box,
        regions: int,
        replaced: float,
    ) -> FloatArray:
        left, top, right, bottom = box_xyxy
        was, now = _wide(self._sent(before)), _wide(self._sent(after))
        wh = right - left, bottom - top
        image_from_crop = geometry.invert(crop_from_image)
        box_from_crop = geometry.compose(geometry.shifting(-left, -top), image_from_crop)
        both = torch.cat([now - was, was])
        change, seen = _back(both, box_from_crop, wh).chunk(2)
        unseen = _wide(self._photo[top:bottom, left:right]) - seen
        crop_side = before.shape[0] / geometry.scale_of(crop_from_image)
        cell = max(1.0, crop_side / regions)
        cells_wh = max(1, round(wh[0] / cell)), max(1, round(wh[1] / cell))
        side = max(1, min(len(before), round(crop_side)))
        changed = _changed_energy(was, now, side, min(side, regions), whole=self._whole)
        crop_from_grid = geometry.scaling(len(before) / changed.shape[-1])
        cells_from_grid = geometry.compose(
            geometry.scaling(cells_wh[0] / wh[0], cells_wh[1] / wh[1]),
            geometry.compose(box_from_crop, crop_from_grid),
        )
        changed = _back(changed, cells_from_grid, cells_wh).clamp_min(0)
        changed = changed * (replaced * max(1.0, crop_side / len(before)) ** 2)
        kept = _share(_energy(_luma(unseen), cells_wh), changed)
        change -= unseen * (1 - _resize(kept, wh).clamp(0, 1))
        result: FloatArray = change.permute(1, 2, 0).contiguous().cpu().numpy()
        return result

    def _sent(self, pixels: Pixels) -> Tensor:
        """Pixels on the device as bytes, (height, width, 3, 1 or 2), which every device knows."""
        octets = np.ascontiguousarray(pixels).view(np.uint8)
        return torch.from_numpy(octets.reshape(*pixels.shape, -1)).to(self._device)

    def _whole(self, picture: Tensor) -> Tensor:
        """Rounded and clipped, as pixels are between OpenCV's steps."""
        return picture.round().clamp(0, self._top)


def _wide(octets: Tensor) -> Tensor:
    """Pixels as bytes, low ones first → a picture."""
    values = octets.float()
    values = values[..., 0] if values.shape[3] == 1 else values[..., 0] + 256 * values[..., 1]
    return values.permute(2, 0, 1).contiguous()


def _if_enough(work: Callable[P, Answer], *args: P.args, **kwargs: P.kwargs) -> Answer | None:
    """What work returns, or None where the device has too little memory for it."""
    try:
        return work(*args, **kwargs)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return None


def _back(picture: Tensor, target_from_source: Float64Array, size_wh: tuple[int, int]) -> Tensor:
    """As `gpen.geometry.warp` of numbers, with the border "replicate"."""
    source_wh = picture.shape[2], picture.shape[1]
    steps = geometry.plan_warp(source_wh, target_from_source, size_wh, border="replicate")
    left, top, right, bottom = steps.part_xyxy
    return _sampled(picture[:, top:bottom, left:right], steps, size_wh, "replicate", _as_it_is)


def _sampled(
    part: Tensor,
    steps: geometry.WarpSteps,
    size_wh: tuple[int, int],
    border: geometry.Border,
    finish: Callable[[Tensor], Tensor],
) -> Tensor:
    """The part of a picture that a warp needs → what the warp makes of it.

    Args:
        part: As `steps` says.
        steps: Of the warp.
        size_wh: Width and height of the result.
        border: What lies around the part.
        finish: Done after each step.
    """
    if steps.part_wh != (part.shape[2], part.shape[1]):
        part = finish(_resize(part, steps.part_wh))
    samples_wh = size_wh[0] * steps.samples, size_wh[1] * steps.samples
    places = _places(geometry.invert(steps.sample_from_part), samples_wh, steps.part_wh)
    grid = torch.from_numpy(places).to(part.device)
    warped = functional.grid_sample(
        part[None], grid[None], "bicubic", _PADDING[border], align_corners=False
    )
    warped = finish(warped)
    if steps.samples > 1:
        warped = finish(functional.avg_pool2d(warped, steps.samples))
    return warped[0]


def _as_it_is(picture: Tensor) -> Tensor:
    return picture


def _places(
    part_from_sample: Float64Array, samples_wh: tuple[int, int], part_wh: tuple[int, int]
) -> FloatArray:
    """Where samples lie, (height, width, 2), in [-1, 1] from edge to edge of the part."""
    part_from_edges = geometry.scaling(2 / part_wh[0], 2 / part_wh[1])
    part_from_edges[:, 2] = 1 / part_wh[0] - 1, 1 / part_wh[1] - 1
    matrix = geometry.compose(part_from_edges, part_from_sample)
    columns, rows = np.arange(samples_wh[0])[None, :], np.arange(samples_wh[1])[:, None]
    return np.stack([a * columns + (b * rows + c) for a, b, c in matrix], axis=2, dtype=np.float32)


def _resize(picture: Tensor, size_wh: tuple[int, int]) -> Tensor:
    """As `gpen.geometry.resize`: as a product with a matrix along each axis."""
    _, height, width = picture.shape
    across = _weights(width, size_wh[0], picture.device)
    return _weights(height, size_wh[1], picture.device) @ (picture @ across.t())


def _weights(before: int, after: int, device: torch.device) -> Tensor:
    """(after, before): area average along an axis that shrinks, bicubic along one that grows."""
    step = before / after
    if after >= before:
        return torch.from_numpy(_bicubic(before, after)).to(device)
    starts = np.arange(after) * step
    first = np.floor(starts)
    # Relative to the first pixel of each: f32 would not place it well enough within the axis.
    rest = torch.from_numpy((starts - first).astype(np.float32)).to(device)[:, None]
    begin = torch.from_numpy(first.astype(np.int32)).to(device)[:, None]
    pixels = torch.arange(before, device=device) - begin
    upper = torch.minimum(pixels + 1, rest + step)
    return (upper - torch.maximum(pixels, rest)).clamp_min(0) / step


def _bicubic(before: int, after: int) -> FloatArray:
    """(after, before), for few pixels before; beyond the outermost ones these repeat."""
    matrix = np.zeros((after, before), np.float32)
    places = (np.arange(after) + 0.5) * (before / after) - 0.5
    first = np.floor(places).astype(np.int64)
    for tap in range(-1, 3):
        columns = np.clip(first + tap, 0, before - 1)
        np.add.at(matrix, (np.arange(after), columns), _cubic(np.abs(places - (first + tap))))
    return matrix


def _cubic(distance: Float64Array) -> Float64Array:
    """The kernel of bicubic interpolation (Keys 1981)."""
    d, a = distance, _CUBIC
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, far)


def _luma(picture: Tensor) -> Tensor:
    """(3, h, w) → (1, h, w)."""
    return (picture * picture.new_tensor(_LUMA)[:, None, None]).sum(dim=0, keepdim=True)


def _blurred(picture: Tensor) -> Tensor:
    """A Gaussian of one pixel, (1, h, w), mirrored about the outermost pixels as OpenCV does."""
    taps = torch.exp(-torch.arange(-4, 5, dtype=torch.float32).square() / 2)
    taps = (taps / taps.sum()).to(picture.device)
    for axis in (1, 2):
        length = picture.shape[axis]
        places = torch.arange(-4, length + 4).abs() % max(1, 2 * length - 2)
        places = torch.minimum(places, 2 * length - 2 - places).clamp_min(0)
        padded = picture.index_select(axis, places.to(picture.device))
        windows = padded.unfold(axis, 9, 1)
        picture = (windows * taps).sum(dim=-1)
    return picture


def _energy(picture: Tensor, cells_wh: tuple[int, int]) -> Tensor:
    """Mean square by region, smooth."""
    return _blurred(_resize(picture.square(), cells_wh))


def _changed_energy(was: Tensor, now: Tensor, side: int, grid: int, *, whole: Any) -> Tensor:
    """How much the finest detail changed, by region; see `gpen.paste`."""
    before, after = (whole(_resize(whole(_luma(x)), (side, side))) for x in (was, now))
    change = after - before
    return _energy(change - _blurred(change), (grid, grid))


def _share(unseen: Tensor, changed: Tensor) -> Tensor:
    """The share of unseen detail that stays; squares of energies of 16 bits fit f32."""
    squared = unseen.square() + torch.finfo(torch.float32).tiny
    return squared / (squared + changed.square())
