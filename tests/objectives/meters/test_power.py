"""A GPU's power as its driver remembers it, played: what samples tell of energy is known without one."""

from __future__ import annotations

import math
from statistics import median

import pytest
from replay import Replay, SeldomAsked

from objectives.costs import Measurement
from objectives.meters.energy import Energy, measure_passes
from objectives.meters.nvml import DriverRecord
from objectives.meters.power import Piece, divide, mean_watts
from objectives.meters.seldom import RECALL_SECONDS, Seldom

SPACING, LATE, SPAN = 0.02, 0.04, 2.0


class Remembered:
    """The record of a device that is played: a sample each 20 ms."""

    span_seconds, late_seconds = SPAN, LATE

    def __init__(self, device: Replay, *watts: tuple[float, float]) -> None:
        self.device, self.watts, self.is_there = device, watts, True
        self.num_recalled = 0

    def recall(self, seconds: float) -> list[Piece] | None:
        """Returns the power; each of `watts` is a moment from which on it is so much."""
        now = self.device.now
        self.num_recalled += 1
        if not self.is_there:
            return None
        moments = [index * SPACING for index in range(int(now / SPACING) + 1)]
        samples = [(at, [power for since, power in self.watts if since <= at + 1e-9][-1]) for at in moments]
        return divide([sample for sample in samples if sample[0] > now - SPAN - SPACING], now - seconds, now)


def device(*watts: tuple[float, float]) -> Replay:
    """Returns a device whose counter moves each tenth of a second, as the power went by then."""
    made = Replay([(0.0, 0.0)], 0.1)
    made.record = Remembered(made, *watts)
    return made


@pytest.mark.parametrize("seconds", [0.004, 0.03, 0.5, 1.7])
@pytest.mark.parametrize("since", [0.0, 0.013])
def test_a_stretch_shorter_than_a_tick_has_its_energy_and_says_how_sure(seconds: float, since: float) -> None:
    played = device((0.0, 100.0), (1.0, 500.0))
    meter = Energy(played, clock=played.clock)
    played.play(1.0 + since)
    meter.start()
    played.play(seconds)
    found = meter.stop(seconds)
    assert found.value is not None
    assert abs(found.value - 500 * seconds) <= (found.error or 0.0)
    assert found.error == pytest.approx(500 * LATE)


def test_the_counter_is_read_seldom_while_stretches_are_short() -> None:
    played = device((0.0, 100.0))
    reads: list[float] = []
    read = played.read_joules
    played.read_joules = lambda: reads.append(played.now) or read()  # type: ignore[method-assign, func-returns-value]
    meter = Energy(played, clock=played.clock)
    for _ in range(30):
        meter.start()
        played.play(0.3)
        assert meter.stop(0.3).value == pytest.approx(30)
        played.play(0.05)
    assert len(reads) == pytest.approx(30 * 0.35 / (SPAN / 2), abs=2)


class Trial(SeldomAsked):
    """Its power is recalled seldom."""

    def __init__(self, played: Replay) -> None:
        seldom = Seldom(RECALL_SECONDS, played.clock)
        super().__init__(played, seldom, Energy(played, seldom, played.clock))

    def train_briefly(self, seconds: float, between: float, until: float) -> list[tuple[float, Measurement]]:
        """Returns when each of many brief epochs ended, and what was told of it."""
        told = []
        while self.played.now < until:
            found = self.train(seconds, is_last=self.played.now + 2 * seconds + between >= until)
            told.append((self.played.now, found))
            self.played.play(between)
        return told


@pytest.mark.parametrize(("trained", "between"), [(0.012, 0.004), (0.002, 0.001), (0.06, 0.01)])
def test_brief_stretches_are_told_seldom_and_their_sum_is_right(trained: float, between: float) -> None:
    steps = ((0.0, 400.0), (2.0, 200.0), (4.0, 600.0), (6.0, 200.0))
    played = device(*steps)
    told = Trial(played).train_briefly(trained, between, 9.0)
    share = trained / (trained + between)
    assert sum(found.value or 0.0 for _, found in told) == pytest.approx(share * 3000, abs=10)  # a sample is 12
    for at, found in told:
        power = [watts for since, watts in steps if since <= at][-1]
        assert found.value is not None
        assert found.value >= 0
        if not 4.0 < at < 4.6:  # until the step is seen nobody knows
            assert abs(found.value - power * trained) <= (found.error or 0.0) + 1e-9
    for begin, end, watts in ((0.5, 2.0, 400), (3.0, 4.0, 200), (5.0, 6.0, 600), (8.0, 8.9, 200)):
        values = [found.value or 0.0 for at, found in told if begin < at < end]
        assert median(values) == pytest.approx(watts * trained), "what was told too much is paid back soon"
    assert played.record.num_recalled <= 9.0 / RECALL_SECONDS + 6


def test_a_long_stretch_after_brief_ones_has_the_power_of_what_is_remembered_once() -> None:
    played = device((0.0, 200.0), (9.0, 100.0))
    trial = Trial(played)
    trial.train_briefly(0.012, 0.004, 5.0)
    found = trial.train(5.0)
    assert found.value == pytest.approx(500)
    assert found.error == pytest.approx(200 * (5 - SPAN / 2 + LATE))
    steady = Replay.steady(200.0, 0.1, 60.0)
    steady.record = Remembered(steady, (0.0, 200.0))
    trial = Trial(steady)
    first, *later = [trial.train(seconds) for seconds in (0.1, 0.1, 5.0) * 3][2::3]
    assert (first.error or 0.0) > 800
    for one in later:
        assert (one.value, one.error) == (pytest.approx(1000, abs=21), pytest.approx(20, abs=1)), "by the counter"


def test_where_the_driver_forgets_brief_stretches_have_the_power_of_those_before() -> None:
    played = Replay.steady(200.0, 0.1, 60.0)
    played.record = Remembered(played, (0.0, 250.0))
    trial = Trial(played)
    trial.train_briefly(0.012, 0.004, 5.0)
    played.record.is_there = False
    guessed, counted = trial.train(1.0), trial.train(1.0)
    assert (guessed.value, guessed.error) == (pytest.approx(250), pytest.approx(250))
    assert counted.value == pytest.approx(200)


@pytest.mark.parametrize("lengths", [(4.0, 1.0, 3.0), (0.3, 0.9, 7.0, 0.2, 2.1, 0.1, 5.0), (1.0, 1.9, 2.0, 2.1)])
def test_stretches_of_all_lengths_have_their_energy(lengths: tuple[float, ...]) -> None:
    played = Replay.steady(200.0, 0.1, 60.0, since=0.03)
    played.record = Remembered(played, (0.0, 200.0))
    played.play(5.0)
    meter = Energy(played, clock=played.clock)
    for seconds in lengths:
        meter.start()
        played.play(seconds)
        found = meter.stop(seconds)
        assert found.value == pytest.approx(200 * seconds, abs=200 * 0.14)
        assert (found.error or 0.0) <= 200 * 0.101
        played.play(0.2)


def test_a_counter_that_cannot_be_read_any_more_is_no_end_of_a_trial() -> None:
    def fail() -> float:
        raise OSError("NVML: the GPU is lost")

    played = Replay.steady(200.0, 0.1, 60.0)
    meter = Energy(played, clock=played.clock)
    meter.start()
    played.read_joules = fail  # type: ignore[method-assign]
    assert meter.stop(1.0).reason == "NVML: the GPU is lost"
    meter.start()
    assert meter.stop(1.0).reason == "NVML: the GPU is lost"
    assert measure_passes(lambda: played.play(0.01), played, clock=played.clock).reason == "NVML: the GPU is lost"


def test_a_long_stretch_is_counted() -> None:
    played = Replay.steady(100.0, 0.1, 60.0)
    played.record = Remembered(played, (0.0, 900.0))
    meter = Energy(played, clock=played.clock)
    meter.start()
    played.play(10.0)
    found = meter.stop(10.0)
    assert found.value == pytest.approx(1000)
    assert found.error == pytest.approx(10)


def test_where_nothing_is_remembered_after_all_the_counter_tells() -> None:
    played = Replay.steady(100.0, 0.1, 60.0)
    played.record = Remembered(played, (0.0, 900.0))
    played.record.is_there = False
    meter = Energy(played, clock=played.clock)
    for _ in range(2):
        meter.start()
        played.play(1.0)
        assert meter.stop(1.0).value == pytest.approx(100)


def test_passes_are_watched_once_the_power_has_settled() -> None:
    played = device((0.0, 100.0), (0.05, 700.0))
    found = measure_passes(lambda: played.play(0.003), played, clock=played.clock)
    assert found.value == pytest.approx(0.003 * 700, rel=0.02)
    assert found.error == pytest.approx(0.0, abs=1e-9)
    assert played.now < 0.3


def test_uneven_power_is_the_error_of_a_mean() -> None:
    found = mean_watts([Piece(0.02, watts) for watts in (90.0, 110.0) * 5])
    assert found.value == pytest.approx(100)
    assert 5 < (found.error or 0.0) < 10
    assert mean_watts([Piece(0.02, 50.0)]).error is None


@pytest.mark.parametrize(
    ("samples", "told"),
    [
        ([(9.0, 100.0), (9.9, 200.0)], 0.4 * 200 + 0.1 * 200),
        ([(9.8, 100.0), (9.9, 200.0)], None),  # it does not go back so far
        ([(8.0, 100.0), (9.0, 200.0)], None),  # it has been quiet for a second
        ([], None),
        ("NVML does not tell", None),
    ],
)
def test_a_record_that_does_not_tell_of_the_stretch_tells_nothing(
    samples: list[tuple[float, float]] | str, told: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("objectives.meters.nvml.read_samples", lambda _handle, _since: samples)
    pieces = DriverRecord(None, SPAN, LATE, clock=lambda: 10.0).recall(0.5)
    if told is None:
        assert pieces is None
    else:
        assert pieces is not None
        assert math.fsum(seconds * watts for seconds, watts in pieces) == pytest.approx(told)
