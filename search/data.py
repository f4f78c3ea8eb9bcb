"""What a sweep's data set is, found out before the sweep begins."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import Connection
from pathlib import Path

from objectives.data import DataFault, Description, is_embedded, open_dataset
from search.faults import Abandoned, Faults

PATIENCE_SECONDS = 5


def describe(name: str, root: Path) -> Description:
    """Opens a data set and describes it.

    One that does not come with the package is opened by a process of its own, so that this one imports neither torch
    nor the user's code.

    Args:
        name: As `open_dataset` takes it.
        root: Folder of the official data sets' files.

    Raises:
        Faults: where it cannot be used as it is.
        Abandoned: on an interrupt meanwhile.
    """
    answer = _answer(name, root) if is_embedded(name) else _ask_process(name, root)
    if isinstance(answer, str):
        raise Faults(f"objective.dataset: {answer}")
    return answer


def _answer(name: str, root: Path) -> Description | str:
    """Returns the description, or the line that says why there is none."""
    try:
        return Description.of(open_dataset(name, root))
    except DataFault as fault:
        return str(fault)
    except MemoryError:
        return f"{name} does not fit into memory"


def _ask_process(name: str, root: Path) -> Description | str:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_reply, args=(theirs, name, root), daemon=True)
    process.start()
    theirs.close()
    try:
        answer: Description | str = ours.recv()
    except EOFError:
        process.join(PATIENCE_SECONDS)
        return f"{name}: the process that opened it died (exit code {process.exitcode})"
    except KeyboardInterrupt as interrupt:
        raise Abandoned from interrupt
    finally:
        process.kill()
        process.join()
        ours.close()
    return answer


def _reply(connection: Connection, name: str, root: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the process that asked decides
    threading.Thread(target=_end_with_asker, daemon=True).start()
    connection.send(_answer(name, root))


def _end_with_asker() -> None:
    asker = multiprocessing.parent_process()
    assert asker is not None
    asker.join()
    os._exit(1)
