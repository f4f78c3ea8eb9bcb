"""The commands that run sweeps, and stop them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search.commands.completion import complete_name
from search.commands.console import print_json, tell
from search.commands.options import DEFAULT_URL, AsJson, Budget, Engine, Name, Quiet, Slots, Storage
from search.commands.sitting import end, sit
from search.commands.sources import find_client, find_source
from search.faults import Faults

if TYPE_CHECKING:
    from storage.rows import StudyRow

app = typer.Typer()


@app.command(
    epilog="Examples: [cyan]paretune launch[/]   [cyan]paretune launch sweep.toml --trials 50[/]   "
    '[cyan]paretune launch --study wide --set space.width=4 --set \'space.optimizer=["sgd","adam"]\'[/]   '
    "[cyan]paretune launch --from mnist5k-cnn --study narrow --set space.lr.high=0.1 --trials 20[/]"
)
def launch(
    spec: Annotated[
        Path | None, typer.Argument(help="TOML file; without it the built-in sweep.", show_default=False)
    ] = None,
    study: Annotated[str | None, typer.Option("--study", help="Name of the study.", show_default=False)] = None,
    trials: Annotated[int | None, typer.Option("--trials", help="How many trials.", show_default=False)] = None,
    budget: Budget = None,
    storage: Storage = DEFAULT_URL,
    engine: Engine = None,
    slots: Slots = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Set a key of the spec.", show_default=False),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="NAME",
            help="Take over the finished trials of a study that fit; without SPEC, begin with its spec. --trials are "
            "trained besides.",
            autocompletion=complete_name,
            show_default=False,
        ),
    ] = None,
    example: Annotated[bool, typer.Option("--example", help="Print a commented spec and exit.")] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Run a new sweep: the built-in one, or that of a TOML file, changed by flags."""
    from search.reading import example as example_spec
    from search.reading import read_spec, read_tables

    if example:
        print(example_spec(), end="")
        return
    flags = {"name": study, "search.trials": trials, "compute.engine": engine, "compute.slots": _slots(slots)}
    flags |= read_budget(budget or ())
    old = None if source is None else _find_old(source, storage, has_spec=spec is not None)
    base = None if old is None else old.spec
    if (client := find_client()) is not None:
        from search.commands.remote import launch_remote

        faults: list[str] = []
        tables = read_tables(spec, setting or (), flags, base, faults=faults)
        if faults:
            raise Faults(*faults)
        _check_new(tables.get("name"), source)
        end(launch_remote(client, tables, source, quiet=quiet), storage, as_json=as_json)
        return

    from search.placing import place

    chosen = read_spec(spec, setting or (), flags, base)
    _check_new(chosen.name, source)
    placements = place(chosen, chosen.search.trials)  # their torch loads while the imports below do

    from search import sweeps
    from search.progress import SweepProgress
    from storage.database import Database

    with SweepProgress(chosen, chosen.search.trials, 0, quiet=quiet) as progress:
        sit(
            chosen.name,
            storage,
            lambda: sweeps.launch(
                chosen, Database(storage), progress, progress.tell, old, progress.show_budget, placements=placements
            ),
            as_json=as_json,
        )


@app.command(
    epilog="Examples: [cyan]paretune resume mnist5k-cnn[/]   [cyan]paretune resume mnist5k-cnn --trials 20[/]   "
    "[cyan]paretune resume mnist5k-cnn --trials 20 --set space.lr.high=2.0[/]   "
    "[cyan]paretune resume mnist5k-cnn --budget wall=4h --budget device_hours=2[/]"
)
def resume(
    name: Name,
    trials: Annotated[int, typer.Option("--trials", help="Trials to add.", show_default=False)] = 0,
    budget: Budget = None,
    storage: Storage = DEFAULT_URL,
    engine: Engine = None,
    slots: Slots = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Widen a range, or change compute.* or prices.*.", show_default=False
        ),
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Continue a study: what was cut off, then what is still to do, then more trials if asked.

    A range may widen (--set space.lr.high=2.0); another change of the space is a new study: launch --from NAME.
    """
    if trials < 0:
        raise Faults(f"--trials: a number of trials to add is needed, but got {trials}")
    changes = read_budget(budget or ())
    if (client := find_client()) is not None:
        from search.commands.remote import remote_state, resume_remote

        if not (trials or setting or changes) and remote_state(client, name) == "complete":
            _tell_complete(name, storage, as_json=as_json)
            return
        more = {
            "trials": trials,
            "changes": _read_keys(setting or (), changes),
            "engine": engine,
            "slots": _slots(slots),
        }
        resume_remote(client, name, more, quiet=quiet)
        end(name, storage, as_json=as_json)
        return

    from search import sweeps
    from search.progress import SweepProgress
    from storage.database import Database
    from storage.reading import load_study

    database = Database(storage)
    study = load_study(database, name)
    sweeps.check_can_run(study)
    if study.state == "complete" and not (trials or setting or changes):
        _tell_complete(name, storage, as_json=as_json)
        return
    changed = {"engine": engine, "slots": _slots(slots)}
    compute: dict[str, Any] = {key: value for key, value in changed.items() if value is not None}
    ended = sum(trial.state not in ("waiting", "running") for trial in study.trials)
    spec = sweeps.stored_spec(study, compute)
    with SweepProgress(spec, study.num_trials + trials, ended, quiet=quiet) as progress:
        sit(
            name,
            storage,
            lambda: sweeps.resume(
                name,
                database,
                progress,
                trials,
                compute,
                progress.tell,
                settings=setting or (),
                flags=changes,
                show_budget=progress.show_budget,
            ),
            as_json=as_json,
        )


def _tell_complete(name: str, storage: str, *, as_json: bool) -> None:
    from search.sweeps import check_can_run

    study = find_source(storage).load_study(name)
    check_can_run(study)
    num_trials = len(study.trials)
    tell(f"study {name} is complete ({num_trials} trials); `--trials N` adds more")
    end(name, storage, as_json=as_json)


@app.command(epilog="Example: [cyan]paretune stop mnist5k-cnn[/]")
def stop(name: Name, storage: Storage = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Stop a running study; everything is saved, `resume` continues it. With --server, what is queued is cancelled."""
    is_cancelled = False
    if (client := find_client()) is not None:
        from search.commands.remote import cancel_remote, stop_remote

        is_cancelled = cancel_remote(client, name)
        stopped = is_cancelled or stop_remote(client, name)
    else:
        from search import sweeps
        from storage.database import Database

        stopped = sweeps.stop(name, Database(storage))
    if as_json:
        print_json({"study": name, "stopped": stopped})
    elif is_cancelled:
        print(f"{name} is not in the queue any more")
    elif not stopped:
        print(f"{name} is not running: it is {find_source(storage).load_summary(name).study.state}")
    else:
        print(f"stopped {name}; `paretune resume {name}` continues it")


def _find_old(name: str, storage: str, *, has_spec: bool) -> StudyRow:
    """Returns the study that a new one takes over from.

    Raises:
        Faults: where its spec is needed, and is none to begin with.
    """
    from storage.rows import is_imported

    old = find_source(storage).load_study(name)
    if not has_spec and is_imported(old):
        raise Faults(f"--from {name}: it was imported and has no spec to begin with; give a SPEC file")
    if not has_spec and old.spec["search"].get("remeasures"):
        raise Faults(f"--from {name}: its settings are another study's, trained again; give that one, or a SPEC file")
    return old


def _check_new(name: object, source: str | None) -> None:
    """Makes sure that a new study is not called as the one that it takes over from.

    Raises:
        Faults: where it is.
    """
    if source is not None and name == source:
        raise Faults(f"--study: a name for the new study is needed, but {source} is the one that it takes over from")


def read_budget(flags: Sequence[str]) -> dict[str, Any]:
    """Returns keys of the spec's budget with their values, None where `none` takes one away; the spec checks them."""
    from search.sections import Budget as Table

    changes: dict[str, Any] = {}
    for flag in flags:
        key, equals, text = flag.partition("=")
        if not equals or key not in Table.model_fields:
            known = ", ".join(Table.model_fields)
            raise Faults(f"--budget: key=value with one of {known} is needed, but got {flag!r}")
        changes[f"budget.{key}"] = None if text == "none" else _number(text)
    return changes


def _read_keys(settings: Sequence[str], flags: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what is to change of a spec by dotted path, in values that JSON has.

    Raises:
        Faults: with a line for each setting that is none.
    """
    from search.reading import read_changes

    faults: list[str] = []
    changes = dict(read_changes(settings, flags, faults))
    if faults:
        raise Faults(*faults)
    plain: dict[str, Any] = json.loads(json.dumps(changes, default=str))
    return plain


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _slots(text: str | None) -> int | str | None:
    return int(text) if text is not None and text.lstrip("-").isdigit() else text
