"""The command as a person runs it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from dashboards.bills import IDLE, bill_lines
from storage.database import Database
from storage.faults import StorageFault
from storage.reading import load_study
from storage.rows import TrialRow

Run = Callable[..., "subprocess.CompletedProcess[str]"]
COMMAND = str(Path(sys.executable).with_name("paretune"))

INLINE = ("--set", "compute.engine=inline")
LONG = ("--set", "objective.epochs=12", "--set", "search.baseline=false")

QUICK = """
name = "quick"
[objective]
dataset = "digits"
epochs = 2
minimize = ["train_flops"]
[space]
lr = { low = 1e-3, high = 0.1, log = true }
optimizer = ["sgd", "adam"]
batch_size = { low = 32, high = 128, log = true }
width = { low = 0.25, high = 0.5 }
[search]
trials = 4
[compute]
slots = 1
threads = 1
"""


def run_paretune(folder: Path, *arguments: str, check: bool = False) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([COMMAND, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    if check and done.returncode:
        raise AssertionError(f"exit {done.returncode}: {done.stderr}")
    return done


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [COMMAND, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def write_quick_spec(folder: Path) -> Path:
    path = folder / "quick.toml"
    path.write_text(QUICK)
    return path


def shown(paretune: Run, name: str = "quick") -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(paretune("show", name, "--json", check=True).stdout)
    return answer


def results(answer: dict[str, Any]) -> list[Any]:
    keys = ("number", "state", "params", "accuracy", "epochs")
    return [[trial[key] for key in keys] + [trial["costs"]["train_flops"]] for trial in answer["trials"]]


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def trials_of(home: Database, name: str = "quick") -> tuple[TrialRow, ...]:
    try:
        return load_study(home, name).trials
    except StorageFault:
        return ()


def num_epochs(home: Database, name: str = "quick") -> int:
    return sum(len(trial.epochs) for trial in trials_of(home, name))


def has_attempts(home: Database, number: int) -> bool:
    return [len(trial.attempts) for trial in trials_of(home)] == [number]


def assert_bills_balance(home: Database, name: str = "quick") -> None:
    """An attempt's lines add up to the time that it held its slot, and a study's to the time of all sittings."""
    held = 0.0
    for trial in trials_of(home, name):
        for attempt in trial.attempts:
            assert attempt.ended_at is not None
            held_seconds = (attempt.ended_at - attempt.started_at).total_seconds()
            assert sum(attempt.bill.values()) == pytest.approx(held_seconds, rel=0.05, abs=0.3)
            held += held_seconds
    study = load_study(home, name)
    lines, meter = bill_lines(study), sum(sitting.num_slots * sitting.seconds for sitting in study.sittings)
    assert sum(lines.values()) == pytest.approx(meter, abs=1e-6)
    assert lines[IDLE] == pytest.approx(meter - held, rel=0.05, abs=0.5)


def workers_of(pid: int | None = None) -> list[psutil.Process]:
    """Returns the slots of a process, by default of this one: what was forked from the process that has torch."""
    slots = []
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children():
            with suppress(psutil.NoSuchProcess):  # one that has ended meanwhile hides no other
                slots += child.children() if "forkserver" in " ".join(child.cmdline()) else []
    return slots
