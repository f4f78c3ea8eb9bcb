"""What costs must keep to on a GPU: the counter and its tick, repeatability, linearity, and another meter's word."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from statistics import fmean, stdev
from typing import Any

import pytest
from loads import open_zeus, watch_bursts, watch_load, zeus_joules

from objectives.costs import ONCE, accumulate
from objectives.meters import open_counter
from objectives.meters.energy import EnergyCounter, measure_passes
from objectives.slot import open_device
from objectives.train import run_trial
from objectives.trial import Device, EpochEnded, Placement, Profiled, TrialConfig

pytestmark = pytest.mark.gpu

TRIAL_SECONDS = 2.0
"""Long enough that a tick of 100 ms is 5 % of it."""


@pytest.fixture(scope="module")
def device() -> Device:
    return open_device(Placement(0, "cuda:0", 1))


@pytest.fixture(scope="module")
def counter(device: Device) -> EnergyCounter:
    found = open_counter(device)
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.fixture(scope="module")
def multiply(device: Device) -> Callable[[], object]:
    """A matrix product of some milliseconds, done when it returns."""
    import torch

    side = torch.randn(8192, 8192, device="cuda")

    def run() -> None:
        torch.mm(side, side)
        torch.cuda.synchronize()

    return run


def run_once(config: TrialConfig, device: Device) -> dict[str, float]:
    records = [event.record for event in run_trial(config, device) if isinstance(event, EpochEnded)]
    names = ("device_seconds", "energy_joules")
    totals = {name: accumulate(name, [record.costs[name] for record in records]).value for name in names}
    return {name: value for name, value in totals.items() if value is not None}


@pytest.fixture(scope="module")
def config(device: Device) -> TrialConfig:
    """A trial of some seconds on this GPU."""
    short = TrialConfig(0, "cnn", "mnist5k", 5, 0, 0.01, "sgd", 64, {"width": 2.0}, {}, is_profiled=True)
    run_once(short, device)
    each = run_once(short, device)["device_seconds"] / short.epochs
    return replace(short, epochs=max(5, round(TRIAL_SECONDS / each)))


def test_the_tick_is_that_of_a_gpu_and_it_draws_power_at_rest(counter: EnergyCounter) -> None:
    assert 0.005 < counter.tick_seconds < 0.3
    rest = watch_load(lambda: time.sleep(0.05), counter, seconds=4.0)
    assert 5 < rest.counted_watts < 300


def test_the_counter_agrees_with_the_power_sensor(counter: EnergyCounter, multiply: Callable[[], object]) -> None:
    load = watch_load(multiply, counter, seconds=10.0)
    assert load.disagreement is not None
    assert abs(load.disagreement) < 0.1


def test_what_the_driver_remembers_of_bursts_is_what_the_counter_told(
    counter: EnergyCounter, multiply: Callable[[], object]
) -> None:
    assert counter.record is not None
    assert counter.record.span_seconds > 1
    watch_load(multiply, counter, seconds=1.0)
    counted, remembered = watch_bursts(multiply, counter)
    assert remembered == pytest.approx(counted, rel=0.03)


def test_the_energy_of_a_pass_is_its_share_of_a_long_load(
    counter: EnergyCounter, multiply: Callable[[], object]
) -> None:
    watch_load(multiply, counter, seconds=1.0)
    found = measure_passes(multiply, counter, 2.0)
    num_passes = 0

    def counted() -> None:
        nonlocal num_passes
        multiply()
        num_passes += 1

    load = watch_load(counted, counter, seconds=5.0, warm_up_seconds=0.0)
    assert found.value == pytest.approx(load.counted_joules / num_passes, rel=0.1)
    assert found.error is not None
    assert found.error < 0.1 * (found.value or 0.0)


def test_equal_trials_cost_the_same(config: TrialConfig, device: Device, counter: EnergyCounter) -> None:
    runs = [run_once(config, device) for _ in range(5)]
    for name, most in (("device_seconds", 0.05), ("energy_joules", 0.1)):
        values = [run[name] for run in runs]
        assert stdev(values) / fmean(values) < most


def test_twice_the_epochs_cost_twice_as_much(config: TrialConfig, device: Device, counter: EnergyCounter) -> None:
    pairs = [(run_once(config, device), run_once(replace(config, epochs=2 * config.epochs), device)) for _ in range(3)]
    for name, most in (("device_seconds", 0.1), ("energy_joules", 0.2)):
        assert fmean(twice[name] / once[name] for once, twice in pairs) == pytest.approx(2.0, abs=most)


def test_zeus_says_the_same(device: Device, counter: EnergyCounter, multiply: Callable[[], object]) -> None:
    zeus: Any = open_zeus(device.identity)
    if isinstance(zeus, str):
        pytest.skip(zeus)
    watch_load(multiply, counter, seconds=1.0)
    start = counter.read_joules()
    theirs = zeus_joules(zeus, lambda: watch_load(multiply, counter, seconds=5.0, warm_up_seconds=0.0))
    assert counter.read_joules() - start == pytest.approx(theirs, rel=0.05)


def test_a_model_has_all_its_own_costs(config: TrialConfig, device: Device, counter: EnergyCounter) -> None:
    events = run_trial(replace(config, epochs=1, is_profiled=False), device)
    (told,) = [event for event in events if isinstance(event, Profiled)]
    assert set(told.costs) == set(ONCE)
    assert [name for name, cost in told.costs.items() if not cost.value] == []
    images_bytes = 4 * 32 * 32 * 3000  # float32: the training part is no larger than a large batch
    assert images_bytes < (told.costs["inference_peak_memory_bytes"].value or 0.0) < 1e9
    joules = told.costs["inference_joules_per_1000_images"]
    assert joules.error is not None
    assert joules.error < 0.1 * (joules.value or 0.0)
