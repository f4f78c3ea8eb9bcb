"""A study and what belongs to it as records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from storage.faults import NoTrial
from storage.ledger import CostValue

if TYPE_CHECKING:
    from sqlalchemy import Row


@dataclass(frozen=True)
class EpochRow:
    """One epoch of a trial; `costs` are this epoch's own, not cumulative. A loss that was not reported is None."""

    epoch: int
    attempt: int
    train_loss: float | None
    validation_loss: float | None
    num_correct: int
    num_images: int
    costs: Mapping[str, CostValue]


@dataclass(frozen=True)
class AttemptRow:
    """One sitting of a trial; `bill` is in seconds per line."""

    attempt: int
    slot: int
    device: Mapping[str, Any] | None
    started_at: datetime
    heard_at: datetime
    ended_at: datetime | None
    outcome: str | None
    bill: Mapping[str, float]


@dataclass(frozen=True)
class TrialRow:
    """One trial; `costs` are those of its model, and once it has ended its frozen solo costs.

    One that was taken over has a `source`: study and trial, or what they were in Optuna. Its attempts stayed there.
    """

    number: int
    state: str
    params: Mapping[str, Any]
    seed: int
    is_baseline: bool
    reason: str | None
    costs: Mapping[str, CostValue]
    epochs: tuple[EpochRow, ...]
    attempts: tuple[AttemptRow, ...]
    source: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class SittingRow:
    """How long a coordinator held slots: `num_slots` of them, each for so many seconds, on such a device.

    Where they were on different devices, `device` has `parts`: each device with the `num_slots` on it. `joules` is what
    the energy counters of all their devices moved meanwhile, None with the reason.
    """

    token: int
    device: Mapping[str, Any]
    num_slots: int
    slots_per_device: int
    started_at: datetime
    seconds: float
    joules: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class StudyRow:
    """One study.

    Attributes:
        state: running, complete, stopped, or interrupted: its coordinator is gone and did not say why.
        num_trials: How many trials it is to have.
        data: The data set that it began with: sizes, fingerprint, notes.
        reference: Scales of the hypervolume; None until a trial completed.
        tests: Of checkpoints (trial, epoch) that were picked: test images classified correctly, and all of them.
        environments: What it was run with, a record for each sitting in which that differed from the one before.
        changes: Of its spec: when, from which trial on, and each key before and after.
        reason: Why it ended before its target; None where it did not, or goes on.
        wall_seconds: How long its coordinators ran, all sittings together.
        sittings: How long they held slots, in their order; none where only some trials were read.
    """

    uuid: str
    name: str
    state: str
    spec: Mapping[str, Any]
    num_trials: int
    created_at: datetime
    reference: Mapping[str, Any] | None
    data: Mapping[str, Any]
    trials: tuple[TrialRow, ...]
    tests: Mapping[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    environments: tuple[Mapping[str, Any], ...] = ()
    changes: tuple[Mapping[str, Any], ...] = ()
    reason: str | None = None
    wall_seconds: float = 0.0
    sittings: tuple[SittingRow, ...] = ()


@dataclass(frozen=True)
class StudyLine:
    """A study in a list."""

    uuid: str
    name: str
    state: str
    num_trials: int
    num_ended: int
    created_at: datetime


@dataclass(frozen=True)
class RunningStudy:
    """A study whose coordinator runs on this machine.

    Attributes:
        name: Of the study.
        compute: The `compute` table of its spec.
        pid: The coordinator's process number; None where it is of another container.
        since: When it took the lease.
        is_alone: Whether it trains another study's settings again, beside which nothing else should run.
    """

    name: str
    compute: Mapping[str, Any]
    pid: int | None
    since: datetime
    is_alone: bool


def is_imported(study: StudyRow | Row[Any]) -> bool:
    """Says whether a study, or its row, came from elsewhere whole, so that it can be looked at but not run."""
    return "imported" in study.data


def find_trial(study: StudyRow, number: int) -> TrialRow:
    """Returns a trial of a study that was read whole.

    Raises:
        NoTrial: where there is none of that number.
    """
    trials = {trial.number: trial for trial in study.trials}
    if number not in trials:
        there = f"there are 0 to {max(trials)}" if trials else "there is none yet"
        raise NoTrial(f"trial: {study.name} has no trial {number}; {there}")
    return trials[number]
