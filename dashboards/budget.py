"""What a study has spent of its budget, over all its sittings and slots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dashboards.crowd import Tally
from dashboards.energy import bill_energy
from dashboards.prices import price_trials
from dashboards.words import quantity_words
from objectives.prices import HOUR_SECONDS, KWH_JOULES, PriceBook
from storage.rows import StudyRow


@dataclass(frozen=True)
class Spending:
    """What was used up.

    Attributes:
        wall_seconds: That a coordinator ran.
        device_seconds: That slots were held: training, evaluation, set-up, saving, and what was lost.
        joules: Energy of the slots' devices: of all the time that they were held where that is metered, else of what
            trials are billed by that of the training; None where neither is known.
        money: In the price book's currency; None where a price is not known.
    """

    wall_seconds: float
    device_seconds: float
    joules: float | None
    money: float | None


@dataclass(frozen=True)
class Line:
    """One item of a budget.

    Attributes:
        name: Its key in the spec's `[budget]`.
        title: In words.
        spent: In the key's unit (wall in seconds); None where it cannot be told.
        limit: In the same unit; None where there is none.
        unit: SI or the thing counted; of money its currency.
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


def list_items(spending: Spending, budget: Mapping[str, Any], currency: str) -> list[Line]:
    """Returns the items of a budget and what of each is spent.

    Args:
        spending: What was used up.
        budget: The spec's `[budget]`; what it does not name has no limit.
        currency: Of money.
    """
    kwh = None if spending.joules is None else spending.joules / KWH_JOULES
    found = [
        ("wall", "wall time", spending.wall_seconds, "s"),
        ("device_hours", "device time", spending.device_seconds / HOUR_SECONDS, "h"),
        ("kwh", "energy", kwh, "kWh"),
        ("money", "money", spending.money, currency),
    ]
    return [Line(name, title, spent, budget.get(name), unit) for name, title, spent, unit in found]


def budget_lines(study: StudyRow, book: PriceBook, tally: Tally | None = None) -> list[Line]:
    """Returns the items of a study's budget, its trials first; money by the prices of a book.

    Args:
        study: The study.
        book: The prices.
        tally: What is counted over all trials where the study has only some; energy and money are then not told.
    """
    if tally is not None:
        spending = Spending(study.wall_seconds, sum(tally.bill.values()), None, None)
        items = list_items(spending, study.spec.get("budget") or {}, book.currency)
        return [Line("trials", "trials", tally.num_ended, study.num_trials, ""), *items]
    trials = study.trials
    device_seconds = sum(seconds for trial in trials for attempt in trial.attempts for seconds in attempt.bill.values())
    money = price_trials(study, book)["money"].value if device_seconds else 0.0
    joules = bill_energy(study).joules if study.sittings or trials else 0.0
    spending = Spending(study.wall_seconds, device_seconds, joules, money)
    ended = sum(trial.state not in ("waiting", "running") for trial in trials)
    items = list_items(spending, study.spec.get("budget") or {}, book.currency)
    return [Line("trials", "trials", ended, study.num_trials, ""), *items]


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
