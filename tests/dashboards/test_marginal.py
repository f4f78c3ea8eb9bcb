from __future__ import annotations

import pytest
from synthetic import summary_of, trial

from dashboards.marginal import best_within, cheapest, marginal_words
from dashboards.summary import Checkpoint, front_at

COST = "device_seconds"


@pytest.fixture
def front() -> list[Checkpoint]:
    """90.0 % for 1 s, 90.5 % for 2.4 s, 96 % for 6 s: only the last is told apart from the first."""
    summary = summary_of(trial(0, [(900, 1.0)]), trial(1, [(905, 2.4)]), trial(2, [(960, 6.0)]), trial(3, [(800, 9.0)]))
    return front_at((point for curve in summary.curves.values() for point in curve), COST)


def test_the_cheapest_that_is_accurate_enough(front: list[Checkpoint]) -> None:
    found = [cheapest(front, least) for least in (0.5, 0.9, 0.901, 0.96, 0.961)]
    assert [point and point.trial for point in found] == [0, 0, 1, 2, None]


def test_the_best_that_is_cheap_enough(front: list[Checkpoint]) -> None:
    found = [best_within(front, COST, most) for most in (0.9, 1.0, 5.9, 6.0, 100.0)]
    assert [point and point.trial for point in found] == [None, 0, 1, 2, 2]


def test_a_step_within_the_uncertainty_is_told_as_such_and_the_first_beyond_it_too(front: list[Checkpoint]) -> None:
    assert marginal_words(front, front[0], COST) == (
        "The next 0.5 percentage points would cost 2.4 times as much (2.4 s), but are within the 95 % uncertainty. "
        "The first that is beyond it, 96.0 % (94.6-97.0), costs 6 times as much (6 s)."
    )


def test_a_step_beyond_the_uncertainty_has_its_price(front: list[Checkpoint]) -> None:
    words = "The next 5.5 percentage points cost 2.5 times as much (6 s)."
    assert marginal_words(front, front[1], COST) == words


def test_where_nothing_is_beyond_the_uncertainty_that_is_said(front: list[Checkpoint]) -> None:
    words = marginal_words(front[:2], front[0], COST)
    assert words.endswith("within the 95 % uncertainty. No point of the front is more accurate beyond it.")


def test_beyond_the_last_point_nothing_is_promised(front: list[Checkpoint]) -> None:
    words = marginal_words(front, front[-1], COST)
    assert words == "It is the most accurate of the front: no more accuracy was found at any price."


def test_what_costs_nothing_has_no_ratio() -> None:
    free = summary_of(trial(0, [(900, 0.0)]), trial(1, [(990, 2.0)]))
    front = front_at((point for curve in free.curves.values() for point in curve), COST)
    assert marginal_words(front, front[0], COST) == "The next 9 percentage points cost 2 s."
