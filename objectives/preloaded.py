"""What every slot loads, loaded once: imported by the process that slots are forked from, and by nothing else."""

from __future__ import annotations

import gc
import signal

signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the coordinator decides
gc.disable()  # a quarter of the loading would go into looking for garbage among what stays

import objectives.train  # noqa: E402, F401  loading takes a second, in which Ctrl-C may come

gc.freeze()  # nor do the slots look through it, which would also copy its pages into each of them
gc.enable()
