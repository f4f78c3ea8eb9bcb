"""The C library's heap, told to keep what a step of training frees for the next step."""

from __future__ import annotations

import ctypes
from contextlib import suppress

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Options of glibc's mallopt(3)."""

LARGEST = 2**30
"""Bytes; what is larger goes back to the system when it is freed."""


def keep_freed() -> None:
    """Keeps freed memory in the heap of this process, where the C library is glibc; elsewhere nothing is changed.

    By default glibc hands large arrays back to the system at once, so that each step of training asks for its feature
    maps anew and the kernel clears them page by page: two to four percent of a sweep's training.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(MMAP_THRESHOLD, LARGEST)
        mallopt(TRIM_THRESHOLD, LARGEST)


def trim() -> None:
    """Hands back what is free, so that one trial's memory is not counted as the next one's."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
