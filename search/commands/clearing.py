"""The commands that clear away what is not needed any more."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.markup import escape

from search.commands.console import new_table, print_json, standard_output
from search.commands.options import DEFAULT_URL, AsJson, Name, Storage
from search.commands.sources import find_client, find_source
from search.faults import Faults

PATIENCE_SECONDS = 600.0
"""How long a service is waited for that clears."""

app = typer.Typer()


@app.command(epilog="Examples: [cyan]paretune delete mnist5k-cnn[/]   [cyan]paretune delete mnist5k-cnn --yes[/]")
def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    storage: Storage = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Delete a study and its weights. Asks first where there is a terminal to ask on."""
    if not yes and sys.stdin.isatty():
        num_trials = len(find_source(storage).load_summary(name).study.trials)
        typer.confirm(f"Delete {name} with its {num_trials} trials?", abort=True)
    if (client := find_client()) is not None:
        client.ask("DELETE", "studies", name)
    else:
        from search import sweeps
        from storage.database import Database

        sweeps.delete(name, Database(storage))
    if as_json:
        print_json({"study": name, "deleted": True})
    else:
        print(f"deleted {name}")


@app.command(epilog="Examples: [cyan]paretune gc --dry-run[/]   [cyan]paretune gc --json[/]")
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be removed, and remove nothing.")] = False,
    orphans: Annotated[
        bool,
        typer.Option(
            "--orphans",
            help="Where PARETUNE_ARTIFACTS is set, remove folders of studies that this database does not hold too.",
        ),
    ] = False,
    storage: Storage = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Remove weights and checkpoints that nothing needs any more; the front's and each trial's last weights stay.

    What goes: folders of deleted studies, half-written files,
    checkpoints of trials that ended, all of failed and infeasible trials,
    weights that are neither on the front nor a trial's last.
    A running study is left alone. With --server, on the service's machine.
    """
    if (client := find_client()) is not None:
        if orphans:
            raise Faults("--orphans: a folder may be another database's; ask on the service's machine")
        told = client.ask("POST", "artifacts", "clear", body={"dry_run": dry_run}, seconds=PATIENCE_SECONDS)
    else:
        from search.cleanup import clear
        from storage.database import Database

        told = clear(Database(storage), is_dry=dry_run, with_orphans=orphans).as_json()
    if as_json:
        print_json(told)
    else:
        _print_clearing(told)
    if told["faults"]:
        raise Faults(*told["faults"])


def _print_clearing(told: Mapping[str, Any]) -> None:
    from dashboards.words import quantity_words
    from search.cleanup import KINDS

    last = "removable" if told["dry_run"] else "removed"
    table = new_table("study", "state", *(f">{kind}" for kind in (*KINDS, last)))
    table.add_column("")
    keys = [f"{kind}_bytes" for kind in (*KINDS, last)]
    for study in told["studies"]:
        sizes = [quantity_words(study[key], "B") for key in keys]
        table.add_row(escape(study["study"] or study["uuid"]), study["state"], *sizes, study["note"] or "")
    totals = [sum(study[key] for study in told["studies"]) for key in keys]
    table.add_row("[bold]all[/]", "", *(quantity_words(total, "B") for total in totals), "")
    standard_output().print(table, highlight=False)
    if told["dry_run"]:
        print("nothing was removed: without --dry-run, what is removable goes")
