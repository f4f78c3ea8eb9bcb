from __future__ import annotations

import time
from dataclasses import replace

import pytest
import torch

from objectives.meters.time import EventTime, Stopwatch
from objectives.trial import Device

CPU = Device("cpu", "a CPU", "here", 1, "2.14.1")


def test_lines_divide_the_time_without_a_gap() -> None:
    begun = time.perf_counter()
    watch = Stopwatch(CPU)
    for line in ("setup", "training", "evaluation", "training"):
        time.sleep(0.01)
        watch.lap(line)
    elapsed = time.perf_counter() - begun
    bill = watch.take_bill()
    assert sum(bill.values()) == pytest.approx(elapsed, abs=2e-3)
    assert bill["training"] >= 0.02
    assert watch.take_bill() == {}


def test_somebody_elses_time_is_left_out() -> None:
    watch = Stopwatch(CPU)
    with watch.paused():
        time.sleep(0.05)
    assert watch.lap("training") < 0.04


@pytest.mark.gpu
def test_events_tell_the_time_of_the_gpu_that_the_clock_tells() -> None:
    watch = Stopwatch(replace(CPU, kind="cuda"))
    events = EventTime(watch)
    side = torch.randn(4096, 4096, device="cuda")
    for _ in range(3):  # the first product sets the library up
        watch.lap("setup")
        events.start()
        for _ in range(20):
            side @ side
        seconds = watch.lap("training")
        by_events = events.stop(seconds).value
    assert by_events == pytest.approx(seconds, rel=0.02, abs=2e-4)


@pytest.mark.gpu
def test_events_hold_the_waits_between_kernels() -> None:
    watch = Stopwatch(replace(CPU, kind="cuda"))
    time.sleep(0.05)
    seconds = watch.lap("training")
    assert (EventTime(watch).stop(seconds).value or 0.0) > 0.049


def test_only_a_gpu_has_a_clock_of_its_own() -> None:
    with pytest.raises(RuntimeError, match="only a GPU"):
        EventTime(Stopwatch(CPU)).stop(1.0)
