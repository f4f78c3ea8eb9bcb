"""All studies, the newest first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update

from dashboards.budget import Line, budget_lines
from dashboards.crowd import Tally
from dashboards.pages import launching, operating
from dashboards.pages.drawing import colour
from dashboards.pages.live import LIVE_MILLISECONDS
from dashboards.pages.parts import (
    Component,
    aria,
    faults,
    frame,
    gauges,
    link,
    state_badge,
    study_path,
    waiting,
)
from dashboards.pages.queue import queue
from dashboards.pages.reading import Reader
from dashboards.pages.site import Site
from dashboards.palette import BLUE, GREY
from dashboards.summary import Checkpoint, Summary, front_at
from dashboards.words import accuracy_words, cost_words, task_words
from storage.audit import Deed, find_stop
from storage.faults import StorageFault
from storage.rows import StudyLine, is_imported
from storage.studies import list_studies

STILL: Any = {"staticPlot": True, "responsive": True}
MOST_CARDS = 24
"""Studies that are shown with their front; older ones are listed by name."""


@dataclass(frozen=True)
class Card:
    """A study at a glance.

    Attributes:
        name: Of the study.
        state: running, complete, stopped or interrupted.
        task: What it trains.
        best: Its most accurate checkpoint, in words; None before the first epoch.
        reason: Why it ended before its target, None where it did not.
        budget: Its trials, and what else may have a limit.
        front: Cost and accuracy of the points that nothing beats in these two, the cheapest first.
        others: Of each trial's last checkpoint.
        cost: The name of this cost.
        is_imported: Whether it came from elsewhere whole, so that it cannot be run.
    """

    name: str
    state: str
    task: str
    best: str | None
    reason: str | None
    budget: tuple[Line, ...]
    front: tuple[tuple[float, float], ...]
    others: tuple[tuple[float, float], ...]
    cost: str
    is_imported: bool


def trace_card(summary: Summary, tally: Tally | None = None, stop: Deed | None = None) -> Card:
    """Returns a study at a glance.

    Args:
        summary: What it has come to; of a large study, some of its trials.
        tally: Counts all trials of a large study.
        stop: Who paused it, where somebody did.
    """
    study, best, cost = summary.study, summary.best, summary.cost
    words = None if best is None else (
        f"{accuracy_words(best.accuracy, best.interval)} for {cost_words(cost, best.value(cost))}"
    )  # fmt: skip
    return Card(
        study.name,
        study.state,
        task_words(study.spec["objective"]),
        words,
        study.reason if stop is None else f"Stopped by {stop.token} at {stop.at:%Y-%m-%d %H:%M} UTC",
        tuple(budget_lines(study, summary.book, tally)),
        _places(front_at(summary.front, cost), cost),
        _places(summary.finals, cost),
        cost,
        is_imported(study),
    )


def _places(points: Iterable[Checkpoint], cost: str) -> tuple[tuple[float, float], ...]:
    return tuple((value, point.accuracy) for point in points if (value := point.value(cost)) is not None)


def draw_spark(card: Card, scheme: str) -> dict[str, Any] | None:
    """Returns a small front without axes; None before the first point."""
    import plotly.graph_objects as go

    if not card.front:
        return None
    least = min(accuracy for _, accuracy in card.front)
    marks = {"x": [x for x, _ in card.others], "y": [y for _, y in card.others]}
    line = {"x": [x for x, _ in card.front], "y": [y for _, y in card.front]}
    figure = go.Figure(
        [
            go.Scatter(**marks, mode="markers", marker={"size": 4, "color": GREY}),
            go.Scatter(**line, mode="lines+markers", line={"shape": "hv", "color": BLUE}, marker={"size": 5}),
        ]
    )
    top = max(accuracy for _, accuracy in card.front)
    is_log = all(x > 0 for x, _ in [*card.front, *card.others])
    figure.update_xaxes(visible=False, type="log" if is_log else "linear")
    figure.update_yaxes(visible=False, range=[min(least, top - 0.1) - 0.02, top + 0.02])
    figure.update_layout(height=110, margin={"l": 4, "r": 4, "t": 4, "b": 4}, showlegend=False, uirevision="spark")
    return colour(figure, scheme)


def show_card(card: Card, scheme: str, *, may_operate: bool) -> Component:
    """Returns a study's card."""
    spark = draw_spark(card, scheme)
    label = f"front of {card.name}: accuracy over {card.cost}, cheap on the left"
    drawn = (
        dmc.Text("No epoch was recorded yet.", size="sm", c="dimmed", h=110)
        if spark is None
        else html.Div(
            dcc.Graph(figure=spark, config=STILL, style={"height": "110px"}),
            role="img",
            **aria(label=label),
        )
    )
    head = dmc.Group(
        [dmc.Anchor(card.name, href=study_path(card.name), fw=600, fz="lg"), state_badge(card.state)],
        justify="space-between",
    )
    return dmc.Card(
        dmc.Stack(
            [
                head,
                dmc.Text(card.task, size="sm", c="dimmed"),
                drawn,
                dmc.Text(["best ", dmc.Text(card.best or "not known yet", span=True, fw=600)], size="sm"),
                *gauges(card.budget),
                *([dmc.Text(card.reason, size="sm", c="dimmed")] if card.reason else []),
                *([operating.buttons(card.name, card.state, is_imported=card.is_imported)] if may_operate else []),
            ],
            gap="xs",
        ),
        withBorder=True,
        radius="md",
    )


def read_cards(reader: Reader, kept: dict[str, tuple[str, Card]]) -> tuple[list[Card | StudyLine], str]:
    """Returns the studies, the newest first: cards, and of old ones the lines alone; and a mark of it all.

    Args:
        reader: Of the database.
        kept: Cards by the study's name, each with the mark that it was made at; those that are made are added.

    Raises:
        StorageFault: where the database cannot be used.
    """
    lines = list_studies(reader.database)
    found: list[Card | StudyLine] = list(lines)
    places = {line.name: index for index, line in enumerate(lines[:MOST_CARDS])}
    marks = reader.marks(list(places))
    for name, mark in marks.items():
        with suppress(StorageFault):  # deleted meanwhile
            if name not in kept or kept[name][0] != mark:
                stop = find_stop(reader.database, name)
                kept[name] = (mark, trace_card(reader.chosen(name), reader.peak(name)[1], stop))
            found[places[name]] = kept[name][1]
    return found, "\n".join(marks.get(line.name, f"{line.name} {line.state}") for line in lines)


def show_studies(found: list[Card | StudyLine], scheme: str, *, may_operate: bool) -> Component:
    """Returns the studies, or what to do where there is none."""
    if not found:
        how = "Press `Launch a sweep`" if may_operate else "Sign in with a token of the role `operate`"
        return dmc.Alert(f"{how}, or run `paretune launch` in a terminal.", title="There is no study yet")
    cards = [show_card(one, scheme, may_operate=may_operate) for one in found if isinstance(one, Card)]
    others = [one for one in found if not isinstance(one, Card)]
    grid = dmc.SimpleGrid(cards, cols={"base": 1, "sm": 2, "lg": 3})
    if not others:
        return grid
    rows = [
        dmc.Text([link(one.name, study_path(one.name)), f" {one.state}, {one.num_ended} of {one.num_trials} trials"])
        for one in others
    ]
    return dmc.Stack([grid, dmc.Title("Older studies", order=2, size="h3"), *rows])


async def find_layout(site: Site, search: str) -> Component:
    """Returns the page, with the form open where the address asks for a draft.

    Args:
        site: What the pages share.
        search: Of the address, with its question mark.
    """
    may_operate = site.may_operate()
    button = [dmc.Button("Launch a sweep", id="open-launch")] if may_operate else []
    head = dmc.Group([dmc.Title("Studies", order=1, size="h2"), *button], justify="space-between")
    acting = [*operating.dialog(), await launching.find_form(site, search)] if may_operate else []
    return frame(
        "Studies - Paretune",
        head,
        html.Div([*queue(), html.Div(waiting(260), id="studies")]),
        unseen=[
            *acting,
            dcc.Interval(id="studies-clock", interval=LIVE_MILLISECONDS),
            dcc.Store(id="studies-mark"),
            html.Div(id="studies-away"),
        ],
    )


def register(app: Dash, site: Site) -> None:
    """Makes the page come alive."""
    kept: dict[str, tuple[str, Card]] = {}

    @app.callback(
        Output("studies", "children"),
        Output("studies-mark", "data"),
        Output("studies-away", "children"),
        Input("studies-clock", "n_intervals"),
        Input("scheme", "data"),
        State("studies-mark", "data"),
    )
    async def _(_ticks: int | None, scheme: str | None, before: str | None) -> Any:
        if not scheme:
            return no_update, no_update, no_update
        may_operate = site.may_operate()
        try:
            found, mark = await asyncio.to_thread(read_cards, site.reader, kept)
        except StorageFault as fault:
            return no_update, no_update, faults("The database cannot be read; it is tried again", [str(fault)])
        now = f"{scheme} {may_operate} {mark}"
        if now == before:
            return no_update, no_update, None
        shown = await asyncio.to_thread(show_studies, found, scheme, may_operate=may_operate)
        return shown, now, None
