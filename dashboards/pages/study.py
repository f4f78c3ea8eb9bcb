"""A study: the trade-off first, then the price of the next step, then all else by tabs that draw when they open."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update

from dashboards.answers import answer_all
from dashboards.bills import bill_lines
from dashboards.brushing import parse_search, read_brush
from dashboards.budget import budget_lines
from dashboards.changes import change_lines, source_lines
from dashboards.contention import disturbance_lines
from dashboards.crowd import Tally
from dashboards.devices import device_warning
from dashboards.energy import bill_energy, energy_words
from dashboards.environments import environment_lines
from dashboards.figures import FIGURES
from dashboards.pages import brushing, choosing, operating, trials
from dashboards.pages.live import live
from dashboards.pages.panels import panel
from dashboards.pages.parts import (
    Component,
    frame,
    gauges,
    link,
    note,
    section,
    state_badge,
    table,
    trial_path,
    waiting,
)
from dashboards.pages.reading import MOST_CHOSEN, Reader
from dashboards.pages.scripts import read_script
from dashboards.pages.site import Site
from dashboards.prices import price_rows
from dashboards.remeasured import remeasured_lines
from dashboards.summary import Checkpoint, Summary
from dashboards.words import accuracy_words, cost_words, params_words, task_words
from storage.faults import StorageFault
from storage.rows import StudyRow, is_imported

DRAWN_TABS = [name for name, figure in FIGURES.items() if not figure.takes_several and name != "tradeoff"]
BILLED = "By bill, each is a trial at its last checkpoint, at what all its attempts were billed."
TABS = {
    "curves": "Curves",
    "hypervolume": "Progress",
    "optimizers": "Optimizers",
    "importance": "Importance",
    "slices": "Slices",
    "parallel": "Parallel",
    "spending": "Spending",
    "timeline": "Timeline",
    "answers": "Answers",
    "trials": "Trials",
}


def study_notes(summary: Summary) -> list[str]:
    """Returns what a reader of the study's numbers should know."""
    study = summary.study
    devices = device_warning(study)
    lines = [f"{line}." for line in disturbance_lines(study)]
    lines += [f"Of this study, {devices}."] if devices else []
    lines += [f"{line}." for line in source_lines(study)]
    lines += [f"The spec changed {line}." for line in change_lines(study)]
    lines += [f"The environment changed: {line}." for line in environment_lines(study)]
    return [*lines, *remeasured_lines(summary)]


def large_notes(summary: Summary, tally: Tally) -> list[str]:
    """Returns what a reader of a large study's pages should know."""
    sampled = (
        f"Of all {tally.num_trials:,} trials are the trade-off, its front and knee, the slider and what was spent. The "
        f"other figures, the answers and the table are of about {MOST_CHOSEN:,}: the front, the baseline, and an even "
        "choice of the rest; their sums are of these alone."
    )
    return [sampled, *remeasured_lines(summary)]


def about_words(study: StudyRow) -> str:
    """Returns what a study trains and by which search, and why it ended before its target, where it did."""
    about = f"{task_words(study.spec['objective'])}, sampler {study.spec['search']['sampler']}, begun "
    about += f"{study.created_at:%Y-%m-%d %H:%M} UTC; validation accuracies with 95 % intervals"
    return f"{about}. Ended before its target: {study.reason}" if study.reason else about


def show_head(study: StudyRow, *, may_operate: bool) -> list[Component]:
    """Returns which study it is: name, state, what it trains, and buttons where these may be used."""
    title = dmc.Group([dmc.Title(study.name, order=1, size="h2"), state_badge(study.state)])
    acting = [operating.buttons(study.name, study.state, is_imported=is_imported(study))] if may_operate else []
    return [
        dmc.Group([title, *acting], justify="space-between", mih=36),
        dmc.Text(about_words(study), size="sm", c="dimmed", mt="sm"),
    ]


def show_facts(summary: Summary, tally: Tally | None = None) -> list[Component]:
    """Returns how the study stands: best, knee, baseline, budget, bill and notes.

    Args:
        summary: The study; of a large one only some trials, its front among them.
        tally: What is counted over all trials where the study has only some.
    """
    study, cost = summary.study, summary.cost
    points = {"Most accurate": summary.best, "Knee of the front": summary.knee, "Baseline": summary.baseline}
    cards = [_point_card(study.name, title, point, cost) for title, point in points.items()]
    bill = bill_lines(study) if tally is None else tally.lines
    spent = ", ".join(f"{line} {cost_words('device_seconds', seconds)}" for line, seconds in bill.items())
    budget = gauges(budget_lines(study, summary.book, tally))
    billed = cost_words("device_seconds", sum(bill.values()))
    energy = [] if tally else [dmc.Text(energy_words(bill_energy(study)), size="sm", c="dimmed")]
    cards.append(
        dmc.Card([dmc.Text("Spent", size="sm", c="dimmed"), dmc.Text(f"{billed} of slots", fw=600),
                  dmc.Text(spent, size="sm", c="dimmed"), *energy, dmc.Stack(budget, gap=4, mt=4)],
                 withBorder=True, radius="md")
    )  # fmt: skip
    notes = study_notes(summary) if tally is None else large_notes(summary, tally)
    grid = dmc.SimpleGrid(cards, cols={"base": 1, "xs": 2, "md": 4})
    return [dmc.Stack([grid, *([note(*notes)] if notes else [])], gap="sm")]


def show_answers(summary: Summary) -> Component:
    """Returns the answers to the five questions, and what it all comes to."""
    told = [
        dmc.Alert(one.sentence, title=one.question, color="blue" if one.is_supported else "gray", variant="light")
        for one in answer_all(summary)
    ]
    prices = [[row["title"], row["value"], row["how"]] for row in price_rows(summary.prices, summary.book)]
    return dmc.Stack(
        [*told, section("Money and carbon", table(["what", "value", "how"], prices), quiet=f"By {summary.book.title}.")]
    )


def layout(site: Site, name: str, search: str, mark: str) -> Component:
    """Returns the page.

    Args:
        site: What the pages share.
        name: The study, which is there.
        search: What follows in the address: `?tab=curves` opens that tab, `&trials=1-3,7` chooses these, `&box=`
            or `&lasso=` those of a large study that lie within.
        mark: Of the study.
    """
    [asked, *_] = parse_qs(search.removeprefix("?")).get("tab", [""])
    brush = parse_search(search)
    tabs = dmc.Tabs(
        [dmc.TabsList([dmc.TabsTab(words, value=tab) for tab, words in TABS.items()])],
        id="tabs",
        value=asked if asked in TABS else "curves",
    )
    return frame(
        f"{name} - Paretune",
        html.Div(waiting(68), id="head"),
        dmc.Grid(
            [
                dmc.GridCol(panel("tradeoff", BILLED), span={"base": 12, "md": 8}),
                dmc.GridCol(dmc.Card(choosing.show_slider(), withBorder=True, radius="md"), span={"base": 12, "md": 4}),
            ]
        ),
        html.Div(waiting(150), id="facts"),
        brushing.show_place(),
        tabs,
        html.Div(id="tab"),
        study=name,
        unseen=[
            dcc.Store(id="opened"),
            *live([name], mark, brush),
            *(operating.dialog() if site.may_operate() else []),
        ],
    )


def register(app: Dash, site: Site) -> None:
    """Makes the page come alive."""

    @app.callback(
        Output("head", "children"), Output("facts", "children"), Input("mark", "data"), State("names", "data")
    )
    async def _(_mark: str | None, names: list[str]) -> Any:
        may_operate = site.may_operate()
        try:
            return await asyncio.to_thread(_read_head, site.reader, names[0], may_operate=may_operate)
        except StorageFault:
            return no_update, no_update

    opened = Output("opened", "data")
    app.clientside_callback(read_script("open_tab"), opened, Input("tabs", "value"))  # type: ignore[no-untyped-call]

    @app.callback(Output("tab", "children"), Input("opened", "data"), State("names", "data"), State("brush", "data"))
    async def _(tab: str | None, names: list[str], brush: dict[str, Any] | None) -> Any:
        if tab is None:
            return no_update
        if tab in DRAWN_TABS:
            return panel(tab)
        summary = await site.read(names, read_brush(brush) if tab == "trials" else None)
        if summary is None:
            return no_update
        shown = {"answers": show_answers, "trials": trials.show_table}[tab]
        return html.Div(await asyncio.to_thread(shown, summary), id={"live": tab})

    @app.callback(
        Output({"live": "answers"}, "children"), Input("mark", "data"), State("names", "data"),
        prevent_initial_call=True,
    )  # fmt: skip
    async def _(_mark: str | None, names: list[str]) -> Any:
        summary = await site.read(names)
        return no_update if summary is None else await asyncio.to_thread(show_answers, summary)


def _read_head(reader: Reader, name: str, *, may_operate: bool) -> tuple[list[Component], list[Component]]:
    summary, tally = reader.peak(name)
    return show_head(summary.study, may_operate=may_operate), show_facts(summary, tally)


def _point_card(study: str, title: str, point: Checkpoint | None, cost: str) -> Component:
    if point is None:
        inside = [dmc.Text("none yet", fw=600)]
    else:
        words = f"{cost_words(cost, point.value(cost))}, trial {point.numbers} after epoch {point.epoch}"
        inside = [
            dmc.Text(accuracy_words(point.accuracy, point.interval), fw=600),
            link(words, trial_path(study, point.trial)),
            dmc.Text(params_words(point.params), size="sm", c="dimmed"),
        ]
    return dmc.Card([dmc.Text(title, size="sm", c="dimmed"), *inside], withBorder=True, radius="md")
