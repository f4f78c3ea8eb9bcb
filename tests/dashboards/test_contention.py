from __future__ import annotations

from dataclasses import replace

from synthetic import summary_of, trial

from dashboards.contention import disturbance_lines
from storage.ledger import CostValue
from storage.rows import StudyRow


def study_with(**costs: float) -> StudyRow:
    one = trial(0, [(900, 2.0)])
    more = {name: CostValue(value, "measured", None) for name, value in costs.items()}
    epoch = replace(one.epochs[0], costs={**one.epochs[0].costs, **more})
    return summary_of(replace(one, epochs=(epoch,))).study


def test_what_disturbed_the_training_is_told_each_on_its_line() -> None:
    assert disturbance_lines(study_with()) == []
    assert disturbance_lines(study_with(throttled_seconds=0.01, other_processes=0.0)) == []
    [held] = disturbance_lines(study_with(throttled_seconds=0.5))
    assert held.startswith("1 of 1 epochs ran on a device that heat or its power limit held back for up to 25 %")
    [others] = disturbance_lines(study_with(other_processes=2.0))
    assert others.startswith("1 epochs had up to 2 other processes on their GPU")
    assert len(disturbance_lines(study_with(throttled_seconds=0.5, other_processes=1.0, contention_seconds=1.0))) == 3
