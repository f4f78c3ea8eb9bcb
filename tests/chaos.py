"""A storm of kills over a sweep, and what must be true when it has passed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import psutil
from commands import COMMAND, workers_of
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from dashboards.bills import bill_lines, held_seconds
from objectives.trial import SLOT_DIED
from search.cleanup import needed_weights
from search.recording import MOST_DEATHS
from storage import tables
from storage.database import Database
from storage.faults import StorageFault
from storage.projection import optuna_storage
from storage.reading import load_study
from storage.rows import StudyRow
from storage.studies import list_studies

Answer = TypeVar("Answer")

MARK = "PARETUNE_CHAOS"
"""Environment variable by which the processes of a storm are known."""

PATIENCE_SECONDS = 300
VICTIMS = ("slot", "slot", "coordinator", "all")
START_SECONDS = 3.0
"""A kill that is to meet the start of a process falls within so many seconds of it."""

WORK_SECONDS = 0.4
"""A kill that is to meet the work falls within so many seconds of an epoch's record."""

MOST_EPOCHS = 5
"""Epochs that are recorded at most between two kills of the work."""


@dataclass
class Storm:
    """A sweep under kills.

    Args:
        folder: Where it runs.
        url: Of its database.
        seed: Of the kills.
    """

    folder: Path
    url: str
    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    mark: str = field(default_factory=lambda: uuid4().hex)

    def run(self, spec: Path, study: str, num_kills: int) -> None:
        """Launches the sweep, kills so often, each time one of its processes or all, and resumes it until it is done.

        Where the sweep is done before, the rest of the kills is left out.
        """
        dice = random.Random(self.seed)
        process = self._start("launch", str(spec), "--quiet")
        while self.kills.total() < num_kills:
            self._let_be(process, study, dice)
            self._let_recover(process, study)
            victim = dice.choice(VICTIMS)
            slots = workers_of(process.pid)
            if process.poll() is None and victim == "slot" and slots:
                _kill(dice.choice(slots))
                self.kills["slot"] += 1
            elif process.poll() is None and victim != "slot":
                process.kill()
                for doomed in slots if victim == "all" else ():
                    _kill(doomed)
                process.wait()
                self.kills[victim] += 1
            if process.poll() is not None:
                if self._is_complete(study):
                    break
                process = self._go_on(process, spec, study)
        while process.wait(PATIENCE_SECONDS) != 0:
            process = self._go_on(process, spec, study)
        process.communicate()

    def orphans(self) -> list[str]:
        """Returns the processes of the storm that are still there, given some seconds to end."""
        deadline = time.monotonic() + 10
        while (found := self._alive()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    def _let_be(self, process: subprocess.Popen[str], study: str, dice: random.Random) -> None:
        """Lets the sweep be: for some seconds from its start, or until it has recorded some epochs more."""
        if dice.random() < 1 / 3:
            time.sleep(dice.uniform(0, START_SECONDS))
            return
        deadline = time.monotonic() + PATIENCE_SECONDS
        wanted = self._num_epochs(study) + dice.randint(1, MOST_EPOCHS)
        while self._num_epochs(study) < wanted and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(dice.uniform(0, WORK_SECONDS))

    def _let_recover(self, process: subprocess.Popen[str], study: str) -> None:
        """Waits while a trial is one death from failing: whose slot dies so often before an epoch ends has failed."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while process.poll() is None and time.monotonic() < deadline and self._is_worn(study):
            time.sleep(0.05)

    def _is_worn(self, study: str) -> bool:
        trial, attempt, epoch = tables.trials.c, tables.attempts.c, tables.epochs.c
        uuid = select(tables.studies.c.uuid).where(tables.studies.c.name == study).scalar_subquery()
        last = select(func.coalesce(func.max(epoch.attempt), 0)).where(
            epoch.study == attempt.study, epoch.trial == attempt.trial
        )
        deaths = (
            select(attempt.trial)
            .join(tables.trials, (trial.study == attempt.study) & (trial.number == attempt.trial))
            .where(attempt.study == uuid, trial.ended_at.is_(None), attempt.attempt >= last.scalar_subquery())
            .where(attempt.outcome.startswith(SLOT_DIED))
            .group_by(attempt.trial)
            .having(func.count() >= MOST_DEATHS - 1)
        )

        def find() -> bool:
            with self._database.read() as connection:
                return connection.execute(deaths).first() is not None

        return self._ask(find, otherwise=False)

    def _num_epochs(self, study: str) -> int:
        epochs, studies = tables.epochs, tables.studies.c
        uuids = select(studies.uuid).where(studies.name == study).scalar_subquery()

        def count() -> int:
            with self._database.read() as connection:
                return connection.scalar(select(func.count()).where(epochs.c.study == uuids)) or 0

        return self._ask(count, otherwise=0)

    def _go_on(self, ended: subprocess.Popen[str], spec: Path, study: str) -> subprocess.Popen[str]:
        """Resumes the study, or launches it where it was killed before it was made."""
        _, errors = ended.communicate()
        is_expected = any(words in errors for words in ("there is no", "died (exit code -9)", "before it was ready"))
        assert ended.returncode in (0, -signal.SIGKILL) or is_expected, errors
        if self._is_there(study):
            return self._start("resume", study, "--quiet")
        return self._start("launch", str(spec), "--quiet")

    def _start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [COMMAND, *arguments, "--storage", self.url],
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _environment(self) -> Mapping[str, str]:
        return {**os.environ, MARK: self.mark, "PARETUNE_ARTIFACTS": str(self.folder / "artifacts")}

    @cached_property
    def _database(self) -> Database:
        return Database(self.url)

    def _is_there(self, study: str) -> bool:
        return self._state(study) is not None

    def _is_complete(self, study: str) -> bool:
        return self._state(study) == "complete"

    def _state(self, study: str) -> str | None:
        """Returns the study's state; None where there is no such study yet."""
        lines = self._ask(lambda: list_studies(self._database), otherwise=[])
        return next((line.state for line in lines if line.name == study), None)

    def _ask(self, question: Callable[[], Answer], otherwise: Answer) -> Answer:
        """Returns what the database tells, or something else where it was killed before there was one."""
        try:
            return question()
        except (StorageFault, SQLAlchemyError):
            return otherwise

    def _alive(self) -> list[str]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(" ".join(process.cmdline()))
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found


LATE_SECONDS = 3.0
"""How late a coordinator on a machine with much else to do may hear that a trial has ended."""


@dataclass(frozen=True)
class Damage:
    """What a storm did to a study, compared with an undisturbed one; all but the kills must be none.

    Attributes:
        trials_lost: Numbers of trials that one of the two lacks, or that ended in another state.
        trials_changed: Numbers of trials with other parameters, seeds or results.
        epochs_doubled: Epochs that stand twice, or are missing.
        bills_off: Attempts whose lines do not add up to the time that they held their slot.
        optuna_off: Trials that Optuna's tables tell otherwise.
        stray_files: Files that nothing needs.
        orphans: Processes that outlived the sweep.
    """

    trials_lost: list[int]
    trials_changed: list[int]
    epochs_doubled: list[tuple[int, int]]
    bills_off: list[str]
    optuna_off: list[int]
    stray_files: list[str]
    orphans: list[str]

    def __bool__(self) -> bool:
        return any(vars(self).values())


def assess(storm: Storm, study: str, undisturbed: StudyRow) -> Damage:
    """Compares what came of a storm with the undisturbed study."""
    database = Database(storm.url)
    row = load_study(database, study)
    theirs = {trial.number: trial for trial in undisturbed.trials}
    ours = {trial.number: trial for trial in row.trials}
    lost = [
        number
        for number in sorted(theirs.keys() | ours.keys())
        if number not in ours or number not in theirs or ours[number].state != theirs[number].state
    ]
    shared = [number for number in theirs if number in ours]
    changed = [number for number in shared if _results(ours[number]) != _results(theirs[number])]
    doubled = [
        (number, epoch)
        for number in shared
        for epoch, count in Counter(own.epoch for own in ours[number].epochs).items()
        if count != 1 or epoch > len(theirs[number].epochs)
    ]
    return Damage(
        lost,
        changed,
        doubled,
        _bills_off(row),
        _optuna_off(database, row),
        _stray_files(storm, row),
        storm.orphans(),
    )


def _results(trial: Any) -> list[object]:
    epochs = [
        (own.epoch, own.train_loss, own.validation_loss, own.num_correct, own.costs["train_flops"].value)
        for own in trial.epochs
    ]
    return [trial.params, trial.seed, trial.is_baseline, epochs]


def _bills_off(study: StudyRow) -> list[str]:
    """Compares each attempt's lines with the time between its start and its end in the ledger, and all with the meter.

    What was killed is billed for all the time that it held its slot. One that ended by itself has told of its time, and
    held its slot until its coordinator heard of that.
    """
    found = []
    for trial in study.trials:
        for attempt in trial.attempts:
            assert attempt.ended_at is not None
            held = (attempt.ended_at - attempt.started_at).total_seconds()
            billed = sum(attempt.bill.values())
            was_killed = attempt.outcome is not None and ("slot died" in attempt.outcome or "killed" in attempt.outcome)
            late_seconds = 0.5 if was_killed else LATE_SECONDS
            if not held - late_seconds <= billed <= held + 0.1:
                found.append(f"trial {trial.number}, attempt {attempt.attempt}: {billed:.2f} s of {held:.2f} s")
    lines, meter = bill_lines(study), held_seconds(study.sittings)
    if abs(sum(lines.values()) - meter) > 0.02 * len(study.sittings):
        found.append(f"the study: {sum(lines.values()):.2f} s of {meter:.2f} s in {len(study.sittings)} sittings")
    return found


def _optuna_off(database: Database, study: StudyRow) -> list[int]:
    import optuna

    told = optuna.load_study(study_name=study.name, storage=optuna_storage(database)).trials
    states = {"complete": "COMPLETE", "infeasible": "COMPLETE", "failed": "FAIL"}
    by_number = {trial.number: trial.state.name for trial in told}
    numbers = sorted({trial.number for trial in study.trials} ^ by_number.keys())
    return numbers + [own.number for own in study.trials if by_number.get(own.number) != states[own.state]]


def _stray_files(storm: Storm, study: StudyRow) -> list[str]:
    root = storm.folder / "artifacts" / study.uuid
    saved = {f"trial-{trial.number:05}/saved.npz" for trial in study.trials}
    wanted = {f"trial-{trial:05}/epoch-{epoch:04}.pt" for trial, epoch in needed_weights(study)} | saved
    return sorted({str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()} - wanted)


def _kill(process: psutil.Process) -> None:
    try:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    except psutil.NoSuchProcess:
        pass
