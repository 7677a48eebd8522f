"""ComfyUI's images and gpen's.

Convention:
    IMAGE    torch float32 [B, H, W, C], RGB or RGBA, 0 to 1
    MASK     torch float32 [B, H, W], 1 where faces are
    pixels   numpy uint16 RGB(A), (H, W, C): 8 bits would show in smooth skies
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from gpen import Crop
from gpen.blending.masks import Mask
from gpen.images.transforms import apply, invert
from gpen.settings import MaskShape

_TOP = 65535


def to_pixels(frame: torch.Tensor) -> Any:
    """One frame [H, W, C] as uint16; what is no number becomes black."""
    values = torch.nan_to_num(frame.detach().float().cpu()).clamp(0, 1)
    return np.rint(values.numpy() * np.float32(_TOP)).astype(np.uint16)


def to_frame(pixels: Any, before: torch.Tensor | None = None) -> torch.Tensor:
    """Pixels as one frame [H, W, C].

    Args:
        pixels: uint16 (H, W, C).
        before: The frame they were made from; where nothing changed its values stay, bit by bit.
    """
    frame = torch.from_numpy(pixels.astype(np.float32) / np.float32(_TOP))
    if before is None or before.shape != frame.shape:
        return frame
    same = torch.from_numpy(pixels == to_pixels(before))
    return torch.where(same, before.float().cpu(), frame)


def to_mask(crops: Iterable[Crop], size_wh: tuple[int, int], shape: MaskShape) -> torch.Tensor:
    """Where faces are pasted, [H, W]; the crops of one image, cut from it at this size."""
    mask = np.zeros(size_wh[::-1], np.float32)
    for crop in crops:
        _draw(mask, crop, Mask.of_face(crop.size, crop.points_xy, shape))
    return torch.from_numpy(mask)


def _draw(image: Any, crop: Crop, mask: Mask) -> None:
    """Draw a mask into an image, within the box that it touches; the larger value stays."""
    x0, y0, x1, y1 = mask.box_xyxy
    corners = apply(invert(crop.crop_from_image), [(x0, y0), (x1, y0), (x0, y1), (x1, y1)])
    size_wh = image.shape[::-1]
    left, top = np.clip(np.floor(corners.min(axis=0)), 0, size_wh).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(axis=0)) + 1, 0, size_wh).astype(int)
    columns, rows = np.arange(left, right)[None, :], np.arange(top, bottom)[:, None]
    x, y = ((a * columns + b * rows + c).astype(np.float32) for a, b, c in crop.crop_from_image)
    window = image[top:bottom, left:right]
    np.maximum(window, mask.rise(mask.depth(x, y)), out=window)


def stacked(frames: Sequence[torch.Tensor]) -> torch.Tensor:
    """Frames of one size as a batch."""
    return torch.stack(list(frames))
