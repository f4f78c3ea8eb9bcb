"""A study as flat rows, for data frames and files: plain values, one name for each column."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dashboards.summary import Summary
from objectives.costs import COSTS, ONCE
from storage.ledger import CostValue
from storage.rows import TrialRow

Row = dict[str, Any]


def trial_rows(summary: Summary) -> list[Row]:
    """Returns a row for each trial: parameters as `params.NAME`, cumulative costs as `costs.NAME`, absent ones None."""
    on_front = {number for point in summary.front for number in point.seeds}
    rows = []
    for trial in summary.study.trials:
        last = summary.lasts.get(trial.number)
        rows.append(
            {
                "trial": trial.number,
                "state": trial.state,
                "is_baseline": trial.is_baseline,
                "is_on_front": trial.number in on_front,
                "epochs": len(trial.epochs),
                "attempts": len(trial.attempts),
                "accuracy": last.accuracy if last else None,
                "accuracy_low": last.interval[0] if last else None,
                "accuracy_high": last.interval[1] if last else None,
                **{f"params.{name}": value for name, value in trial.params.items()},
                **{f"costs.{name}": last.value(name) if last else None for name in COSTS},
                "reason": trial.reason,
            }
        )
    return rows


def epoch_rows(summary: Summary) -> list[Row]:
    """Returns a row for each epoch record; costs are the epoch's own."""
    return [
        {
            "trial": trial.number,
            "epoch": epoch.epoch,
            "attempt": epoch.attempt,
            "train_loss": epoch.train_loss,
            "validation_loss": epoch.validation_loss,
            "accuracy": epoch.num_correct / epoch.num_images,
            "num_images": epoch.num_images,
            **{
                f"costs.{name}": epoch.costs[name].value if name in epoch.costs else None
                for name in COSTS
                if name not in ONCE
            },
        }
        for trial in summary.study.trials
        for epoch in trial.epochs
    ]


def cost_rows(summary: Summary) -> list[Row]:
    """Returns a row for each cost of each epoch, and of the model itself, where `epoch` is None.

    It says how each was got, by how much it may be wrong where that is known, and the reason where it is absent.
    """
    return [
        {"trial": trial.number, "epoch": epoch, "cost": name, "unit": COSTS[name].unit, **cost._asdict()}
        for trial in summary.study.trials
        for epoch, costs in _costs_by_epoch(trial)
        for name, cost in costs.items()
    ]


def _costs_by_epoch(trial: TrialRow) -> Iterator[tuple[int | None, Mapping[str, CostValue]]]:
    if own := {name: trial.costs[name] for name in ONCE if name in trial.costs}:
        yield None, own
    yield from ((epoch.epoch, epoch.costs) for epoch in trial.epochs)


TABLES: dict[str, Callable[[Summary], list[Row]]] = {"trials": trial_rows, "epochs": epoch_rows, "costs": cost_rows}
