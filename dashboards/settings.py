"""The parameters that a study varied, and trials grouped by them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from dashboards.words import value_words
from objectives.parameters import Value
from storage.rows import StudyRow

NOT_SET = "not set"
MOST_BINS = 4


class Bin(NamedTuple):
    """Those that share a value, or a part of the range, of a parameter; `members` are their indices."""

    label: str
    members: list[int]


def varied_parameters(study: StudyRow) -> list[str]:
    """Returns the parameters of which the trials have two values or more, in the order of the spec."""
    values: dict[str, set[Value]] = {name: set() for name in study.spec.get("space", {})}
    for trial in study.trials:
        for name, value in trial.params.items():
            values.setdefault(name, set()).add(value)
    return [name for name, found in values.items() if len(found) > 1]


def is_log(study: StudyRow, name: str) -> bool:
    """Says whether a parameter is searched on a logarithmic scale."""
    entry = study.spec.get("space", {}).get(name)
    return isinstance(entry, Mapping) and bool(entry.get("log", False))


def are_words(values: Sequence[Value | None]) -> bool:
    """Says whether a parameter's values are names rather than numbers."""
    return any(isinstance(value, str | bool) for value in values)


def bin_values(values: Sequence[Value | None], most: int = MOST_BINS) -> list[Bin]:
    """Groups the indices of values: names and few numbers as they are, many numbers in bins of about equal size.

    Equal values stand in one bin; absent ones have their own, the last.

    >>> bin_values([1.0, 2.0, 3.0, 4.0, None], most=2)
    [Bin(label='1 to 2', members=[0, 1]), Bin(label='3 to 4', members=[2, 3]), Bin(label='not set', members=[4])]
    >>> bin_values(["sgd", "adam", "sgd"])
    [Bin(label='adam', members=[1]), Bin(label='sgd', members=[0, 2])]
    """
    known = sorted((value for value in values if value is not None), key=_order)
    distinct = sorted(set(known), key=_order)
    is_counted = are_words(known) or len(distinct) <= most
    bins: dict[int, list[int]] = {}
    for index, value in enumerate(values):
        if value is None:
            number = len(values)
        elif is_counted:
            number = bisect_left(distinct, _order(value), key=_order)
        else:
            number = most * bisect_left(known, _order(value), key=_order) // len(known)
        bins.setdefault(number, []).append(index)
    return [Bin(_label([values[index] for index in bins[number]]), bins[number]) for number in sorted(bins)]


def _order(value: Value) -> tuple[bool, float, str]:
    """Numbers by size, then words by letter."""
    return (True, 0.0, value) if isinstance(value, str) else (False, float(value), "")


def _label(values: Sequence[Value | None]) -> str:
    known = sorted((value for value in values if value is not None), key=_order)
    if not known:
        return NOT_SET
    low, high = known[0], known[-1]
    return value_words(low) if low == high else f"{float(low):.3g} to {float(high):.3g}"
