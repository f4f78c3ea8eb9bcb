"""The table of all trials."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import dash_ag_grid as dag
import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, no_update

from dashboards.brushing import read_brush
from dashboards.pages.parts import Component, trial_path
from dashboards.pages.site import Site
from dashboards.rows import trial_rows
from dashboards.summary import Summary
from objectives.costs import COSTS


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


def register(app: Dash, site: Site) -> None:
    """Makes the table come alive."""

    @app.callback(
        Output("trials", "rowData"), Input("mark", "data"), Input("brush", "data"), State("names", "data"),
        prevent_initial_call=True,
    )  # fmt: skip
    async def _(_mark: str | None, brush: dict[str, Any] | None, names: list[str]) -> Any:
        summary = await site.read(names, read_brush(brush))
        return no_update if summary is None else await asyncio.to_thread(table_rows, summary)

    @app.callback(Output("trials", "exportDataAsCsv"), Input("export", "n_clicks"), prevent_initial_call=True)
    async def _(clicks: int | None) -> Any:
        return bool(clicks)


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
