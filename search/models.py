"""What a sweep's model family takes, found out before the sweep begins."""

from __future__ import annotations

from functools import cache

from objectives.imports import ImportFault
from objectives.models import MODELS, Family, read_family, try_model
from search.faults import Faults
from search.fresh import ask_fresh_process


@cache
def find_family(name: str) -> Family:
    """Returns a family; a user's is read once, in a process of its own.

    Args:
        name: A key of `MODELS`, or `package.module:name`.

    Raises:
        Faults: where it cannot be used.
        Abandoned: on an interrupt meanwhile.
    """
    answer = MODELS[name] if name in MODELS else ask_fresh_process(_read, name)
    if isinstance(answer, str):
        raise Faults(f"objective.model: {answer}")
    return answer


def check_model(name: str, image_CHW: tuple[int, int, int], num_classes: int) -> None:
    """Makes sure that a user's model takes the images of the data set.

    Raises:
        Faults: where it does not.
        Abandoned: on an interrupt meanwhile.
    """
    if name not in MODELS and (fault := ask_fresh_process(_try, name, image_CHW, num_classes)) is not None:
        raise Faults(f"objective.model: {fault}")


def _read(name: str) -> Family | str:
    try:
        return read_family(name)
    except ImportFault as fault:
        return str(fault)


def _try(name: str, image_CHW: tuple[int, int, int], num_classes: int) -> str | None:
    try:
        try_model(name, image_CHW, num_classes)
    except ImportFault as fault:
        return str(fault)
    return None
