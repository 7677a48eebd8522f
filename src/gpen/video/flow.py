"""How a face moves within its crop, from one frame to the next, and where that is certain.

Crops of one track are aligned already: what is left is small, smooth, and less than what a codec
shifts by itself. So motion is not searched for but followed: it is predicted to go on as it was,
and corrected by one weighted least-squares step (Lucas and Kanade, IJCAI 1981) in which a prior of
no surprise outweighs noise. The step is taken against a running mean of the input, which is cleaner
than the last frame. Only where this leaves much unexplained, as at a lid or a mouth, a search
without prior (dense inverse search, Kroeger et al., ECCV 2016) takes over, if it explains more.

Convention:
    field    float32, (SIDE, SIDE), whatever the size of the crop
    flow     (SIDE, SIDE, 2), (x, y) in field pixels, from this frame to where it was before
    trust    (SIDE, SIDE) in [0, 1]
    levels   0 to 255, also for 16-bit crops
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from ..types import FloatArray

#: Side of the fields.
SIDE = 128
#: Standard deviation of what is blurred: the picture, the window of a motion, of a residual, and
#: what counts as light, in field pixels.
SMOOTH, WINDOW, AROUND, LIGHT = 1.0, 10.0, 3.0, 12.0
#: Mean squared gradient, levels² per pixel², that outweighs the prior of no surprise.
PRIOR = 150.0
#: Share of the last motion that is expected to go on.
INERTIA = 0.85
#: Levels beyond which a pixel counts less and less for motion: something else came into view.
OUTLIER = 10.0
#: Residual, as a multiple of the usual one, at which trust is one half.
DOUBT = 8.0
#: The search takes over from where it explains this share of the usual residual more.
GAIN = 0.3
#: Standard deviation by which its motion is smoothed, in field pixels.
SEARCH_SMOOTH = 2.0
#: Residuals below this many levels² are as good as none.
FLOOR = 1.0
#: Residuals beyond this many levels² are never usual: a head that turns fast is not noise.
MOST = 3.0
#: Share of the running mean in the next reference.
KEEP = 0.6
#: Share of the last usual residual in the next.
USUAL_KEEP = 0.9
#: The usual residual of one frame, as a multiple of the last frames', that means another scene.
CUT = 30.0


#: cv2 takes a map of places in one array; its second is then empty.
_NO_MAP: Any = None


class Motion:
    """The motion of one track.

    Attributes:
        reference: Running mean of the input's luma in levels, a field.
        flow: The last motion.
        usual: The usual squared residual, levels²; 0 before the second frame.
    """

    def __init__(self, luma: FloatArray) -> None:
        """Start at a frame; `luma` is a field in levels."""
        self.reference = _blurred(luma, SMOOTH)
        self.flow: FloatArray = np.zeros((SIDE, SIDE, 2), np.float32)
        self.usual = 0.0

    def follow(self, luma: FloatArray) -> tuple[FloatArray, FloatArray] | None:
        """Go on to the next frame.

        Args:
            luma: The next input's luma in levels, a field.

        Returns:
            Flow and trust; None where nothing of the last frame is left, as after a cut.
        """
        current = _blurred(luma, SMOOTH)
        expected = self.flow * np.float32(INERTIA)
        flow = expected + _correction(current, carry(self.reference, expected))
        square = _unexplained(self.reference, current, flow)
        found = _search(self.reference, current)
        gain = square - _unexplained(self.reference, current, found)
        share = np.clip(gain * np.float32(1 / (GAIN * (self.usual + FLOOR))) - 1, 0, 1)
        if share.any():
            flow = flow + _blurred(share, AROUND)[..., None] * (found - flow)
            square = _unexplained(self.reference, current, flow)
        middle = slice(SIDE // 4, SIDE - SIDE // 4)
        typical = float(np.median(square[middle, middle])) + FLOOR
        usual = self.usual or typical
        if typical > CUT * max(usual, 4 * FLOOR):
            return None
        # No more than twice at once, so that a shock is not taken for noise.
        self.usual = USUAL_KEEP * usual + (1 - USUAL_KEEP) * min(typical, 2 * usual)
        doubtful = DOUBT * min(self.usual, MOST)
        trust: FloatArray = 1 / (1 + np.square(square * np.float32(1 / doubtful)))
        carried = carry(self.reference, flow)
        self.reference = current + np.float32(KEEP) * trust * (carried - current)
        self.flow = flow
        return flow, trust


def carry(picture: FloatArray, flow: FloatArray, *, sharp: bool = False) -> FloatArray:
    """A picture of the last frame as it would look now.

    Args:
        picture: (side, side) or (side, side, C); the flow is taken to its size.
        flow: As above.
        sharp: Interpolate by cubics, else linearly.
    """
    import cv2

    side = picture.shape[0]
    where = resized(flow, side) * np.float32(side / SIDE)
    axis = np.arange(side, dtype=np.float32)
    where[..., 0] += axis
    where[..., 1] += axis[:, None]
    kernel = cv2.INTER_CUBIC if sharp else cv2.INTER_LINEAR
    carried: Any = cv2.remap(picture, where, _NO_MAP, kernel, borderMode=cv2.BORDER_REPLICATE)
    return carried  # type: ignore[no-any-return]


def resized(field: FloatArray, side: int) -> FloatArray:
    """A field at another size: mean where it shrinks, linear where it grows."""
    import cv2

    if field.shape[0] == side:
        return field.copy()
    kernel = cv2.INTER_AREA if side < field.shape[0] else cv2.INTER_LINEAR
    result: Any = cv2.resize(field, (side, side), interpolation=kernel)
    return result  # type: ignore[no-any-return]


def _correction(current: FloatArray, carried: FloatArray) -> FloatArray:
    """The small motion that brings a carried picture onto the current one.

    Least squares over a Gaussian window, with a prior: (G + PRIOR · I) m = -b, where G is the
    structure tensor and b the mean of gradient times difference.
    """
    import cv2

    difference = carried - current
    both = (carried + current) * np.float32(0.5)
    gx = cv2.Scharr(both, cv2.CV_32F, 1, 0, scale=1 / 32)
    gy = cv2.Scharr(both, cv2.CV_32F, 0, 1, scale=1 / 32)
    weight = 1 / (1 + np.square(difference * np.float32(1 / OUTLIER)))
    wx, wy = weight * gx, weight * gy
    terms = (wx * gx, wy * gy, wx * gy, wx * difference, wy * difference)
    xx, yy, xy, xt, yt = (_blurred(term, WINDOW) for term in terms)
    xx, yy = xx + np.float32(PRIOR), yy + np.float32(PRIOR)
    scale = -1 / (xx * yy - xy * xy)
    flow: FloatArray = np.dstack([(yy * xt - xy * yt) * scale, (xx * yt - xy * xt) * scale])
    return flow


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
