"""Which weights and checkpoints a study still needs; what nobody needs is removed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from dashboards.seeds import group_by_setting, num_seeds
from dashboards.summary import summarize
from objectives.trial import LOG, PASSING
from storage import leases
from storage.artifacts import Artifact, list_artifacts, remove_artifacts, remove_empty_folders
from storage.database import Database
from storage.reading import load_study
from storage.rows import StudyLine, StudyRow, TrialRow
from storage.studies import list_studies

UNFINISHED, USELESS = ("running", "waiting"), ("failed", "infeasible")
PART = ".part"
GONE = "gone"
"""State of a study that is not in the database any more."""

_WEIGHTS = re.compile(r"epoch-(\d{4,})\.pt")


@dataclass(frozen=True)
class Holding:
    """The files of one study.

    Attributes:
        uuid: The study's.
        name: Its name; empty where it is not in the database.
        state: Its state, or gone.
        files: All of them.
        removable: Those that nothing needs; none where the study is left alone.
        note: Why it is left alone; empty where it is not.
    """

    uuid: str
    name: str
    state: str
    files: tuple[Artifact, ...]
    removable: tuple[Artifact, ...] = ()
    note: str = ""

    @property
    def removable_bytes(self) -> int:
        """Bytes that nothing needs."""
        return sum(file.num_bytes for file in self.removable)

    def num_bytes(self, kind: str) -> int:
        """Returns the bytes of a kind of files: weights, checkpoints or other."""
        return sum(file.num_bytes for file in self.files if kind_of(file) == kind)


def needed_weights(study: StudyRow) -> set[tuple[int, int]]:
    """Returns the weights, as (trial, epoch), that a study still needs.

    These are the front's and the last ones of each trial that was trained to its end. The front is that of the ended
    settings: a point of one under way may yet vanish from it, with what it beats coming back. All weights of a setting
    under way are needed, since it may end on the front with any of them.
    """
    ended_trials, under_way = list[TrialRow](), list[TrialRow]()
    for trials in group_by_setting(study):
        has_ended = len(trials) == num_seeds(study) and not any(trial.state in UNFINISHED for trial in trials)
        (ended_trials if has_ended else under_way).extend(trials)
    ended = summarize(replace(study, trials=tuple(ended_trials)))
    on_front = {(number, point.epoch) for point in ended.front for number in point.seeds}
    lasts = {(point.trial, point.epoch) for point in ended.lasts.values()}
    return on_front | lasts | {(trial.number, epoch.epoch) for trial in under_way for epoch in trial.epochs}


def find_removable(study: StudyRow, files: Iterable[Artifact]) -> list[Artifact]:
    """Returns the files that a study which does not run needs no more; a file of unknown use is none of them."""
    needed = needed_weights(study)
    states = {trial.number: trial.state for trial in study.trials}
    return [
        file for file in files if _is_removable(file, None if file.trial is None else states.get(file.trial), needed)
    ]


def _is_removable(file: Artifact, state: str | None, needed: set[tuple[int, int]]) -> bool:
    if file.trial is None or state is None:  # not ours, or of a ledger newer than this one
        return False
    if file.path.suffix == PART or (state in USELESS and file.path.name != LOG):
        return True
    if state in UNFINISHED:
        return False
    weights = _WEIGHTS.fullmatch(file.path.name)
    return file.path.name in PASSING or (weights is not None and (file.trial, int(weights[1])) not in needed)


def kind_of(file: Artifact) -> str:
    """Returns what a file is: weights, checkpoints or other.

    >>> from pathlib import Path
    >>> [kind_of(Artifact(0, Path(name), 1)) for name in ("epoch-0012.pt", "checkpoint.pt", "epoch-0001.part")]
    ['weights', 'checkpoints', 'other']
    """
    if _WEIGHTS.fullmatch(file.path.name):
        return "weights"
    return "checkpoints" if file.path.name in PASSING else "other"


def survey(database: Database, *, with_orphans: bool = False) -> list[Holding]:
    """Returns the files of each study, the newest first, then those of studies that are gone.

    Args:
        database: Where the studies are.
        with_orphans: Take what no study of this database owns for that of a gone one even in a folder that another
            database may share.

    Raises:
        StorageFault: where the database cannot be used.
    """
    found = list_artifacts(database.artifacts)  # before the studies are read: a folder is made after its study's row
    lines = list_studies(database)
    known = {line.uuid for line in lines}
    holdings = [_hold(database, line, found.get(line.uuid, ())) for line in lines]
    orphans = {uuid: files for uuid, files in found.items() if uuid not in known}
    if with_orphans or database.owns_artifacts:
        return holdings + [Holding(uuid, "", GONE, files, files) for uuid, files in orphans.items()]
    note = "perhaps another database's: left alone without --orphans"
    return holdings + [Holding(uuid, "", GONE, files, note=note) for uuid, files in orphans.items()]


def _hold(database: Database, line: StudyLine, files: tuple[Artifact, ...]) -> Holding:
    if line.state == "running":
        return Holding(line.uuid, line.name, line.state, files, note="running: left alone")
    removable = find_removable(load_study(database, line.name), files) if files else ()
    return Holding(line.uuid, line.name, line.state, files, tuple(removable))


def clean(database: Database, holding: Holding) -> tuple[list[Artifact], list[str]]:
    """Removes what nothing needs of a study, while no coordinator can begin to run it.

    Returns:
        The files that are gone, none where the study is left alone or runs by now; and a line for each that could not
        be removed.

    Raises:
        StorageFault: where the database cannot be used.
    """
    if holding.note:
        return [], []
    with leases.held_off(database, holding.uuid) as is_free:
        if not is_free:
            return [], []
        removed, faults = remove_artifacts(holding.removable)
        remove_empty_folders(database.artifacts / holding.uuid)
    return removed, faults
