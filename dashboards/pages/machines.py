"""The service's machine: whose its cores and GPUs are now, what waits for them, and what can be measured there."""

from __future__ import annotations

import asyncio
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update

from dashboards.machine import Machine
from dashboards.pages import operating
from dashboards.pages.live import LIVE_MILLISECONDS
from dashboards.pages.parts import Component, faults, frame, section, study_path, table, waiting
from dashboards.pages.queue import queue
from dashboards.pages.site import Site
from storage.faults import StorageFault

EMPTY = "Nothing waits. A sweep that is launched here while its cores or GPUs are another's is queued."
WHOLE = {"minWidth": "max-content"}
COLOURS = {"good": "green", "poor": "yellow", "absent": "gray"}


def layout(site: Site) -> Component:
    """Returns the page."""
    acting = operating.dialog() if site.may_operate() else []
    return frame(
        "Machines - Paretune",
        dmc.Title("Machines", order=1, size="h2"),
        html.Div(waiting(160), id="machine-now"),
        html.Div(queue(EMPTY)),
        html.Div(waiting(260), id="machine-measures"),
        unseen=[
            *acting,
            dcc.Interval(id="machine-clock", interval=LIVE_MILLISECONDS),
            dcc.Store(id="machine-mark"),
            html.Div(id="machine-away"),
        ],
    )


def show_places(machine: Machine) -> Component:
    """Returns whose each part of the machine is."""
    rows = [[place.device, place.part, _whose(place.study)] for place in machine.places]
    told = "Each core and each GPU is one study's at a time. Sweeps of other databases are not seen here."
    return section(f"{machine.host} now", table(["device", "part", "runs"], rows), quiet=told)


def _whose(study: str | None) -> Component:
    return "free" if study is None else dmc.Anchor(study, href=study_path(study), size="sm")


def show_measures(machine: Machine) -> Component:
    """Returns what can be measured, and what to do about the rest."""
    rows = [
        [
            name,
            dmc.Badge(finding.grade, color=COLOURS[finding.grade], variant="light", style=WHOLE),
            dmc.Stack(
                [
                    dmc.Text(finding.text, size="sm"),
                    *([dmc.Text(finding.advice, size="sm", c="dimmed")] if finding.advice else []),
                ],
                gap=2,
            ),
        ]
        for name, finding in machine.findings.items()
    ]
    told = (
        f"As of {machine.checked_at:%Y-%m-%d %H:%M} UTC. How steady its seconds are is found by training: "
        "`paretune doctor` does that, on a machine that rests."
    )
    return section("What can be measured", table(["what", "how well", "found"], rows), quiet=told)


def register(app: Dash, site: Site) -> None:
    """Makes the page come alive."""

    @app.callback(
        Output("machine-now", "children"),
        Output("machine-measures", "children"),
        Output("machine-mark", "data"),
        Output("machine-away", "children"),
        Input("machine-clock", "n_intervals"),
        State("machine-mark", "data"),
    )
    async def _(_ticks: int | None, before: str | None) -> Any:
        try:
            machine = await asyncio.to_thread(site.look)
        except StorageFault as fault:
            told = faults("The database cannot be read; it is tried again", [str(fault)])
            return no_update, no_update, no_update, told
        mark = f"{machine.places} {machine.checked_at}"
        if mark == before:
            return no_update, no_update, no_update, None
        return show_places(machine), show_measures(machine), mark, None
