from __future__ import annotations

import os

import pytest

from search.compute import CORES, find_cores, name_devices, place_slots
from search.faults import Faults
from search.sections import Compute

NUM_CORES = len(os.sched_getaffinity(0))


def test_slots_have_cores_of_their_own() -> None:
    placements = place_slots(Compute(device="cpu"), 100)
    assert len(placements) == NUM_CORES
    assert {core for placement in placements for core in placement.cores} == os.sched_getaffinity(0)
    assert sum(len(placement.cores) for placement in placements) == NUM_CORES


def test_one_trial_gets_all_cores() -> None:
    (placement,) = place_slots(Compute(device="cpu"), 1)
    assert placement.threads == NUM_CORES


@pytest.mark.parametrize(
    ("compute", "law"),
    [
        (Compute(device="cpu", slots=NUM_CORES + 1), "slots x threads <= cores must hold"),
        (Compute(device="cpu", slots=1, threads=NUM_CORES + 1), "slots x threads <= cores must hold"),
        (Compute(device="cpu", engine="inline", slots=2), "the inline engine has 1 slot"),
    ],
)
def test_what_is_not_there_is_refused(compute: Compute, law: str) -> None:
    with pytest.raises(Faults, match=law):
        place_slots(compute, 10)


def test_cuda_without_a_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(Faults, match="no GPU here"):
        place_slots(Compute(device="cuda"), 1)


@pytest.mark.gpu
def test_a_gpu_is_named_as_its_slot_will_tell_it() -> None:
    import torch

    (placement,) = place_slots(Compute(slots=1), 1)
    name = torch.cuda.get_device_properties(0).name
    assert name_devices([placement]) == [{"kind": "cuda", "name": name, "threads": placement.threads}]


@pytest.mark.parametrize("told", ["{first},x", "{first}-{first}", "{first},{first}-3", ","])
def test_cores_that_are_told_in_another_way_are_not_read_in_part(told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = min(os.sched_getaffinity(0))
    monkeypatch.setenv(CORES, told.format(first=first))
    with pytest.raises(Faults, match=r"PARETUNE_CORES: some of the cores .* are needed"):
        find_cores()
    monkeypatch.setenv(CORES, f" {first} ")
    assert find_cores() == [first]
