"""The command line. Heavy packages are imported by the command that needs them."""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from search.faults import Abandoned, Faults, suggest
from storage.faults import StorageFault

if TYPE_CHECKING:
    from dashboards.summary import Summary

DEFAULT_URL = "sqlite:///paretune.db"
USAGE, SOME_FAILED, INTERRUPTED = 2, 3, 130

app = typer.Typer(
    help="Hyperparameter search that measures what each trial costs and shows the trade-off with accuracy.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
            lambda: sweeps.launch(chosen, Database(storage), progress, progress.tell),
            as_json=as_json,
        )


@app.command(epilog="Examples: [cyan]paretune resume mnist5k-cnn[/]   [cyan]paretune resume mnist5k-cnn --trials 20[/]")
def resume(
    name: Name,
    trials: Annotated[int, typer.Option("--trials", help="Trials to add.", show_default=False)] = 0,
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
    database = Database(storage)
    study = load_study(database, name)
    if study.state == "complete" and not trials:
        _tell(f"study {name} is complete ({len(study.trials)} trials); `--trials N` adds more")
        _end(name, storage, as_json=as_json)
        return
    changed = {"engine": engine, "slots": _slots(slots)}
    compute: dict[str, Any] = {key: value for key, value in changed.items() if value is not None}
    ended = sum(trial.state not in ("waiting", "running") for trial in study.trials)
    spec = sweeps.stored_spec(study, compute)
    with SweepProgress(spec, study.num_trials + trials, ended, quiet=quiet) as progress:
        _sit(name, storage, lambda: sweeps.resume(name, database, progress, trials, compute), as_json=as_json)


@app.command("list")
def list_(storage: Storage = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List the studies."""
    from storage.database import Database
    from storage.studies import list_studies

    lines = list_studies(Database(storage))
    if as_json:
        keys = ("name", "state", "num_trials", "num_ended")
        _print_json(
            [{**{key: getattr(line, key) for key in keys}, "created_at": line.created_at.isoformat()} for line in lines]
        )
        return
    table = _table("study", "state", ">trials", "made (UTC)")
    for line in lines:
        table.add_row(line.name, line.state, f"{line.num_ended}/{line.num_trials}", f"{line.created_at:%Y-%m-%d %H:%M}")
    _console().print(table)


@app.command(
    epilog="Examples: [cyan]paretune show mnist5k-cnn --json[/]   "
    "[cyan]paretune show mnist5k-cnn --figure tradeoff[/]   "
    "[cyan]paretune show mnist5k-cnn --figure parallel -o parallel.png[/]"
)
def show(
    name: Name,
    trial: Annotated[int | None, typer.Argument(help="Number of a trial: prints its log.", show_default=False)] = None,
    figure: Annotated[
        str | None,
        typer.Option(
            "--figure",
            metavar="FIGURE",
            help="tradeoff, curves, optimizers, importance, slices, parallel, hypervolume, spending, timeline "
            "or compare.",
            show_default=False,
        ),
    ] = None,
    others: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="NAME", help="Another study to compare with.", show_default=False),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option("--table", metavar="TABLE", help="trials, epochs or costs, as rows.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="File of the figure (.html, .png, .svg, .json) or the table (.csv, .parquet, .json).",
            show_default=False,
        ),
    ] = None,
    storage: Storage = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show a study: its trials, front, knee, bill; or the log of one trial; or one figure or table."""
    from dashboards.summary import as_json as summary_json
    from dashboards.summary import summarize
    from storage.database import Database
    from storage.studies import load_study

    if table is not None and figure is not None:
        raise Faults("--table: it does not go with --figure")
    if table is not None:
        from search.exports import check_table

        check_table(table, output)
    elif figure is not None or others or output is not None:
        from search.figures import check_figure

        check_figure(figure, others or (), output)
    database = Database(storage)
    summary = summarize(load_study(database, name))
    if trial is not None:
        _show_trial(summary, trial, as_json=as_json)
    elif figure is not None:
        from search.figures import show_figure

        summaries = [summary, *(summarize(load_study(database, other)) for other in others or ())]
        print(show_figure(figure, summaries, output, _console().width, as_json=as_json))
    elif table is not None:
        from search.exports import show_table

        print(show_table(table, summary, output, as_json=as_json))
    elif as_json:
        _print_json(summary_json(summary))
    else:
        from search.tables import print_study

        print_study(summary, _console(), every_trial=True)


@app.command(
    epilog="Examples: [cyan]paretune pick mnist5k-cnn --min-accuracy 0.97[/]   "
    "[cyan]paretune pick mnist5k-cnn --max-cost device_seconds=3[/]"
)
def pick(
    name: Name,
    min_accuracy: Annotated[float | None, typer.Option("--min-accuracy", help="0 to 1.", show_default=False)] = None,
    max_cost: Annotated[
        list[str] | None,
        typer.Option("--max-cost", metavar="COST=VALUE", help="In the cost's unit.", show_default=False),
    ] = None,
    knee: Annotated[bool, typer.Option("--knee", help="The knee of the front.")] = False,
    storage: Storage = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Pick a setting: the cheapest that is accurate enough, the best that is cheap enough, or the knee."""
    from dashboards.choice import NothingFits
    from dashboards.choice import pick as choose
    from dashboards.summary import checkpoint_json, summarize
    from search.testing import test_accuracy
    from storage.database import Database
    from storage.studies import load_study

    limits = _limits(min_accuracy, max_cost or [])
    database = Database(storage)
    summary = summarize(load_study(database, name))
    try:
        picked = choose(summary, min_accuracy, limits, at_knee=knee)
    except NothingFits as error:
        raise Faults(str(error)) from error
    tested = test_accuracy(database, summary.study, picked.point)
    if as_json:
        _print_json(
            {
                "study": name,
                "why": picked.why,
                **checkpoint_json(picked.point),
                **tested.as_json(),
                "validation_looks": summary.num_looks,
            }
        )
    else:
        from search.tables import print_pick

        print_pick(picked, tested, summary.num_looks, _console())


@app.command(epilog="Example: [cyan]paretune report mnist5k-cnn -o report.html[/]")
def report(
    name: Name,
    output: Annotated[Path, typer.Option("-o", "--output", help="HTML file to write.")] = Path("report.html"),
    storage: Storage = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Write one HTML file that opens offline: the trade-off, the curves, the five answers."""
    from dashboards.report import write_report
    from dashboards.summary import summarize
    from search.testing import test_accuracy
    from storage.database import Database
    from storage.studies import load_study

    database = Database(storage)
    summary = summarize(load_study(database, name))
    for point in (summary.best, summary.knee, summary.baseline):
        if point is not None:
            test_accuracy(database, summary.study, point)
    summary = summarize(load_study(database, name))
    try:
        write_report(summary, output)
    except OSError as error:
        raise Faults(f"{output}: it cannot be written: {error.strerror or error}") from error
    if as_json:
        _print_json({"study": name, "report": str(output.absolute())})
    else:
        print(f"wrote {output}: open it in a browser")


@app.command()
def stop(name: Name, storage: Storage = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Stop a running study; everything is saved, `resume` continues it."""
    from search import sweeps
    from storage.database import Database

    stopped = sweeps.stop(name, Database(storage))
    if as_json:
        _print_json({"study": name, "stopped": stopped})
    else:
        print(f"stopped {name}; `paretune resume {name}` continues it" if stopped else f"{name} is not running")


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
        _print_json({"study": name, "deleted": True})
    else:
        print(f"deleted {name}")


def main() -> None:
    """Runs the command line: exit 0 done, 2 the user's mistake, 3 some trials failed, 130 interrupted."""
    gc.set_threshold(100_000)  # imports make many objects and no garbage: a third less time to the first line
    try:
        sys.exit(app(standalone_mode=False))
    except typer.TyperException as error:  # what typer finds wrong with the flags
        _tell(error.format_message() if hasattr(error, "format_message") else str(error))
        sys.exit(USAGE)
    except typer.Abort:
        sys.exit(INTERRUPTED)
    except Faults as faults:
        _tell(*faults.lines)
        sys.exit(USAGE)
    except StorageFault as fault:
        _tell(str(fault))
        sys.exit(USAGE)


def _sit(name: str, storage: str, run: Any, *, as_json: bool) -> None:
    """Runs a sitting of a study and ends the process as its outcome says."""
    try:
        run()
    except Abandoned:
        _tell("interrupted before it began; nothing was changed")
        sys.exit(INTERRUPTED)
    except KeyboardInterrupt:
        where = "" if storage == DEFAULT_URL else f" --storage {storage}"
        _tell(f"interrupted; everything is saved. Continue with: paretune resume {name}{where}")
        sys.exit(INTERRUPTED)
    _end(name, storage, as_json=as_json)


def _end(name: str, storage: str, *, as_json: bool) -> None:
    from dashboards.summary import as_json as summary_json
    from dashboards.summary import summarize
    from storage.database import Database
    from storage.studies import load_study

    summary = summarize(load_study(Database(storage), name))
    if as_json:
        _print_json(summary_json(summary))
    else:
        from search.tables import print_study

        print_study(summary, _console(), every_trial=False)
    if any(trial.state == "failed" for trial in summary.study.trials):
        sys.exit(SOME_FAILED)


def _show_trial(summary: Summary, number: int, *, as_json: bool) -> None:
    from dashboards.summary import trial_log_json

    trials = {trial.number: trial for trial in summary.study.trials}
    if number not in trials:
        there = f"there are 0 to {max(trials)}" if trials else "there is none yet"
        raise Faults(f"trial: {summary.study.name} has no trial {number}; {there}")
    if as_json:
        _print_json(trial_log_json(trials[number]))
    else:
        from search.tables import print_trial

        print_trial(trials[number], summary.cost, _console())


def _slots(text: str | None) -> int | str | None:
    return int(text) if text is not None and text.lstrip("-").isdigit() else text


def _limits(min_accuracy: float | None, max_costs: list[str]) -> dict[str, float]:
    from objectives.costs import COSTS

    limits: dict[str, float] = {}
    faults = []
    if min_accuracy is not None and not 0 <= min_accuracy <= 1:
        faults.append(f"--min-accuracy: a number with 0 <= x <= 1 is needed, but got {min_accuracy:g}")
    for text in max_costs:
        name, equals, value = text.partition("=")
        if not equals:
            faults.append(f"--max-cost: COST=VALUE is needed, such as device_seconds=3, but got {text!r}")
        elif name not in COSTS:
            faults.append(f"--max-cost: no such cost: {name!r}{suggest(name, COSTS)}")
        else:
            try:
                limits[name] = float(value)
            except ValueError:
                faults.append(f"--max-cost {name}: a number is needed, but got {value!r}")
    if faults:
        raise Faults(*faults)
    return limits


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left")
    return table


def _console() -> Console:
    """Returns standard output: as wide as the terminal, or wide enough for any table where it goes to a file."""
    return Console() if sys.stdout.isatty() else Console(width=200)


def _print_json(answer: Any) -> None:
    print(json.dumps(answer, indent=1, allow_nan=False))


def _tell(*lines: str) -> None:
    console = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)
    for line in lines:
        console.print(escape(line))
