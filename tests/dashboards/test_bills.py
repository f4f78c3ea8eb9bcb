from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from synthetic import NOW, attempt_row, summary_of, trial

from dashboards.bills import bill_lines
from dashboards.figures.spending import trace_spending
from dashboards.summary import summarize
from storage.rows import SittingRow, StudyRow, TrialRow

DEVICE = {"kind": "cpu", "name": "EPYC", "threads": 1}


def study_of(*trials: TrialRow, seconds: float, num_slots: int = 2, slots_per_device: int = 1) -> StudyRow:
    sitting = SittingRow(1, DEVICE, num_slots, slots_per_device, NOW, seconds)
    return replace(summary_of(*trials).study, sittings=(sitting,))


def test_the_lines_add_up_to_the_time_that_the_slots_were_held() -> None:
    done = trial(0, [(900, 1.0)], attempts=(attempt_row("complete", {"setup": 1.0, "training": 3.0}, seconds=4.0),))
    study = study_of(done, seconds=6.0)
    assert bill_lines(study) == {"setup": 1.0, "training": 3.0, "idle": 8.0}
    assert bill_lines(replace(study, sittings=study.sittings * 2))["idle"] == 20.0
    assert "idle" not in bill_lines(replace(study, sittings=()))


def test_slots_that_share_a_device_hold_their_share_of_it() -> None:
    done = trial(0, [(900, 1.0)], attempts=(attempt_row("complete", {"training": 2.0}, seconds=4.0),))
    lines = bill_lines(study_of(done, seconds=6.0, num_slots=4, slots_per_device=2))
    assert lines == {"training": 2.0, "idle": 10.0}


def test_what_is_under_way_is_neither_billed_nor_idle() -> None:
    under_way = replace(attempt_row(None, {"setup": 1.0}, seconds=None), heard_at=NOW + timedelta(seconds=1))
    lines = bill_lines(study_of(trial(0, [], "running", attempts=(under_way,)), seconds=6.0))
    assert lines == {"setup": 1.0, "idle": pytest.approx(12.0 - 1.0 - 5.0)}


def test_the_spending_figure_has_the_idle_time_in_each_of_its_blocks() -> None:
    done = trial(0, [(900, 1.0)], attempts=(attempt_row("complete", {"training": 2.0}, seconds=2.0),))
    info = trace_spending(summarize(study_of(done, seconds=6.0)))
    assert info.lines == {"training": 2.0, "idle": 10.0}
    for division in info.divisions:
        assert sum(part.seconds for part in division.parts) == 12.0, division.by
        assert division.parts[-1].label == "no trial"


def test_idle_time_is_paid_for() -> None:
    done = trial(0, [(900, 1.0)], attempts=(attempt_row("complete", {"training": 2.0}, seconds=2.0),))
    study = study_of(done, seconds=6.0)
    with_idle = summarize(study).prices["money"].value
    without = summarize(replace(study, sittings=())).prices["money"].value
    assert with_idle == pytest.approx((without or 0.0) * 6)
