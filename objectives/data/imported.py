"""A data set of the user's own code, by import path."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from dataclasses import replace

from objectives.data.faults import DataFault
from objectives.data.parts import DataSet, check, in_order
from objectives.imports import ImportFault, error_words, find_callable


def open_imported(path: str) -> DataSet:
    """Returns what a callable of the user's returns, held to the law of a data set.

    Args:
        path: `package.module:name` of a callable without arguments that returns a `DataSet`.

    Raises:
        DataFault: whatever is wrong with it.
    """
    try:
        build = find_callable(path)
    except ImportFault as fault:
        raise DataFault(str(fault)) from fault
    with redirect_stdout(sys.stderr):  # standard output is for answers: `--json` must stay JSON
        try:
            data = build()
        except DataFault as fault:
            raise DataFault(f"{path}: {fault}") from fault
        except Exception as error:
            raise DataFault(f"{path} raised {error_words(error)}") from error
    if not isinstance(data, DataSet):
        raise DataFault(f"{path} must return an objectives.data.DataSet, but got {type(data).__name__}")
    try:
        check(data)
    except DataFault as fault:
        raise DataFault(f"{path}: {fault}") from fault
    return replace(data, train=in_order(data.train), validation=in_order(data.validation), test=in_order(data.test))
