"""Which weights and checkpoints a study still needs; what nobody needs is removed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dashboards.seeds import group_by_setting, num_seeds
from dashboards.summary import summarize
from objectives.trial import LOG, PASSING
from storage import leases
from storage.artifacts import Artifact, list_artifacts, remove_artifacts, remove_empty_folders
from storage.database import Database
from storage.reading import load_study
from storage.rows import StudyLine, StudyRow, TrialRow
from storage.studies import list_studies

KINDS = ("weights", "checkpoints", "other")
"""What `kind_of` calls files."""

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


@dataclass(frozen=True)
class Clearing:
    """What was found in the folder of a database's artifacts, and what of it is gone now.

    Attributes:
        artifacts: The folder.
        is_dry: Whether nothing was to be removed.
        holdings: Of each study.
        removed: Bytes that are gone, by the study's UUID.
        faults: A line for each file that could not be removed.
    """

    artifacts: str
    is_dry: bool
    holdings: tuple[Holding, ...]
    removed: Mapping[str, int]
    faults: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Returns it as `paretune gc --json` prints it."""
        studies = [
            {
                "study": holding.name or None,
                "uuid": holding.uuid,
                "state": holding.state,
                **{f"{kind}_bytes": holding.num_bytes(kind) for kind in KINDS},
                "removable_bytes": holding.removable_bytes,
                "num_removable": len(holding.removable),
                "removed_bytes": self.removed.get(holding.uuid, 0),
                "note": holding.note or None,
            }
            for holding in self.holdings
        ]
        return {
            "artifacts": self.artifacts,
            "dry_run": self.is_dry,
            "studies": studies,
            "removable_bytes": sum(holding.removable_bytes for holding in self.holdings),
            "removed_bytes": sum(self.removed.values()),
            "faults": list(self.faults),
        }


def clear(database: Database, *, is_dry: bool, with_orphans: bool = False) -> Clearing:
    """Removes what nothing needs of any study that does not run.

    Args:
        database: Where the studies are.
        is_dry: Only look.
        with_orphans: As `survey` has it.

    Raises:
        StorageFault: where the database cannot be used.
    """
    faults: list[str] = []
    removed: dict[str, int] = {}
    holdings = survey(database, with_orphans=with_orphans)
    for holding in [] if is_dry else holdings:
        files, found = clean(database, holding)
        faults += found
        removed[holding.uuid] = sum(file.num_bytes for file in files)
    return Clearing(str(database.artifacts), is_dry, tuple(holdings), removed, tuple(faults))


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
    if holding.note or not holding.removable:
        return [], []
    with leases.held_off(database, holding.uuid) as is_free:
        if not is_free:
            return [], []
        removable = holding.removable
        if holding.name:  # it may have run since it was looked at
            removable = tuple(find_removable(load_study(database, holding.name), removable))
        removed, faults = remove_artifacts(removable)
        remove_empty_folders(database.artifacts / holding.uuid)
    return removed, faults
