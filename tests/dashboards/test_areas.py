"""Boxes and lassos over the trade-off of a large study: which trials lie within."""

from __future__ import annotations

import math

import pytest
from pages import write_study

from dashboards.areas import Area
from dashboards.crowd import Crowd
from dashboards.figures.billed import trace_billed
from dashboards.summary import Summary, summarize
from storage.database import Database
from storage.reading import load_study

RHOMB = ((0.5, 92.0), (2.0, 99.5), (8.0, 92.0), (2.0, 80.0))
"""In the logarithm of the cost its edges are straight."""


@pytest.fixture
def crowd(database: Database) -> Crowd:
    made = Crowd(database, "a", write_study(database, "a", 80), None)
    made.refresh()
    return made


@pytest.fixture
def summary(crowd: Crowd, database: Database) -> Summary:
    return summarize(load_study(database, "a"))


def test_a_box_is_of_all_trials_with_a_checkpoint_in_it(crowd: Crowd, summary: Summary) -> None:
    wanted = {
        point.trial
        for curve in summary.curves.values()
        for point in curve
        if point.accuracy >= 0.9 and (point.value("device_seconds") or 0) <= 2.0
    }
    found = Area("device_seconds", ((0.0, 90.0), (2.0, 100.0))).find(crowd)
    assert found == wanted != set()
    lasso = ((0.0, 90.0), (2.0, 90.0), (2.0, 100.1), (0.0, 100.1))
    assert Area("device_seconds", lasso).find(crowd) == wanted


@pytest.mark.parametrize("is_log", [True, False])
def test_a_lasso_is_of_what_lies_within_it_on_the_axis_that_is_shown(
    crowd: Crowd, summary: Summary, is_log: bool
) -> None:
    def is_within(x: float, y: float) -> bool:
        """Whether it is below both upper edges and above both lower ones."""
        scale = math.log10 if is_log else float
        left, middle, right = (scale(corner[0]) for corner in RHOMB[:3])
        at = scale(x)
        share = (at - left) / (middle - left) if at < middle else (right - at) / (right - middle)
        return share > 0 and 92.0 - 12.0 * share < y < 92.0 + 7.5 * share

    wanted = {
        point.trial
        for curve in summary.curves.values()
        for point in curve
        if is_within(point.value("device_seconds") or 0, 100 * point.accuracy)
    }
    found = Area("device_seconds", RHOMB, is_log).find(crowd)
    assert found == wanted != set()
    assert found != Area("device_seconds", RHOMB, not is_log).find(crowd)
    assert found < Area("device_seconds", ((0.5, 80.0), (8.0, 99.5))).find(crowd)


def test_a_ring_leaves_out_what_its_hole_is_over(crowd: Crowd) -> None:
    outer = [(0.01, 0.0), (1e3, 0.0), (1e3, 101.0), (0.01, 101.0)]
    hole = [(0.01, 50.0), (1e3, 50.0), (1e3, 101.0), (0.01, 101.0)]
    found = Area("device_seconds", (*outer, outer[0], *hole, hole[0])).find(crowd)
    below = Area("device_seconds", ((0.0, 0.0), (1e3, 49.99))).find(crowd)
    assert found == below != set()


def test_an_area_over_bills_is_of_the_trials_whose_bill_lies_within(crowd: Crowd, summary: Summary) -> None:
    for cost, most in (("device_seconds", 8.0), ("money", 1e-4)):
        info = trace_billed(summary, cost)
        wanted = {one.point.trial for one in info.trials if one.amount <= most and one.point.accuracy >= 0.9}
        assert Area(f"billed.{cost}", ((0.0, 90.0), (most, 100.0))).find(crowd) == wanted != set(), cost
