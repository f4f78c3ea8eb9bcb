"""All meters of a slot together: what they take themselves, and what only some devices have."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from objectives.costs import Measurement, counted
from objectives.meters import Meters, NoMeter, open_meters
from objectives.meters.power import Piece
from objectives.meters.seldom import RECALL_SECONDS, Paces, Seldom, Sparing
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
    peaks = {"allocated_bytes": {"all": {"peak": 100}}, "reserved_bytes": {"all": {"peak": 300}}}
    monkeypatch.setattr("torch.cuda.memory_stats_as_nested_dict", lambda: peaks)
    meters = open_meters(GPU, "no counter", Paces(Seldom(), Seldom()), Stopwatch(CPU), 50.0)
    found = {name: meters[name].stop(1.0).value for name in ("peak_memory_bytes", "reserved_memory_bytes")}
    assert found == {"peak_memory_bytes": 150, "reserved_memory_bytes": 300}


def test_what_is_read_seldom_is_read_at_the_end_of_a_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    stop = Throttling.stop

    def note(meter: Throttling, seconds: float) -> Measurement:
        asked.append(meter._seldom.is_due)
        return stop(meter, seconds)

    monkeypatch.setattr(Throttling, "stop", note)
    list(run_trial(CONFIG, CPU))
    assert asked == [True, True, True], "a CPU tells at once"
    monkeypatch.setattr("objectives.meters.Seldom", lambda _seconds: Seldom(1000.0))
    list(run_trial(CONFIG, CPU))
    assert asked[3:] == [False, False, True]


class Counting:
    """A meter that tells how often it was begun and asked."""

    num_started = num_asked = 0

    def start(self) -> None:
        self.num_started += 1

    def stop(self, seconds: float) -> Measurement:  # noqa: ARG002  it counts
        self.num_asked += 1
        return counted(self.num_asked)


def test_a_meter_is_spared_between_two_stops_that_ask() -> None:
    now = [0.0]
    seldom, meter = Seldom(0.5, lambda: now[0]), Counting()
    sparing, told = Sparing(meter, seldom), []
    for stop in range(20):
        sparing.start()
        now[0] += 0.125
        if stop == 19:
            seldom.ask_next()
        seldom.begin_stop()
        told.append(sparing.stop(0.1).value)
    assert told == [1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6]
    assert (meter.num_started, meter.num_asked) == (6, 6)


class Noting:
    """A GPU's counter and its driver's record at once, at 100 W, which notes how often each is asked."""

    tick_seconds, most_seconds, span_seconds, late_seconds = 0.1, math.inf, 2.0, 0.04

    def __init__(self, *, remembers: bool) -> None:
        self.asked: Counter[str] = Counter()
        self.record = self if remembers else None

    def read_joules(self) -> float:
        self.asked["counter"] += 1
        return 100 * time.perf_counter()

    def read_watts(self) -> float:
        self.asked["sensor"] += 1
        return 100.0

    def recall(self, seconds: float) -> list[Piece]:
        self.asked["record"] += 1
        return [Piece(seconds, 100.0)]

    def call_nvml(self, name: str, answer: Any) -> Callable[..., Any]:
        """Returns what answers in the place of NVML."""
        return lambda _ask: self.asked.update([name]) or answer


class Event:
    """A GPU's event, by the clock."""

    def __init__(self, *, enable_timing: bool) -> None:
        assert enable_timing
        self.at = 0.0

    def record(self) -> None:
        self.at = time.perf_counter()

    def elapsed_time(self, later: Event) -> float:
        """Returns milliseconds."""
        return 1000 * (later.at - self.at)


@pytest.mark.parametrize("teller", ["record", "sensor"])
def test_what_a_gpu_is_slow_to_tell_is_asked_for_seldom(teller: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Noting(remembers=teller == "record")
    monkeypatch.setattr("objectives.meters.open_counter", lambda _device: gpu)
    monkeypatch.setattr("torch.cuda.Event", Event)
    for name, answer in (("throttling", [1.0]), ("neighbours", 3), ("memory", 50.0)):
        monkeypatch.setattr(f"objectives.meters.{name}.call_nvml", gpu.call_nvml(name, answer))
    for name in ("synchronize", "reset_peak_memory_stats"):
        monkeypatch.setattr(f"torch.cuda.{name}", lambda: None)
    peaks = {f"{kind}_bytes": {"all": {"peak": 100}} for kind in ("allocated", "reserved")}
    monkeypatch.setattr("torch.cuda.memory_stats_as_nested_dict", lambda: peaks)
    meters, joules, seconds = Meters(GPU, Stopwatch(GPU)), 0.0, 0.0
    begun = time.perf_counter()
    for stretch in range(100):
        meters.start()
        if stretch == 99:
            meters.read_all_next()
        costs = meters.stop()
        joules += costs["energy_joules"].value or 0.0
        seconds += costs["device_seconds"].value or 0.0
        told = costs["event_seconds"].value
        assert told == pytest.approx(costs["device_seconds"].value, abs=1e-4), "of that stretch, and of no other"
    assert joules == pytest.approx(100 * seconds, abs=100 * 0.001)
    assert (costs["other_processes"].value, costs["used_memory_bytes"].value) == (2, 50.0)
    assert set(gpu.asked) == {"counter", teller, "throttling", "neighbours", "memory"}
    assert max(gpu.asked.values()) <= 10 + 4 * (time.perf_counter() - begun) / RECALL_SECONDS


def test_where_slots_share_a_gpu_events_tell_nothing() -> None:
    watch, paces = Stopwatch(CPU), Paces(Seldom(), Seldom())
    own, shared = (open_meters(each, "no counter", paces, watch) for each in (GPU, replace(GPU, slots=2)))
    assert isinstance(own["event_seconds"], EventTime)
    assert isinstance(shared["event_seconds"], NoMeter)


def test_what_was_calibrated_for_other_steps_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    before = sign(CONFIG, "digits")
    assert sign(replace(CONFIG, seed=9, lr=0.5), "digits") == before
    monkeypatch.setattr("objectives.trial.STEPS", 99)
    assert sign(CONFIG, "digits") != before
