"""Energy of the CPU and its memory, by RAPL: counters that Linux shows under /sys/class/powercap."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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


def find_fault(cores: Sequence[int], root: Path = POWERCAP, has: str = "this slot has") -> str | None:
    """Returns why the energy of a slot cannot be told by RAPL; None where it can.

    The counters are those of whole packages, so that they tell a slot's energy only where it has all cores.

    Args:
        cores: The slot's.
        root: Where the kernel shows the counters.
        has: Who has the cores, in words.
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
        return f"the CPU's energy counter is that of all {num_cores} cores, and {has} {len(cores)}"
    return None


class RaplCounter:
    """The counters of all packages and their memory, as one.

    Args:
        counters: At least one.
    """

    tick_seconds = TICK_SECONDS
    record = None

    def __init__(self, counters: Sequence[Counter]) -> None:
        self._counters = counters
        self._last = [counter.read() for counter in counters]
        self._microjoules = 0
        self.most_seconds = min(counter.most for counter in counters) / 1e6 / MOST_WATTS

    def read_joules(self) -> float:
        """Returns the energy since the counter was opened; what came round is followed.

        Raises:
            OSError: where a counter cannot be read any more.
        """
        now = [counter.read() for counter in self._counters]
        pairs = zip(self._counters, self._last, now, strict=True)
        self._microjoules += sum(counter.since(before, after) for counter, before, after in pairs)
        self._last = now
        return self._microjoules / 1e6

    def read_watts(self) -> float | None:
        """Returns None: there is no sensor beside the counters."""
        return None


def open_rapl(cores: Sequence[int], root: Path = POWERCAP, has: str = "this slot has") -> RaplCounter | str:
    """Returns the counter of a slot's CPU, or why there is none.

    Args:
        cores: The slot's.
        root: Where the kernel shows the counters.
        has: Who has the cores, in words.
    """
    return find_fault(cores, root, has) or RaplCounter(find_counters(root))
