"""The command that picks a setting."""

from __future__ import annotations

from typing import Annotated

import typer

from search.commands.console import print_json, standard_output
from search.commands.options import DEFAULT_URL, AsJson, Name, Prices, Storage
from search.commands.sources import find_source
from search.faults import Faults

app = typer.Typer()


@app.command(
    epilog="Examples: [cyan]paretune pick mnist5k-cnn --min-accuracy 0.97[/]   "
    "[cyan]paretune pick mnist5k-cnn --max-cost device_seconds=3[/]   "
    "[cyan]paretune pick mnist5k-cnn --max-cost money=0.01 --prices eu.toml[/]"
)
def pick(
    name: Name,
    min_accuracy: Annotated[float | None, typer.Option("--min-accuracy", help="0 to 1.", show_default=False)] = None,
    max_cost: Annotated[
        list[str] | None,
        typer.Option(
            "--max-cost",
            metavar="COST=VALUE",
            help="In the cost's unit; money, electricity_kwh and gco2e are derived by the price book.",
            show_default=False,
        ),
    ] = None,
    knee: Annotated[bool, typer.Option("--knee", help="The knee of the front.")] = False,
    prices: Prices = None,
    storage: Storage = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Pick a setting: the cheapest that is accurate enough, the best that is cheap enough, or the knee."""
    from dashboards.choice import NothingFits
    from dashboards.choice import pick as choose
    from search.choosing import pick_json, read_limits

    limits = read_limits(min_accuracy, max_cost or [])
    source = find_source(storage)
    summary = source.load_summary(name, prices)
    try:
        picked = choose(summary, min_accuracy, limits, at_knee=knee)
    except NothingFits as error:
        raise Faults(str(error)) from error
    tested = source.test_accuracy(summary, picked.point)
    if as_json:
        print_json(pick_json(summary, picked, tested))
    else:
        from search.tables import print_pick

        print_pick(picked, tested, summary.num_looks, summary.book, standard_output())
