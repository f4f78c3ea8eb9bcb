"""What a study has spent of its budget, over all its sittings and slots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dashboards.words import quantity_words
from storage.studies import StudyRow

HOUR_SECONDS = 3600.0
KWH_JOULES = 3.6e6


@dataclass(frozen=True)
class Spending:
    """What was used up.

    Attributes:
        wall_seconds: That a coordinator ran.
        device_seconds: That slots were held: training, evaluation, set-up, saving, and what was lost.
        joules: Energy of the slots' devices; None where it is not measured.
    """

    wall_seconds: float
    device_seconds: float
    joules: float | None


@dataclass(frozen=True)
class Metered:
    """Energy as it is metered: while training alone.

    Attributes:
        joules: Of the epochs; None where one lacks it.
        seconds: That they took.
    """

    joules: float | None = 0.0
    seconds: float = 0.0

    def add(self, joules: float | None, seconds: float | None) -> Metered:
        """Returns the sum with one more epoch."""
        both = None if joules is None or self.joules is None else self.joules + joules
        return Metered(both, self.seconds + (seconds or 0.0))

    def over(self, device_seconds: float) -> float | None:
        """Returns the energy of all the time that slots were held, in joules.

        Set-up, evaluation and lost time are not metered: they count at the mean power of the training, which is rather
        too much than too little.

        >>> Metered(joules=500.0, seconds=5.0).over(6.0)
        600.0
        """
        if self.joules is None or self.seconds == 0:
            return self.joules
        return self.joules * max(1.0, device_seconds / self.seconds)


@dataclass(frozen=True)
class Line:
    """One item of a budget.

    Attributes:
        name: Its key in the spec's `[budget]`.
        title: In words.
        spent: In the key's unit (wall in seconds); None where it cannot be told.
        limit: In the same unit; None where there is none.
        unit: SI or the thing counted; empty for money.
    """

    name: str
    title: str
    spent: float | None
    limit: float | None
    unit: str

    def words(self, amount: float) -> str:
        """Returns an amount of it with its unit."""
        if self.unit == "h":
            return quantity_words(amount * HOUR_SECONDS, "s")
        return (
            quantity_words(amount * KWH_JOULES, "J")
            if self.unit == "kWh"
            else quantity_words(amount, self.unit).rstrip()
        )


def price(spending: Spending, budget: Mapping[str, Any]) -> list[Line]:
    """Returns the items of a budget and what of each is spent.

    Args:
        spending: What was used up.
        budget: The spec's `[budget]`; what it does not name has no limit.
    """
    hours, each = spending.device_seconds / HOUR_SECONDS, budget.get("price_per_device_hour")
    kwh = None if spending.joules is None else spending.joules / KWH_JOULES
    found = [
        ("wall", "wall time", spending.wall_seconds, "s"),
        ("device_hours", "device time", hours, "h"),
        ("kwh", "energy", kwh, "kWh"),
        ("money", "money", None if each is None else hours * each, ""),
    ]
    return [Line(name, title, spent, budget.get(name), unit) for name, title, spent, unit in found]


def budget_lines(study: StudyRow) -> list[Line]:
    """Returns the items of a study's budget, its trials first."""
    trials = study.trials
    device_seconds = sum(seconds for trial in trials for attempt in trial.attempts for seconds in attempt.bill.values())
    metered = _meter(study)
    spending = Spending(study.wall_seconds, device_seconds, metered.over(device_seconds))
    ended = sum(trial.state not in ("waiting", "running") for trial in trials)
    return [Line("trials", "trials", ended, study.num_trials, ""), *price(spending, study.spec.get("budget") or {})]


def budget_words(lines: Iterable[Line]) -> str:
    """Returns what is spent of the items that have a limit.

    >>> budget_words([Line("device_hours", "device time", 0.25, 2.0, "h"), Line("wall", "wall time", 9.0, None, "s")])
    'device time 15 min of 2 h'
    """
    return ", ".join(
        f"{line.title} {'unknown' if line.spent is None else line.words(line.spent)} of {line.words(line.limit)}"
        for line in lines
        if line.limit is not None
    )


def is_budget(reason: str) -> bool:
    """Says whether it is the budget for which a study or a trial ended, so that more of it would help."""
    return reason.startswith("budget: ")


def _meter(study: StudyRow) -> Metered:
    metered = Metered()
    for trial in study.trials:
        for epoch in trial.epochs:
            joules, seconds = epoch.costs.get("energy_joules"), epoch.costs.get("device_seconds")
            metered = metered.add(joules.value if joules else None, seconds.value if seconds else None)
            if metered.joules is None:
                return metered
    return metered
