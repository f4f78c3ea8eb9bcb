"""What a sweep's data set is, found out before the sweep begins."""

from __future__ import annotations

from pathlib import Path

from objectives.data import DataFault, Description, is_embedded, open_dataset
from search.faults import Faults
from search.fresh import ask_fresh_process


def describe(name: str, root: Path) -> Description:
    """Opens a data set and describes it; one that does not come with the package in a process of its own.

    Args:
        name: As `open_dataset` takes it.
        root: Folder of the official data sets' files.

    Raises:
        Faults: where it cannot be used as it is.
        Abandoned: on an interrupt meanwhile.
    """
    answer = _answer(name, root) if is_embedded(name) else ask_fresh_process(_answer, name, root)
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
