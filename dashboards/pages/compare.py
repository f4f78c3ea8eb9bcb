"""Several studies on one trade-off."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, html, no_update

from dashboards.bills import bill_lines
from dashboards.crowd import Tally
from dashboards.devices import name_devices
from dashboards.figures import FIGURES
from dashboards.pages.live import live
from dashboards.pages.panels import panel
from dashboards.pages.parts import Component, faults, frame, link, note, study_path, table
from dashboards.pages.reading import MOST_CHOSEN, Reader
from dashboards.pages.site import Site
from dashboards.summary import Summary
from dashboards.words import accuracy_words, cost_words
from storage.faults import StorageFault
from storage.studies import list_studies

KINDS = [name for name, figure in FIGURES.items() if figure.takes_several]
HEAD = ["study", "state", "trials", "most accurate", "its cost", "knee", "its cost", "billed", "devices"]


def names_asked(search: str) -> list[str]:
    """Returns the studies that an address names.

    >>> names_asked("?study=a&study=c&study=a")
    ['a', 'c']
    """
    return list(dict.fromkeys(parse_qs(search.removeprefix("?")).get("study", [])))


def compare_rows(summaries: Sequence[Summary], tallies: Mapping[str, Tally]) -> list[list[Any]]:
    """Returns a row for each study, at the first one's first cost.

    Args:
        summaries: The studies; of a large one some trials, its front among them.
        tallies: What is counted over all trials of each large study, by its name.
    """
    rows = []
    for summary in summaries:
        study, cells, tally = summary.study, [], tallies.get(summary.study.name)
        for point in (summary.best, summary.knee):
            value = None if point is None else point.value(summaries[0].cost)
            cells.append("none" if point is None else accuracy_words(point.accuracy, point.interval))
            cells.append("none" if point is None else cost_words(summaries[0].cost, value))
        lines, num_trials = (tally.lines, tally.num_trials) if tally else (bill_lines(study), len(study.trials))
        billed = cost_words("device_seconds", sum(lines.values()))
        rows.append([study.name, study.state, f"{num_trials:,}", *cells, billed,
                     "; ".join(name_devices(study)) or "not recorded"])  # fmt: skip
    return rows


def show_rows(rows: Sequence[Sequence[Any]]) -> Component:
    """Returns the table, each study a link."""
    return table(HEAD, [[link(name, study_path(name)), *cells] for name, *cells in rows])


def layout(reader: Reader, search: str) -> Component:
    """Returns the page.

    Raises:
        StorageFault: where the database cannot be used.
    """
    there = [line.name for line in list_studies(reader.database)]
    asked = names_asked(search)
    names, unknown = [name for name in asked if name in there], [name for name in asked if name not in there]
    chosen = dmc.MultiSelect(
        id="compared", data=there, value=names, label="studies", searchable=True, clearable=True,
        placeholder="choose two or more", nothingFoundMessage="there is no such study",
    )  # fmt: skip
    return frame(
        "Compare - Paretune",
        dmc.Title("Compare studies", order=1, size="h2"),
        *([faults("Not compared", [f"there is no study {name!r}" for name in unknown])] if unknown else []),
        chosen,
        html.Div(dmc.Stack([panel(kind) for kind in KINDS], gap="lg"), id="compare-figure"),
        html.Div(id="compare-table"),
        unseen=live(names, reader.mark(names)),
    )


def register(app: Dash, site: Site) -> None:
    """Makes the page come alive."""

    @app.callback(Output("names", "data"), Input("compared", "value"), prevent_initial_call=True)
    async def _(names: list[str] | None) -> Any:
        return names or []

    @app.callback(
        Output("compare-table", "children"),
        Output("compare-figure", "style"),
        Input("mark", "data"),
        State("names", "data"),
    )
    async def _(_mark: str | None, names: list[str]) -> Any:
        if not names:
            empty = dmc.Alert("Choose the studies above; the address then leads here again.", title="Nothing chosen")
            return empty, {"display": "none"}
        try:
            return await asyncio.to_thread(_show_table, site.reader, names), {}
        except StorageFault:
            return no_update, no_update


def _show_table(reader: Reader, names: Sequence[str]) -> Component:
    summaries = [reader.chosen(name) for name in names]
    tallies = {name: tally for name in names if (tally := reader.peak(name)[1]) is not None}
    rows = show_rows(compare_rows(summaries, tallies))
    if not tallies:
        return rows
    some = f"the figures show about {MOST_CHOSEN:,} trials, its front among them, and bill these alone"
    return dmc.Stack([rows, note(f"Of {', '.join(tallies)} {some}; the table counts all.")])
