"""Studies of any size, written to SQLite many rows at a time: ours, and the same as Optuna's dashboard reads them.

A study of 100,000 trials cannot be made as records first: it has fourteen million costs.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from synthetic import DATA, DEVICE, OPTIMIZERS, REFERENCE, SPEC

from objectives.costs import COSTS, ONCE
from storage.database import Database
from storage.studies import create_study

NUM_EPOCHS, NUM_IMAGES = 10, 1000
NAME = "large"
ABSENT = ("energy_joules", "event_seconds", "reserved_memory_bytes", "used_memory_bytes", "resident_memory_bytes")
"""Costs that a CPU without an energy counter does not have."""

MOMENT = "2026-01-01 00:00:00.000000"
SPACE = {
    "lr": {"low": 1e-4, "high": 1.0, "log": True},
    "optimizer": list(OPTIMIZERS),
    "batch_size": {"low": 16, "high": 512, "log": True},
    "width": {"low": 0.25, "high": 4.0, "log": True},
}
LINES = {"setup": 0.2, "training": 1.0, "evaluation": 0.1, "saving": 0.02}
"""Seconds of a bill: set-up as it is, the others for each second of training."""


class Settings:
    """Trials by a seed: parameters, and accuracies and costs of ten epochs.

    Args:
        num_trials: N.
        seed: Of the dice.
    """

    def __init__(self, num_trials: int, seed: int = 0) -> None:
        dice = np.random.default_rng(seed)
        self.lr = 10 ** dice.uniform(-4, 0, num_trials)
        self.optimizer = dice.integers(len(OPTIMIZERS), size=num_trials)
        self.batch_size = np.round(16 * 32 ** dice.random(num_trials)).astype(int)
        self.width = 0.25 * 16 ** dice.random(num_trials)
        far = np.abs(np.log10(self.lr) + 1 + 0.3 * self.optimizer)
        noise = dice.normal(0, 0.005, num_trials)
        top = np.clip(0.985 - 0.02 * far**2 - 0.03 / np.sqrt(self.width) + noise, 0.1, 0.999)
        top = np.where((far > 2.2) & (self.lr > 0.05), 0.1, top)
        epochs = np.arange(1, NUM_EPOCHS + 1)
        learned = 1 - np.exp(-epochs * (0.3 + 20 / self.batch_size[:, None]))
        shares = 0.1 + (top[:, None] - 0.1) * learned
        self.correct = dice.binomial(NUM_IMAGES, np.clip(shares, 0, 1))
        """Of N trials at each epoch."""
        self.seconds = 0.4 * self.width**1.1 * (64 / self.batch_size) ** 0.3 * dice.uniform(0.95, 1.1, num_trials)
        """Of an epoch of each of N trials."""

    def __len__(self) -> int:
        return len(self.lr)

    def params(self, number: int) -> dict[str, Any]:
        """Returns the parameters of a trial."""
        return {
            "lr": float(self.lr[number]),
            "optimizer": OPTIMIZERS[self.optimizer[number]],
            "batch_size": int(self.batch_size[number]),
            "width": float(self.width[number]),
        }

    def costs(self, number: int) -> dict[str, float | None]:
        """Returns the costs of an epoch of a trial."""
        seconds, width = float(self.seconds[number]), float(self.width[number])
        values: dict[str, float | None] = dict.fromkeys((name for name in COSTS if name not in ONCE), seconds)
        values |= {"contention_seconds": 0.0, "samples": 3000.0} | dict.fromkeys(ABSENT)
        return values | {"train_flops": 1e10 * width**2, "peak_memory_bytes": 5e8 + 1e8 * width}


def write_paretune(database: Database, settings: Settings) -> str:
    """Writes the trials as a study that is complete, with one attempt each; returns its UUID."""
    spec = {**SPEC, "name": NAME, "space": SPACE}
    uuid = create_study(database, NAME, spec, len(settings), DATA, state="complete")
    with closing(sqlite3.connect(database.file)) as connection:
        connection.execute("UPDATE paretune_studies SET reference = ? WHERE uuid = ?", (json.dumps(REFERENCE), uuid))
        for number in range(0, len(settings), 5000):
            add_trials(connection, uuid, settings, range(number, min(number + 5000, len(settings))))
        connection.commit()
    return uuid


def add_trials(connection: sqlite3.Connection, uuid: str, settings: Settings, numbers: Sequence[int]) -> None:
    """Writes these trials of a study, without a commit."""
    device = json.dumps(DEVICE)
    _insert(
        connection, "trials",
        ((uuid, n, "complete", json.dumps(settings.params(n)), 0, n == 0, None, MOMENT, MOMENT, None) for n in numbers),
    )  # fmt: skip
    _insert(connection, "attempts",
            ((uuid, n, 1, n % 4, device, MOMENT, MOMENT, MOMENT, "complete") for n in numbers))  # fmt: skip
    _insert(connection, "bills", (
        (uuid, n, 1, line, share if line == "setup" else share * NUM_EPOCHS * float(settings.seconds[n]))
        for n in numbers
        for line, share in LINES.items()
    ))  # fmt: skip
    _insert(connection, "epochs", (
        (uuid, n, epoch, 1, 0.5, 0.5, int(settings.correct[n, epoch - 1]), NUM_IMAGES, MOMENT)
        for n in numbers
        for epoch in range(1, NUM_EPOCHS + 1)
    ))  # fmt: skip
    _insert(connection, "epoch_costs", (row for n in numbers for row in _cost_rows(uuid, settings, n)))


def _cost_rows(uuid: str, settings: Settings, number: int) -> Iterator[tuple[Any, ...]]:
    for name, value in settings.costs(number).items():
        told = (value, "measured", None, None) if value is not None else (None, "absent", "no meter", None)
        for epoch in range(1, NUM_EPOCHS + 1):
            yield (uuid, name, number, epoch, *told)


def write_optuna(path: Path, settings: Settings) -> None:
    """Writes the last checkpoints of the same trials as a study of Optuna's, with accuracy and device seconds."""
    optuna.create_study(study_name=NAME, storage=f"sqlite:///{path}", directions=["maximize", "minimize"])
    kinds = {
        "lr": optuna.distributions.FloatDistribution(1e-4, 1.0, log=True),
        "optimizer": optuna.distributions.CategoricalDistribution(OPTIMIZERS),
        "batch_size": optuna.distributions.IntDistribution(16, 512, log=True),
        "width": optuna.distributions.FloatDistribution(0.25, 4.0, log=True),
    }
    told = {name: optuna.distributions.distribution_to_json(kind) for name, kind in kinds.items()}
    with closing(sqlite3.connect(path)) as connection:
        for n in range(len(settings)):
            connection.execute(
                "INSERT INTO trials (trial_id, number, study_id, state, datetime_start, datetime_complete) "
                "VALUES (?, ?, 1, 'COMPLETE', ?, ?)",
                (n + 1, n, MOMENT, MOMENT),
            )
            connection.executemany(
                "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES (?, ?, ?, ?)",
                [(n + 1, name, kinds[name].to_internal_repr(value), told[name])
                 for name, value in settings.params(n).items()],
            )  # fmt: skip
            seconds = NUM_EPOCHS * float(settings.seconds[n])
            connection.executemany(
                "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (?, ?, ?, 'FINITE')",
                [(n + 1, 0, settings.correct[n, -1] / NUM_IMAGES), (n + 1, 1, seconds)],
            )
        connection.commit()


def _insert(connection: sqlite3.Connection, table: str, rows: Iterator[tuple[Any, ...]]) -> None:
    """Inserts rows whose values stand in the order of the table's columns in `storage.tables`."""
    from storage import tables

    columns = getattr(tables, table).c.keys()
    marks = ", ".join("?" * len(columns))
    connection.executemany(f"INSERT INTO paretune_{table} ({', '.join(columns)}) VALUES ({marks})", rows)
