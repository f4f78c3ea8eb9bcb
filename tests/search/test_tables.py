from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from io import StringIO

from rich.console import Console
from synthetic import attempt_row, trial

from search.tables import print_trial


def test_a_loss_that_was_not_reported_is_a_dash() -> None:
    told = trial(0, [(500, 2.0), (800, 2.0)])
    told = replace(told, epochs=(replace(told.epochs[0], train_loss=None, validation_loss=None), told.epochs[1]))
    console = Console(file=StringIO(), width=200)
    print_trial(told, "device_seconds", None, console)
    assert isinstance(console.file, StringIO)
    first, second = console.file.getvalue().splitlines()[-2:]
    assert first.split()[:4] == ["1", "1", "-", "-"]
    assert second.split()[:4] == ["2", "1", "0.5000", "0.5000"]


def test_an_attempt_that_nobody_runs_any_more_was_cut_off() -> None:
    gone = attempt_row(None, {}, seconds=None)
    gone = replace(gone, heard_at=gone.started_at + timedelta(seconds=90))
    for state, words in (("waiting", "cut off, last heard of 2026-01-01 00:01:30 UTC"), ("running", "running")):
        console = Console(file=StringIO(), width=200)
        print_trial(trial(0, [], state, attempts=(gone,)), "device_seconds", None, console)
        assert isinstance(console.file, StringIO)
        [row] = [line for line in console.file.getvalue().splitlines() if "2026-01-01 00:00:00" in line]
        assert words in row, state
        assert ("running" in row) == (state == "running")
