"""Studies, trials and checkpoints as plain values, as `--json` and the API tell them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from dashboards.bills import bill_lines
from dashboards.budget import budget_lines
from dashboards.contention import find_contention
from dashboards.energy import bill_energy
from dashboards.prices import prices_json
from dashboards.summary import Checkpoint, Summary, trace_curve
from objectives.costs import COSTS, Measurement
from objectives.prices import PriceBook
from storage.ledger import CostValue
from storage.rows import TrialRow


def as_json(summary: Summary) -> dict[str, Any]:
    """Returns the object that `paretune show --json` prints."""
    study = summary.study
    objectives: list[dict[str, str]] = [{"name": "accuracy", "direction": "maximize"}]
    objectives += [{"name": name, "direction": "minimize", "unit": COSTS[name].unit} for name in summary.minimize]
    lines = bill_lines(study)
    return {
        "study": study.name,
        "uuid": study.uuid,
        "state": study.state,
        "reason": study.reason,
        "created_at": study.created_at.isoformat(),
        "num_trials": study.num_trials,
        "objectives": objectives,
        "trials": [trial_json(trial) for trial in study.trials],
        "front": [_place_json(point) for point in summary.front],
        "knee": None if summary.knee is None else _place_json(summary.knee),
        "hypervolume": summary.hypervolume,
        "reference": study.reference,
        "billed": {
            "device_seconds": sum(lines.values()),
            "lost": {"device_seconds": lines.get("lost", 0.0)},
            "lines": lines,
            "energy": asdict(bill_energy(study)),
        },
        "budget": {
            line.name: {"spent": line.spent, "limit": line.limit, "unit": line.unit}
            for line in budget_lines(study, summary.book)
        },
        "contention": find_contention(study).as_json(),
        "throttling": find_contention(study, "throttled_seconds").as_json(),
        "prices": prices_json(summary.prices, summary.book),
        "spec": study.spec,
        "environments": [dict(environment) for environment in study.environments],
        "changes": [dict(change) for change in study.changes],
    }


def checkpoint_json(point: Checkpoint, book: PriceBook) -> dict[str, Any]:
    """Returns a checkpoint as plain values, with its solo prices by the book of its summary."""
    return {
        "trial": point.trial,
        "epoch": point.epoch,
        "seeds": list(point.seeds),
        "params": dict(point.params),
        "accuracy": point.accuracy,
        "accuracy_interval": list(point.interval),
        **costs_json(point.costs),
        "prices": prices_json(point.costs.prices, book),
    }


def trial_log_json(trial: TrialRow, printed: str | None, prices: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the object that `paretune show NAME TRIAL --json` prints: the trial, its attempts and its epochs.

    Args:
        trial: The trial.
        printed: What its code printed, as far as it is kept.
        prices: What was billed to it comes to, as plain values.
    """
    attempts = [
        {
            "attempt": attempt.attempt,
            "slot": attempt.slot,
            "device": attempt.device,
            "started_at": attempt.started_at.isoformat(),
            "ended_at": attempt.ended_at.isoformat() if attempt.ended_at else None,
            "outcome": attempt.outcome,
            "bill": dict(attempt.bill),
        }
        for attempt in trial.attempts
    ]
    epochs = [
        {
            "epoch": epoch.epoch,
            "attempt": epoch.attempt,
            "train_loss": epoch.train_loss,
            "validation_loss": epoch.validation_loss,
            "accuracy": epoch.num_correct / epoch.num_images,
            **costs_json(epoch.costs),
        }
        for epoch in trial.epochs
    ]
    return {**trial_json(trial), "attempts": attempts, "epochs": epochs, "log": printed, "prices": prices}


def trial_json(trial: TrialRow) -> dict[str, Any]:
    """Returns a trial as it stands in the object that `paretune show --json` prints."""
    curve = trace_curve(trial)
    last = curve[-1] if curve else None
    costs: Mapping[str, Measurement] = last.costs if last else {}
    return {
        "number": trial.number,
        "state": trial.state,
        "is_baseline": trial.is_baseline,
        "params": dict(trial.params),
        "accuracy": last.accuracy if last else None,
        "accuracy_interval": list(last.interval) if last else None,
        "epochs": len(trial.epochs),
        **costs_json(costs),
        "attempts": len(trial.attempts),
        "reason": trial.reason,
        "source": trial.source,
    }


def _place_json(point: Checkpoint) -> dict[str, Any]:
    """Returns where a checkpoint is, with its accuracy where it is not that of a trial."""
    place = {"trial": point.trial, "epoch": point.epoch}
    if len(point.seeds) == 1:
        return place
    return {
        **place,
        "seeds": list(point.seeds),
        "accuracy": point.accuracy,
        "accuracy_interval": list(point.interval),
        **costs_json(point.costs),
    }


def costs_json(costs: Mapping[str, Measurement | CostValue]) -> dict[str, Any]:
    """Returns costs as plain values, each with how it was got, its error where that is known, or why it is absent."""
    shown = dict(costs)
    return {
        "costs": {name: cost.value for name, cost in shown.items()},
        "methods": {name: cost.method for name, cost in shown.items()},
        "errors": {name: cost.error for name, cost in shown.items() if cost.error is not None},
        "absent": {name: cost.reason for name, cost in shown.items() if cost.value is None},
    }
