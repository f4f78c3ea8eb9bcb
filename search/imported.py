"""A study that Optuna alone has made, as far as it is taken over: what a service is sent, and what is written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from objectives.costs import COSTS, ONCE
from objectives.front import Reference
from search.spec import NAME
from search.values import Whole
from storage.beginnings import Beginning
from storage.database import Database
from storage.faults import NameTaken, StorageFault
from storage.ledger import CostValue
from storage.rows import EpochRow, TrialRow
from storage.studies import create_study

MOST_PARAMS, MOST_CHOICES = 1000, 1000
ABSENT = CostValue(None, "absent", "Optuna does not record it")
REASONS = {"failed": "it failed in Optuna", "infeasible": "it violates a constraint of the Optuna study"}

Words = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Value = bool | int | Finite | Annotated[str, StringConstraints(max_length=1000)]
Number = Annotated[Whole, Field(ge=0, lt=2**31)]
ParamName = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,512}$")]


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Range(_Sent):
    """What a parameter was searched in."""

    low: int | Finite
    high: int | Finite
    log: bool = False


class ImportedTrial(_Sent):
    """A trial that has ended."""

    number: Number
    state: Literal["complete", "stopped", "infeasible", "failed"]
    params: dict[ParamName, Value] = Field(max_length=MOST_PARAMS)
    num_correct: Number | None = Field(description="Validation images classified correctly; null where it failed.")
    wall_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        description="From its start to its end; null where that is not known."
    )


class ImportedStudy(_Sent):
    """A study of Optuna's: accuracies and durations, and nothing that Optuna does not know."""

    name: Annotated[str, StringConstraints(pattern=f"^{NAME.pattern}$")] = Field(description="Of the new study.")
    url: Words = Field(description="Where it was read, without a password.")
    study: Words = Field(description="Its name there.")
    num_images: Annotated[Number, Field(ge=1)] = Field(description="Validation images.")
    space: dict[ParamName, Annotated[list[Value], Field(max_length=MOST_CHOICES)] | Range] = Field(
        max_length=MOST_PARAMS
    )
    trials: list[ImportedTrial] = Field(min_length=1, description="By number, ascending.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        numbers = [trial.number for trial in self.trials]
        if any(later <= earlier for earlier, later in pairwise(numbers)):
            raise ValueError("trials: each number must be larger than the one before")
        for trial in self.trials:
            if (trial.num_correct is None) != (trial.state == "failed"):
                raise ValueError(f"trials: {trial.number}: num_correct is needed unless it failed, and only then null")
            if (trial.num_correct or 0) > self.num_images:
                raise ValueError(f"trials: {trial.number}: num_correct is at most num_images, {self.num_images}")
        return self


def write_imported(study: ImportedStudy, database: Database) -> None:
    """Makes a complete study of it.

    Raises:
        StorageFault: where the name is taken, or the database cannot be used.
    """
    trials = [_trial(trial, study) for trial in study.trials]
    has_durations = any(trial.state == "complete" and trial.wall_seconds for trial in study.trials)
    minimize = ["wall_seconds"] if has_durations else []
    imported = {"url": study.url, "study": study.study, "at": datetime.now(UTC).isoformat()}
    beginning = Beginning(trials, reference=_reference(study.trials, minimize))
    spec, data = _spec(study, minimize), {"imported": imported}
    try:
        create_study(database, study.name, spec, len(trials), data, beginning, state="complete")
    except NameTaken as fault:
        raise StorageFault(f"study: {study.name!r} is there already; give another name") from fault


def _trial(trial: ImportedTrial, study: ImportedStudy) -> TrialRow:
    epochs = () if trial.num_correct is None else (_record(trial.num_correct, trial.wall_seconds, study.num_images),)
    return TrialRow(
        number=trial.number,
        state=trial.state,
        params=dict(trial.params),
        seed=0,
        is_baseline=False,
        reason=REASONS.get(trial.state),
        costs={**dict.fromkeys(ONCE, ABSENT), **(epochs[0].costs if epochs else {})},
        epochs=epochs,
        attempts=(),
        source={"study": f"Optuna's {study.study}", "uuid": None, "trial": trial.number},
    )


def _record(num_correct: int, wall_seconds: float | None, num_images: int) -> EpochRow:
    """Returns all of a trial as one record: of its epochs Optuna knows no cost."""
    wall = ABSENT if wall_seconds is None else CostValue(wall_seconds, "measured", None)
    costs = {**dict.fromkeys((name for name in COSTS if name not in ONCE), ABSENT), "wall_seconds": wall}
    return EpochRow(1, 1, None, None, num_correct, num_images, costs)


def _spec(study: ImportedStudy, minimize: Sequence[str]) -> dict[str, Any]:
    """Returns what is known of how the study was searched: enough to look at, not to run."""
    space: Mapping[str, Any] = study.model_dump(mode="json")["space"]
    return {
        "name": study.name,
        "objective": {
            "train": f"Optuna's study {study.study}",
            "model": None,
            "dataset": None,
            "epochs": 1,
            "maximize": ["accuracy"],
            "minimize": list(minimize),
        },
        "space": space,
        "search": {"sampler": "unknown", "trials": len(study.trials), "repeats": 1, "baseline": False},
        "compute": {},
    }


def _reference(trials: Sequence[ImportedTrial], minimize: Sequence[str]) -> dict[str, Any]:
    """Returns scales of the hypervolume by the first complete trial that has the cost, as a sweep of ours has them."""
    seconds = (trial.wall_seconds for trial in trials if trial.state == "complete")
    first = next((value for value in seconds if value), 1.0)
    return {"chance": 0.0, "worst": [Reference.WORST_OVER_FIRST * first for _ in minimize]}
