"""The user's training function, looked at before the sweep begins."""

from __future__ import annotations

import inspect

from objectives.imports import ImportFault, find_callable
from search.faults import Faults
from search.fresh import ask_fresh_process


def check_function(path: str) -> None:
    """Makes sure that a training function is there and takes what it is given; it is imported in a process of its own.

    Args:
        path: `package.module:name`.

    Raises:
        Faults: where it cannot be used.
        Abandoned: on an interrupt meanwhile.
    """
    if (fault := ask_fresh_process(_try, path)) is not None:
        raise Faults(f"objective.train: {fault}")


def _try(path: str) -> str | None:
    try:
        signature = inspect.signature(find_callable(path))
        signature.bind({}, None)
    except (ImportFault, ValueError) as fault:  # a ValueError: a callable that does not tell what it takes
        return str(fault) if isinstance(fault, ImportFault) else None
    except TypeError:
        return f"{path}: a function (params, context) is needed, but got {signature}"
    return None
