"""What this machine has, what runs on it, and what can be measured, without disturbing what runs."""

from __future__ import annotations

import json
import logging
import os
import platform
import subprocess
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock

from dashboards.machine import Machine, Place
from dashboards.words import range_words
from objectives.findings import Finding
from objectives.slot import cpu_name
from search.compute import name_device
from search.service.processes import COMMAND, OF_CLIENTS
from search.service.slots import Share, Slots, find_machine

log = logging.getLogger("paretune.service")

PATIENCE_SECONDS = 60.0
AGE_SECONDS = 600.0
"""After so long the rest is looked at anew: a driver may have been installed, a file made readable."""


@dataclass
class Lookout:
    """Looks at this machine. May be asked from several threads.

    Attributes:
        slots: What of it is whose.
    """

    slots: Slots
    _lock: Lock = field(default_factory=Lock)
    _checked: tuple[float, datetime, dict[str, Finding]] | None = None

    def look(self) -> Machine:
        """Returns the machine as it is now.

        Raises:
            StorageFault: where the database cannot be used.
        """
        checked_at, findings = self._check()
        return Machine(platform.node(), find_places(find_machine(), self.slots.taken()), findings, checked_at)

    def _check(self) -> tuple[datetime, dict[str, Finding]]:
        with self._lock:
            if self._checked is None or time.monotonic() - self._checked[0] > AGE_SECONDS:
                self._checked = time.monotonic(), datetime.now(UTC), check_quickly()
            return self._checked[1:]


def check_quickly() -> dict[str, Finding]:
    """Returns what `paretune doctor --quick` finds, in a process of its own: some meters look at their process."""
    own = {key: value for key, value in os.environ.items() if key not in OF_CLIENTS}
    try:
        done = subprocess.run(  # noqa: S603  its own command line
            [*COMMAND, "doctor", "--quick", "--json"],
            capture_output=True,
            env=own,
            timeout=PATIENCE_SECONDS,
            check=True,
        )
        return {name: Finding(**found) for name, found in json.loads(done.stdout).items()}
    except (OSError, subprocess.SubprocessError, ValueError, TypeError) as error:
        log.error("the machine could not be looked at: %s", error)
        return {"all": Finding("absent", "the machine could not be looked at; the log has why", "`paretune doctor`")}


def find_places(machine: Share, taken: dict[str, Share]) -> list[Place]:
    """Returns all parts of a machine with whose they are: cores in groups, and each GPU.

    Args:
        machine: All of it.
        taken: What each study has.
    """
    whose_core = {core: study for study, share in taken.items() for core in share.cores}
    whose_gpu = {gpu: study for study, share in taken.items() for gpu in share.gpus}
    groups: dict[str | None, list[int]] = {}
    for core in machine.cores:
        groups.setdefault(whose_core.get(core), []).append(core)
    processor = cpu_name()
    places = [
        Place(processor, f"core{'s' if len(cores) > 1 else ''} {range_words(cores)}", study)
        for study, cores in groups.items()
    ]
    return places + [Place(name_device(f"cuda:{gpu}")[1], f"GPU {gpu}", whose_gpu.get(gpu)) for gpu in machine.gpus]
