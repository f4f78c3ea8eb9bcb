from __future__ import annotations

import time

import pytest
import torch

from objectives.meters.memory import PeakMemory
from objectives.meters.time import Stopwatch
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


def test_the_peak_is_that_of_the_stretch() -> None:
    meter = PeakMemory(CPU)
    meter.start()
    held = torch.ones(50_000_000)
    large = meter.stop(1.0).value
    del held
    meter.start()
    small = meter.stop(1.0).value
    assert large is not None
    assert small is not None
    assert large - small > 150e6
