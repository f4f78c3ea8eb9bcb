"""A study: the trade-off first, then the price of the next step, then all else by tabs that draw when they open."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import dash_ag_grid as dag
import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, ctx, html, no_update

from dashboards.answers import answer_all
from dashboards.budget import budget_lines
from dashboards.changes import change_lines, source_lines
from dashboards.contention import contention_words, find_contention
from dashboards.devices import device_warning
from dashboards.environments import environment_lines
from dashboards.figures import FIGURES
from dashboards.figures.tradeoff import Tradeoff
from dashboards.marginal import best_within, cheapest, marginal_words
from dashboards.pages import operating
from dashboards.pages.panels import panel
from dashboards.pages.parts import (
    Component,
    aria,
    faults,
    frame,
    gauges,
    link,
    live,
    note,
    section,
    state_badge,
    table,
    trial_path,
    waiting,
)
from dashboards.pages.site import Site
from dashboards.prices import price_rows
from dashboards.remeasured import remeasured_lines
from dashboards.rows import trial_rows
from dashboards.summary import Checkpoint, Summary, bill_lines
from dashboards.words import accuracy_words, cost_title, cost_words, params_words, task_words
from objectives.costs import COSTS
from storage.faults import StorageFault
from storage.studies import is_imported

AT_LEAST, AT_MOST = "at least this accuracy", "at most this cost"
DRAWN_TABS = [name for name, figure in FIGURES.items() if not figure.takes_several and name != "tradeoff"]
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


@dataclass(frozen=True)
class Wish:
    """What the slider can be set to.

    Attributes:
        low: Its left end: percent, or the logarithm to base 10 of a cost.
        high: Its right end.
        step: Between its values.
        start: Where it stands first: at the knee, or where there is none at the most accurate.
    """

    low: float
    high: float
    step: float
    start: float


@dataclass(frozen=True)
class Answer:
    """What the slider answers.

    Attributes:
        wish: In words.
        point: The checkpoint; None where none keeps the wish.
        found: What it is and costs, in words.
        more: What more accuracy would cost.
    """

    wish: str
    point: Checkpoint | None
    found: str
    more: str


def choose_tradeoff(tradeoffs: Sequence[Tradeoff], labels: Sequence[str | None]) -> Tradeoff:
    """Returns the trade-off whose cost the figure's first menu shows; the first where it shows none yet."""
    wanted = labels[0] if labels else None
    return next((one for one in tradeoffs if cost_title(one.cost) == wanted), tradeoffs[0])


def is_same_quantity(changed: Any) -> bool:
    """Says whether the slider is of what it was of before: not where the wish or the figure's cost was chosen anew.

    Args:
        changed: The id of what changed: `mark`, `wish`, or a menu of the figure, of which the first is the cost's.
    """
    return changed != "wish" and not (isinstance(changed, dict) and changed["menu"] == 0)


def wish_range(tradeoff: Tradeoff, kind: str) -> Wish:
    """Returns what the slider can be set to, from the cheapest point of the front to the most accurate."""
    first, last = tradeoff.front[0], tradeoff.front[-1]
    start = tradeoff.knee or last
    if kind == AT_LEAST:
        low, high = math.floor(1000 * first.accuracy) / 10, math.floor(1000 * last.accuracy) / 10
        return Wish(low, max(high, low + 0.1), 0.1, math.floor(1000 * start.accuracy) / 10)
    logs = [math.log10(max(point.value(tradeoff.cost) or 0.0, 1e-12)) for point in (first, last, start)]
    low, high, at = (math.ceil(100 * value) / 100 for value in logs)
    return Wish(low, max(high, low + 0.01), 0.01, at)


def answer_wish(tradeoff: Tradeoff, kind: str, value: float, currency: str) -> Answer:
    """Returns the cheapest setting that is accurate enough, or the best that is cheap enough, and what more costs.

    Args:
        tradeoff: The front, and its cost.
        kind: `AT_LEAST` or `AT_MOST`.
        value: Of the slider: percent, or the logarithm to base 10 of the cost.
        currency: Of money.
    """
    cost = tradeoff.cost
    if kind == AT_LEAST:
        wish = f"at least {value:.1f} %"
        point = cheapest(tradeoff.front, value / 100 - 1e-9)
    else:
        wish = f"at most {cost_words(cost, 10**value, currency)}"
        point = best_within(tradeoff.front, cost, 10**value * (1 + 1e-9))
    if point is None:
        return Answer(wish, None, "No checkpoint of the front keeps this.", "")
    found = (
        f"Trial {point.numbers} after epoch {point.epoch}: {accuracy_words(point.accuracy, point.interval)} for "
        f"{cost_words(cost, point.value(cost), currency)}"
    )
    return Answer(wish, point, found, marginal_words(tradeoff.front, point, cost, currency))


def study_notes(summary: Summary) -> list[str]:
    """Returns what a reader of the study's numbers should know."""
    study = summary.study
    contention, devices = contention_words(find_contention(study)), device_warning(study)
    lines = [f"Ended before its target: {study.reason}"] if study.reason else []
    lines += [f"{contention}."] if contention else []
    lines += [f"Of this study, {devices}."] if devices else []
    lines += [f"{line}." for line in source_lines(study)]
    lines += [f"The spec changed {line}." for line in change_lines(study)]
    lines += [f"The environment changed: {line}." for line in environment_lines(study)]
    return [*lines, *remeasured_lines(summary)]


def table_rows(summary: Summary) -> list[dict[str, Any]]:
    """Returns the rows of the trial table, accuracies in percent, each with a link to its trial."""
    rows = []
    for row in trial_rows(summary):
        shares = {name: row[name] for name in ("accuracy", "accuracy_low", "accuracy_high")}
        percents = {name: None if share is None else round(100 * share, 2) for name, share in shares.items()}
        rows.append({**row, **percents, "open": f"[open]({trial_path(summary.study.name, row['trial'])})"})
    return rows


def table_columns(rows: Sequence[dict[str, Any]], minimize: Sequence[str]) -> list[dict[str, Any]]:
    """Returns the columns of the trial table; costs that no trial has are left out."""
    own = [name for row in rows for name in row if name.startswith("params.")]
    costs = [f"costs.{name}" for name in dict.fromkeys([*minimize, *COSTS])]
    costs = [name for name in costs if any(row.get(name) is not None for row in rows)]
    words = ["state", "reason"]
    names = ["trial", "state", "accuracy", "accuracy_low", "accuracy_high", "is_on_front", "is_baseline", "epochs"]
    names = [*names, *dict.fromkeys(own), *costs, "attempts", "reason"]
    number = {"function": "params.value == null ? '' : d3.format('.4~g')(params.value)"}
    columns: list[dict[str, Any]] = [
        {"field": "open", "headerName": "", "cellRenderer": "markdown", "width": 70, "sortable": False,
         "filter": False, "pinned": "left"},
    ]  # fmt: skip
    for name in names:
        column: dict[str, Any] = {"field": name, "headerName": _heading(name)}
        values = [row.get(name) for row in rows]
        is_number = name not in words and not any(isinstance(value, str | bool) for value in values)
        if is_number:
            column |= {"type": "rightAligned", "filter": "agNumberColumnFilter", "valueFormatter": number}
        columns.append(column)
    return columns


def show_head(summary: Summary, *, may_operate: bool) -> list[Component]:
    """Returns how the study stands: state, best, knee, baseline, budget, bill and notes."""
    study, cost = summary.study, summary.cost
    points = {"Most accurate": summary.best, "Knee of the front": summary.knee, "Baseline": summary.baseline}
    cards = [_point_card(study.name, title, point, cost) for title, point in points.items()]
    bill = bill_lines(study)
    spent = ", ".join(f"{line} {cost_words('device_seconds', seconds)}" for line, seconds in bill.items())
    budget = gauges(budget_lines(study, summary.book))
    billed = cost_words("device_seconds", sum(bill.values()))
    cards.append(
        dmc.Card([dmc.Text("Spent", size="sm", c="dimmed"), dmc.Text(f"{billed} of slots", fw=600),
                  dmc.Text(spent, size="sm", c="dimmed"), dmc.Stack(budget, gap=4, mt=4)],
                 withBorder=True, radius="md")
    )  # fmt: skip
    about = f"{task_words(study.spec['objective'])}, sampler {study.spec['search']['sampler']}, begun "
    about += f"{study.created_at:%Y-%m-%d %H:%M} UTC; validation accuracies with 95 % intervals"
    title = dmc.Group([dmc.Title(study.name, order=1, size="h2"), state_badge(study.state)])
    acting = [operating.buttons(study.name, study.state, is_imported=is_imported(study))] if may_operate else []
    notes = study_notes(summary)
    return [
        dmc.Stack(
            [
                dmc.Group([title, *acting], justify="space-between"),
                dmc.Text(about, size="sm", c="dimmed"),
                dmc.SimpleGrid(cards, cols={"base": 1, "xs": 2, "md": 4}),
                *([note(*notes)] if notes else []),
            ],
            gap="sm",
        )
    ]


def show_answer(study: str, answer: Answer) -> list[Component]:
    """Returns what the slider answers."""
    if answer.point is None:
        return [dmc.Text(answer.wish, size="sm", c="dimmed"), dmc.Text(answer.found)]
    return [
        dmc.Text(answer.wish, size="sm", c="dimmed"),
        dmc.Anchor(answer.found, href=trial_path(study, answer.point.trial), fw=600),
        dmc.Text(params_words(answer.point.params), size="sm", ff="monospace"),
        dmc.Text(answer.more, size="sm"),
    ]


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


def show_table(summary: Summary) -> Component:
    """Returns the trial table."""
    rows = table_rows(summary)
    grid = dag.AgGrid(
        id="trials",
        rowData=rows,
        columnDefs=table_columns(rows, summary.minimize),
        defaultColDef={"filter": True, "sortable": True, "resizable": True, "minWidth": 70},
        columnSize="autoSize",
        getRowId="params.data.open",
        csvExportParams={"fileName": f"{summary.study.name}.csv"},
        dashGridOptions={"suppressFieldDotNotation": True, "pagination": True, "paginationPageSize": 100},
        dangerously_allow_code=False,
        style={"height": "560px"},
    )
    return dmc.Stack([dmc.Group(dmc.Button("Export CSV", id="export", variant="default", size="sm")), grid])


def layout(site: Site, name: str, search: str) -> Component:
    """Returns the page.

    Args:
        site: What the pages share.
        name: The study, which is there.
        search: What follows in the address: `?tab=curves` opens that tab.
    """
    asked = parse_qs(search.removeprefix("?")).get("tab", [""])[0]
    tabs = dmc.Tabs(
        [dmc.TabsList([dmc.TabsTab(words, value=tab) for tab, words in TABS.items()])],
        id="tabs",
        value=asked if asked in TABS else "curves",
    )
    kinds = [{"value": kind, "label": kind} for kind in (AT_LEAST, AT_MOST)]
    wish = section(
        "What should I pick?",
        dmc.SegmentedControl(id="wish", data=kinds, value=AT_LEAST, fullWidth=True),
        dmc.Slider(
            id="limit", min=-100, max=-99, value=-100, label=None, thumbLabel="the limit", updatemode="drag", my="sm"
        ),
        html.Div(id="answer", **aria(live="polite")),
        quiet="Of the front's checkpoints, by the cost that the figure shows.",
    )
    return frame(
        f"{name} - Paretune",
        html.Div(waiting(180), id="head"),
        dmc.Grid(
            [
                dmc.GridCol(panel("tradeoff"), span={"base": 12, "md": 8}),
                dmc.GridCol(dmc.Card(wish, withBorder=True, radius="md"), span={"base": 12, "md": 4}),
            ]
        ),
        tabs,
        html.Div(id="tab"),
        study=name,
        unseen=[*live([name]), *(operating.dialog() if site.may_operate() else [])],
    )


def register(app: Dash, site: Site) -> None:
    """Makes the page come alive."""
    reader = site.reader

    @app.callback(
        Output("mark", "data"),
        Output("away", "children"),
        Input("clock", "n_intervals"),
        Input("names", "data"),
        State("mark", "data"),
    )
    async def _(_ticks: int | None, names: list[str], before: str | None) -> Any:
        try:
            mark = await asyncio.to_thread(reader.mark, names)
        except StorageFault as fault:
            return no_update, faults("This is as it was last; it is tried again", [str(fault)])
        return (no_update if mark == before else mark), None

    @app.callback(Output("head", "children"), Input("mark", "data"), State("names", "data"), prevent_initial_call=True)
    async def _(_mark: str | None, names: list[str]) -> Any:
        may_operate, summary = site.may_operate(), await _read(site, names)
        return no_update if summary is None else await asyncio.to_thread(show_head, summary, may_operate=may_operate)

    @app.callback(
        Output("limit", "min"),
        Output("limit", "max"),
        Output("limit", "step"),
        Output("limit", "value"),
        Input("mark", "data"),
        Input("wish", "value"),
        Input({"part": "choice", "kind": "tradeoff", "menu": ALL}, "value"),
        State("limit", "value"),
        State("names", "data"),
        prevent_initial_call=True,
    )
    async def _(_mark: str | None, kind: str, labels: list[str], value: float | None, names: list[str]) -> Any:
        is_same = is_same_quantity(ctx.triggered_id)
        tradeoffs = await _tradeoffs(site, names)
        if not tradeoffs:
            return (no_update,) * 4
        wish = wish_range(choose_tradeoff(tradeoffs[0], labels), kind)
        is_kept = is_same and value is not None and wish.low <= value <= wish.high
        return wish.low, wish.high, wish.step, no_update if is_kept else wish.start

    @app.callback(
        Output("answer", "children"),
        Input("limit", "value"),
        Input("limit", "max"),
        State("wish", "value"),
        State({"part": "choice", "kind": "tradeoff", "menu": ALL}, "value"),
        State("names", "data"),
        prevent_initial_call=True,
    )
    async def _(value: float, _most: float, kind: str, labels: list[str], names: list[str]) -> Any:
        tradeoffs = await _tradeoffs(site, names)
        if not tradeoffs:
            return dmc.Text("No epoch was recorded yet.", size="sm", c="dimmed")
        found, currency = tradeoffs
        return show_answer(names[0], answer_wish(choose_tradeoff(found, labels), kind, value, currency))

    @app.callback(Output("tab", "children"), Input("tabs", "value"), State("names", "data"))
    async def _(tab: str, names: list[str]) -> Any:
        if tab in DRAWN_TABS:
            return panel(tab)
        summary = await _read(site, names)
        if summary is None:
            return no_update
        shown = {"answers": show_answers, "trials": show_table}[tab]
        return html.Div(await asyncio.to_thread(shown, summary), id={"live": tab})

    @app.callback(
        Output({"live": "answers"}, "children"), Input("mark", "data"), State("names", "data"),
        prevent_initial_call=True,
    )  # fmt: skip
    async def _(_mark: str | None, names: list[str]) -> Any:
        summary = await _read(site, names)
        return no_update if summary is None else await asyncio.to_thread(show_answers, summary)

    @app.callback(Output("trials", "rowData"), Input("mark", "data"), State("names", "data"), prevent_initial_call=True)
    async def _(_mark: str | None, names: list[str]) -> Any:
        summary = await _read(site, names)
        return no_update if summary is None else await asyncio.to_thread(table_rows, summary)

    @app.callback(Output("trials", "exportDataAsCsv"), Input("export", "n_clicks"), prevent_initial_call=True)
    async def _(clicks: int | None) -> Any:
        return bool(clicks)


async def _read(site: Site, names: Sequence[str]) -> Summary | None:
    """Returns the summary of the first study; None where it cannot be read, which the page says elsewhere."""
    try:
        return await asyncio.to_thread(site.reader.summary, names[0])
    except StorageFault:
        return None


async def _tradeoffs(site: Site, names: Sequence[str]) -> tuple[list[Tradeoff], str] | None:
    """Returns the trade-offs of the first study, and the currency; None where it has none."""
    try:
        info = await asyncio.to_thread(site.reader.tradeoff, names[0])
    except StorageFault:
        return None
    return (info.tradeoffs, info.currency) if info.tradeoffs else None


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


def _heading(name: str) -> str:
    plain = {
        "accuracy": "accuracy %", "accuracy_low": "95 % from", "accuracy_high": "to", "is_on_front": "front",
        "is_baseline": "baseline",
    }  # fmt: skip
    kind, _, rest = name.partition(".")
    if kind == "costs":
        unit = COSTS[rest].unit
        return f"{COSTS[rest].title} ({unit})" if unit else COSTS[rest].title
    return rest if kind == "params" else plain.get(name, name)
