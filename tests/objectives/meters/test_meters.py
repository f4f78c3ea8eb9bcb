"""All meters of a slot together: what they take themselves, and what only some devices have."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from objectives.costs import Measurement, counted
from objectives.meters import Meters, NoMeter, open_meters
from objectives.meters.throttling import Throttling
from objectives.meters.time import EventTime, Stopwatch
from objectives.train import run_trial
from objectives.trial import Device, TrialConfig, sign

CPU, GPU = Device("cpu", "a CPU", "here", 1, "2.14.1"), Device("cuda", "H100", "no-such-uuid", 1, "2.14.1")
CONFIG = TrialConfig(0, "cnn", "digits", 3, 0, 0.01, "sgd", 256, {"width": 0.25}, {}, is_profiled=True)


class Slow:
    """A meter that takes its time."""

    def start(self) -> None:
        time.sleep(0.05)

    def stop(self, seconds: float) -> Measurement:
        time.sleep(0.05)
        return counted(seconds)


def test_what_the_meters_take_is_no_part_of_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("objectives.meters.open_meters", lambda *_: {"event_seconds": Slow(), "cpu_seconds": Slow()})
    watch = Stopwatch(CPU)
    meters = Meters(CPU, watch)
    meters.start("setup")
    time.sleep(0.02)
    costs = meters.stop()
    bill = watch.take_bill()
    assert 0.02 <= (costs["device_seconds"].value or 0.0) < 0.045
    assert bill["training"] == costs["device_seconds"].value
    assert bill["metering"] >= 0.2
    assert bill["setup"] < 0.04


def test_memory_within_graphs_is_part_of_the_peak_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.reset_peak_memory_stats", lambda: None)
    monkeypatch.setattr("torch.cuda.max_memory_allocated", lambda: 100)
    monkeypatch.setattr("torch.cuda.max_memory_reserved", lambda: 300)
    meters = open_meters(GPU, "no counter", Throttling(GPU, []), 50.0)
    found = {name: meters[name].stop(1.0).value for name in ("peak_memory_bytes", "reserved_memory_bytes")}
    assert found == {"peak_memory_bytes": 150, "reserved_memory_bytes": 300}


def test_what_is_read_seldom_is_read_at_the_end_of_a_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    stop = Throttling.stop

    def note(meter: Throttling, seconds: float) -> Measurement:
        asked.append(meter.is_due)
        return stop(meter, seconds)

    monkeypatch.setattr(Throttling, "stop", note)
    list(run_trial(CONFIG, CPU))
    assert asked == [False, False, True]


def test_where_slots_share_a_gpu_events_tell_nothing() -> None:
    own, shared = (open_meters(each, "no counter", Throttling(each, [])) for each in (GPU, replace(GPU, slots=2)))
    assert isinstance(own["event_seconds"], EventTime)
    assert isinstance(shared["event_seconds"], NoMeter)


def test_what_was_calibrated_for_other_steps_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    before = sign(CONFIG, "digits")
    assert sign(replace(CONFIG, seed=9, lr=0.5), "digits") == before
    monkeypatch.setattr("objectives.trial.STEPS", 99)
    assert sign(CONFIG, "digits") != before
