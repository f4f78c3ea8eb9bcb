from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from objectives.meters import Meter, open_meters
from objectives.meters.memory import ResidentMemory, TorchMemory, UsedMemory
from objectives.meters.seldom import Paces, Seldom
from objectives.meters.time import Stopwatch
from objectives.slot import open_device
from objectives.trial import Device, Placement

CPU = Device("cpu", "a CPU", "here", 1, "2.14.1")
MEMORIES = ("peak_memory_bytes", "reserved_memory_bytes", "used_memory_bytes", "resident_memory_bytes")
MB = 2**20


def measure(meter: Meter) -> float:
    """Returns what a stretch of nothing tells."""
    meter.start()
    found = meter.stop(1.0).value
    assert found is not None
    return found


def test_the_peak_is_that_of_the_stretch() -> None:
    meter = ResidentMemory()
    meter.start()
    held = torch.ones(50_000_000)
    large = meter.stop(1.0).value
    del held
    meter.start()
    small = meter.stop(1.0).value
    assert large is not None
    assert small is not None
    assert large - small > 150e6


def test_a_cpu_has_one_memory_and_says_why_it_has_no_other() -> None:
    meters = open_meters(CPU, "no counter", Paces(Seldom(), Seldom()), Stopwatch(CPU))
    for meter in meters.values():
        meter.start()
    found = {name: meters[name].stop(1.0) for name in MEMORIES}
    assert [name for name in MEMORIES if found[name].value is not None] == ["peak_memory_bytes"]
    assert all("peak_memory_bytes" in str(found[name].reason) for name in MEMORIES[2:])
    assert meters["event_seconds"].stop(1.0).reason == "a CPU has no clock of its own"


def test_what_slots_use_together_is_no_ones() -> None:
    shared = UsedMemory(Device("cuda", "H100", "a-b-c", 1, "2.14.1", slots=2))
    shared.start()
    assert shared.stop(1.0).reason == "the slots that share the GPU use its memory together"


@pytest.fixture
def gpu() -> Iterator[Device]:
    torch.cuda.empty_cache()
    yield open_device(Placement(0, "cuda:0", 1))
    torch.cuda.empty_cache()


@pytest.mark.gpu
def test_torch_reserves_more_than_it_allocates_and_keeps_it(gpu: Device) -> None:
    allocated, reserved = TorchMemory("allocated"), TorchMemory("reserved")
    before = measure(allocated)
    allocated.start()
    reserved.start()
    held = [torch.empty(10 * MB, dtype=torch.uint8, device="cuda") for _ in range(10)]
    del held
    most = allocated.stop(1.0).value, reserved.stop(1.0).value
    assert most[0] == pytest.approx(before + 100 * MB, abs=MB)
    assert most[0] is not None
    assert most[1] is not None
    assert most[1] >= most[0]
    assert measure(allocated) == pytest.approx(before, abs=MB), "the peak is that of the stretch"
    assert measure(reserved) == most[1], "it is kept for the next array"


@pytest.mark.gpu
def test_what_is_in_use_holds_the_context_of_the_gpu_too(gpu: Device) -> None:
    used, reserved = UsedMemory(gpu), TorchMemory("reserved")
    before = measure(used)
    assert before > measure(reserved) + 50 * MB
    held = torch.empty(512 * MB, dtype=torch.uint8, device="cuda")
    assert measure(used) - before == pytest.approx(512 * MB, abs=32 * MB)
    del held


@pytest.mark.gpu
def test_a_gpus_slot_has_all_memories(gpu: Device) -> None:
    meters = open_meters(gpu, "no counter", Paces(Seldom(), Seldom()), Stopwatch(gpu))
    values = {name: measure(meters[name]) for name in MEMORIES}
    assert values["resident_memory_bytes"] > 100 * MB
    assert values["used_memory_bytes"] > values["reserved_memory_bytes"] >= values["peak_memory_bytes"]
