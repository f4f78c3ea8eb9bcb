from __future__ import annotations

from pathlib import Path

import pytest

from objectives.meters.neighbours import Neighbours
from objectives.meters.seldom import Seldom
from objectives.meters.throttling import Throttling
from objectives.trial import Device

CPU, GPU = Device("cpu", "Xeon", "here", 2, "2.14.1"), Device("cuda", "H100", "no-such-uuid", 1, "2.14.1")


def throttle(root: Path, core: int, milliseconds: int) -> None:
    folder = root / f"cpu{core}/thermal_throttle"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "core_throttle_total_time_ms").write_text(f"{milliseconds}\n")


def test_the_core_that_was_throttled_longest_counts(tmp_path: Path) -> None:
    throttle(tmp_path, 0, 100)
    throttle(tmp_path, 1, 5000)
    meter = Throttling(CPU, [0, 1], Seldom(), tmp_path)
    meter.start()
    throttle(tmp_path, 0, 350)
    throttle(tmp_path, 1, 5100)
    assert meter.stop(1.0).value == pytest.approx(0.25)
    meter.start()
    assert meter.stop(1.0).value == 0.0
    throttle(tmp_path, 0, 9000)
    assert meter.stop(1.0).value == 1.0  # no longer than the stretch


def test_what_is_not_counted_is_absent(tmp_path: Path) -> None:
    meter = Throttling(CPU, [0], Seldom(), tmp_path)
    meter.start()
    assert "does not count for how long its cores are throttled" in str(meter.stop(1.0).reason)
    throttle(tmp_path, 0, 1)
    meter = Throttling(CPU, [0], Seldom(), tmp_path)
    meter.start()
    (tmp_path / "cpu0/thermal_throttle/core_throttle_total_time_ms").write_text("gone")
    assert "throttling cannot be read" in str(meter.stop(1.0).reason)


def test_a_gpus_counters_are_read_seldom_and_nothing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    now, shown, reads = [0.0], [5.0], []

    def read() -> list[float]:
        reads.append(now[0])
        return list(shown)

    monkeypatch.setattr("objectives.meters.throttling._gpu_reader", lambda _uuid: read)
    seldom = Seldom(0.5, clock=lambda: now[0])
    meter, told = Throttling(GPU, [], seldom), []
    for epoch in range(30):
        meter.start()
        now[0] += 0.04
        shown[0] += 0.01 if epoch >= 10 else 0.0
        if epoch == 29:  # a trial's last
            seldom.asks_always = True
        seldom.begin_stop()
        told.append(meter.stop(0.04).value)
        now[0] += 0.01
    assert sum(told) == pytest.approx(0.2)
    assert len(reads) == 4, "twice a second at most"
    seldom.asks_always = False
    for _ in range(3):
        meter.start()
        now[0] += 0.2
        shown[0] += 100
        seldom.begin_stop()
        last = meter.stop(0.2).value
    assert last == pytest.approx(0.6), "no longer than the stretches took"


@pytest.mark.parametrize("meter", [Throttling(GPU, [], Seldom()), Neighbours(GPU)])
def test_a_gpu_that_nvml_does_not_know_has_neither(meter: Throttling | Neighbours) -> None:
    meter.start()
    assert "NVML does not tell" in str(meter.stop(1.0).reason)


def test_of_a_cpu_contention_tells_who_else_was_there() -> None:
    meter = Neighbours(CPU)
    meter.start()
    assert "contention_seconds tells" in str(meter.stop(1.0).reason)


@pytest.mark.parametrize(("shown", "others"), [([0, 0], None), ([0, 1], 0.0), ([3, 1], 2.0)])
def test_no_process_at_all_is_not_told_as_nobody_else(
    shown: list[int], others: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = iter(shown)
    monkeypatch.setattr("objectives.meters.neighbours.call_nvml", lambda _ask: next(counts))
    meter = Neighbours(GPU)
    meter.start()
    found = meter.stop(1.0)
    assert found.value == others
    assert (found.reason is None) == (others is not None)


@pytest.mark.gpu
def test_a_gpu_tells_of_its_limits_and_of_other_processes() -> None:
    """Another process's context on the same GPU is seen, and gone with it."""
    import subprocess
    import sys

    import torch

    torch.zeros(1, device="cuda")
    own = Device("cuda", "", str(torch.cuda.get_device_properties(0).uuid), 1, "")
    throttling, neighbours = Throttling(own, [], Seldom()), Neighbours(own)
    throttling.start()
    neighbours.start()
    before = neighbours.stop(1.0).value
    assert (throttling.stop(1.0).value or 0.0) <= 1.0
    other = "import torch; torch.zeros(1, device='cuda'); print('there', flush=True); input()"
    process = subprocess.Popen([sys.executable, "-c", other], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    neighbours.start()
    assert neighbours.stop(1.0).value == (before or 0.0) + 1
    process.communicate("\n")
