"""The arithmetic of energy, by counters that are played: what a GPU's does is known without one."""

from __future__ import annotations

import pytest
from replay import Replay

from objectives.meters.energy import Energy, measure_passes, measure_tick

WATTS, TICK_SECONDS = 300.0, 0.1


@pytest.mark.parametrize("since", [0.0, 0.03, 0.07])
@pytest.mark.parametrize("seconds", [0.15, 1.04, 2.0])
def test_a_stretch_is_off_by_a_tick_at_most_and_says_so(seconds: float, since: float) -> None:
    device = Replay.steady(WATTS, TICK_SECONDS, 10.0, since)
    device.play(1.0)
    meter = Energy(device)
    meter.start()
    device.play(seconds)
    found = meter.stop(seconds)
    assert found.value is not None
    assert found.error == pytest.approx(found.value / seconds * TICK_SECONDS)
    assert abs(found.value - WATTS * seconds) <= WATTS * TICK_SECONDS + 1e-9


def test_the_energy_is_what_the_counter_moved() -> None:
    device = Replay([(0.0, 5000.0), (0.1, 5030.0), (0.2, 5080.0), (0.3, 5090.0)], TICK_SECONDS)
    meter = Energy(device)
    device.play(0.15)
    meter.start()
    device.play(0.15)
    found = meter.stop(0.15)
    assert (found.value, found.method) == (pytest.approx(60.0), "measured")
    meter.start()
    device.play(0.2)
    assert meter.stop(0.2).value == 0.0


def test_where_the_counter_may_not_have_moved_the_sensor_tells_the_error() -> None:
    device = Replay.steady(WATTS, TICK_SECONDS, 1.0)
    meter = Energy(device)
    meter.start()
    device.play(0.05)
    found = meter.stop(0.05)
    assert found.value == 0.0
    assert found.error == pytest.approx(WATTS * TICK_SECONDS)


@pytest.mark.parametrize("pass_seconds", [0.0007, 0.013, 0.09, 0.25])
@pytest.mark.parametrize(("since", "told_seconds"), [(0.0, TICK_SECONDS), (0.041, TICK_SECONDS), (0.0, 0.13)])
def test_passes_are_measured_from_move_to_move_of_the_counter(
    pass_seconds: float, since: float, told_seconds: float
) -> None:
    device = Replay.steady(WATTS, TICK_SECONDS, 10.0, since)
    device.tick_seconds = told_seconds  # the counter may move sooner than it was seen to
    found = measure_passes(lambda: device.play(pass_seconds), device, clock=device.clock)
    assert found.value is not None
    assert found.error is not None
    assert abs(found.value - WATTS * pass_seconds) <= found.error + 1e-9
    assert found.error < WATTS * pass_seconds * (0.05 if pass_seconds < 0.02 else 0.35)
    assert device.now < 1.5


def test_a_counter_that_stands_still_is_no_zero() -> None:
    device = Replay([(0.0, 5000.0)], TICK_SECONDS)
    found = measure_passes(lambda: device.play(0.01), device, clock=device.clock)
    assert found.reason == "the energy counter did not move within 1 s"
    assert measure_passes(lambda: None, "there is none").reason == "there is none"


def test_the_tick_is_measured() -> None:
    device = Replay.steady(WATTS, 0.02, 1.0)

    def read() -> float:
        device.play(0.001)
        return device.read_joules()

    assert measure_tick(read, device.clock) == pytest.approx(0.02)
    still = Replay([(0.0, 1.0)], TICK_SECONDS)
    assert measure_tick(lambda: still.play(0.01) or 1.0, still.clock) is None
