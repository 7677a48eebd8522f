"""Tiles cover an axis once, each with its margin."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gpen.upscaling.tiles import plan_axis


@given(
    length=st.integers(1, 5000),
    margin=st.integers(0, 40),
    step=st.sampled_from([1, 2, 4, 8]),
    is_fixed=st.booleans(),
)
def test_tiles_cover_an_axis_once_with_margins(
    length: int, margin: int, step: int, is_fixed: bool
) -> None:
    most = 128
    side, spans = plan_axis(length, most, margin, step, is_fixed=is_fixed)
    assert side % step == 0
    assert side == most if is_fixed else side <= most
    assert (spans[0].start, spans[0].keep, spans[-1].stop) == (0, 0, length)
    assert length <= spans[-1].start + side < length + max(step, side if len(spans) == 1 else 0) + 1
    for left, right in pairwise(spans):
        assert left.stop == right.keep
        assert left.start < right.start
        assert left.start % step == 0
        # Beginnings on multiples of a step may take a step from the margin.
        assert left.start + side - left.stop >= margin - step + 1
        assert right.keep - right.start >= margin - step + 1


@given(length=st.integers(1, 5000))
def test_exact_margins_without_a_step(length: int) -> None:
    side, spans = plan_axis(length, 128, 33)
    for left, right in pairwise(spans):
        assert min(left.start + side - left.stop, right.keep - right.start) >= 33
