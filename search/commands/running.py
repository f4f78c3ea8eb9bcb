"""The commands that run sweeps, and stop them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from search.commands.console import print_json, standard_output, tell
from search.commands.options import DEFAULT_URL, AsJson, Engine, Name, Quiet, Slots, Storage
from search.faults import Abandoned, Faults

SOME_FAILED, INTERRUPTED = 3, 130

app = typer.Typer()


@app.command(
    epilog="Examples: [cyan]paretune launch[/]   [cyan]paretune launch sweep.toml --trials 50[/]   "
    '[cyan]paretune launch --study wide --set space.width=4 --set \'space.optimizer=["sgd","adam"]\'[/]'
)
def launch(
    spec: Annotated[
        Path | None, typer.Argument(help="TOML file; without it the built-in sweep.", show_default=False)
    ] = None,
    study: Annotated[str | None, typer.Option("--study", help="Name of the study.", show_default=False)] = None,
    trials: Annotated[int | None, typer.Option("--trials", help="How many trials.", show_default=False)] = None,
    storage: Storage = DEFAULT_URL,
    engine: Engine = None,
    slots: Slots = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Set a key of the spec.", show_default=False),
    ] = None,
    example: Annotated[bool, typer.Option("--example", help="Print a commented spec and exit.")] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Run a new sweep: the built-in one, or that of a TOML file, changed by flags."""
    from search.spec import example as example_spec
    from search.spec import read_spec

    if example:
        print(example_spec(), end="")
        return
    flags = {"name": study, "search.trials": trials, "compute.engine": engine, "compute.slots": _slots(slots)}
    chosen = read_spec(spec, setting or (), flags)

    from search import sweeps
    from search.progress import SweepProgress
    from storage.database import Database

    with SweepProgress(chosen, chosen.search.trials, 0, quiet=quiet) as progress:
        _sit(
            chosen.name,
            storage,
            lambda: sweeps.launch(chosen, Database(storage), progress, progress.tell, progress.show_budget),
            as_json=as_json,
        )


@app.command(
    epilog="Examples: [cyan]paretune resume mnist5k-cnn[/]   [cyan]paretune resume mnist5k-cnn --trials 20[/]   "
    "[cyan]paretune resume mnist5k-cnn --budget wall=4h --budget device_hours=2[/]"
)
def resume(
    name: Name,
    trials: Annotated[int, typer.Option("--trials", help="Trials to add.", show_default=False)] = 0,
    budget: Annotated[
        list[str] | None,
        typer.Option(
            "--budget",
            metavar="KEY=VALUE",
            help="Set a key of the budget, for all sittings together; none takes it away.",
            show_default=False,
        ),
    ] = None,
    storage: Storage = DEFAULT_URL,
    engine: Engine = None,
    slots: Slots = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Continue a study: what was cut off, then what is still to do, then more trials if asked."""
    from search import sweeps
    from search.progress import SweepProgress
    from storage.database import Database
    from storage.studies import load_study

    if trials < 0:
        raise Faults(f"--trials: a number of trials to add is needed, but got {trials}")
    changes = _read_budget(budget or ())
    database = Database(storage)
    study = load_study(database, name)
    if study.state == "complete" and not trials:
        tell(f"study {name} is complete ({len(study.trials)} trials); `--trials N` adds more")
        _end(name, storage, as_json=as_json)
        return
    changed = {"engine": engine, "slots": _slots(slots)}
    compute: dict[str, Any] = {key: value for key, value in changed.items() if value is not None}
    ended = sum(trial.state not in ("waiting", "running") for trial in study.trials)
    spec = sweeps.stored_spec(study, compute, budget=changes)
    with SweepProgress(spec, study.num_trials + trials, ended, quiet=quiet) as progress:
        _sit(
            name,
            storage,
            lambda: sweeps.resume(
                name, database, progress, trials, compute, progress.tell, changes, progress.show_budget
            ),
            as_json=as_json,
        )


@app.command(epilog="Example: [cyan]paretune stop mnist5k-cnn[/]")
def stop(name: Name, storage: Storage = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Stop a running study; everything is saved, `resume` continues it."""
    from search import sweeps
    from storage.database import Database

    stopped = sweeps.stop(name, Database(storage))
    if as_json:
        print_json({"study": name, "stopped": stopped})
    else:
        print(f"stopped {name}; `paretune resume {name}` continues it" if stopped else f"{name} is not running")


def _sit(name: str, storage: str, run: Callable[[], object], *, as_json: bool) -> None:
    """Runs a sitting of a study and ends the process as its outcome says."""
    try:
        run()
    except Abandoned:
        tell("interrupted before it began; nothing was changed")
        sys.exit(INTERRUPTED)
    except KeyboardInterrupt:
        where = "" if storage == DEFAULT_URL else f" --storage {storage}"
        tell(f"interrupted; everything is saved. Continue with: paretune resume {name}{where}")
        sys.exit(INTERRUPTED)
    _end(name, storage, as_json=as_json)


def _end(name: str, storage: str, *, as_json: bool) -> None:
    from dashboards.summary import as_json as summary_json
    from dashboards.summary import summarize
    from storage.database import Database
    from storage.studies import load_study

    summary = summarize(load_study(Database(storage), name))
    if as_json:
        print_json(summary_json(summary))
    else:
        from search.tables import print_study

        print_study(summary, standard_output(), every_trial=False)
    if any(trial.state == "failed" for trial in summary.study.trials):
        sys.exit(SOME_FAILED)


def _read_budget(flags: Sequence[str]) -> dict[str, Any]:
    """Returns keys of the budget with their values, None where `none` takes one away; the spec's laws check them."""
    from search.spec import Budget

    changes: dict[str, Any] = {}
    for flag in flags:
        key, equals, text = flag.partition("=")
        if not equals or key not in Budget.model_fields:
            known = ", ".join(Budget.model_fields)
            raise Faults(f"--budget: key=value with one of {known} is needed, but got {flag!r}")
        changes[key] = None if text == "none" else _number(text)
    return changes


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _slots(text: str | None) -> int | str | None:
    return int(text) if text is not None and text.lstrip("-").isdigit() else text
