"""The user's own code, by import path."""

from __future__ import annotations

import os
import sys
import sysconfig
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

_NOT_THEIRS = (
    *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")),
    f"{Path(__file__).parent}{os.sep}",
    "<frozen",
)
"""Where the code lies that the user did not write."""


class ImportFault(Exception):
    """An import path that leads nowhere, or to code that raises; the text is one clear line."""


def find_callable(path: str) -> Callable[..., Any]:
    """Returns what an import path names.

    Args:
        path: `package.module:name` of a callable. Modules are also looked for in the working directory.

    Raises:
        ImportFault: where there is no such callable.
    """
    module_name, _, name = path.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # last, so that a file of the user's shadows no installed package
    try:
        with redirect_stdout(sys.stderr):  # standard output is for answers: `--json` must stay JSON
            module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            raise ImportFault(f"{path}: there is no module {error.name!r}; it was looked for in {here} too") from error
        raise ImportFault(f"{path}: importing {module_name} raised {error_words(error)}") from error
    except Exception as error:
        raise ImportFault(f"{path}: importing {module_name} raised {error_words(error)}") from error
    if not hasattr(module, name):
        close = get_close_matches(name, dir(module), n=1)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        raise ImportFault(f"{path}: {module_name} ({module.__file__}) has no {name!r}{meant}")
    found: Callable[..., Any] = getattr(module, name)
    if not callable(found):
        raise ImportFault(f"{path}: a callable is needed, but got {type(found).__name__}")
    return found


def error_words(error: Exception) -> str:
    """Returns the kind, the text and the place of an error, on one line: the user's own place where it has one."""
    words = ": ".join(filter(None, (type(error).__name__, " ".join(str(error).split()))))
    if isinstance(error, SyntaxError):  # its text says where
        return words
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith(_NOT_THEIRS)]
    place = (theirs or frames)[-1]
    return f"{words} ({Path(place.filename).name}:{place.lineno})"
