"""Faces side by side."""

from __future__ import annotations

import numpy as np

from gpen.metrics.comparison_sheet import draw_sheet, spread


def test_pictures_stand_in_their_columns_below_the_labels() -> None:
    red, blue = (np.full((8, 8, 3), c, np.uint8) for c in ((255, 0, 0), (0, 0, 255)))
    sheet = draw_sheet([{"one": red, "other": blue}, {"other": red}], side=64)
    label = sheet.shape[0] - 128
    assert sheet.shape[1] == 128
    assert sheet[:label].max() > 200  # something is written there
    assert (sheet[label : label + 64, :64] == (255, 0, 0)).all()
    assert (sheet[label : label + 64, 64:] == (0, 0, 255)).all()
    assert (sheet[label + 64 :, 64:] == (255, 0, 0)).all()
    assert sheet[label + 64 :, :64].max() < 60  # nothing was made of this face


def test_other_shapes_and_long_names_fit() -> None:
    sheet = draw_sheet([{"a very long name of a model ∞" * 4: np.ones((10, 30, 3), np.uint8)}])
    assert sheet.shape[1] == 256


def test_positions_are_spread_over_all() -> None:
    assert spread(101, 3) == [0, 50, 100]
    assert spread(2, 5) == [0, 1]
    assert spread(1, 1) == [0]
