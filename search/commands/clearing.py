"""The commands that clear away what is not needed any more."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from search.commands.console import new_table, print_json, standard_output
from search.commands.options import DEFAULT_URL, AsJson, Name, Storage
from search.commands.sources import find_client, find_source
from search.faults import Faults

if TYPE_CHECKING:
    from search.cleanup import Holding
    from storage.database import Database

KINDS = ("weights", "checkpoints", "other")

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
    A running study is left alone.
    """
    from search.cleanup import clean, survey
    from storage.database import Database

    database = Database(storage)
    faults: list[str] = []
    removed: dict[str, int] = {}
    holdings = survey(database, with_orphans=orphans)
    for holding in [] if dry_run else holdings:
        files, faults_here = clean(database, holding)
        faults += faults_here
        removed[holding.uuid] = sum(file.num_bytes for file in files)
    if as_json:
        print_json(_clearing_json(database, holdings, removed, is_dry=dry_run))
    else:
        _print_clearing(holdings, None if dry_run else removed)
    if faults:
        raise Faults(*faults)


def _clearing_json(
    database: Database, holdings: list[Holding], removed: Mapping[str, int], *, is_dry: bool
) -> dict[str, Any]:
    studies = [
        {
            "study": holding.name or None,
            "uuid": holding.uuid,
            "state": holding.state,
            **{f"{kind}_bytes": holding.num_bytes(kind) for kind in KINDS},
            "removable_bytes": holding.removable_bytes,
            "num_removable": len(holding.removable),
            "removed_bytes": removed.get(holding.uuid, 0),
            "note": holding.note or None,
        }
        for holding in holdings
    ]
    return {
        "artifacts": str(database.artifacts),
        "dry_run": is_dry,
        "studies": studies,
        "removable_bytes": sum(holding.removable_bytes for holding in holdings),
        "removed_bytes": sum(removed.values()),
    }


def _print_clearing(holdings: list[Holding], removed: Mapping[str, int] | None) -> None:
    from dashboards.words import quantity_words

    table = new_table(
        "study", "state", *(f">{kind}" for kind in KINDS), ">removable" if removed is None else ">removed"
    )
    table.add_column("")
    totals = [0] * (len(KINDS) + 1)
    for holding in holdings:
        last = holding.removable_bytes if removed is None else removed[holding.uuid]
        row = [*map(holding.num_bytes, KINDS), last]
        totals = [total + num_bytes for total, num_bytes in zip(totals, row, strict=True)]
        sizes = [quantity_words(num_bytes, "B") for num_bytes in row]
        table.add_row(escape(holding.name or holding.uuid), holding.state, *sizes, holding.note)
    table.add_row("[bold]all[/]", "", *(quantity_words(total, "B") for total in totals), "")
    standard_output().print(table, highlight=False)
    if removed is None:
        print("nothing was removed: without --dry-run, what is removable goes")
