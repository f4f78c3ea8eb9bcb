"""Options that several commands have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from search.commands.completion import complete_name

DEFAULT_URL = "sqlite:///paretune.db"

Name = Annotated[str, typer.Argument(help="The study.", autocompletion=complete_name, show_default=False)]
Storage = Annotated[str, typer.Option("--storage", envvar="PARETUNE_STORAGE", help="Database URL.", metavar="URL")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Prices = Annotated[
    Path | None,
    typer.Option(
        "--prices",
        metavar="FILE",
        help="Price book that holds alone; without it the study's own prices, over yours.",
        show_default=False,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing while it runs.")]
Engine = Annotated[str | None, typer.Option("--engine", help="process or inline.", show_default=False)]
Budget = Annotated[
    list[str] | None,
    typer.Option(
        "--budget",
        metavar="KEY=VALUE",
        help="Set a key of the budget, for all sittings together; none takes it away.",
        show_default=False,
    ),
]
Slots = Annotated[str | None, typer.Option("--slots", help="Trials side by side, or auto.", show_default=False)]
