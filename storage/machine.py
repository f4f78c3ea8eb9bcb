"""Which machine, boot and process this is, so that another process can tell whether this one is still there."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Holder:
    """The process that holds a lease.

    Attributes:
        host: Name of its machine; two machines may have the same.
        boot: `MACHINE/BOOT/NUMBERS`: a digest of the machine's identity, the identity of its present boot, and the
            process numbers that `pid` is one of (each container has its own); a part that cannot be found is `unknown`.
        pid: Process number.
        pid_started: When that process started, in seconds since the boot; tells it from a later one with its number.
    """

    host: str
    boot: str
    pid: int
    pid_started: float

    @staticmethod
    def here() -> Holder:
        """Returns this process."""
        pid = os.getpid()
        return Holder(platform.node(), _boot(), pid, _started(pid) or 0.0)

    @property
    def machine(self) -> str:
        """What tells its machine from others, the same after a restart of it; its name where it has no identity."""
        identity = self.boot.partition("/")[0]
        return self.host if identity == UNKNOWN else identity

    def is_beside(self, other: Holder) -> bool:
        """Says whether both run on one machine, in one container or not."""
        if UNKNOWN in (self.boot, other.boot):
            return self.host == other.host
        return self.boot.split("/")[:2] == other.boot.split("/")[:2]

    def is_dead(self, heard_at: datetime) -> bool:
        """Says whether the process is known to have ended; of one that cannot be seen from here that is not known.

        Args:
            heard_at: When it was last heard of, by its machine's clock.
        """
        here = Holder.here()
        if self.host != here.host or UNKNOWN in (here.boot, self.boot):
            return False
        if self.boot == here.boot:
            return _started(self.pid) != self.pid_started
        theirs, ours = self.boot.split("/"), here.boot.split("/")
        is_same_machine = theirs[0] == ours[0] != UNKNOWN
        return is_same_machine and theirs[1] != ours[1] and heard_at < _booted_at()


@lru_cache(maxsize=1)
def _boot() -> str:
    machine = _read("/etc/machine-id")
    boot = _read("/proc/sys/kernel/random/boot_id")
    numbers = ""
    with suppress(OSError):
        numbers = str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]")
    if not boot:
        with suppress(OSError):
            boot = f"{_booted_at().timestamp():.0f}"
    if not boot:
        return UNKNOWN
    digest = sha256(machine.encode()).hexdigest()[:12] if machine else UNKNOWN
    return f"{digest}/{boot}/{numbers or UNKNOWN}"


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _booted_at() -> datetime:
    import psutil

    return datetime.fromtimestamp(psutil.boot_time(), UTC)


def _started(pid: int) -> float | None:
    """Returns when a process started, or None where there is none (any more).

    Linux counts it in ticks since the boot, which does not move when the clock is set, as seconds of the day would.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return _started_elsewhere(pid)
    return None if fields[0] in "ZX" else int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _started_elsewhere(pid: int) -> float | None:
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return float(process.create_time())
    except psutil.NoSuchProcess:
        return None
