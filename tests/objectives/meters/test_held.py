"""Energy of all devices that slots hold: packages as Linux shows them in a copy of its folders, GPUs by NVML."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from replay import Replay

from objectives.meters.held import HeldEnergy, open_counters
from objectives.trial import Placement

CORES = tuple(range(os.cpu_count() or 1))
MOST = 262_143_328_850


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two packages, the first with memory of its own."""
    for folder, name in {"0": "package-0", "0:0": "dram", "1": "package-1"}.items():
        (tmp_path / f"intel-rapl:{folder}").mkdir()
        (tmp_path / f"intel-rapl:{folder}" / "name").write_text(f"{name}\n")
        (tmp_path / f"intel-rapl:{folder}" / "max_energy_range_uj").write_text(f"{MOST}\n")
        show(tmp_path, folder, 1_000_000)
    return tmp_path


def show(root: Path, folder: str, microjoules: int) -> None:
    (root / f"intel-rapl:{folder}" / "energy_uj").write_text(f"{microjoules}\n")


def slots(*cores: tuple[int, ...]) -> list[Placement]:
    return [Placement(slot, "cpu", len(own), own) for slot, own in enumerate(cores)]


def test_slots_that_share_packages_read_each_of_these_once(root: Path) -> None:
    energy = HeldEnergy(open_counters(slots(CORES[:1], CORES[1:], CORES), root))
    assert energy.read().value == 0.0
    show(root, "0", 4_000_000)
    show(root, "0:0", 1_500_000)
    assert energy.read().value == pytest.approx(3.5)
    show(root, "1", 3_000_000)
    assert energy.read().value == pytest.approx(5.5)


def test_a_counter_that_comes_round_between_reads_is_followed_each_time(root: Path) -> None:
    show(root, "1", MOST)
    energy = HeldEnergy(open_counters(slots(CORES), root))
    show(root, "1", 999_999)
    assert energy.read().value == pytest.approx(1.0)
    show(root, "1", MOST)
    energy.read()
    show(root, "1", 999_999)
    assert energy.read().value == pytest.approx(MOST / 1e6 + 1e-6 + 1.0)


def test_slots_that_have_not_all_cores_together_claim_nothing(root: Path) -> None:
    found = HeldEnergy(open_counters(slots(CORES[:-1]), root)).read()
    assert (found.value, found.method) == (None, "absent")
    law = f"the CPU's energy counter is that of all {len(CORES)} cores"
    assert found.reason == f"{law}, and these slots have {len(CORES) - 1}"


def test_without_a_counter_nothing_is_claimed(tmp_path: Path) -> None:
    found = HeldEnergy(open_counters(slots(CORES), tmp_path)).read()
    assert (found.value, found.reason) == (None, "this machine shows no energy counter of its CPU")


def test_what_was_missed_once_stays_absent(root: Path) -> None:
    energy = HeldEnergy(open_counters(slots(CORES), root))
    (root / "intel-rapl:1" / "energy_uj").unlink()
    reason = "an energy counter could not be read any more: No such file or directory"
    assert energy.read().reason == reason
    show(root, "1", 5_000_000)
    assert energy.read().reason == reason


def test_a_counter_that_may_have_come_round_twice_between_reads_tells_nothing_from_then_on(root: Path) -> None:
    clock = Replay.steady(0.0, 1.0, 1.0)
    energy = HeldEnergy(open_counters(slots(CORES), root), clock.clock)
    for _ in range(3):
        clock.play(250.0)  # each read is in time, and so is the stretch of all
        assert energy.read().value == 0.0
    clock.play(263.0)
    assert energy.read().reason == "in 263 s the energy counter may have come round more than once"
    clock.play(1.0)
    assert energy.read().value is None


def test_a_counter_that_goes_back_began_anew() -> None:
    device = Replay([(0.0, 500.0), (2.0, 600.0)], 0.1)
    energy = HeldEnergy([device])
    device.play(2.0)
    assert energy.read().value == 100.0
    device.play(-2.0)
    assert energy.read().reason == "an energy counter began anew"


def test_a_gpu_that_is_not_there_has_no_counter() -> None:
    found = open_counters([Placement(0, "cuda:GPU-0", 1)])
    assert isinstance(found, str)
    assert found.startswith("NVML gives no energy counter: ")


@pytest.mark.gpu
def test_slots_that_share_a_gpu_read_its_counter_once_and_it_draws_power_at_rest() -> None:
    found = open_counters([Placement(slot, "cuda:0", 1, slots_per_device=2) for slot in range(2)])
    if isinstance(found, str):
        pytest.skip(found)
    assert len(found) == 1
    energy = HeldEnergy(found)
    time.sleep(3.0)
    assert 15 < (energy.read().value or 0.0) < 3 * 300


class Steady:
    """A counter that moves by 2 J with each reading."""

    tick_seconds, most_seconds = 0.1, float("inf")

    def __init__(self) -> None:
        self.joules = 0.0

    def read_joules(self) -> float:
        self.joules += 2.0
        return self.joules


def test_slots_on_both_kinds_of_devices_need_the_counters_of_both(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("objectives.meters.held.open_gpus", lambda gpus: [Steady() for _ in gpus])
    on_gpu = Placement(0, "cuda:0", 1, CORES[:1])
    energy = HeldEnergy(open_counters([on_gpu, Placement(1, "cpu", 1, CORES)], root))
    show(root, "0", 4_000_000)
    assert energy.read().value == pytest.approx(2.0 + 3.0)
    told = open_counters([on_gpu, Placement(1, "cpu", 1, CORES[1:])], root)
    assert str(told).startswith("the CPU's energy counter is that of all")
    assert len(open_counters([on_gpu], root)) == 1
