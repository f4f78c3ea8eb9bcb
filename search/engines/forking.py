"""The processes of slots, forked from one that has loaded torch, so that none of them loads it.

Nothing of CUDA is touched before the fork, so that each slot opens its own GPU.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
    first = placements[0]
    _CONTEXT.set_forkserver_preload(["objectives.preloaded"] if first.preload is None else [])
    settings = {"OMP_NUM_THREADS": str(first.threads)}  # read as numpy and torch are loaded
    if first.slots_per_device > 1:
        settings["OMP_WAIT_POLICY"] = "PASSIVE"  # else threads that wait keep the cores from the other slots
    with _environment(settings):
        forkserver.ensure_running()


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Has environment variables set meanwhile."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def fork(target: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    """Returns a new process that runs a function of a module, in the environment of now, and ends with this one."""
    process = _CONTEXT.Process(target=_run, args=(dict(os.environ), target, arguments), daemon=True)
    process.start()
    return process


def _run(environment: dict[str, str], target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    target(*arguments)
