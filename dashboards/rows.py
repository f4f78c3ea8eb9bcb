"""A study as flat rows, for data frames and files: plain values, one name for each column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dashboards.summary import Summary
from objectives.costs import COSTS

Row = dict[str, Any]


def trial_rows(summary: Summary) -> list[Row]:
    """Returns a row for each trial: parameters as `params.NAME`, cumulative costs as `costs.NAME`, absent ones None."""
    on_front = {point.trial for point in summary.front}
    rows = []
    for trial in summary.study.trials:
        last = summary.curves[trial.number][-1] if trial.number in summary.curves else None
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
            **{f"costs.{name}": epoch.costs[name].value if name in epoch.costs else None for name in COSTS},
        }
        for trial in summary.study.trials
        for epoch in trial.epochs
    ]


def cost_rows(summary: Summary) -> list[Row]:
    """Returns a row for each cost of each epoch, with how it was got, and the reason where it is absent."""
    return [
        {
            "trial": trial.number,
            "epoch": epoch.epoch,
            "cost": name,
            "unit": COSTS[name].unit,
            "value": cost.value,
            "method": cost.method,
            "reason": cost.reason,
        }
        for trial in summary.study.trials
        for epoch in trial.epochs
        for name, cost in epoch.costs.items()
    ]


TABLES: dict[str, Callable[[Summary], list[Row]]] = {"trials": trial_rows, "epochs": epoch_rows, "costs": cost_rows}
