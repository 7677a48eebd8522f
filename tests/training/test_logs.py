"""What a run tells."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from gpen.training.logs import Means


def test_each_figure_is_averaged_over_the_steps_that_had_it() -> None:
    means = Means()
    means.add({"l1": 1.0, "r1": 8.0})
    means.add({"l1": 2.0})
    means.add({"l1": 6.0, "r1": 4.0})
    assert means.figures() == {"l1": 3.0, "r1": 6.0}


def test_an_interval_goes_on_where_it_was_left() -> None:
    first = Means()
    first.add({"l1": 1.0})
    second = Means(first.sums())
    second.add({"l1": 3.0})
    assert second.figures() == {"l1": 2.0}
    assert first.figures() == {"l1": 1.0}
    assert Means().figures() == {}
