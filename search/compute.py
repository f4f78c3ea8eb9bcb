"""Where trials can run on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from objectives.slot import cpu_name
from objectives.trial import Placement
from search.faults import Faults

if TYPE_CHECKING:
    from search.spec import Compute


CORES = "PARETUNE_CORES"
"""Environment variable: the cores that slots may have, such as `0,2,3`; without it all that the process may run on."""


def find_cores() -> list[int]:
    """Returns the cores that slots may have; nothing where the system tells of none.

    Raises:
        Faults: where the environment names cores that are not there.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    told = os.environ.get(CORES)
    if not told:
        return cores
    named = sorted({int(part) for part in told.split(",") if part.strip().isdecimal()})
    if not cores or not named or not {*named} <= {*cores}:
        raise Faults(f"{CORES}: some of the cores {','.join(map(str, cores))} are needed, but got {told!r}")
    return named


def place_slots(compute: Compute, num_trials: int, preload: str | None = None) -> list[Placement]:
    """Returns the slots of a sweep: on GPUs one each, on a CPU each with cores of its own.

    Args:
        compute: What was asked for; `auto` is decided here.
        num_trials: No more slots than trials are made by `auto`.
        preload: Import path of the training function that they are for, if it is not the built-in one.

    Raises:
        Faults: where what was asked for is not there.
    """
    cores = find_cores()
    num_cores = len(cores) or os.cpu_count() or 1
    gpus = [] if compute.device == "cpu" else find_gpus()
    if compute.device == "cuda" and not gpus:
        raise Faults("compute.device: cuda is asked for, but NVML finds no GPU here; use cpu or auto")
    most = 1 if compute.engine == "inline" else min(len(gpus) or num_cores, num_trials)
    num_slots = most if compute.slots == "auto" else compute.slots
    if compute.engine == "inline" and num_slots != 1:
        raise Faults(f"compute.slots: the inline engine has 1 slot, but got {num_slots}; use engine process")
    if gpus and num_slots > len(gpus):
        raise Faults(f"compute.slots: at most one per GPU, {len(gpus)} here, but got {num_slots}")
    threads = max(1, num_cores // num_slots) if compute.threads == "auto" else compute.threads
    if num_slots * threads > num_cores:
        raise Faults(
            f"compute: slots x threads <= cores must hold, so that costs are comparable, but got {num_slots} x "
            f"{threads} on {num_cores} cores"
        )
    return [
        Placement(
            slot,
            f"cuda:{gpus[slot]}" if gpus else "cpu",
            threads,
            tuple(cores[slot * threads : (slot + 1) * threads]),
            preload,
        )
        for slot in range(num_slots)
    ]


def name_devices(placements: Iterable[Placement]) -> list[dict[str, Any]]:
    """Returns what slots will run on, by kind, name and threads, as their attempts will tell it; a name once."""
    found = {
        (placement.threads, name): {"kind": kind, "name": name, "threads": placement.threads}
        for placement in placements
        for kind, name in [name_device(placement.device)]
    }
    return list(found.values())


def name_device(device: str) -> tuple[str, str]:
    """Returns the kind and the name of a placement's device; a GPU that NVML does not find has no name."""
    if device == "cpu":
        return "cpu", cpu_name()
    import pynvml

    which = device.partition(":")[2]
    try:
        pynvml.nvmlInit()
        find = pynvml.nvmlDeviceGetHandleByIndex if which.isdigit() else pynvml.nvmlDeviceGetHandleByUUID
        return "cuda", str(pynvml.nvmlDeviceGetName(find(int(which) if which.isdigit() else which)))
    except pynvml.NVMLError:
        return "cuda", "a GPU that NVML does not name"


def find_gpus() -> list[str]:
    """Returns the GPUs that CUDA_VISIBLE_DEVICES leaves visible, as it would name them; torch is not imported."""
    import pynvml

    try:
        pynvml.nvmlInit()
        indices = [str(index) for index in range(pynvml.nvmlDeviceGetCount())]
        pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return indices if visible is None else [name.strip() for name in visible.split(",") if name.strip()]
