"""A device that several slots share: all train at once, and now and then one has it alone, to measure. Torch-free."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from objectives.meters import own_cores
from objectives.trial import Device


class Sharing:
    """The slots' agreement on one device, kept by the kernel's file locks: those of a slot that dies are gone with it.

    Whoever wants the device alone goes first: it holds the gate, and those who train pass the gate before they go on.
    The slots of all studies on this machine share the locks of a device: of a GPU, or of the first core that this
    process is pinned to, which a trial with fewer threads than its slot has too. On a device of one's own nothing
    happens.

    Source: the readers-writer problem in which no writer waits for readers that come after it, P. J. Courtois,
    F. Heymans and D. L. Parnas, "Concurrent control with readers and writers", CACM 14 (1971).

    Args:
        device: What the slot runs on.
        folder: Where the locks are; by default the system's for temporary files.
    """

    def __init__(self, device: Device, folder: Path | None = None) -> None:
        self._gate = self._floor = -1
        self.is_shared = device.slots > 1
        if self.is_shared:
            place = device.identity if device.kind == "cuda" else f"core-{own_cores()[0]}"
            stem = (folder or Path(tempfile.gettempdir())) / f"paretune-{os.getuid()}-{place}"
            self._gate, self._floor = (_open(f"{stem}-{name}.lock") for name in ("gate", "floor"))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Has the device with others meanwhile, once nobody has it alone."""
        if not self.is_shared:
            yield
            return
        try:
            self._enter()
            yield
        finally:
            os.close(self._floor)
            os.close(self._gate)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within `together`, has the device alone meanwhile, once all others have given way."""
        if not self.is_shared:
            yield
            return
        fcntl.flock(self._floor, fcntl.LOCK_UN)
        fcntl.flock(self._gate, fcntl.LOCK_EX)
        fcntl.flock(self._floor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._floor, fcntl.LOCK_SH)  # it stays on the floor, whoever waits at the gate
            fcntl.flock(self._gate, fcntl.LOCK_UN)

    @property
    def is_wanted(self) -> bool:
        """Whether somebody waits to have the device alone."""
        if not self.is_shared:
            return False
        try:
            fcntl.flock(self._gate, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self._gate, fcntl.LOCK_UN)
        return False

    def give_way(self) -> None:
        """Within `together`, lets those who want the device alone have it, and waits until they are done."""
        fcntl.flock(self._floor, fcntl.LOCK_UN)
        self._enter()

    def _enter(self) -> None:
        fcntl.flock(self._gate, fcntl.LOCK_SH)
        fcntl.flock(self._floor, fcntl.LOCK_SH)
        fcntl.flock(self._gate, fcntl.LOCK_UN)


def _open(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0), 0o600)
