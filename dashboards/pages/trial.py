"""A trial: its setting, its curve, its attempts, its bill line by line, why it failed, and what its code printed."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update

from dashboards.attempts import held_words, outcome_words
from dashboards.logs import read_log
from dashboards.pages.drawing import EMPTY, colour
from dashboards.pages.live import live
from dashboards.pages.parts import (
    GRAPH_CONFIG,
    Component,
    faults,
    frame,
    link,
    section,
    state_badge,
    study_path,
    table,
    waiting,
)
from dashboards.pages.reading import Reader
from dashboards.pages.scripts import read_script
from dashboards.pages.site import Site
from dashboards.palette import BLUE, GREEN, LAYOUT, RED
from dashboards.prices import price_rows, price_trial
from dashboards.summary import Summary, trace_curve
from dashboards.words import accuracy_words, cost_words, value_words
from objectives.costs import COSTS
from storage.faults import StorageFault
from storage.rows import AttemptRow, TrialRow

HEIGHT = 380
"""Of the curve, in pixels."""

MOST_TICKS = 8
"""About so many epochs are named on an axis."""

HIDDEN = {"display": "none"}


def find_trial(summary: Summary, number: int) -> TrialRow | None:
    """Returns a trial of a study, None where there is none of that number."""
    return next((trial for trial in summary.study.trials if trial.number == number), None)


def cost_table(trial: TrialRow) -> list[list[str]]:
    """Returns a row for each cost up to the last epoch: title, value, how it was got or why it is absent."""
    curve = trace_curve(trial)
    if not curve:
        return []
    return [
        [COSTS[name].title, cost_words(name, cost.value), cost.method if cost.value is not None else str(cost.reason)]
        for name, cost in curve[-1].costs.items()
    ]


def attempt_table(trial: TrialRow) -> list[list[str]]:
    """Returns a row for each attempt: number, slot, device, beginning, length, how it ended."""
    rows = []
    for attempt in trial.attempts:
        device = attempt.device or {}
        where = f"{device['name']}, torch {device['torch']}" if device else "not recorded"
        rows.append(
            [str(attempt.attempt), str(attempt.slot), where, _moment(attempt.started_at), *_end(trial, attempt)]
        )
    return rows


def _end(trial: TrialRow, attempt: AttemptRow) -> tuple[str, str]:
    """Returns how long an attempt took, and how it ended; one that nobody runs any more was cut off."""
    if attempt.ended_at is None and trial.state == "running":
        return "-", "running"
    seconds = ((attempt.ended_at or attempt.heard_at) - attempt.started_at).total_seconds()
    return held_words(attempt, seconds), outcome_words(trial, attempt)


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def bill_table(trial: TrialRow) -> list[list[str]]:
    """Returns a row for each line of each attempt's bill, and their sum."""
    lines = [(attempt.attempt, line, seconds) for attempt in trial.attempts for line, seconds in attempt.bill.items()]
    rows = [[str(attempt), line, cost_words("device_seconds", seconds)] for attempt, line, seconds in lines]
    total = cost_words("device_seconds", sum(seconds for _, _, seconds in lines))
    return [*rows, ["all", "sum", total]] if rows else []


def draw_trial(trial: TrialRow, scheme: str) -> dict[str, Any] | None:
    """Returns accuracy with its interval, and losses, over epochs; None before the first."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    curve, epochs = trace_curve(trial), [row.epoch for row in trial.epochs]
    if not curve:
        return None
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.12)
    bars = {
        "type": "data",
        "array": [100 * (point.interval[1] - point.accuracy) for point in curve],
        "arrayminus": [100 * (point.accuracy - point.interval[0]) for point in curve],
        "thickness": 1,
    }
    figure.add_trace(
        go.Scatter(name="validation accuracy (95 %)", x=epochs, y=[100 * point.accuracy for point in curve],
                   error_y=bars, mode="lines+markers", line={"color": BLUE}), row=1, col=1,
    )  # fmt: skip
    losses = {"training loss": ([row.train_loss for row in trial.epochs], GREEN, "solid", "circle"),
              "validation loss": ([row.validation_loss for row in trial.epochs], RED, "dash", "square")}  # fmt: skip
    for name, (values, color, dash, symbol) in losses.items():
        figure.add_trace(
            go.Scatter(name=name, x=epochs, y=values, mode="lines+markers", line={"color": color, "dash": dash},
                       marker={"symbol": symbol}), row=1, col=2,
        )  # fmt: skip
    figure.update_xaxes(title="epoch", dtick=max(1, round(epochs[-1] / MOST_TICKS)))
    figure.update_yaxes(title="accuracy (%)", col=1)
    figure.update_yaxes(title="loss", col=2)
    figure.update_layout({**LAYOUT, "height": HEIGHT, "margin": {**LAYOUT["margin"], "t": 20}}, uirevision="trial")
    return colour(figure, scheme)


def show_head(study: str, trial: TrialRow) -> Component:
    """Returns how a trial stands, and why it failed where it did."""
    curve = trace_curve(trial)
    title = dmc.Group([dmc.Title(f"Trial {trial.number}", order=1, size="h2"), state_badge(trial.state)])
    told = [accuracy_words(curve[-1].accuracy, curve[-1].interval)] if curve else ["no epoch was recorded"]
    told += [f"epochs: {len(trial.epochs)}", f"attempts: {len(trial.attempts)}", f"seed: {trial.seed}"]
    told += ["the baseline"] if trial.is_baseline else []
    parts = [title, dmc.Text(", ".join(told), c="dimmed"), link(f"to {study}", study_path(study))]
    if trial.reason:
        parts.append(dmc.Alert(trial.reason, title=f"{trial.state}: why", color="orange", variant="light"))
    return dmc.Stack(parts, gap="xs")


def show_trial(summary: Summary, trial: TrialRow, printed: str | None) -> Component:
    """Returns what is known of a trial: setting, attempts, bill, costs, prices and log."""
    setting = [[name, value_words(value)] for name, value in trial.params.items()]
    prices = price_rows(price_trial(summary.study, trial, summary.book), summary.book)
    money = [[row["title"], row["value"], row["how"]] for row in prices]
    log = dmc.Text("Its code printed nothing, or it is not kept here.", c="dimmed")
    if printed:
        log = dmc.Code(printed, block=True, style={"maxHeight": "480px", "overflow": "auto"})
    return dmc.Stack(
        [
            section("Setting", table(["parameter", "value"], setting)),
            section("Attempts", table(["attempt", "slot", "device", "began", "took", "ended"], attempt_table(trial))),
            section(
                "Bill",
                table(["attempt", "line", "device time"], bill_table(trial)),
                quiet="All the time that slots were held for it, what was lost included.",
            ),
            section(
                "Costs",
                table(["cost", "up to the last epoch", "how"], cost_table(trial)),
                quiet="Solo: what its own training took.",
            ),
            section("Money and carbon", table(["what", "value", "how"], money)),
            section("Log", log),
        ],
        gap="lg",
    )


def layout(name: str, number: int, mark: str) -> Component:
    """Returns the page of a trial of a study that is there, and has this mark."""
    graph = dcc.Graph(id="curve", figure=EMPTY, config=GRAPH_CONFIG, style={"height": f"{HEIGHT}px"})
    wide = html.Div(html.Div(graph, style={"minWidth": "620px"}), style={"overflowX": "auto"})
    return frame(
        f"{name} trial {number} - Paretune",
        html.Div(waiting(100), id="about"),
        html.Div(section("Curve", wide), id="curve-box"),
        html.Div(waiting(400), id="trial"),
        study=name,
        unseen=[*live([name], mark), dcc.Store(id="number", data=number), dcc.Store(id="fresh-curve")],
    )


def register(app: Dash, site: Site) -> None:
    """Makes the page come alive."""
    app.clientside_callback(  # type: ignore[no-untyped-call]
        read_script("keep_zoom"), Output("curve", "figure"), Input("fresh-curve", "data"), State("curve", "figure")
    )

    @app.callback(
        Output("about", "children"),
        Output("fresh-curve", "data"),
        Output("curve-box", "style"),
        Output("trial", "children"),
        Input("mark", "data"),
        Input("scheme", "data"),
        State("names", "data"),
        State("number", "data"),
        prevent_initial_call=True,
    )
    async def _(mark: str | None, scheme: str | None, names: list[str], number: int) -> Any:
        if not mark or not scheme:
            return (no_update,) * 4
        return await asyncio.to_thread(read_trial, site.reader, names[0], number, scheme)


def read_trial(reader: Reader, name: str, number: int, scheme: str) -> tuple[Any, ...]:
    """Returns what the page shows of a trial, or what is wrong: its head, its curve, the curve's style, and the rest.

    Args:
        reader: Of the database.
        name: The study.
        number: The trial's.
        scheme: dark or light.
    """
    try:
        summary = reader.of_trial(name, number)
    except StorageFault as fault:
        return faults("The trial cannot be read; it is tried again", [str(fault)]), no_update, no_update, no_update
    trial = find_trial(summary, number)
    if trial is None:
        law = f"{name} has no trial {number} so far; its trials are numbered from 0 as they begin"
        return faults("There is no such trial", [law]), None, HIDDEN, link(f"to {name}", study_path(name))
    curve = draw_trial(trial, scheme)
    printed = read_log(reader.database, summary.study.uuid, number)
    return show_head(name, trial), curve, {} if curve else HIDDEN, show_trial(summary, trial, printed)
