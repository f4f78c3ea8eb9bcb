from __future__ import annotations

import pytest

from objectives.costs import COSTS, Measurement, absent, accumulate, add_costs, counted, measured


def test_absence_needs_a_reason_and_a_value_none() -> None:
    with pytest.raises(ValueError, match="must be given"):
        Measurement(None, "measured")
    with pytest.raises(ValueError, match="must be given"):
        Measurement(1.0, "absent", "why")
    with pytest.raises(ValueError, match="must be given"):
        Measurement(None, "absent")


def test_zero_is_a_measurement() -> None:
    assert accumulate("energy_joules", [measured(0.0), measured(0.0)]).value == 0.0


@pytest.mark.parametrize("name", COSTS)
def test_one_absent_epoch_makes_the_whole_absent(name: str) -> None:
    assert accumulate(name, [counted(2.0), absent("no meter"), counted(1.0)]) == absent("no meter")
    assert accumulate(name, []).value is None


def test_a_cost_that_a_checkpoint_does_not_know_yet_is_absent_in_that_epoch() -> None:
    together = add_costs({"samples": counted(2.0)}, {"samples": counted(3.0), "event_seconds": measured(1.0)})
    assert together["samples"].value == 5.0
    assert "before the checkpoint" in str(together["event_seconds"].reason)
