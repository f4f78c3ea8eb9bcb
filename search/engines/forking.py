"""The processes of slots, forked from one that has loaded torch: a slot starts, or is replaced, in a tenth of a second.

Nothing of CUDA is touched before the fork, so that each slot opens its own GPU.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from typing import Any

from objectives.trial import Placement

_CONTEXT = multiprocessing.get_context("forkserver")


def begin_loading(placements: Sequence[Placement]) -> None:
    """Begins to load what the slots need, in the process that they will be forked from, and returns at once.

    Of a process that did so before nothing changes: slots load for themselves what theirs lacks.

    Args:
        placements: The slots of a sitting; all have the same number of threads, and train the same way.
    """
    is_built_in = placements[0].preload is None
    _CONTEXT.set_forkserver_preload(["objectives.preloaded"] if is_built_in else [])
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(placements[0].threads)  # read as numpy and torch are loaded
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def fork(target: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    """Returns a new process that runs a function of a module, in the environment of now, and ends with this one."""
    process = _CONTEXT.Process(target=_run, args=(dict(os.environ), target, arguments), daemon=True)
    process.start()
    return process


def _run(environment: dict[str, str], target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    target(*arguments)
