"""On which device slots were held: by attempts that did not come to tell theirs, and by nobody."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from dashboards.bills import IDLE, bill_lines
from storage.rows import SittingRow, StudyRow, TrialRow

Device = Mapping[str, Any]
"""A device as an attempt or a sitting told it."""

Find = Callable[[TrialRow], Device | None]
"""Returns what an attempt of a trial held that did not tell it; None where that may be several devices."""


def as_held(device: Device | None) -> Device | None:
    """Returns a device with the threads that the slot held: a trial may have used fewer."""
    return device and {**device, "threads": device.get("held_threads") or device["threads"]}


def is_device_searched(spec: Mapping[str, Any]) -> bool:
    """Says whether each trial ran on the kind of device that its setting names."""
    return isinstance(spec.get("compute", {}).get("device"), list)


def find_alone(devices: Iterable[Device]) -> dict[str | None, Device]:
    """Returns the one device of each kind, and under None the one of all; nothing where there are several."""
    found: dict[str | None, dict[tuple[str, ...], Device]] = defaultdict(dict)
    for device in devices:
        found[None][_key(device)] = found[device["kind"]][_key(device)] = device
    return {kind: next(iter(same.values())) for kind, same in found.items() if len(same) == 1}


def find_only(study: StudyRow) -> Find:
    """Returns what tells the device of an attempt that was killed too early to tell it: that of all which did.

    Where devices are searched it is that of the trial's kind.
    """
    held = (as_held(attempt.device) for trial in study.trials for attempt in trial.attempts)
    alone = find_alone(device for device in held if device is not None)
    is_searched = is_device_searched(study.spec)
    return lambda trial: alone.get(str(trial.params.get("device")) if is_searched else None)


def idle_by_device(study: StudyRow) -> list[tuple[Device, float]]:
    """Returns the idle seconds of a study's slots by device; nothing where it is not recorded how long they were held.

    Of slots on different devices each device has the share of what it was held for and not billed.
    """
    if not study.sittings:
        return []
    idle_seconds = bill_lines(study)[IDLE]
    devices = {_key(part): part for sitting in study.sittings for part, _ in _parts(sitting)}
    left = dict.fromkeys(devices, 0.0)
    for sitting in study.sittings:
        for part, num_slots in _parts(sitting):
            left[_key(part)] += sitting.seconds * num_slots / sitting.slots_per_device
    for key, seconds in _billed(study):
        if key in left:
            left[key] = max(0.0, left[key] - seconds)
    total = sum(left.values())
    return [(devices[key], idle_seconds * seconds / total) for key, seconds in left.items() if seconds and total]


def _billed(study: StudyRow) -> Iterator[tuple[tuple[str, ...], float]]:
    """Yields what attempts were billed, with their device as far as that is known."""
    only = find_only(study)
    for trial in study.trials:
        for attempt in trial.attempts:
            if (device := as_held(attempt.device) or only(trial)) is not None:
                yield _key(device), sum(attempt.bill.values())


def _parts(sitting: SittingRow) -> list[tuple[Device, int]]:
    """Returns the devices of a sitting, and how many slots were on each."""
    parts = sitting.device.get("parts")
    return [(sitting.device, sitting.num_slots)] if parts is None else [(part, part["num_slots"]) for part in parts]


def _key(device: Device) -> tuple[str, ...]:
    """Returns what tells devices apart whose time may have different prices."""
    return tuple(str(device[key]) for key in ("kind", "name", "threads"))
