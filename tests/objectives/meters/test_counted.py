"""The energy of brief epochs by a counter that takes long to read: played, so that what it must tell is known."""

from __future__ import annotations

from statistics import median

import pytest
from replay import Replay, SeldomAsked

from objectives.costs import Measurement
from objectives.meters.counted import COUNTED_SECONDS, CountedSeldom
from objectives.meters.seldom import Seldom

TICK_SECONDS = 0.1
STEPS = ((0.0, 100.0), (1.0, 300.0), (11.0, 500.0), (21.0, 200.0))
"""Moments, and the power in watts from then on."""


def uneven(num_seconds: int = 45) -> Replay:
    """Returns a device whose counter moves each tenth of a second, as the power of `STEPS` went by then."""
    readings, joules = [(0.0, 0.0)], 0.0
    for tick in range(1, int(num_seconds / TICK_SECONDS)):
        at = tick * TICK_SECONDS
        joules += TICK_SECONDS * next(watts for since, watts in reversed(STEPS) if since < at - 1e-9)
        readings.append((at, joules))
    return Replay(readings, TICK_SECONDS, 250.0)


class Trial(SeldomAsked):
    """Its `num_read` counts how often its counter was read."""

    def __init__(self, played: Replay) -> None:
        seldom = Seldom(COUNTED_SECONDS, played.clock)
        super().__init__(played, seldom, CountedSeldom(played, seldom, played.clock))
        self.num_read = 0
        read = played.read_joules

        def counted() -> float:
            self.num_read += 1
            return read()

        played.read_joules = counted  # type: ignore[method-assign]


@pytest.mark.parametrize(("trained", "between"), [(0.045, 0.005), (0.0021, 0.0004), (0.4, 0.1)])
def test_brief_stretches_are_told_seldom_and_their_sum_is_right(trained: float, between: float) -> None:
    trial = Trial(uneven())
    trial.played.play(1.0)
    told: list[tuple[float, Measurement]] = []
    while trial.played.now < 37.0:
        last = trial.played.now + trained + between >= 37.0
        told.append((trial.played.now, trial.train(trained, is_last=last)))
        trial.played.play(between)
    share = trained / (trained + between)
    assert sum(found.value or 0.0 for _, found in told) == pytest.approx(share * (3000 + 5000 + 3200), rel=0.01)
    for at, found in told[:-1]:
        assert 0.5 * 100 * trained <= (found.value or 0.0) <= 1.5 * 500 * trained + 1e-9, (
            f"no stretch pays for all at {at:.1f} s"
        )
    assert trial.num_read <= 36.0 / COUNTED_SECONDS + 2
    for begin, end, watts in ((5.0, 11.0, 300), (16.0, 21.0, 500), (30.0, 37.0, 200)):
        steady = [found for at, found in told if begin < at < end - trained]
        assert median(found.value or 0.0 for found in steady) == pytest.approx(
            watts * trained, rel=TICK_SECONDS / COUNTED_SECONDS
        )
        if trained < TICK_SECONDS:
            assert median(found.error or 0.0 for found in steady) == pytest.approx(watts * TICK_SECONDS, rel=0.05)


@pytest.mark.parametrize("is_last", [False, True])
def test_first_stretches_that_are_brief_are_told_by_the_sensor_and_never_zero(is_last: bool) -> None:
    trial = Trial(Replay.steady(300.0, TICK_SECONDS, 40.0))
    found = trial.train(0.045, is_last=is_last)
    assert (found.value, found.error) == (pytest.approx(0.045 * 300), pytest.approx(300 * TICK_SECONDS))
    found = Trial(Replay([(0.0, 0.0)], TICK_SECONDS, None)).train(0.045)
    assert found.reason == "so brief a stretch is told by a power sensor, and there is none"


def test_long_stretches_are_read_at_both_ends_and_what_is_between_is_not_theirs() -> None:
    trial = Trial(uneven())
    trial.played.play(1.0)
    first = trial.train(2.0)
    trial.played.play(8.0)
    second = trial.train(4.0)
    assert (first.value, second.value) == (pytest.approx(600, abs=31), pytest.approx(2000, abs=51))
    assert (first.error, second.error) == (pytest.approx(30, rel=0.1), pytest.approx(50, rel=0.1))
    assert trial.num_read == 4


@pytest.mark.parametrize(("trained", "between"), [(1.9, 60.0), (1.5, 1.0), (0.4, 0.5), (0.05, 0.4)])
def test_what_the_device_does_in_a_pause_is_not_trainings(trained: float, between: float) -> None:
    """Training takes 600 W and all else 100 W."""
    count, at, joules = 12, 0.0, 0.0
    readings = [(0.0, 0.0)]
    period = trained + between
    while at < count * period:
        at += TICK_SECONDS / 10
        joules += TICK_SECONDS / 10 * (600.0 if (at - 1e-9) % period < trained else 100.0)
        readings.append((at, joules))
    trial = Trial(Replay(readings, TICK_SECONDS, 600.0))
    told = []
    for number in range(count):
        told.append(trial.train(trained, is_last=number == count - 1))
        trial.played.play(between)
    assert sum(found.value or 0.0 for found in told) == pytest.approx(600 * trained * count, rel=0.02)
    assert trial.num_read <= 2 * count


def test_what_was_told_too_much_is_taken_off_the_next_ones() -> None:
    played = Replay.steady(100.0, TICK_SECONDS, 40.0)
    played._sensed_watts = 200.0  # a mean of a second that was another's
    trial = Trial(played)
    told = [trial.train(0.2) for _ in range(40)]
    assert sum(found.value or 0.0 for found in told) == pytest.approx(100 * 0.2 * 40, rel=0.03)
    assert [found.value for found in told[:2]] == [pytest.approx(40), pytest.approx(40)]
    assert min(found.value or 0.0 for found in told) == pytest.approx(10), "half of what it took"
    assert told[0].error == pytest.approx(200 * 0.2)


def test_the_last_stretch_pays_what_is_left() -> None:
    played = Replay.steady(300.0, TICK_SECONDS, 40.0)
    played._sensed_watts = 150.0
    trial = Trial(played)
    told = [trial.train(0.2, is_last=number == 2) for number in range(3)]
    assert [found.value for found in told] == [pytest.approx(30), pytest.approx(30), pytest.approx(120)]
    assert told[-1].error == pytest.approx(60 + 300 * TICK_SECONDS), "and says so"
    played._sensed_watts = 5000.0
    trial = Trial(played)
    told = [trial.train(0.2, is_last=number == 2) for number in range(3)]
    assert told[-1].value == 0, "but never less than nothing"
    played._sensed_watts = 50.0
    trial = Trial(played)
    told = [trial.train(0.1, is_last=number == 21) for number in range(22)]  # the last but one is read
    assert 300 < (told[-1].value or 0.0) <= 300 * 0.1 + (told[-1].error or 0.0)


def test_a_counter_that_cannot_be_read_any_more_is_no_end_of_a_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = Trial(Replay.steady(100.0, TICK_SECONDS, 40.0))
    assert trial.train(2.0).value == pytest.approx(200, abs=10)
    read = trial.played.read_joules

    def lost() -> float:
        raise OSError("GPU is lost")

    monkeypatch.setattr(trial.played, "read_joules", lost)
    assert trial.train(2.0).reason == "GPU is lost"
    assert trial.train(0.1).reason == "GPU is lost"
    monkeypatch.setattr(trial.played, "read_joules", read)
    assert trial.train(2.0).value == pytest.approx(200, abs=10)
