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

    Where devices are searched there are slots of both kinds, first those on GPUs. All have the same number of threads.

    Args:
        compute: What was asked for; `auto` is decided here.
        num_trials: No more slots than trials are made by `auto`, but one of each kind that is searched.
        preload: Import path of the training function that they are for, if it is not the built-in one.

    Raises:
        Faults: where what was asked for is not there.
    """
    cores = find_cores()
    num_cores = len(cores) or os.cpu_count() or 1
    gpus = [] if compute.device == "cpu" else find_gpus()
    if compute.device not in ("auto", "cpu") and not gpus:
        raise Faults("compute.device: cuda is asked for, but NVML finds no GPU here; use cpu or auto")
    asked, shared = compute.most_threads, compute.slots_per_device
    room = max(1, num_cores // (asked or 1))
    num_gpus, num_sets = _count_devices(compute, len(gpus), room, num_trials, preload)
    num_groups = count_groups(num_gpus, num_sets, shared)
    threads = asked or max(1, num_cores // num_groups)
    if num_groups * threads > num_cores:
        each = "max(threads)" if isinstance(compute.threads, list) else "threads"
        raise Faults(
            f"compute: slots x {each} <= cores must hold, so that costs are comparable, but got {num_groups} x "
            f"{threads} on {num_cores} cores"
        )
    groups = [tuple(cores[group * threads : (group + 1) * threads]) for group in range(num_groups)]
    on_gpus = [(f"cuda:{gpus[slot % num_gpus]}", groups[slot]) for slot in range(num_gpus * shared)]
    on_cores = [("cpu", group) for _ in range(shared) for group in groups[len(on_gpus) :]]
    return [
        Placement(slot, device, threads, group, preload, shared)
        for slot, (device, group) in enumerate([*on_gpus, *on_cores])
    ]


def split_devices(num_devices: int, num_gpus: int) -> tuple[int, int]:
    """Returns how many GPUs and sets of cores so many devices are, where both are searched.

    Each GPU counts before a second set of cores does.

    >>> split_devices(4, 1), split_devices(4, 8)
    ((1, 3), (3, 1))
    """
    used = min(num_gpus, num_devices - 1)
    return used, num_devices - used


def count_groups(num_gpus: int, num_sets: int, shared: int) -> int:
    """Returns how many sets of cores slots need: those that share a GPU have one each, those that share cores one.

    >>> count_groups(1, 3, shared=2)
    5
    """
    return num_gpus * shared + num_sets


def _count_devices(compute: Compute, num_gpus: int, room: int, num_trials: int, preload: str | None) -> tuple[int, int]:
    """Returns how many GPUs, and how many sets of cores, the slots of a sweep take.

    Args:
        compute: What was asked for.
        num_gpus: That are there, where GPUs may be used.
        room: How many sets of cores there may be.
        num_trials: Of the sweep.
        preload: Import path of the training function, if it is not the built-in one.

    Raises:
        Faults: where they are not there, or cannot be shared as is asked for.
    """
    _check_sharing(compute, preload)
    if compute.is_device_searched:
        return _count_both(compute, num_gpus, room, num_trials)
    shared = compute.slots_per_device
    if compute.slots != "auto":
        num_devices = compute.slots // shared
    else:
        num_devices = 1 if compute.engine == "inline" else min(num_gpus or room, -(-num_trials // shared))
    if num_gpus and num_devices > num_gpus:
        raise Faults(
            f"compute.slots: {num_gpus} GPUs with {shared} slots each are here, but got "
            f"{compute.slots}; compute.slots_per_device lets more of them share a GPU"
        )
    return (num_devices, 0) if num_gpus else (0, num_devices)


def _count_both(compute: Compute, num_gpus: int, room: int, num_trials: int) -> tuple[int, int]:
    """Returns how many GPUs and sets of cores are taken where both are searched: one of each at least.

    Raises:
        Faults: where there are too few slots for that.
    """
    shared = compute.slots_per_device
    if compute.slots != "auto":
        if compute.slots < 2 * shared:
            law = "a slot on a GPU and one on the CPU are needed"
            each = f" ({2 * shared} with slots_per_device {shared})" if shared > 1 else ""
            raise Faults(f"compute.slots: {law}{each}, since compute.device names both, but got {compute.slots}")
        return split_devices(compute.slots // shared, num_gpus)
    most = min(num_gpus + room, -(-num_trials // shared))
    possible = (split_devices(number, num_gpus) for number in range(most, 1, -1))
    return next((both for both in possible if count_groups(*both, shared) <= room), (1, 1))


def _check_sharing(compute: Compute, preload: str | None) -> None:
    """Makes sure that devices can be shared as is asked for.

    Raises:
        Faults: where they cannot.
    """
    shared = compute.slots_per_device
    if compute.engine == "inline" and compute.is_device_searched:
        raise Faults("compute.device: the inline engine has 1 slot, and each of several devices needs one; use process")
    if compute.engine == "inline" and (shared != 1 or compute.slots not in ("auto", 1)):
        got = compute.slots if shared == 1 else f"{shared} on a device"
        raise Faults(f"compute.slots: the inline engine has 1 slot, but got {got}; use engine process")
    if shared > 1 and preload is not None:
        raise Faults(
            "compute.slots_per_device: what a training function costs is measured as it runs, which needs a device of "
            f"its own, but got {shared}; use 1"
        )
    if compute.slots != "auto" and compute.slots % shared:
        raise Faults(f"compute.slots: a multiple of slots_per_device ({shared}) is needed, but got {compute.slots}")


def name_devices(placements: Iterable[Placement]) -> list[dict[str, Any]]:
    """Returns what slots will run on, by kind, name and threads, as their attempts will tell it; a name once."""
    found = {
        (placement.threads, name): {"kind": kind, "name": name, "threads": placement.threads}
        for placement in placements
        for kind, name in [name_device(placement.device)]
    }
    return list(found.values())


def describe_slots(placements: Iterable[Placement]) -> dict[str, Any]:
    """Returns what the slots of a sitting run on; where that is not one device, `parts`: each with its `num_slots`."""
    each = [name_devices([placement])[0] for placement in placements]
    parts = [{**device, "num_slots": each.count(device)} for device in each]
    different = [part for index, part in enumerate(parts) if part not in parts[:index]]
    return each[0] if len(different) == 1 else {"parts": different}


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
