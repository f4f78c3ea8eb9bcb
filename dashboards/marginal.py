"""What the next step of accuracy costs, along a front."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.summary import Checkpoint
from dashboards.words import accuracy_words, cost_words


def cheapest(front: Sequence[Checkpoint], least: float) -> Checkpoint | None:
    """Returns the cheapest checkpoint with at least an accuracy, None where none has it.

    Args:
        front: Of `front_at`: the cheapest first, so that each is more accurate than the one before.
        least: 0 to 1.
    """
    return next((point for point in front if point.accuracy >= least), None)


def best_within(front: Sequence[Checkpoint], cost: str, most: float) -> Checkpoint | None:
    """Returns the most accurate checkpoint that costs at most so much, None where each costs more.

    Args:
        front: Of `front_at`: the cheapest first.
        cost: The cost that it is the front of.
        most: In the cost's unit.
    """
    within = [point for point in front if (value := point.value(cost)) is not None and value <= most]
    return within[-1] if within else None


def marginal_words(front: Sequence[Checkpoint], point: Checkpoint, cost: str, currency: str = "") -> str:
    """Returns what more accuracy than a checkpoint of the front has would cost.

    A step whose 95 % intervals overlap is said to be within the uncertainty, and the first that is not is told too.

    Args:
        front: Of `front_at`: the cheapest first.
        point: One of it.
        cost: The cost that it is the front of.
        currency: Of money.
    """
    dearer = [other for other in front if other.accuracy > point.accuracy]
    if not dearer:
        return "It is the most accurate of the front: no more accuracy was found at any price."
    step = dearer[0]
    apart = next((other for other in dearer if other.interval[0] > point.interval[1]), None)
    price = _price_words(point, step, cost, currency)
    if apart is step:
        return f"The next {_points_words(point, step)} cost {price}."
    words = f"The next {_points_words(point, step)} would cost {price}, but are within the 95 % uncertainty."
    if apart is None:
        return f"{words} No point of the front is more accurate beyond it."
    reached = accuracy_words(apart.accuracy, apart.interval)
    return f"{words} The first that is beyond it, {reached}, costs {_price_words(point, apart, cost, currency)}."


def _points_words(point: Checkpoint, step: Checkpoint) -> str:
    gap = f"{100 * (step.accuracy - point.accuracy):.2g}"
    return f"{gap} percentage point{'' if gap == '1' else 's'}"


def _price_words(point: Checkpoint, step: Checkpoint, cost: str, currency: str) -> str:
    now, then = point.value(cost) or 0.0, step.value(cost) or 0.0
    words = cost_words(cost, then, currency)
    return f"{then / now:.2g} times as much ({words})" if now > 0 else words
