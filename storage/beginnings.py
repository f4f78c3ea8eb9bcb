"""What a study begins with that it did not run itself: trials that were taken over from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Table, insert

from storage import tables

if TYPE_CHECKING:
    from storage.rows import TrialRow


@dataclass(frozen=True)
class Beginning:
    """The first rows of a study.

    Attributes:
        trials: Ended ones, with epochs and costs; attempts and bills are not written.
        tests: Of their checkpoints (trial, epoch): test images classified correctly, and all of them.
        reference: Scales of the hypervolume; None where they are not fixed yet.
    """

    trials: Sequence[TrialRow] = ()
    tests: Mapping[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    reference: Mapping[str, Any] | None = None


def write_beginning(connection: Connection, study: str, beginning: Beginning) -> None:
    """Writes the first rows of a study, in the transaction that makes it."""
    now, trials = datetime.now(UTC), beginning.trials
    epochs = [(trial.number, epoch) for trial in trials for epoch in trial.epochs]
    counts = ("num_correct", "num_images")
    own = ("number", "state", "params", "seed", "is_baseline", "reason", "source")
    measures = ("epoch", "attempt", "train_loss", "validation_loss", *counts)
    rows: list[tuple[Table, list[dict[str, Any]]]] = [
        (tables.trials, [{**_read(trial, own), "created_at": now, "ended_at": now} for trial in trials]),
        (tables.epochs, [{"trial": number, **_read(epoch, measures), "recorded_at": now} for number, epoch in epochs]),
        (
            tables.epoch_costs,
            [
                {"trial": number, "epoch": epoch.epoch, "name": name, **cost._asdict()}
                for number, epoch in epochs
                for name, cost in epoch.costs.items()
            ],
        ),
        (
            tables.trial_costs,
            [
                {"trial": trial.number, "name": name, **cost._asdict()}
                for trial in trials
                for name, cost in trial.costs.items()
            ],
        ),
        (
            tables.test_results,
            [
                {"trial": trial, "epoch": epoch, **dict(zip(counts, counted, strict=True)), "computed_at": now}
                for (trial, epoch), counted in beginning.tests.items()
            ],
        ),
    ]
    for table, found in rows:
        if found:
            connection.execute(insert(table), [{"study": study, **row} for row in found])


def _read(record: object, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(record, name) for name in names}
