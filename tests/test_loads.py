from __future__ import annotations

from importlib.util import find_spec

import pytest
from loads import LEAST_SAMPLES, open_zeus, watch_load
from replay import Replay


def test_counter_and_sensor_agree_on_a_steady_load() -> None:
    device = Replay.steady(400.0, 0.1, 60.0)
    load = watch_load(lambda: device.play(0.02), device, clock=device.clock)
    assert load.seconds == pytest.approx(10.0, abs=0.03)
    assert load.integrated_joules == pytest.approx(400.0 * load.seconds)
    assert load.disagreement == pytest.approx(0.0, abs=0.1 / 10.0)
    assert load.counted_watts == pytest.approx(400.0, rel=0.01)


def test_a_counter_that_tells_too_little_is_found_out() -> None:
    device = Replay([(tick / 10, 30.0 * tick) for tick in range(400)], 0.1, sensed_watts=400.0)
    load = watch_load(lambda: device.play(0.02), device, clock=device.clock)
    assert load.disagreement == pytest.approx(-0.25, abs=0.01)


def test_a_short_load_goes_on_until_the_sensor_was_read_often_enough() -> None:
    device = Replay.steady(400.0, 0.1, 200.0)
    load = watch_load(lambda: device.play(1.0), device, seconds=1.0, clock=device.clock)
    assert load.num_samples == LEAST_SAMPLES


def test_without_a_sensor_there_is_no_agreement() -> None:
    device = Replay([(0.0, 0.0), (3.0, 900.0)], 0.1)
    load = watch_load(lambda: device.play(0.5), device, seconds=1.0, clock=device.clock)
    assert load.integrated_joules is load.disagreement is None


@pytest.mark.skipif(find_spec("zeus") is not None, reason="Zeus is installed")
def test_zeus_may_be_missing() -> None:
    assert open_zeus("0") == "Zeus is not installed: pip install zeus"
