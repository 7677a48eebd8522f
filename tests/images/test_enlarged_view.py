"""Windows of an enlarged image are what slicing the whole gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpen.images import transforms
from gpen.images.enlarged_view import EnlargedView

PIXELS = np.random.default_rng(0).integers(0, 256, (23, 31, 3), np.uint8)


@pytest.mark.parametrize("factor", [1, 2, 4])
@given(data=st.data())
def test_windows_are_those_of_the_whole(factor: int, data: st.DataObject) -> None:
    whole = transforms.enlarge(PIXELS, factor)
    ends = [
        sorted(data.draw(st.lists(st.integers(0, side), min_size=2, max_size=2, unique=True)))
        for side in whole.shape[:2]
    ]
    rows, columns = (slice(*pair) for pair in ends)
    window = EnlargedView(PIXELS, factor).window(rows, columns)
    assert np.array_equal(window, whole[rows, columns])
