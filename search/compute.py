"""Where trials can run on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from objectives.meters.nvml import find_handle
from objectives.slot import cpu_name
from objectives.trial import Placement
from search.faults import Faults

if TYPE_CHECKING:
    from search.sections import Compute


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
    named = {part.strip() for part in told.split(",")}
    if not named <= {str(core) for core in cores}:
        raise Faults(f"{CORES}: some of the cores {','.join(map(str, cores))} are needed, but got {told!r}")
    return sorted(map(int, named))


def place_slots(compute: Compute, num_trials: int, preload: str | None = None) -> list[Placement]:
    """Returns the slots of a sweep: each with a GPU or cores of its own, or so many on each as are to share it.

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
    asked = compute.most_threads
    room = len(gpus) or max(1, num_cores // (asked or 1))
    num_devices = _count_devices(compute, room, num_trials, preload)
    if gpus and num_devices > len(gpus):
        raise Faults(
            f"compute.slots: {len(gpus)} GPUs with {compute.slots_per_device} slots each are here, but got "
            f"{compute.slots}; compute.slots_per_device lets more of them share a GPU"
        )
    shared = compute.slots_per_device
    num_groups = num_devices * shared if gpus else num_devices  # slots that share cores are those of one group
    threads = asked or max(1, num_cores // num_groups)
    if num_groups * threads > num_cores:
        each = "max(threads)" if isinstance(compute.threads, list) else "threads"
        raise Faults(
            f"compute: slots x {each} <= cores must hold, so that costs are comparable, but got {num_groups} x "
            f"{threads} on {num_cores} cores"
        )
    groups = [tuple(cores[group * threads : (group + 1) * threads]) for group in range(num_groups)]
    return [
        Placement(
            slot,
            f"cuda:{gpus[slot % num_devices]}" if gpus else "cpu",
            threads,
            groups[slot % num_groups],
            preload,
            shared,
        )
        for slot in range(num_devices * shared)
    ]


def _count_devices(compute: Compute, most: int, num_trials: int, preload: str | None) -> int:
    """Returns how many GPUs, or sets of cores, the slots of a sweep take.

    Raises:
        Faults: where they cannot be shared as is asked for.
    """
    shared = compute.slots_per_device
    if compute.engine == "inline" and (shared != 1 or compute.slots not in ("auto", 1)):
        got = compute.slots if shared == 1 else f"{shared} on a device"
        raise Faults(f"compute.slots: the inline engine has 1 slot, but got {got}; use engine process")
    if shared > 1 and preload is not None:
        raise Faults(
            "compute.slots_per_device: what a training function costs is measured as it runs, which needs a device of "
            f"its own, but got {shared}; use 1"
        )
    if compute.slots == "auto":
        return 1 if compute.engine == "inline" else min(most, -(-num_trials // shared))
    if compute.slots % shared:
        raise Faults(f"compute.slots: a multiple of slots_per_device ({shared}) is needed, but got {compute.slots}")
    return compute.slots // shared


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

    try:
        pynvml.nvmlInit()
        return "cuda", str(pynvml.nvmlDeviceGetName(find_handle(device.partition(":")[2])))
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
