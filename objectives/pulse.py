"""For how long a trial has been running: noted by its slot on disk, so that a bill can be written after a kill -9."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PULSE = "pulse"
"""Name of the file in a trial's folder that says for how many seconds its present attempt has held its slot."""

PULSE_SECONDS = 0.1
"""How often it is written: so much of a killed attempt's time may be missing from its bill."""


@contextmanager
def beating(folder: Path | None) -> Iterator[None]:
    """Notes how long a trial runs; the note goes when it ends, and stays where its process is killed."""
    if folder is None:
        yield
        return
    start, has_ended = time.perf_counter(), threading.Event()
    note = folder / PULSE

    def beat() -> None:
        with suppress(OSError):  # without a note less is billed
            folder.mkdir(parents=True, exist_ok=True)
            with note.open("wb", buffering=0) as file:
                while True:
                    file.seek(0)
                    file.write(b"%.3f\n" % (time.perf_counter() - start))
                    if has_ended.wait(PULSE_SECONDS):
                        return

    heart = threading.Thread(target=beat, daemon=True)
    heart.start()
    try:
        yield
    finally:
        has_ended.set()
        heart.join()
        forget_pulse(folder)


def read_pulse(folder: Path) -> float | None:
    """Returns for how many seconds the attempt that was killed held its slot; None where it left no note.

    >>> import tempfile
    >>> read_pulse(Path(tempfile.gettempdir()) / "nowhere") is None
    True
    """
    try:
        return float((folder / PULSE).read_text())
    except (OSError, ValueError):
        return None


def forget_pulse(folder: Path) -> None:
    """Removes the note of an attempt that is billed already."""
    with suppress(OSError):
        (folder / PULSE).unlink()
