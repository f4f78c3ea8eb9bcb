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
from objectives.meters import Meters, NoMeter, open_meters, open_paces
from objectives.meters.counted import COUNTED_SECONDS
from objectives.meters.power import Piece
from objectives.meters.seldom import HARDLY_SECONDS, RECALL_SECONDS, Paces, Seldom, Sparing
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
    names = ("peak_memory_bytes", "reserved_memory_bytes")
    for name in names:
        meters[name].start()
    found = {name: meters[name].stop(1.0).value for name in names}
    assert found == {"peak_memory_bytes": 150, "reserved_memory_bytes": 300}


def test_what_is_read_seldom_is_read_at_the_end_of_a_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    foreseen: list[bool] = []
    start, stop = Throttling.start, Throttling.stop

    def foresee(meter: Throttling) -> None:
        foreseen.append(meter._seldom.is_next_due)
        start(meter)

    def note(meter: Throttling, seconds: float) -> Measurement:
        asked.append(meter._seldom.is_due)
        return stop(meter, seconds)

    monkeypatch.setattr(Throttling, "start", foresee)
    monkeypatch.setattr(Throttling, "stop", note)
    list(run_trial(CONFIG, CPU))
    assert asked == [True, True, True], "a CPU tells at once"
    monkeypatch.setattr("objectives.meters.Seldom", lambda _seconds, clock: Seldom(1000.0, clock))
    list(run_trial(CONFIG, CPU))
    assert asked[3:] == foreseen[3:] == [False, False, True]


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
    for _ in range(20):
        sparing.start()
        now[0] += 0.125
        seldom.begin_stop()
        told.append(sparing.stop(0.1).value)
    assert told == [1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7]
    assert (meter.num_started, meter.num_asked) == (7, 7)


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
    monkeypatch.setattr("torch.cuda.memory_stats_as_nested_dict", lambda: gpu.asked.update(["torch"]) or peaks)
    meters, joules, seconds = Meters(GPU, Stopwatch(GPU)), 0.0, 0.0
    begun = time.perf_counter()
    for stretch in range(100):
        meters.start()
        if stretch == 99:
            time.sleep(0.02)
            meters.read_all()
        costs = meters.stop()
        joules += costs["energy_joules"].value or 0.0
        seconds += costs["device_seconds"].value or 0.0
        told = costs["event_seconds"].value
        assert told == pytest.approx(costs["device_seconds"].value, abs=1e-4), "of that stretch, and of no other"
    assert joules == pytest.approx(100 * seconds, abs=100 * 0.001)
    assert (costs["other_processes"].value, costs["used_memory_bytes"].value) == (2, 50.0)
    assert set(gpu.asked) == {"counter", teller, "throttling", "neighbours", "memory", "torch"}
    assert max(gpu.asked.values()) <= 10 + 4 * (time.perf_counter() - begun) / RECALL_SECONDS


def test_a_counter_that_nothing_remembers_is_read_most_seldom() -> None:
    told = [[seldom.least_seconds for seldom in open_paces(GPU, counter, Stopwatch(CPU))] for counter in (
        Noting(remembers=True), Noting(remembers=False), "no counter")]  # fmt: skip
    assert told == [
        [RECALL_SECONDS, HARDLY_SECONDS],
        [COUNTED_SECONDS, HARDLY_SECONDS],
        [RECALL_SECONDS, HARDLY_SECONDS],
    ]
    assert [seldom.least_seconds for seldom in open_paces(CPU, Noting(remembers=False), Stopwatch(CPU))] == [0, 0]


def test_a_pause_is_no_reason_to_ask_a_device_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    now, due = [0.0], []
    monkeypatch.setattr("objectives.meters.time.perf_counter", lambda: now[0])
    watch = Stopwatch(CPU)
    rest = open_paces(GPU, "no counter", watch).rest
    for seconds in (0.1, HARDLY_SECONDS):
        with watch.paused():
            now[0] += 100.0
        now[0] += seconds
        watch.lap("training")
        rest.begin_stop()
        due.append(rest.is_due)
    assert due == [False, True]


def test_each_meter_of_a_gpu_keeps_its_pace() -> None:
    paces = open_paces(GPU, "no counter", Stopwatch(CPU))
    meters = {name: vars(meter) for name, meter in open_meters(GPU, "no counter", paces, Stopwatch(CPU)).items()}
    rest = {"peak_memory_bytes", "reserved_memory_bytes", "used_memory_bytes", "resident_memory_bytes",
            "throttled_seconds", "other_processes"}  # fmt: skip
    assert {name for name, meter in meters.items() if meter.get("_seldom") is paces.rest} == rest
    assert {name for name, meter in meters.items() if meter.get("_seldom") is paces.energy} == {"energy_joules"}


class Peaks:
    """A meter of the most memory of the stretch under way."""

    def __init__(self) -> None:
        self.held = self.started_at = 0.0

    def start(self) -> None:
        self.started_at = self.held

    def stop(self, seconds: float) -> Measurement:
        assert self.started_at == self.held, f"a stretch of {seconds} s was measured without its start"
        return counted(self.held)


def test_stretches_of_all_lengths_have_their_turn() -> None:
    now, told = [0.0], []
    seldom, meter = Seldom(2.0, lambda: now[0]), Peaks()
    sparing = Sparing(meter, seldom)
    for stretch in range(20):
        seconds, meter.held = (0.1, 1.0) if stretch % 2 else (10.0, 8.0 + stretch)
        sparing.start()
        now[0] += seconds
        seldom.begin_stop()
        told.append(sparing.stop(seconds).value or 0.0)
    assert told[:2] == [8, 1], "the first two are measured, for a first one may need less"
    assert {10.0, 14.0, 18.0} <= set(told) or {12.0, 16.0, 20.0} <= set(told), "the long ones too"
    sparing, told = Sparing(meter, Seldom(2.0, lambda: now[0])), []
    seldom = sparing._seldom
    for stretch in range(4):
        if stretch == 3:
            seldom.asks_always = True
        meter.held = 100.0 + stretch
        sparing.start()
        now[0] += 0.01
        seldom.begin_stop()
        told.append(sparing.stop(0.01).value or 0.0)
    assert told == [100, 101, 101, 103], "and the last one, where that is told as it begins"


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
