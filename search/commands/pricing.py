"""The command that shows the price book."""

from __future__ import annotations

from typing import Annotated

import typer

from search.commands.completion import complete_name
from search.commands.console import new_table, print_json, standard_output
from search.commands.options import DEFAULT_URL, AsJson, Prices, Storage
from search.commands.sources import Service, find_client

app = typer.Typer()


@app.command(
    "prices",
    epilog="Examples: [cyan]paretune prices[/]   [cyan]paretune prices mnist5k-cnn --json[/]   "
    "[cyan]paretune prices --example > ~/.config/paretune/prices.toml[/]",
)
def show_prices(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A study, whose own prices go before yours.", autocompletion=complete_name, show_default=False
        ),
    ] = None,
    example: Annotated[bool, typer.Option("--example", help="Print a commented price book and exit.")] = False,
    prices: Prices = None,
    storage: Storage = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show the price book in force: yours (PARETUNE_PRICES, ~/.config/paretune/prices.toml), or the package's."""
    from objectives.prices import example as example_book
    from search.pricing import find_book, find_own

    if example:
        print(example_book(), end="")
        return
    client = find_client()
    if client is not None and prices is None:
        book = Service(client).load_book(name)
    else:
        book = find_book(None if name is None or client is not None else find_own(name, storage), prices)
    if as_json:
        print_json(book.as_json())
        return
    from dashboards.prices import book_rows

    console = standard_output()
    means = "device hours at their price" if book.money == "rent" else "the electricity of the devices"
    heading = f"{book.title}, {book.date.isoformat()}, {book.currency}: {book.source}"
    console.print(heading, highlight=False, markup=False)
    console.print(f"money means {means} ({book.money})", highlight=False, markup=False)
    table = new_table("what", ">figure", "unit", "source", ">year")
    for row in book_rows(book):
        table.add_row(*row)
    console.print(table, highlight=False, markup=False)
