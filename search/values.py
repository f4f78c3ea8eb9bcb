"""What a single value of a spec may be: types that pydantic reads, each with the law that it tells."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from objectives.data import DATASETS, FOLDER
from objectives.models import MODELS
from objectives.parameters import DEVICES, PRECISIONS, THREADS
from search.faults import Faults, suggest
from search.models import find_family

IMPORT_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")

TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|d)")
TIME_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def known(kind: str, names: Iterable[str]) -> AfterValidator:
    """Returns what lets the names of a registry through alone; `kind` is what they are names of."""

    def check(name: str) -> str:
        if name not in names:
            raise PydanticCustomError("unknown", "{text}", {"text": f"no such {kind}: {name!r}{suggest(name, names)}"})
        return name

    return AfterValidator(check)


def _whole(value: Any) -> Any:
    """Returns a whole number as one: JSON knows no difference between 5 and 5.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]
"""A whole number as it comes in JSON."""


def _absolute(path: str) -> str:
    """Returns the path as it holds from everywhere: a study may be resumed in another folder."""
    return str(Path(os.path.expanduser(path)).absolute())  # noqa: PTH111  Path.expanduser raises without a home


def _read_model(name: str) -> str:
    """Returns the name of a model; a user's own is imported, by a process of its own."""
    if name not in MODELS and not IMPORT_PATH.fullmatch(name):
        law = "a name or package.module:name is needed, but got" if ":" in name else "no such model:"
        raise PydanticCustomError("unknown", "{text}", {"text": f"{law} {name!r}{suggest(name, MODELS)}"})
    try:
        find_family(name)
    except Faults as faults:
        text = faults.lines[0].removeprefix("objective.model: ")
        raise PydanticCustomError("unknown", "{text}", {"text": text}) from faults
    return name


def _read_import_path(name: str) -> str:
    if not IMPORT_PATH.fullmatch(name):
        text = f"package.module:name of a function train(params, context) is needed, but got {name!r}"
        raise PydanticCustomError("unknown", "{text}", {"text": text})
    return name


def _read_dataset(name: str) -> str:
    """Returns the name of a data set; whether a folder or a module is there is found out when it is opened."""
    if name.startswith(FOLDER) and name != FOLDER:
        return FOLDER + _absolute(name.removeprefix(FOLDER))
    if name in DATASETS or IMPORT_PATH.fullmatch(name):
        return name
    if ":" in name:
        law = f"a name, folder:PATH or package.module:name is needed, but got {name!r}"
        raise PydanticCustomError("unknown", "{text}", {"text": law})
    raise PydanticCustomError("unknown", "{text}", {"text": f"no such data set: {name!r}{suggest(name, DATASETS)}"})


def _one_or_several(law: str, allows: Callable[[Any], bool], word: str | None = None) -> BeforeValidator:
    """Returns what reads one value, or a list of different ones; `word` stands alone."""

    def read(value: Any) -> Any:
        several = value if isinstance(value, list) else [value]
        is_lawful = several and all(allows(one) for one in several) and len(set(several)) == len(several)
        if not is_lawful and (word is None or value != word):
            text = f"{law}, or a list of different ones, is needed, but got {value!r}"
            raise PydanticCustomError("unknown", "{text}", {"text": text})
        return several if len(several) > 1 else several[0]

    return BeforeValidator(read)


def _read_time(value: Any) -> float | None:
    """Returns seconds."""
    number = value
    if isinstance(value, str) and (found := TIME.fullmatch(value.strip())):
        number = float(found[1]) * TIME_UNITS[found[2]]
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    if value is not None and not (is_number and 0 < number < math.inf):
        law = f"a time such as 90s, 20m, 2h, 1d or a number of seconds, above 0, is needed, but got {value!r}"
        raise PydanticCustomError("unknown", "{text}", {"text": law})
    return None if value is None else float(number)


Folder = Annotated[str, AfterValidator(_absolute)]
"""A path; stored as it holds from everywhere."""

ImportPath = Annotated[str, AfterValidator(_read_import_path)]
Model = Annotated[str, AfterValidator(_read_model)]
Dataset = Annotated[str, AfterValidator(_read_dataset)]

Precisions = Annotated[
    str | list[str],
    _one_or_several(f"one of {', '.join(PRECISIONS)}", lambda one: isinstance(one, str) and one in PRECISIONS),
]
Devices = Annotated[
    str | list[str],
    _one_or_several(f"'auto', {', '.join(DEVICES)}", lambda one: isinstance(one, str) and one in DEVICES, "auto"),
]
Threads = Annotated[
    int | list[int] | Literal["auto"],
    _one_or_several(f"'auto', {THREADS.law()}", lambda one: isinstance(one, int) and THREADS.allows(one), "auto"),
]

Seconds = Annotated[float | None, BeforeValidator(_read_time)]
"""A time such as 90s, 20m, 2h or 1d, or a number of seconds."""

Amount = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""A finite number above 0."""
