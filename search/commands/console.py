"""What commands print: answers on standard output, lines for a person on standard error."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def new_table(*columns: str) -> Table:
    """Returns a table without rows; a column whose name begins with `>` is aligned to the right."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left")
    return table


def standard_output() -> Console:
    """Returns standard output: as wide as the terminal, or wide enough for any table where it goes to a file."""
    return Console() if sys.stdout.isatty() else Console(width=200)


def print_json(answer: Any) -> None:
    """Prints an answer for programs."""
    print(json.dumps(answer, indent=1, allow_nan=False))


def tell(*lines: str) -> None:
    """Prints lines for a person on standard error."""
    console = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)
    for line in lines:
        console.print(escape(line))
