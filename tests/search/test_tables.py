from __future__ import annotations

from dataclasses import replace
from io import StringIO

from rich.console import Console
from synthetic import trial

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
