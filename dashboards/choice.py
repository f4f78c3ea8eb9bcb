"""Picking from the trade-off: the cheapest that is accurate enough, the best that is cheap enough, or the knee."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dashboards.summary import Checkpoint, Summary
from dashboards.words import accuracy_words, cost_words
from objectives.prices import DERIVED


class NothingFits(Exception):
    """No checkpoint keeps the limits; the text says what comes closest."""


@dataclass(frozen=True)
class Pick:
    """What was picked, and why."""

    point: Checkpoint
    why: str


def pick(
    summary: Summary,
    min_accuracy: float | None = None,
    max_costs: Mapping[str, float] | None = None,
    *,
    at_knee: bool = False,
) -> Pick:
    """Returns one checkpoint of a study.

    With a least accuracy: the cheapest that has it (and keeps the other limits). With highest costs alone: the most
    accurate that keeps them. At the knee, or without any wish: the knee, or, where there is none, the most accurate.

    Args:
        summary: The study.
        min_accuracy: 0 to 1.
        max_costs: The highest value of each named cost, in its unit; in the book's currency of money.
        at_knee: Insist on the knee.

    Raises:
        NothingFits: where no checkpoint will do.
    """
    cost = summary.cost
    points = [point for curve in summary.curves.values() for point in curve if point.value(cost) is not None]
    if not points:
        raise NothingFits(f"pick: study {summary.study.name!r} has no epoch yet to pick from")
    if min_accuracy is None and not max_costs:
        if summary.knee is not None:
            return Pick(summary.knee, "the knee: after it accuracy gets expensive")
        if at_knee:
            raise NothingFits(
                f"pick: the front has no knee: it has {len(summary.front)} points, 3 or more that bend are needed"
            )
        return Pick(_most_accurate(points, cost), "the most accurate (the front has no knee)")
    limits = max_costs or {}
    currency = summary.book.currency
    cheap = [point for point in points if all(_within(point, name, most) for name, most in limits.items())]
    fitting = [point for point in cheap if min_accuracy is None or point.accuracy >= min_accuracy]
    if not fitting:
        raise NothingFits(_closest(points, cheap, cost, min_accuracy, limits, currency))
    if min_accuracy is not None:
        chosen = min(fitting, key=lambda point: (point.value(cost) or 0.0, -point.accuracy, point.trial, point.epoch))
        return Pick(chosen, f"the cheapest in {cost} with an accuracy of at least {min_accuracy:g}")
    within = " and ".join(f"{name} <= {most:g}" for name, most in limits.items())
    return Pick(_most_accurate(fitting, cost), f"the most accurate with {within}")


def _within(point: Checkpoint, name: str, most: float) -> bool:
    value = point.value(name)
    return value is not None and value <= most


def _most_accurate(points: list[Checkpoint], cost: str) -> Checkpoint:
    return min(points, key=lambda point: (-point.accuracy, point.value(cost) or 0.0, point.trial, point.epoch))


def _closest(
    points: list[Checkpoint],
    cheap: list[Checkpoint],
    cost: str,
    min_accuracy: float | None,
    limits: Mapping[str, float],
    currency: str,
) -> str:
    if cheap and min_accuracy is not None:
        best = _most_accurate(cheap, cost)
        within = " within the costs" if limits else ""
        return (
            f"pick: no checkpoint{within} has an accuracy of {min_accuracy:g}; the closest is trial {best.trial} after "
            f"epoch {best.epoch} with {accuracy_words(best.accuracy, best.interval)}"
        )
    name = next(iter(limits))
    known = [point for point in points if point.value(name) is not None]
    if not known:
        missing = "cannot be derived" if name in DERIVED else "was not measured in this study"
        return f"pick: {name} {missing}: {points[0].reason(name)}"
    nearest = min(known, key=lambda point: (point.value(name) or 0.0, point.trial, point.epoch))
    return (
        f"pick: no checkpoint costs at most {limits[name]:g} {name}; the closest is trial {nearest.trial} after epoch "
        f"{nearest.epoch} with {cost_words(name, nearest.value(name), currency)}"
    )
