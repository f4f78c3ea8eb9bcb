"""Studies made by hand, and large ones made by a seed."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from dashboards.summary import Summary, summarize
from objectives.costs import COSTS, ONCE
from storage.ledger import CostValue
from storage.rows import AttemptRow, EpochRow, StudyRow, TrialRow

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SPEC: dict[str, Any] = {
    "objective": {"minimize": ["device_seconds"], "model": "cnn", "dataset": "mnist5k"},
    "search": {"sampler": "tpe"},
    "space": {"optimizer": ["adam", "sgd"], "lr": {"low": 0.001, "high": 1.0, "log": True}, "batch_size": 64},
}
DEVICE = {"kind": "cpu", "name": "A CPU", "identity": "host", "threads": 1, "torch": "2"}
DATA = {"num_classes": 10}
REFERENCE = {"chance": 0.1, "worst": [100.0]}
OPTIMIZERS = ("gd", "sgd", "nesterov", "adagrad", "rmsprop", "adam", "adamw")
PROFILE = {name: CostValue(1.0, "measured", None, 0.1) for name in ONCE}


def epoch_row(epoch: int, num_correct: int, seconds: float, **costs: float) -> EpochRow:
    """An epoch whose costs are all so many seconds, except those given; nothing waited, energy is absent."""
    values = {name: CostValue(costs.get(name, seconds), "measured", None) for name in COSTS if name not in ONCE}
    for name in ("contention_seconds", "throttled_seconds", "other_processes"):
        values[name] = CostValue(costs.get(name, 0.0), "measured", None)
    values["energy_joules"] = CostValue(None, "absent", "no meter")
    return EpochRow(epoch, 1, 0.5, 0.5, num_correct, 1000, values)


def trial(
    number: int,
    curve: list[tuple[int, float]],
    state: str = "complete",
    *,
    attempts: tuple[AttemptRow, ...] | None = None,
    **params: object,
) -> TrialRow:
    """A trial whose epochs get `num_correct` of 1,000 for so many more seconds each."""
    epochs = tuple(epoch_row(epoch, correct, seconds) for epoch, (correct, seconds) in enumerate(curve, start=1))
    own = attempts or (attempt_row(state, {"training": sum(seconds for _, seconds in curve), "setup": 1.0}),)
    setting = {"optimizer": "adam", "lr": 0.01, "batch_size": 64, "width": 1.0, **params}
    return TrialRow(number, state, setting, 0, number == 0, None, PROFILE, epochs, own)


def attempt_row(
    outcome: str | None,
    bill: Mapping[str, float],
    *,
    attempt: int = 1,
    slot: int = 0,
    start: float = 0.0,
    seconds: float | None = 0.0,
    device: Mapping[str, Any] | None = DEVICE,
) -> AttemptRow:
    """An attempt that began so many seconds after the study and took so many; None where it goes on."""
    started_at = NOW + timedelta(seconds=start)
    ended_at = None if seconds is None else started_at + timedelta(seconds=seconds)
    return AttemptRow(attempt, slot, device, started_at, ended_at or started_at, ended_at, outcome, bill)


def summary_of(*trials: TrialRow, name: str = "study", spec: Mapping[str, Any] = SPEC) -> Summary:
    return summarize(StudyRow("u", name, "complete", spec, len(trials), NOW, REFERENCE, DATA, trials))


def synthetic_summary(num_trials: int, seed: int = 0, num_slots: int = 4) -> Summary:
    """A study as a search leaves it: seven optimizers, some trials infeasible, failed or cut off and continued."""
    dice = random.Random(seed)
    free = [0.0] * num_slots
    trials = [_synthetic_trial(number, dice, free) for number in range(num_trials)]
    space = {
        "lr": {"low": 1e-4, "high": 1.0, "log": True},
        "optimizer": list(OPTIMIZERS),
        "batch_size": {"low": 16, "high": 512, "log": True},
        "width": {"low": 0.25, "high": 4.0, "log": True},
    }
    return summary_of(*trials, name=f"synthetic-{num_trials}", spec={**SPEC, "space": space})


def _synthetic_trial(number: int, dice: random.Random, free: list[float]) -> TrialRow:
    params: dict[str, Any] = {
        "lr": 10 ** dice.uniform(-4, 0),
        "optimizer": dice.choice(OPTIMIZERS),
        "batch_size": round(16 * 32 ** dice.random()),
        "width": 0.25 * 16 ** dice.random(),
    }
    best_lr = -1.0 - 0.3 * OPTIMIZERS.index(params["optimizer"])
    far = abs(math.log10(params["lr"]) - best_lr)
    top = max(0.1, 0.985 - 0.02 * far**2 - 0.03 / params["width"] ** 0.5 + dice.gauss(0, 0.005))
    top = 0.1 if far > 2.2 and params["lr"] > 0.05 else top
    seconds = 0.4 * params["width"] ** 1.1 * (64 / params["batch_size"]) ** 0.3 * dice.uniform(0.95, 1.1)
    state = dice.choices(("complete", "infeasible", "failed"), (0.95, 0.04, 0.01))[0]
    num_epochs = 10 if state == "complete" else dice.randint(0, 9)
    epochs = []
    for epoch in range(1, num_epochs + 1):
        share = 0.1 + (top - 0.1) * (1 - math.exp(-epoch * (0.3 + 20 / params["batch_size"])))
        correct = sum(dice.random() < share for _ in range(40)) - 40 * share
        costs = {"train_flops": 1e10 * params["width"] ** 2, "peak_memory_bytes": 5e8 + 1e8 * params["width"]}
        row = epoch_row(epoch, min(1000, max(0, round(1000 * share + correct))), seconds, **costs, samples=3000.0)
        epochs.append(row)
    return TrialRow(number, state, params, 0, number == 0, None, PROFILE, tuple(epochs), _sittings(
        dice, free, state, num_epochs * seconds
    ))  # fmt: skip


def _sittings(dice: random.Random, free: list[float], state: str, seconds: float) -> tuple[AttemptRow, ...]:
    outcomes = ["killed by SIGKILL"] * (dice.random() < 0.03) + [state]
    attempts = []
    for number, outcome in enumerate(outcomes, start=1):
        slot = free.index(min(free))
        share = seconds / len(outcomes)
        bill = {"setup": 0.2, "training": share, "evaluation": 0.1 * share, "saving": 0.02 * share}
        bill |= {"lost": 0.3 * share} if outcome != state else {}
        spent = sum(bill.values())
        attempts.append(attempt_row(outcome, bill, attempt=number, slot=slot, start=free[slot], seconds=spent))
        free[slot] += spent + 0.05
    return tuple(attempts)
