from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from io import StringIO

from rich.console import Console
from synthetic import DEVICE, NOW, attempt_row, summary_of, trial

from search.tables import print_study, print_trial
from storage.rows import SittingRow


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


def test_the_energy_that_a_sitting_metered_is_told_and_no_other() -> None:
    summary = summary_of(trial(0, [(900, 1.0)]))
    for joules, words in ((4000.0, "energy 4 kJ, measured: while slots were held 4 kJ"), (None, None)):
        sitting = SittingRow(1, DEVICE, 1, 1, NOW, 20.0, joules, None if joules else "no counter")
        console = Console(file=StringIO(), width=200)
        told = replace(summary, study=replace(summary.study, sittings=(sitting,)))
        print_study(told, console, every_trial=False)
        assert isinstance(console.file, StringIO)
        lines = [line for line in console.file.getvalue().splitlines() if line.startswith("energy")]
        assert len(lines) == (words is not None)
        assert all(line.startswith(words or "") for line in lines)
