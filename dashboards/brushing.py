"""A choice of trials, made in one figure, that all others and the table then show."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs

from dashboards.areas import MOST_CORNERS, Area, read_box, read_lasso
from dashboards.crowd import Crowd
from dashboards.summary import Summary

MOST = 100_000
"""Trials that an address may name."""

LONGEST = 1500
"""Characters of trial numbers, or of a lasso, that an address can hold."""


@dataclass(frozen=True)
class Brush:
    """Which trials were chosen, and in which figure.

    Attributes:
        origin: The figure; it shows the choice in its own way.
        trials: Their numbers, where the figure shows each trial.
        area: Where it does not, the box or lasso that was drawn.
    """

    origin: str
    trials: frozenset[int] = frozenset()
    area: Area | None = None

    def find(self, crowd: Crowd | None) -> Set[int]:
        """Returns the trials; of a large study those that are there, or in the area; of others an area has none."""
        if crowd is None:
            return self.trials
        if self.area is None:
            return {number for number in self.trials if 0 <= number < crowd.tally.num_trials}
        return self.area.find(crowd)


def read_brush(data: Mapping[str, Any] | None) -> Brush | None:
    """Returns the choice that a page holds as plain values; None where it holds none, or nothing that is one.

    >>> read_brush({"origin": "parallel", "trials": [3, 1]})
    Brush(origin='parallel', trials=frozenset({1, 3}), area=None)
    """
    match data:
        case {"origin": str(origin), "trials": list(trials)} if all(type(one) is int for one in trials):
            return Brush(origin, frozenset(trials))
        case {"origin": str(origin), "box": list(told)} if area := read_box(told):
            return Brush(origin, area=area)
        case {"origin": str(origin), "lasso": list(told)} if area := read_lasso(told):
            return Brush(origin, area=area)
        case _:
            return None


def parse_brush(trials: str, box: str, lasso: str = "") -> dict[str, Any] | None:
    """Returns the choice that an address names as plain values, None where it names none or what is none.

    >>> parse_brush("1-3,7", "")
    {'origin': 'address', 'trials': [1, 2, 3, 7]}
    >>> parse_brush("", "device_seconds:0.1:2:95:99")
    {'origin': 'address', 'box': ['device_seconds', 0.1, 2.0, 95.0, 99.0]}
    >>> parse_brush("", "", "money:log:1_90_2_99_3_90")
    {'origin': 'address', 'lasso': ['money', 'log', 1.0, 90.0, 2.0, 99.0, 3.0, 90.0]}
    >>> parse_brush("1-999999999", "x:y")
    """
    if len(trials) <= LONGEST and re.fullmatch(r"\d{1,7}(-\d{1,7})?(,\d{1,7}(-\d{1,7})?)*", trials):
        parts = [[int(end) for end in part.split("-")] for part in trials.split(",")]
        stretches = [range(ends[0], ends[-1] + 1) for ends in parts]
        is_short = sum(map(len, stretches)) <= MOST
        return {"origin": "address", "trials": [n for one in stretches for n in one]} if is_short else None
    try:
        found = _parse_lasso(lasso) if lasso else _parse_box(box)
    except ValueError:
        return None
    return found if read_brush(found) else None


def parse_search(search: str) -> dict[str, Any] | None:
    """Returns the choice that what follows in an address names as plain values, None where it names none.

    >>> parse_search("?tab=trials&trials=1-3")
    {'origin': 'address', 'trials': [1, 2, 3]}
    """
    wanted = {key: values[0] for key, values in parse_qs(search.removeprefix("?")).items()}
    return parse_brush(wanted.get("trials", ""), wanted.get("box", ""), wanted.get("lasso", ""))


def _parse_box(box: str) -> dict[str, Any]:
    axis, *ends = box.split(":")
    return {"origin": "address", "box": [axis, *map(float, ends)]}


def _parse_lasso(lasso: str) -> dict[str, Any]:
    if len(lasso) > LONGEST:
        raise ValueError
    axis, scale, ends = lasso.split(":")
    corners = ends.split("_", 2 * MOST_CORNERS)
    return {"origin": "address", "lasso": [axis, scale, *map(float, corners)]}


def restrict(summary: Summary, numbers: Set[int]) -> Summary:
    """Returns a study as if it had only these trials; those of its front that are among them stay its front.

    Of a setting with several seeds all are there where one of them is. Idle slots are nobody's, and so not of these.
    """
    curves = {number: curve for number, curve in summary.curves.items() if not numbers.isdisjoint(curve[-1].seeds)}
    wanted = numbers | {seed for curve in curves.values() for seed in curve[-1].seeds}
    trials = tuple(trial for trial in summary.study.trials if trial.number in wanted)
    knee = summary.knee if summary.knee is not None and summary.knee.trial in curves else None
    return replace(
        summary,
        study=replace(summary.study, trials=trials, sittings=()),
        curves=curves,
        lasts={number: last for number, last in summary.lasts.items() if number in wanted},
        front=tuple(point for point in summary.front if point.trial in curves),
        knee=knee,
    )
