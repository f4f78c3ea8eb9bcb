"""A data set of the user's own code, by import path."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

from objectives.data.faults import DataFault
from objectives.data.parts import DataSet, check, in_order


def open_imported(path: str) -> DataSet:
    """Returns what a callable of the user's returns, held to the law of a data set.

    Args:
        path: `package.module:name` of a callable without arguments that returns a `DataSet`. Modules are also looked
            for in the working directory.

    Raises:
        DataFault: whatever is wrong with it.
    """
    build = _find(path)
    with redirect_stdout(sys.stderr):  # standard output is for answers: `--json` must stay JSON
        try:
            data = build()
        except DataFault as fault:
            raise DataFault(f"{path}: {fault}") from fault
        except Exception as error:
            raise DataFault(f"{path} raised {_words(error)}") from error
    if not isinstance(data, DataSet):
        raise DataFault(f"{path} must return an objectives.data.DataSet, but got {type(data).__name__}")
    try:
        check(data)
    except DataFault as fault:
        raise DataFault(f"{path}: {fault}") from fault
    return replace(data, train=in_order(data.train), validation=in_order(data.validation), test=in_order(data.test))


def _find(path: str) -> Callable[[], Any]:
    module_name, _, name = path.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # last, so that a file of the user's shadows no installed package
    try:
        with redirect_stdout(sys.stderr):
            module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            raise DataFault(f"{path}: there is no module {error.name!r}; it was looked for in {here} too") from error
        raise DataFault(f"{path}: importing {module_name} raised {_words(error)}") from error
    except Exception as error:
        raise DataFault(f"{path}: importing {module_name} raised {_words(error)}") from error
    if not hasattr(module, name):
        close = get_close_matches(name, dir(module), n=1)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        raise DataFault(f"{path}: {module_name} ({module.__file__}) has no {name!r}{meant}")
    build = getattr(module, name)
    if not callable(build):
        raise DataFault(f"{path}: a callable that returns a DataSet is needed, but got {type(build).__name__}")
    found: Callable[[], Any] = build
    return found


def _words(error: Exception) -> str:
    """Returns the kind, the text and the place of an error, on one line."""
    words = ": ".join(filter(None, (type(error).__name__, " ".join(str(error).split()))))
    if isinstance(error, SyntaxError):  # its text says where
        return words
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{words} ({Path(place.filename).name}:{place.lineno})"
