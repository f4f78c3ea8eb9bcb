"""Training points of a study again with new seeds, alone on the device: a study of its own, which names the first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any

from dashboards.choice import NothingFits, pick
from dashboards.environments import list_changes
from dashboards.remeasured import LEAST_SEEDS
from dashboards.summary import Checkpoint, Summary
from objectives.seeds import derive_seed
from search import sweeps
from search.coordinator import ShowBudget, Watch
from search.environment import explain, observe
from search.faults import Faults
from search.reading import merge_settings, validate
from search.spec import SweepSpec
from storage.database import Database
from storage.queue import list_queue
from storage.reading import load_study
from storage.rows import StudyRow
from storage.studies import list_remeasurements, list_running_here, list_studies

SUFFIX = "-remeasured"


@dataclass(frozen=True)
class Wish:
    """What is to be trained again.

    Attributes:
        repeats: New seeds of each setting, two or more.
        trials: Numbers of trials whose settings are wanted; none for those of the front.
        at_knee: Only the knee's setting is wanted.
        name: Of the new study; None for that of the old one with `-remeasured`.
        budget: Keys of the spec's budget by dotted path; the old study's own does not count.
    """

    repeats: int = 5
    trials: Sequence[int] = ()
    at_knee: bool = False
    name: str | None = None
    budget: Mapping[str, Any] = field(default_factory=dict)


def plan(summary: Summary, database: Database, wish: Wish) -> SweepSpec:
    """Returns the spec of the study that trains settings of another again.

    It is that of the old study, without baseline and budget and with one slot of as many threads, or one on each
    kind of device where devices are searched; no seed of a trial is one that the old study or an earlier study of this
    kind has.

    Args:
        summary: The old study.
        database: Where both are.
        wish: What is wanted of it.

    Raises:
        Faults: where the wish cannot be, with a line for each reason.
    """
    study = summary.study
    sweeps.check_can_run(study)
    faults = list(find_faults(summary, wish))
    if faults:
        raise Faults(*faults)
    settings: list[Mapping[str, Any]] = []
    for point in _choose(summary, wish):
        if point.params not in settings:
            settings.append(dict(point.params))
    num_trials = len(settings) * wish.repeats
    earlier = [load_study(database, name) for name in list_remeasurements(database, study.uuid)]
    search = {
        "seed": find_seed([study, *earlier], num_trials),
        "trials": num_trials,
        "repeats": wish.repeats,
        "baseline": False,
        "settings": settings,
        "remeasures": study.uuid,
    }
    raw = {
        **study.spec,
        "name": wish.name or free_name(database, study.name),
        "search": {**study.spec["search"], **search},
        "compute": alone(study.spec["compute"]),
        "budget": {},
    }
    return validate(merge_settings(raw, (), wish.budget, faults), faults)


def alone(compute: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a `compute` table with one slot that shares nothing, or one on each kind of device that is searched."""
    return {**compute, "slots": 2 if isinstance(compute.get("device"), list) else 1, "slots_per_device": 1}


def find_seed(studies: Sequence[StudyRow], num_trials: int) -> int:
    """Returns a study's seed from which so many trials get seeds that no trial of these studies has or will have."""
    search = [study.spec["search"] for study in studies]
    planned = (
        derive_seed(spec["seed"], number, "training")
        for study, spec in zip(studies, search, strict=True)
        for number in range(study.num_trials)
    )
    taken = set(chain(planned, (trial.seed for study in studies for trial in study.trials)))
    candidates = (derive_seed(search[0]["seed"], number, "remeasurement") for number in count(len(studies)))
    return next(
        seed
        for seed in candidates
        if taken.isdisjoint(derive_seed(seed, number, "training") for number in range(num_trials))
    )


def remeasure(
    study: StudyRow,
    spec: SweepSpec,
    database: Database,
    watch: Watch,
    tell: sweeps.Tell = lambda _line: None,
    show_budget: ShowBudget = lambda _lines: None,
    *,
    is_forced: bool = False,
) -> StudyRow:
    """Trains settings of a study again to the end and returns the new study; `resume` continues one that was cut off.

    Args:
        study: The old one.
        spec: What `plan` returned.
        database: Where both are.
        watch: Told of each event.
        tell: Told of what differs from when the old study ran, and of earlier studies of this kind to be continued.
        show_budget: Told what is spent of the budget.
        is_forced: Whether other studies may run on this machine meanwhile.

    Raises:
        Faults: where another study runs on this machine, whose work would be in the costs, or the data has changed.
        Abandoned: on an interrupt before the new study was made.
        StorageFault: where the name is taken.
        KeyboardInterrupt: after everything is saved.
    """
    if not is_forced and (running := [study.name for study in list_running_here(database)]):
        raise Faults(
            f"remeasure: {', '.join(running)} runs on this machine and would disturb the costs; "
            "`paretune stop` it first, or --force"
        )
    sweeps.check_data(study)
    for line in _notes(study, spec, database):
        tell(line)
    return sweeps.launch(spec, database, watch, tell, show_budget=show_budget, remeasures=study)


def _notes(study: StudyRow, spec: SweepSpec, database: Database) -> Iterator[str]:
    where = " on each kind of device" if spec.compute.is_device_searched else ""
    yield (
        f"{spec.name}: {len(spec.search.settings)} settings of {study.name} with {spec.search.repeats} new seeds each, "
        f"one at a time{where}; `paretune show {study.name}` tells what comes of it"
    )
    for name in list_remeasurements(database, study.uuid):
        if load_study(database, name).state not in ("complete", "running"):
            yield f"{name} was not finished: `paretune resume {name}` would continue it"
    if study.environments:
        changes = list_changes(study.environments[-1], observe(spec.objective.model_dump()))
        yield from (f"of {study.name}: {line}" for line in explain(changes))


def find_faults(summary: Summary, wish: Wish) -> Iterator[str]:
    """Yields what of a wish cannot be, its budget aside."""
    study = summary.study
    if study.spec["search"].get("remeasures"):
        yield f"remeasure: {study.name} trains settings of another study again itself; name that one"
    if wish.repeats < LEAST_SEEDS:
        yield f"--repeats: {LEAST_SEEDS} seeds or more are needed for an interval, but got {wish.repeats}"
    for number in wish.trials:
        if _find(summary, number) is None:
            yield f"--trial: {study.name} has no trial {number} with a result"
    if wish.at_knee and wish.trials:
        yield "--trial: it does not go with --knee"
    elif wish.at_knee:
        try:
            pick(summary, at_knee=True)
        except NothingFits as reason:
            yield str(reason).replace("pick:", "--knee:")
    elif not wish.trials and not summary.front:
        yield f"remeasure: {study.name} has no front yet"


def _choose(summary: Summary, wish: Wish) -> list[Checkpoint]:
    if wish.at_knee:
        return [pick(summary, at_knee=True).point]
    if wish.trials:
        return [point for number in wish.trials if (point := _find(summary, number)) is not None]
    return list(summary.front)


def _find(summary: Summary, number: int) -> Checkpoint | None:
    """Returns the last checkpoint of the setting that a trial belongs to."""
    return next((curve[-1] for curve in summary.curves.values() if number in curve[-1].seeds), None)


def free_name(database: Database, name: str) -> str:
    """Returns a name for a study that trains settings of another again, which nothing has that is or waits."""
    taken = {line.name for line in list_studies(database)} | {one.order.study for one in list_queue(database)}
    names = chain([name + SUFFIX], (f"{name}{SUFFIX}-{number}" for number in count(2)))
    return next(free for free in names if free not in taken)
