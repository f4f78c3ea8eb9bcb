"""The command that picks a setting."""

from __future__ import annotations

from typing import Annotated

import typer

from search.commands.console import print_json, standard_output
from search.commands.options import DEFAULT_URL, AsJson, Name, Prices, Storage
from search.faults import Faults, suggest

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
    from dashboards.records import checkpoint_json
    from search.pricing import load_summary
    from search.testing import test_accuracy
    from storage.database import Database

    limits = _limits(min_accuracy, max_cost or [])
    database = Database(storage)
    summary = load_summary(database, name, prices)
    try:
        picked = choose(summary, min_accuracy, limits, at_knee=knee)
    except NothingFits as error:
        raise Faults(str(error)) from error
    tested = test_accuracy(database, summary.study, picked.point)
    if as_json:
        print_json(
            {
                "study": name,
                "why": picked.why,
                **checkpoint_json(picked.point, summary.book),
                **tested.as_json(),
                "validation_looks": summary.num_looks,
            }
        )
    else:
        from search.tables import print_pick

        print_pick(picked, tested, summary.num_looks, summary.book, standard_output())


def _limits(min_accuracy: float | None, max_costs: list[str]) -> dict[str, float]:
    from objectives.costs import MINIMIZABLE
    from objectives.prices import DERIVED

    limits: dict[str, float] = {}
    faults = []
    if min_accuracy is not None and not 0 <= min_accuracy <= 1:
        faults.append(f"--min-accuracy: a number with 0 <= x <= 1 is needed, but got {min_accuracy:g}")
    for text in max_costs:
        name, equals, value = text.partition("=")
        if not equals:
            faults.append(f"--max-cost: COST=VALUE is needed, such as device_seconds=3, but got {text!r}")
        elif name not in MINIMIZABLE and name not in DERIVED:
            faults.append(f"--max-cost: no such cost: {name!r}{suggest(name, [*MINIMIZABLE, *DERIVED])}")
        else:
            try:
                limits[name] = float(value)
            except ValueError:
                faults.append(f"--max-cost {name}: a number is needed, but got {value!r}")
    if faults:
        raise Faults(*faults)
    return limits
