"""The CPU's counters, as Linux shows them: a folder for each, of which a copy stands in for the kernel's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from objectives.meters.energy import Energy
from objectives.meters.rapl import find_counters, find_fault, open_rapl

ALL_CORES = range(os.cpu_count() or 1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two packages, the first with cores and memory of its own, and what is neither."""
    for folder, name in {
        "intel-rapl:0": "package-0",
        "intel-rapl:0:0": "core",
        "intel-rapl:0:1": "dram",
        "intel-rapl:1": "package-1",
        "intel-rapl-mmio:0": "package-0",
    }.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "name").write_text(f"{name}\n")
        (tmp_path / folder / "max_energy_range_uj").write_text("262143328850\n")
        show(tmp_path, folder, 1_000_000)
    return tmp_path


def show(root: Path, folder: str, microjoules: int) -> None:
    (root / folder / "energy_uj").write_text(f"{microjoules}\n")


def test_packages_and_their_memory_count_once(root: Path) -> None:
    assert [counter.name for counter in find_counters(root)] == ["package-0", "dram", "package-1"]


def test_the_energy_is_what_all_counters_moved_and_its_error_a_tick(root: Path) -> None:
    meter = Energy(open_rapl(ALL_CORES, root))
    meter.start()
    show(root, "intel-rapl:0", 4_000_000)
    show(root, "intel-rapl:0:0", 9_000_000)
    show(root, "intel-rapl:0:1", 1_500_000)
    found = meter.stop(2.0)
    assert found.value == pytest.approx(3.5)
    assert found.error == pytest.approx(3.5 / 2.0 * 0.001)
    assert found.method == "measured"


def test_a_counter_that_comes_round_is_followed(root: Path) -> None:
    show(root, "intel-rapl:1", 262_143_328_850)
    meter = Energy(open_rapl(ALL_CORES, root))
    meter.start()
    show(root, "intel-rapl:1", 999_999)
    assert meter.stop(1.0).value == pytest.approx(1.0)


def test_a_slot_with_a_part_of_the_cores_has_no_energy_of_its_own(root: Path) -> None:
    num_cores = len(ALL_CORES)
    meter = Energy(open_rapl(ALL_CORES[:-1], root))
    meter.start()
    reason = f"the CPU's energy counter is that of all {num_cores} cores, and this slot has {num_cores - 1}"
    assert meter.stop(1.0).reason == reason


def test_a_machine_without_counters_says_so(tmp_path: Path) -> None:
    assert find_fault(ALL_CORES, tmp_path) == "this machine shows no energy counter of its CPU"
    assert Energy(open_rapl(ALL_CORES, tmp_path / "none")).stop(1.0).value is None


def test_a_counter_that_cannot_be_read_says_so(root: Path) -> None:
    (root / "intel-rapl:0" / "energy_uj").unlink()
    fault = "the CPU's energy counter cannot be read: No such file or directory"
    assert find_fault(ALL_CORES, root) == fault


def test_one_counter_of_several_that_cannot_be_read_is_told_before_it_is_needed(root: Path) -> None:
    (root / "intel-rapl:1" / "energy_uj").unlink()
    meter = Energy(open_rapl(ALL_CORES, root))
    meter.start()
    assert meter.stop(1.0).reason == "the CPU's energy counter cannot be read: No such file or directory"


def test_a_folder_that_names_nothing_is_told(root: Path) -> None:
    (root / "intel-rapl:0" / "name").unlink()
    assert find_fault(ALL_CORES, root) == "the CPU's energy counter cannot be read: No such file or directory"


def test_a_stretch_in_which_a_counter_may_come_round_twice_is_absent(root: Path) -> None:
    meter = Energy(open_rapl(ALL_CORES, root))
    meter.start()
    assert meter.stop(263.0).reason == "in 263 s the energy counter may have come round more than once"
