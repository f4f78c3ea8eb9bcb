"""Energy of the CPU and its memory, by RAPL: counters that Linux shows under /sys/class/powercap."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from objectives.costs import Measurement, absent, measured

POWERCAP = Path("/sys/class/powercap")

TICK_SECONDS = 0.001
"""How often the counters move. Source: Intel 64 and IA-32 Architectures SDM, vol. 3B, section 16.10."""


@dataclass(frozen=True)
class Counter:
    """One counter of microjoules.

    Attributes:
        name: As the kernel calls it, `package-0` or `dram`.
        path: Of the file that holds its value.
        most: The value after which it begins at 0 again.
    """

    name: str
    path: Path
    most: int

    def read(self) -> int:
        """Returns its value.

        Raises:
            OSError: where it cannot be read.
        """
        return int(self.path.read_text())

    def since(self, start: int, now: int) -> int:
        """Returns the microjoules between two readings, of which the second may be past one wrap-around.

        >>> Counter("dram", Path("x"), 100).since(90, 15)
        26
        """
        return now - start if now >= start else now + self.most - start + 1


MOST_WATTS = 1000.0
"""Of a package: a stretch in which a counter might come round more than once at this power is not told of."""


def find_counters(root: Path = POWERCAP) -> list[Counter]:
    """Returns the counters of all packages and of the memory beside them; none where the machine has no RAPL.

    Raises:
        OSError: where the kernel does not show what they are.
    """
    counters = []
    for folder in sorted(root.glob("intel-rapl:*")):
        name = (folder / "name").read_text().strip()
        if name.startswith("package-") or name == "dram":
            most = int((folder / "max_energy_range_uj").read_text())
            counters.append(Counter(name, folder / "energy_uj", most))
    return counters


def find_fault(cores: Sequence[int], root: Path = POWERCAP) -> str | None:
    """Returns why the energy of a slot cannot be told by RAPL; None where it can.

    The counters are those of whole packages, so that they tell a slot's energy only where it has all cores.

    Args:
        cores: The slot's.
        root: Where the kernel shows the counters.
    """
    try:
        counters = find_counters(root)
        for counter in counters:
            counter.read()
    except PermissionError:
        return "the CPU's energy counter is not readable for this user; `paretune doctor` tells what to do"
    except OSError as error:
        return f"the CPU's energy counter cannot be read: {error.strerror or error}"
    if not counters:
        return "this machine shows no energy counter of its CPU"
    num_cores = os.cpu_count() or 1
    if len(cores) < num_cores:
        return f"the CPU's energy counter is that of all {num_cores} cores, and this slot has {len(cores)}"
    return None


class CpuEnergy:
    """Reads all counters at both ends of a stretch.

    Args:
        cores: The slot's.
        root: Where the kernel shows the counters.
    """

    def __init__(self, cores: Sequence[int], root: Path = POWERCAP) -> None:
        self._fault = find_fault(cores, root)
        self._counters = [] if self._fault else find_counters(root)
        self._start: list[int] = []

    def start(self) -> None:
        """Begins a stretch."""
        self._start = [counter.read() for counter in self._counters]

    def stop(self, seconds: float) -> Measurement:
        """Returns the energy of a stretch of so many seconds, in joules."""
        if self._fault is not None:
            return absent(self._fault)
        if any(seconds * MOST_WATTS * 1e6 > counter.most for counter in self._counters):
            return absent(f"in {seconds:.0f} s the CPU's energy counter may have come round more than once")
        pairs = zip(self._counters, self._start, strict=True)
        joules = sum(counter.since(start, counter.read()) for counter, start in pairs) / 1e6
        return measured(joules, error=joules / seconds * TICK_SECONDS)
