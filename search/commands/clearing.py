"""The commands that clear away what is not needed any more."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from search.commands.console import print_json
from search.commands.options import DEFAULT_URL, AsJson, Name, Storage

app = typer.Typer()


@app.command()
def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    storage: Storage = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Delete a study and its weights. Asks first where there is a terminal to ask on."""
    from search import sweeps
    from storage.database import Database
    from storage.studies import load_study

    database = Database(storage)
    study = load_study(database, name)
    if not yes and sys.stdin.isatty():
        typer.confirm(f"Delete {name} with its {len(study.trials)} trials?", abort=True)
    sweeps.delete(name, database)
    if as_json:
        print_json({"study": name, "deleted": True})
    else:
        print(f"deleted {name}")
