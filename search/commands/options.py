"""Options that several commands have in common."""

from __future__ import annotations

from typing import Annotated

import typer

from storage.faults import StorageFault

DEFAULT_URL = "sqlite:///paretune.db"


def _complete_name(incomplete: str) -> list[str]:
    from storage.database import Database
    from storage.studies import list_studies

    try:
        return [line.name for line in list_studies(Database(DEFAULT_URL)) if line.name.startswith(incomplete)]
    except StorageFault:
        return []


Name = Annotated[str, typer.Argument(help="The study.", autocompletion=_complete_name, show_default=False)]
Storage = Annotated[str, typer.Option("--storage", envvar="PARETUNE_STORAGE", help="Database URL.", metavar="URL")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing while it runs.")]
Engine = Annotated[str | None, typer.Option("--engine", help="process or inline.", show_default=False)]
Slots = Annotated[str | None, typer.Option("--slots", help="Trials side by side, or auto.", show_default=False)]
