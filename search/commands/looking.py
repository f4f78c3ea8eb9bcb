"""The commands that look at studies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search.commands.completion import complete_name
from search.commands.console import new_table, print_json, standard_output
from search.commands.options import DEFAULT_URL, AsJson, Name, Prices, Storage
from search.commands.sources import Source, find_source
from search.faults import Faults, check_ending

if TYPE_CHECKING:
    from dashboards.summary import Summary

app = typer.Typer()


@app.command("list", epilog="Examples: [cyan]paretune list[/]   [cyan]paretune list --json[/]")
def list_(storage: Storage = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List the studies."""
    lines = find_source(storage).list_studies()
    if as_json:
        keys = ("name", "state", "num_trials", "num_ended")
        print_json(
            [{**{key: getattr(line, key) for key in keys}, "created_at": line.created_at.isoformat()} for line in lines]
        )
        return
    table = new_table("study", "state", ">trials", "made (UTC)")
    for line in lines:
        table.add_row(line.name, line.state, f"{line.num_ended}/{line.num_trials}", f"{line.created_at:%Y-%m-%d %H:%M}")
    standard_output().print(table)


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
            help="tradeoff, curves, optimizers, importance, slices, parallel, hypervolume, spending, timeline; "
            "of several studies compare, attainment or progress.",
            show_default=False,
        ),
    ] = None,
    others: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="NAME",
            help="Another study to compare with.",
            autocompletion=complete_name,
            show_default=False,
        ),
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
    prices: Prices = None,
    storage: Storage = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show a study: its trials, front, knee, bill; or the log of one trial; or one figure or table."""
    from dashboards.records import as_json as summary_json
    from dashboards.remeasured import remeasurement_json

    if table is not None and figure is not None:
        raise Faults("--table: it does not go with --figure")
    if table is not None:
        from search.exports import check_table

        check_table(table, output)
    elif figure is not None or others or output is not None:
        from search.figures import check_figure

        check_figure(figure, others or (), output)
    source = find_source(storage)
    summary = source.load_summary(name, prices)
    if trial is not None:
        _show_trial(source, summary, trial, as_json=as_json)
    elif figure is not None:
        from search.figures import show_figure

        summaries = [summary, *(source.load_summary(other, prices) for other in others or ())]
        print(show_figure(figure, summaries, output, standard_output().width, as_json=as_json))
    elif table is not None:
        from search.exports import show_table

        print(show_table(table, summary, output, as_json=as_json))
    elif as_json:
        print_json({**summary_json(summary), "remeasurement": remeasurement_json(summary)})
    else:
        from search.tables import print_study

        print_study(summary, standard_output(), every_trial=True)


@app.command(epilog="Example: [cyan]paretune report mnist5k-cnn -o report.html[/]")
def report(
    name: Name,
    output: Annotated[Path, typer.Option("-o", "--output", help="HTML file to write.")] = Path("report.html"),
    prices: Prices = None,
    storage: Storage = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Write one HTML file that opens offline: the trade-off, the curves, the five answers."""
    from dashboards.report import write_report

    if faults := check_ending(output, "a report's ending says what is written", [".html"]):
        raise Faults(*faults)
    source = find_source(storage)
    summary = source.load_summary(name, prices)
    for point in (summary.best, summary.knee, summary.baseline):
        if point is not None:
            source.test_accuracy(summary, point)
    summary = source.with_tests(summary)
    try:
        write_report(summary, output)
    except OSError as error:
        raise Faults(f"{output}: it cannot be written: {error.strerror or error}") from error
    if as_json:
        print_json({"study": name, "report": str(output.absolute())})
    else:
        print(f"wrote {output}: open it in a browser")


def _show_trial(source: Source, summary: Summary, number: int, *, as_json: bool) -> None:
    from dashboards.prices import price_trial, price_words, prices_json
    from dashboards.records import trial_log_json
    from storage.rows import find_trial

    trial, book = find_trial(summary.study, number), summary.book
    printed, prices = source.read_log(summary, number), price_trial(summary.study, trial, summary.book)
    if as_json:
        print_json(trial_log_json(trial, printed, prices_json(prices, book)))
    else:
        from search.tables import print_trial

        print_trial(trial, summary.cost, printed, standard_output(), price_words(prices, book))
