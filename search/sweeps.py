"""What a person does with sweeps: launch, resume, stop, delete. The command line is a thin layer over this."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import uuid4

from objectives.trial import Placement
from search.coordinator import Coordinator, ShowBudget, Watch
from search.data import describe
from search.environment import keep_environment, observe
from search.faults import Abandoned, Faults, Hasty, Unsaved
from search.functions import check_function
from search.growing import Growth, grow
from search.models import check_model
from search.placing import place
from search.pricing import find_tariff
from search.reading import validate
from search.sections import Objective
from search.spec import SweepSpec
from search.taking_over import link_weights, take_over
from storage import leases
from storage.database import Database
from storage.faults import StorageFault
from storage.ledger import Ledger
from storage.patience import DatabaseAway, Patience
from storage.reading import load_study
from storage.rows import StudyRow, is_imported
from storage.studies import create_study, delete_study, request_stop

STOP_PATIENCE_SECONDS = 120

Tell = Callable[[str], None]
"""Takes a line for a person to read."""


def launch(
    spec: SweepSpec,
    database: Database,
    watch: Watch,
    tell: Tell = lambda _line: None,
    source: StudyRow | None = None,
    show_budget: ShowBudget = lambda _lines: None,
    *,
    remeasures: StudyRow | None = None,
    placements: Sequence[Placement] = (),
) -> StudyRow:
    """Runs a new sweep to its end and returns the study.

    Args:
        spec: The sweep.
        database: Where to keep it.
        watch: Told of each event.
        tell: Told what a person should know about the data set, and what was taken over.
        source: A study of the same database whose finished trials are taken over, as far as they fit; the spec's
            `trials` are trained besides.
        show_budget: Told what is spent of the budget.
        remeasures: The study whose settings are trained again, which the spec names.
        placements: What `place` returned for the spec, where whoever calls had it begin before.

    Raises:
        Faults: where the spec asks for what this machine lacks, or the data set cannot be used.
        Abandoned: on an interrupt before the study was made.
        StorageFault: where the database cannot be used or the name is taken.
        KeyboardInterrupt: after everything is saved.
    """
    if spec.search.remeasures != (remeasures.uuid if remeasures else None):
        raise Faults("search.remeasures: `paretune remeasure NAME` sets it; leave it out")
    placements = placements or place(spec, spec.search.trials)
    device = spec.compute.device if spec.compute.is_device_searched else placements[0].kind
    several = spec.compute.threads if isinstance(spec.compute.threads, list) else None
    placed = {"slots": len(placements), "threads": several or placements[0].threads, "device": device}
    spec = spec.model_copy(update={"compute": spec.compute.model_copy(update=placed)})
    data = _look_at(spec.objective)
    for note in data.get("notes", ()):
        tell(note)
    database.create()
    database.artifacts.mkdir(parents=True, exist_ok=True)
    if source is None:
        create_study(database, spec.name, spec.model_dump(mode="json"), spec.search.trials, data)
    else:
        _create_from(source, spec, database, data, tell)
    study = load_study(database, spec.name)
    return _run(database, study, stored_spec(study, {}), placements, watch, tell, show_budget)


def _create_from(source: StudyRow, spec: SweepSpec, database: Database, data: Mapping[str, Any], tell: Tell) -> None:
    """Makes a study that begins with trials of another."""
    takeover = take_over(source, spec, data)
    num_trials = len(takeover.trials) + spec.search.trials
    spec = spec.model_copy(update={"search": spec.search.model_copy(update={"trials": num_trials})})
    validate(spec.model_dump(mode="json"))
    uuid = str(uuid4())
    folder = database.artifacts / uuid
    link_weights(takeover, database.artifacts / source.uuid, folder)
    try:
        create_study(database, spec.name, spec.model_dump(mode="json"), num_trials, data, takeover.beginning, uuid=uuid)
    except StorageFault:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    for line in takeover.lines:
        tell(line)


def resume(
    name: str,
    database: Database,
    watch: Watch,
    num_more: int = 0,
    compute: dict[str, object] | None = None,
    tell: Tell = lambda _line: None,
    settings: Sequence[str] = (),
    flags: Mapping[str, object] | None = None,
    show_budget: ShowBudget = lambda _lines: None,
) -> StudyRow:
    """Continues a study: what was cut off first, then new trials up to its target.

    Args:
        name: The study.
        database: Where it is.
        watch: Told of each event.
        num_more: Trials to add to the target.
        compute: What of the stored `compute` table to change for this sitting.
        tell: Told how the environment differs from that of the last sitting.
        settings: Flags `key=value` that change the stored spec as far as a study may grow, `compute` for this sitting.
        flags: More values by dotted path; None takes a key away.
        show_budget: Told what is spent of the budget.

    Raises:
        Faults: where what is asked for is not there or may not change, or the data set is not the one that the study
            began with.
        Abandoned: on an interrupt before it began.
        StorageFault: where there is no such study, or another process runs it.
        KeyboardInterrupt: after everything is saved.
    """
    study = load_study(database, name)
    check_can_run(study)
    growth = grow(study, settings, flags, num_more)
    if study.state == "complete" and num_more == 0 and growth.change is None:
        return study
    check_data(replace(study, spec=growth.spec))
    spec = stored_spec(replace(study, spec=growth.spec), {**growth.compute, **(compute or {})}, num_more)
    placements = place(spec, study.num_trials, study)
    return _run(database, study, spec, placements, watch, tell, show_budget, num_more, growth)


def check_can_run(study: StudyRow) -> None:
    """Makes sure that a study is one of ours.

    Raises:
        Faults: where it was imported.
    """
    if is_imported(study):
        raise Faults(
            f"study: {study.name!r} was imported and has no training to continue; "
            f"`paretune launch SPEC --from {study.name} --study NEW` takes over the trials that fit"
        )


def stored_spec(study: StudyRow, compute: Mapping[str, object], num_more: int = 0) -> SweepSpec:
    """Returns the spec of a study, with parts of its `compute` table changed and trials added to its target.

    Raises:
        Faults: where the study was imported.
    """
    check_can_run(study)
    search = {**study.spec["search"], "trials": study.num_trials + num_more}
    return validate({**study.spec, "search": search, "compute": change_compute(study.spec["compute"], compute)})


def change_compute(stored: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    """Returns a `compute` table with keys changed; another number of slots leaves their threads to the machine."""
    changed = {**stored, **changes}
    if "slots" in changes and "threads" not in changes and not isinstance(changed["threads"], list):
        changed["threads"] = "auto"
    return changed


def stop(name: str, database: Database) -> bool:
    """Asks the study's coordinator to stop and waits until it has; returns whether one was there.

    Raises:
        Faults: where it does not answer.
    """
    if not request_stop(database, name):
        return False
    deadline = time.monotonic() + STOP_PATIENCE_SECONDS
    while (state := load_study(database, name).state) == "running":
        if time.monotonic() > deadline:
            raise Faults(f"study: {name!r} did not stop within {STOP_PATIENCE_SECONDS} s; the request stays")
        time.sleep(0.2)
    if state == "interrupted":
        raise Faults(
            f"study: {name!r} is interrupted: its coordinator is gone and has not answered; "
            f"`paretune resume {name}` continues it"
        )
    return True


def delete(name: str, database: Database) -> None:
    """Removes a study and its weights."""
    uuid = delete_study(database, name)
    shutil.rmtree(database.artifacts / uuid, ignore_errors=True)


def _look_at(objective: Objective) -> dict[str, Any]:
    """Makes sure that what is trained can be used, and returns what describes its data; of a function nothing is known.

    Raises:
        Faults: where it cannot.
        Abandoned: on an interrupt meanwhile.
    """
    if objective.train is not None:
        check_function(objective.train)
        return {}
    assert objective.model is not None
    assert objective.dataset is not None
    assert objective.data_root is not None
    data = describe(objective.dataset, Path(objective.data_root))
    check_model(objective.model, data.image_CHW, data.num_classes)
    return asdict(data)


def check_data(study: StudyRow) -> None:
    """Holds a study to its data: accuracies on different images cannot be compared.

    Raises:
        Faults: where the data set is another by now, or what is trained cannot be used.
    """
    objective = stored_spec(study, {}).objective
    now = _look_at(objective)
    if now.get("fingerprint") != study.data.get("fingerprint"):
        raise Faults(
            f"objective.dataset: {objective.dataset} has changed since study {study.name!r} began "
            f"({_data_words(study.data)} then, {_data_words(now)} now); put it back as it was, or launch a new study"
        )


def _data_words(data: Mapping[str, Any]) -> str:
    sizes = "/".join(str(data[f"num_{part}"]) for part in ("train", "validation", "test"))
    return f"{sizes} images, {data['num_classes']} classes, fingerprint {data['fingerprint'][:8]}"


def _run(
    database: Database,
    study: StudyRow,
    spec: SweepSpec,
    placements: Sequence[Placement],
    watch: Watch,
    tell: Tell,
    show_budget: ShowBudget,
    num_more: int = 0,
    growth: Growth | None = None,
) -> StudyRow:
    environment = observe(spec.objective.model_dump())
    with _interruption() as is_interrupted, _taking(database, study.uuid, tell, is_interrupted) as ledger:
        with ledger.writing() as page:
            page.take_requests()  # made of a coordinator that is gone
            changes = keep_environment(page, environment)
            if growth is not None and growth.change is not None:
                page.change_spec(growth.spec, growth.change)
            if num_more:
                page.set_target(study.num_trials + num_more)
        for line in changes:
            tell(line)
        study = load_study(database, study.name)
        tariff = find_tariff(spec, placements, study)
        Coordinator(database, study, spec, ledger, placements, watch, show_budget, is_interrupted, tariff).run()
    return load_study(database, study.name)


@contextmanager
def _taking(database: Database, study: str, tell: Tell, is_interrupted: Callable[[], bool]) -> Iterator[Ledger]:
    """Takes the lease of a study, keeps it meanwhile, and gives it back."""
    patience = Patience(tell, is_interrupted)
    try:
        lease = leases.acquire(database, study, patience)
    except StorageFault:
        if is_interrupted():
            raise Abandoned from None
        raise
    ledger = Ledger(database, lease, patience)
    try:
        with ledger.beating():
            yield ledger
    except DatabaseAway as error:
        if is_interrupted():
            raise Unsaved from error
        raise
    finally:
        ledger.close()


@contextmanager
def _interruption() -> Iterator[Callable[[], bool]]:
    """Yields a question: has Ctrl-C or SIGTERM come? A second one does not wait for the question.

    An exception out of the blue would cut a database transaction or a proposal in two; the coordinator asks between
    events instead.
    """
    signals: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        signals.append(number)
        if len(signals) > 1:
            raise Hasty

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(signals)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
