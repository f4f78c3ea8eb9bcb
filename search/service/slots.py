"""What of this machine is free: each core and each GPU belongs to one study at a time, so that none slows another.

What a running study has is asked of its process, so that a service that was started anew knows it too, and of a sweep
that was begun by the command line as well.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import psutil
from pydantic import ValidationError

from objectives.meters import own_cores
from search.compute import CORES, count_groups, find_cores, find_gpus, place_slots, split_devices
from search.faults import Faults
from search.sections import Compute
from storage.database import Database
from storage.rows import RunningStudy
from storage.studies import list_running_here

VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Share:
    """Cores and GPUs of this machine.

    Attributes:
        cores: Their numbers.
        gpus: As CUDA_VISIBLE_DEVICES names them.
    """

    cores: tuple[int, ...] = ()
    gpus: tuple[str, ...] = ()

    def environment(self) -> dict[str, str]:
        """Returns the variables that hold a coordinator to its share."""
        told = {CORES: ",".join(map(str, self.cores))} if hasattr(os, "sched_getaffinity") else {}
        return {**told, **({VISIBLE: ",".join(self.gpus)} if self.gpus else {})}


@dataclass(frozen=True)
class Need:
    """How many cores and GPUs a study's slots need together; a slot's GPU is no other's."""

    num_cores: int
    num_gpus: int

    def fits(self, share: Share) -> bool:
        """Says whether a share is enough."""
        return self.num_cores <= len(share.cores) and self.num_gpus <= len(share.gpus)


def find_need(compute: Compute, num_trials: int, train: str | None) -> Need:
    """Returns what a study needs; `auto` means as much as this machine has when nothing else runs.

    Args:
        compute: What its spec asks for.
        num_trials: Its target.
        train: Import path of its training function, if it is not the built-in one.

    Raises:
        Faults: where this machine has not so much at all.
    """
    placements = place_slots(compute, num_trials, train)
    cores = {core for placement in placements for core in placement.cores}
    gpus = {placement.device for placement in placements if placement.kind == "cuda"}
    return Need(len(cores) or len(placements) * placements[0].threads, len(gpus))


def read_compute(table: Mapping[str, Any]) -> Compute:
    """Returns the `compute` table of a stored spec.

    Raises:
        Faults: where it is of another version.
    """
    try:
        return Compute.model_validate(table)
    except ValidationError as error:
        raise Faults("compute: what is stored of it cannot be read by this version") from error


def find_machine() -> Share:
    """Returns all that slots may have on this machine."""
    return Share(tuple(find_cores() or own_cores()), tuple(find_gpus()))


@dataclass(frozen=True)
class Slots:
    """What is free, and what this service has given away. May be asked from several threads.

    Attributes:
        database: Whose running studies count.
    """

    database: Database
    _given: dict[str, Share] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def taken(self) -> dict[str, Share]:
        """Returns what each running study has, by its name; of one that begins too."""
        machine = find_machine()
        found = {study.name: _share_of(study, machine) for study in list_running_here(self.database)}
        return {**found, **dict(self._given)}

    def take(self, study: str, need: Need) -> Share | None:
        """Gives a study its share, which is no other's until it is given back; None where there is not enough.

        Args:
            study: Its name.
            need: What it needs.
        """
        with self._lock:
            machine, taken = find_machine(), self.taken().values()
            cores = tuple(core for core in machine.cores if not any(core in share.cores for share in taken))
            gpus = tuple(gpu for gpu in machine.gpus if not any(gpu in share.gpus for share in taken))
            if not need.fits(Share(cores, gpus)):
                return None
            self._given[study] = Share(cores[: need.num_cores], gpus[: need.num_gpus])
            return self._given[study]

    def give_back(self, study: str, share: Share) -> None:
        """Ends that a study has a share; one that it was given since stays."""
        with self._lock:
            if self._given.get(study) is share:
                del self._given[study]


def _share_of(study: RunningStudy, machine: Share) -> Share:
    """Returns what a running study has: what its coordinator was held to, of which its slots take the first ones."""
    told = _environment(study.pid)
    cores = _named(told.get(CORES)) or _affinity(study.pid) or machine.cores
    gpus = tuple(_names(told.get(VISIBLE))) or machine.gpus
    if study.is_alone:
        return machine
    try:
        compute = read_compute(study.compute)
    except Faults:
        return Share(cores, gpus)
    slots, threads, shared = compute.slots, compute.most_threads, compute.slots_per_device
    if slots == "auto" or threads is None:
        return Share(cores, gpus)
    devices = slots // shared
    num_gpus, num_sets = (0, devices) if compute.device == "cpu" else (devices, 0)
    if compute.is_device_searched:
        num_gpus, num_sets = split_devices(devices, len(gpus))
    return Share(cores[: count_groups(num_gpus, num_sets, shared) * threads], gpus[:num_gpus])


def _environment(pid: int | None) -> Mapping[str, str]:
    """Returns the environment of a process; nothing where it is another user's, or gone."""
    if pid is None:
        return {}
    try:
        return dict(psutil.Process(pid).environ())
    except (psutil.Error, OSError):
        return {}


def _affinity(pid: int | None) -> tuple[int, ...]:
    """Returns the cores that a process may run on; nothing where it is gone, or the system tells of none."""
    if pid is None or not hasattr(os, "sched_getaffinity"):
        return ()
    try:
        return tuple(sorted(os.sched_getaffinity(pid)))
    except OSError:
        return ()


def _named(told: str | None) -> tuple[int, ...]:
    return tuple(int(name) for name in _names(told) if name.isdecimal())


def _names(told: str | None) -> list[str]:
    return [name.strip() for name in (told or "").split(",") if name.strip()]
