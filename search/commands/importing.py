"""The command that brings in studies of plain Optuna."""

from __future__ import annotations

from typing import Annotated

import typer

from search.commands.console import print_json, tell
from search.commands.options import DEFAULT_URL, AsJson, Storage
from search.commands.sources import find_client

PATIENCE_SECONDS = 600.0
"""How long a service is waited for that writes a study."""

app = typer.Typer()


@app.command(
    "import",
    epilog="Examples: [cyan]paretune import sqlite:///optuna.db mnist --accuracy-index 0 --num-images 10000[/]   "
    "[cyan]paretune import sqlite:///optuna.db mnist --name old --accuracy-index 0 --percent --num-images 1000[/]",
)
def import_(
    optuna_url: Annotated[str, typer.Argument(metavar="OPTUNA_URL", help="Optuna's database.", show_default=False)],
    study: Annotated[str, typer.Argument(metavar="STUDY", help="Its name there.", show_default=False)],
    name: Annotated[str | None, typer.Option("--name", help="Its name here.", show_default=False)] = None,
    accuracy_index: Annotated[
        int | None,
        typer.Option("--accuracy-index", help="Which objective is the accuracy, from 0.", show_default=False),
    ] = None,
    num_images: Annotated[
        int | None,
        typer.Option("--num-images", help="Validation images that an accuracy is a share of.", show_default=False),
    ] = None,
    percent: Annotated[bool, typer.Option("--percent", help="Accuracies are from 0 to 100.")] = False,
    storage: Storage = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Bring in a plain Optuna study, to look at and to take over with `launch --from`; it is only read.

    Durations become wall_seconds; other costs are absent. An imported study cannot be resumed.
    With --server it is read here, and made there.
    """
    from search.importing import Wanted, import_study, read_optuna

    chosen = name or study
    wanted = Wanted(optuna_url, study, chosen, accuracy_index, num_images, percent)
    if (client := find_client()) is not None:
        read, lines = read_optuna(wanted)
        client.ask("POST", "imports", body=read.model_dump(mode="json"), seconds=PATIENCE_SECONDS)
    else:
        from storage.database import Database

        lines = import_study(wanted, Database(storage))
    if as_json:
        print_json({"study": chosen, "notes": lines})
    else:
        tell(*lines)
        print(f"`paretune show {chosen}` shows it")
