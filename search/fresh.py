"""Asking a process of its own, so that this one imports neither torch nor the user's code."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from search.faults import Abandoned

PATIENCE_SECONDS = 5

Answer = TypeVar("Answer")


def ask_fresh_process(answer: Callable[..., Answer], *arguments: Any) -> Answer | str:
    """Returns what a function of a module returns in a new process, or a line that says how the process died.

    Args:
        answer: The function.
        arguments: What it is given; the first is what it is about.


    Raises:
        Abandoned: on an interrupt meanwhile.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_reply, args=(theirs, answer, arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        answered: Answer = ours.recv()
    except EOFError:
        process.join(PATIENCE_SECONDS)
        return f"{arguments[0]}: the process that opened it died (exit code {process.exitcode})"
    except KeyboardInterrupt as interrupt:
        raise Abandoned from interrupt
    finally:
        process.kill()
        process.join()
        ours.close()
    return answered


def _reply(connection: Connection, answer: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the process that asked decides
    threading.Thread(target=_end_with_asker, daemon=True).start()
    connection.send(answer(*arguments))


def _end_with_asker() -> None:
    asker = multiprocessing.parent_process()
    assert asker is not None
    asker.join()
    os._exit(1)
