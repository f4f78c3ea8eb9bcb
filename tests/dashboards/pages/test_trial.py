"""The page of a trial."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from synthetic import DEVICE, attempt_row, trial

from dashboards.pages.trial import attempt_table, bill_table, cost_table, draw_trial


def test_a_trial_has_its_bill_line_by_line_and_reasons_for_what_is_absent() -> None:
    cut = attempt_row("killed by SIGKILL", {"training": 1.0, "lost": 0.5}, seconds=1.5)
    rest = attempt_row(None, {"training": 2.0}, attempt=2, seconds=None)
    one = trial(0, [(900, 1.0)], "running", attempts=(cut, rest))
    assert bill_table(one) == [
        ["1", "training", "1 s"], ["1", "lost", "0.5 s"], ["2", "training", "2 s"], ["all", "sum", "3.5 s"]
    ]  # fmt: skip
    assert [row[-2:] for row in attempt_table(one)] == [["1.5 s", "killed by SIGKILL"], ["-", "running"]]
    heard = replace(rest, heard_at=rest.started_at + timedelta(seconds=90))
    [_, gone] = attempt_table(replace(one, state="waiting", attempts=(cut, heard)))
    assert gone[-2:] == ["90 s", "cut off, last heard of 2026-01-01 00:01:30 UTC"]
    assert ["energy", "absent", "no meter"] in cost_table(one)
    assert (bill_table(trial(1, [], attempts=(attempt_row(None, {}),))), cost_table(trial(1, []))) == ([], [])


def test_an_attempt_that_shared_its_device_tells_its_share() -> None:
    shared = attempt_row("complete", {"training": 2.0}, seconds=4.0)
    shared = replace(shared, device={**DEVICE, "slots": 2})
    assert attempt_table(trial(0, [(900, 1.0)], attempts=(shared,)))[0][-2:] == ["4 s of 1/2 of the device", "complete"]


def test_the_axis_of_the_epochs_names_whole_ones() -> None:
    for num_epochs, step in ((1, 1), (4, 1), (10, 1), (80, 10)):
        drawn = draw_trial(trial(0, [(900, 1.0)] * num_epochs), "light")
        assert drawn is not None
        assert drawn["layout"]["xaxis"]["dtick"] == step
