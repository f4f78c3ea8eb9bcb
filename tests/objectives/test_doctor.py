from __future__ import annotations

import math
import time
from pathlib import Path

import pytest
from replay import Replay

from objectives.doctor import CHECKS, check_contention, check_cpu_energy
from objectives.gpu_checks import watch_counter
from objectives.meters.contention import TASKS
from objectives.stretches import Stretches, judge_stretches


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_tells_what_it_found_and_what_to_do(name: str) -> None:
    found = CHECKS[name]()
    assert found.text
    assert (found.advice is None) == (found.grade == "good")
    assert all(math.isfinite(value) for value in found.values.values())


@pytest.mark.skipif(not TASKS.exists(), reason="the kernel tells of no threads here")
def test_waiting_for_cores_is_told_wherever_the_kernel_tells_it() -> None:
    assert check_contention().grade == "good"


@pytest.mark.parametrize(
    ("pairs", "grade"),
    [
        ([(0.10, 0.20), (0.11, 0.22), (0.105, 0.21)], "good"),
        ([(0.10, 0.30), (0.10, 0.301), (0.10, 0.299)], "poor"),  # not linear
        ([(0.10, 0.20), (0.20, 0.40), (0.15, 0.30)], "poor"),  # uneven
    ],
)
def test_stretches_that_are_uneven_or_not_linear_are_poor(pairs: list[tuple[float, float]], grade: str) -> None:
    found = judge_stretches(Stretches(pairs, 6e9), "it is quick")
    assert found.grade == grade
    assert (found.advice is None) == (grade == "good")
    assert found.values["training_gflop_per_second"] == pytest.approx(6 / sorted(long for _, long in pairs)[1])


class Ticking(Replay):
    """A counter of so many watts that moves every tenth of a second of the real clock."""

    def __init__(self, watts: float, sensed_watts: float | None) -> None:
        super().__init__([(0.0, 0.0)], 0.1, sensed_watts)
        self.watts, self.began = watts, time.perf_counter()

    def read_joules(self) -> float:
        return self.watts * 0.1 * int((time.perf_counter() - self.began) / 0.1)


def test_a_counter_is_watched_for_its_tick_and_its_power() -> None:
    found = watch_counter(Ticking(50.0, 48.0))
    assert found["tick_seconds"] == pytest.approx(0.1, abs=0.03)
    assert found["counter_watts"] == pytest.approx(50, rel=0.1)
    assert found["power_watts"] == 48.0


@pytest.mark.parametrize(("sensed_watts", "told"), [(48.0, {"power_watts": 48.0}), (None, {})])
def test_a_counter_that_stands_still_has_no_tick(sensed_watts: float | None, told: dict[str, float]) -> None:
    assert watch_counter(Ticking(0.0, sensed_watts)) == told


def test_counters_that_are_there_are_named(tmp_path: Path) -> None:
    for folder, name in {"intel-rapl:0": "package-0", "intel-rapl:0:0": "dram"}.items():
        (tmp_path / folder).mkdir()
        for file, text in {"name": name, "max_energy_range_uj": "1000", "energy_uj": "5"}.items():
            (tmp_path / folder / file).write_text(text)
    found = check_cpu_energy(tmp_path)
    assert found.grade == "good"
    assert "package-0, dram" in found.text


def test_counters_that_cannot_be_read_come_with_the_way_to_read_them(tmp_path: Path) -> None:
    (tmp_path / "intel-rapl:0").mkdir()
    for file, text in {"name": "package-0", "max_energy_range_uj": "1000"}.items():
        (tmp_path / "intel-rapl:0" / file).write_text(text)
    found = check_cpu_energy(tmp_path)
    assert found.grade == "absent"
    assert "chmod a+r" in str(found.advice)
