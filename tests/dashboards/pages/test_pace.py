"""How often pages show what is new."""

from __future__ import annotations

import pytest

from dashboards.pages import pace
from dashboards.pages.pace import Pace


class Process:
    """A process whose clock and CPU time the test turns, on two cores, of which pages may take 5 %."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, is_shared: bool = True) -> None:
        monkeypatch.setattr(pace, "own_cores", lambda: [0, 1])
        monkeypatch.setattr(pace, "SHARE", 0.05)
        monkeypatch.setattr(pace, "SAVED_SECONDS", 1.0)
        monkeypatch.setattr(pace, "LONGEST_SECONDS", 10.0)
        self.now = self.used = 0.0
        self.pace = Pace(0.5, lambda: is_shared, lambda: self.now, lambda: self.used)

    def rest(self, passed: float, used: float) -> float:
        self.now, self.used = self.now + passed, self.used + used
        return self.pace.rest_seconds()


def test_what_was_saved_is_spent_at_once_and_then_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(monkeypatch)
    assert process.rest(1.0, 0.9) == 0.5
    assert process.rest(1.0, 0.6) == pytest.approx(3.0)  # 1.0 saved + 0.2 - 1.5 = -0.3, at 0.1 a second
    assert process.rest(3.0, 0.0) == 0.5
    assert process.rest(0.0, 0.2) == pytest.approx(2.0)
    assert process.rest(0.0, 9.0) == 10.0
    assert process.rest(1000.0, 0.0) == 0.5
    assert process.rest(0.0, 1.3) == pytest.approx(3.0)  # no more than a second was saved


def test_over_time_pages_take_no_more_than_their_share(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(monkeypatch)
    for _ in range(200):
        rest = process.rest(0.0, 0.25)
        process.rest(rest, 0.0)
    assert process.used / (2 * process.now) == pytest.approx(0.05, rel=0.05)


def test_pages_of_sweeps_elsewhere_need_no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Process(monkeypatch, is_shared=False).rest(1.0, 9.0) == 0.5
