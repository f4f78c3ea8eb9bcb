"""The command that trains points of a study again."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from search.commands.console import print_json, standard_output
from search.commands.options import DEFAULT_URL, AsJson, Budget, Name, Quiet, Storage
from search.commands.running import read_budget
from search.commands.sitting import end, sit
from search.commands.sources import find_client, find_source
from search.faults import Faults

app = typer.Typer()


@app.command(
    epilog="Examples: [cyan]paretune remeasure mnist5k-cnn --front --repeats 5[/]   "
    "[cyan]paretune remeasure mnist5k-cnn --knee --repeats 10[/]   "
    "[cyan]paretune remeasure mnist5k-cnn --trial 4 --trial 7[/]"
)
def remeasure(
    name: Name,
    front: Annotated[bool, typer.Option("--front", help="The settings of the front, as without these flags.")] = False,
    knee: Annotated[bool, typer.Option("--knee", help="The knee's setting.")] = False,
    trial: Annotated[
        list[int] | None,
        typer.Option("--trial", metavar="N", help="A trial's setting; may be given again.", show_default=False),
    ] = None,
    repeats: Annotated[int, typer.Option("--repeats", help="New seeds of each setting.")] = 5,
    study: Annotated[
        str | None, typer.Option("--study", help="Name of the new study: NAME-remeasured.", show_default=False)
    ] = None,
    budget: Budget = None,
    force: Annotated[bool, typer.Option("--force", help="Even while another study runs on this machine.")] = False,
    storage: Storage = DEFAULT_URL,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train the front again with new seeds, alone on the device: was the search lucky, and what is really different?

    It makes a study of its own, which `paretune resume` continues; `show` and `report` of NAME tell what came of it.
    """
    if front and (knee or trial):
        raise Faults(f"--front: it does not go with {'--knee' if knee else '--trial'}")
    limits = read_budget(budget or ())
    if (client := find_client()) is not None:
        from search.commands.remote import remeasure_remote

        told = {key.removeprefix("budget."): value for key, value in limits.items()}
        asked = {
            "trials": trial or [],
            "knee": knee,
            "repeats": repeats,
            "study": study,
            "budget": told,
            "force": force,
        }
        new = remeasure_remote(client, name, asked, quiet=quiet)
        end(new, storage, as_json=as_json, show=partial(_show, name, new, storage, as_json=as_json))
        return

    from search.pricing import load_summary
    from search.progress import SweepProgress
    from search.remeasuring import Wish, plan
    from search.remeasuring import remeasure as run
    from storage.database import Database

    database = Database(storage)
    summary = load_summary(database, name)
    spec = plan(summary, database, Wish(repeats, trial or (), knee, study, limits))
    with SweepProgress(spec, spec.search.trials, 0, quiet=quiet) as progress:
        sit(
            spec.name,
            storage,
            lambda: run(summary.study, spec, database, progress, progress.tell, progress.show_budget, is_forced=force),
            as_json=as_json,
            show=partial(_show, name, spec.name, storage, as_json=as_json),
        )


def _show(name: str, new: str, storage: str, *, as_json: bool) -> None:
    from dashboards.remeasured import remeasurement_json
    from search.tables import print_remeasurement

    found = find_source(storage).load_summary(name)
    if as_json:
        print_json({"study": name, "remeasured": new, "remeasurement": remeasurement_json(found)})
    else:
        print_remeasurement(found, standard_output())
