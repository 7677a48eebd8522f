"""Optical flow of a face within its crop, and its confidence.

Crops of one track are aligned already: what is left is small, smooth, and less than what a codec
shifts by itself. So motion is guessed by one weighted least-squares step from no motion at all
(Lucas and Kanade, IJCAI 1981), in which a prior of no motion outweighs noise, and the guesses of
neighbouring frames are averaged. Only where this leaves much unexplained, as at a lid or a mouth, a
search without prior (dense inverse search, Kroeger et al., ECCV 2016) takes over, if it explains
more.

Convention:
    field    float32, (SIDE, SIDE), whatever the size of the crop
    flow     (SIDE, SIDE, 2), (x, y) in field pixels, from one frame to where it is in another
    trust    (SIDE, SIDE) in [0, 1]
    levels   0 to 255, also for 16-bit crops
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import numpy as np

from ...types import FloatArray

#: Side of the fields.
SIDE = 128
#: Standard deviation of what is blurred: the image, the window of a motion, of a residual, and
#: what counts as light, in field pixels.
SMOOTH, WINDOW, AROUND, LIGHT = 1.0, 10.0, 3.0, 12.0
#: Mean squared gradient, levels² per pixel², that outweighs the prior of no motion.
PRIOR = 150.0
#: Levels beyond which a pixel counts less and less for motion: something else came into view.
OUTLIER = 10.0
#: Residual, as a multiple of the usual one, at which trust is one half.
DOUBT = 10.0
#: The search takes over from where it explains this multiple of the usual residual more.
GAIN = 1.5
#: Standard deviation by which its motion is smoothed, in field pixels.
SEARCH_SMOOTH = 2.0
#: Residuals below this many levels² are as good as none.
FLOOR = 1.0
#: Residuals beyond this many levels² are never usual: a head that turns fast is not noise.
MOST = 3.0
#: The usual residual, in levels², that means another scene.
CUT = 120.0
#: Rounds that invert a flow.
ROUNDS = 2


#: cv2 takes a map of positions in one array; its second is then empty.
_NO_MAP: Any = None


@dataclass(frozen=True, slots=True)
class Step:
    """From one frame to the next.

    Attributes:
        back: Flow from the later frame to the earlier one.
        ahead: Flow from the earlier frame to the later one.
        trust_back: Trust, as seen in the later frame.
        trust_ahead: Trust, as seen in the earlier frame.
    """

    back: FloatArray
    ahead: FloatArray
    trust_back: FloatArray
    trust_ahead: FloatArray


def field_of(luma: FloatArray) -> FloatArray:
    """The field on which motion is seen, of luma in levels, (SIDE, SIDE)."""
    return _blurred(luma, SMOOTH)


def guess(before: FloatArray, current: FloatArray) -> FloatArray | None:
    """The smooth part of the flow from a frame back to the one before, from their fields.

    Least squares over a Gaussian window, with a prior: (G + PRIOR · I) m = -b, where G is the
    structure tensor and b the mean of gradient times difference.

    Returns:
        None where nothing of the frame before is left, as after a cut.
    """
    import cv2

    difference = before - current
    both = (before + current) * np.float32(0.5)
    gx = cv2.Scharr(both, cv2.CV_32F, 1, 0, scale=1 / 32)
    gy = cv2.Scharr(both, cv2.CV_32F, 0, 1, scale=1 / 32)
    weight = 1 / (1 + np.square(difference * np.float32(1 / OUTLIER)))
    wx, wy = weight * gx, weight * gy
    terms = (wx * gx, wy * gy, wx * gy, wx * difference, wy * difference)
    xx, yy, xy, xt, yt = (_blurred(term, WINDOW) for term in terms)
    xx, yy = xx + np.float32(PRIOR), yy + np.float32(PRIOR)
    scale = -1 / (xx * yy - xy * xy)
    flow: FloatArray = np.dstack([(yy * xt - xy * yt) * scale, (xx * yt - xy * xt) * scale])
    if _usual(difference * difference) > CUT and _usual(_unexplained(before, current, flow)) > CUT:
        return None
    return flow


def step(before: FloatArray, current: FloatArray, flow: FloatArray) -> Step:
    """Improve a guess where its residual is large, and measure how far to trust it.

    Args:
        before: Field of the earlier frame.
        current: Field of the later frame.
        flow: The guessed motion, back from the later frame.
    """
    square = _unexplained(before, current, flow)
    usual = min(_usual(square) + FLOOR, MOST)
    found = _search(before, current)
    gain = square - _unexplained(before, current, found)
    share = np.clip(gain * np.float32(1 / (GAIN * usual)) - 1, 0, 1)
    if share.any():
        flow = flow + _blurred(share, AROUND)[..., None] * (found - flow)
        square = _unexplained(before, current, flow)
    trust: FloatArray = 1 / (1 + np.square(square * np.float32(1 / (DOUBT * usual))))
    ahead = inverse(flow)
    return Step(flow, ahead, trust, carry(trust, ahead))


def inverse(flow: FloatArray) -> FloatArray:
    """The flow the other way, by fixed-point iteration."""
    other = -flow
    for _ in range(ROUNDS):
        other = -carry(flow, other)
    return other


def carry(image: FloatArray, flow: FloatArray) -> FloatArray:
    """Warp an image of another frame to this one, by linear interpolation.

    Args:
        image: (side, side) or (side, side, C); the flow is taken to its size.
        flow: From this frame to the other.
    """
    import cv2

    side = image.shape[0]
    where = resized(flow, side)
    where *= np.float32(side / SIDE)
    where += grid(side)
    carried: Any = cv2.remap(
        image, where, _NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return carried  # type: ignore[no-any-return]


@cache
def grid(side: int) -> FloatArray:
    """Each pixel's own position, (side, side, 2)."""
    axis = np.arange(side, dtype=np.float32)
    return np.dstack(np.meshgrid(axis, axis))


def resized(field: FloatArray, side: int) -> FloatArray:
    """A field at another size: mean where it shrinks, linear where it grows."""
    import cv2

    if field.shape[0] == side:
        return field.copy()
    kernel = cv2.INTER_AREA if side < field.shape[0] else cv2.INTER_LINEAR
    result: Any = cv2.resize(field, (side, side), interpolation=kernel)
    return result  # type: ignore[no-any-return]


def _usual(square: FloatArray) -> float:
    """Of squared residuals, the median in the middle of the crop."""
    middle = slice(SIDE // 4, SIDE - SIDE // 4)
    return float(np.median(square[middle, middle]))


def _unexplained(before: FloatArray, current: FloatArray, flow: FloatArray) -> FloatArray:
    """Mean squared residual around each pixel, levels²."""
    residual = carry(before, flow) - current
    residual -= _blurred(residual, LIGHT)  # light may change; what is seen stays the same
    return _blurred(residual * residual, AROUND)


def _search(before: FloatArray, current: FloatArray) -> FloatArray:
    """Motion without a prior."""
    import cv2

    levels = [np.clip(field, 0, 255).astype(np.uint8) for field in (current, before)]
    # A new one each time: it keeps the last flow's buffers, and threads must not share them.
    search = cast("Any", cv2).DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    flow: FloatArray = cv2.GaussianBlur(search.calc(*levels, None), (0, 0), SEARCH_SMOOTH)
    return flow


def _blurred(field: FloatArray, sigma: float) -> FloatArray:
    """Gaussian blur; a wide one is taken at a quarter of the size, where it costs little."""
    import cv2

    if sigma < 6:
        blurred: Any = cv2.GaussianBlur(field, (0, 0), sigma)
    else:
        small = cv2.resize(field, (SIDE // 4, SIDE // 4), interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (0, 0), sigma / 4)
        blurred = cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    return blurred  # type: ignore[no-any-return]
