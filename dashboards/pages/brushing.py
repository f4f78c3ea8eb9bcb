"""Choosing trials in a figure: a box or lasso in the trade-off, ranges of the parallel coordinates.

The browser tells which trials these are; where the trade-off does not show each trial it tells the box or the lasso, in
digits that the address has room for. The address holds the choice, so that it can be shared.
"""

from __future__ import annotations

import asyncio
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, html

from dashboards.brushing import LONGEST, Brush, read_brush
from dashboards.pages.parts import Component, aria
from dashboards.pages.reading import MOST_CHOSEN, Reader
from dashboards.pages.site import Site
from dashboards.words import range_words
from storage.faults import StorageFault

BRUSH = """(chosen, restyled, clicks, before) => {
  const {no_update, callback_context: context} = window.dash_clientside;
  const [trigger] = context.triggered;
  if (!trigger || trigger.value === undefined) return no_update;
  const find = kind => document.querySelector(`[id*='"kind":"${kind}"'] .js-plotly-plot`);
  if (trigger.prop_id.includes('"clear"')) {
    if (!trigger.value) return no_update;
    setTimeout(() => {  // what plotly tells of this asks here again, which would make this answer an old one
      const graph = find('tradeoff'), lines = find('parallel');
      if (graph) {
        window.Plotly.restyle(graph, {selectedpoints: [null]});
        window.Plotly.relayout(graph, {selections: []});
      }
      if (lines && lines.data[0].dimensions)
        lines.data[0].dimensions.forEach((_, at) =>
          window.Plotly.restyle(lines, {[`dimensions[${at}].constraintrange`]: null}));
    }, 100);
    return null;
  }
  if (trigger.prop_id.includes('restyleData')) {
    const lines = find('parallel');
    if (!lines || !lines.data[0].dimensions) return no_update;
    const [{dimensions, customdata}] = lines.data;
    const bound = dimensions.filter(own => own.constraintrange);
    if (!bound.length) return before && before.origin === 'parallel' ? null : no_update;
    const inside = (own, at) => {
      const ranges = Array.isArray(own.constraintrange[0]) ? own.constraintrange : [own.constraintrange];
      return ranges.some(([low, high]) => low <= own.values[at] && own.values[at] <= high);
    };
    const trials = Array.from(customdata).filter((_, at) => bound.every(own => inside(own, at)));
    return {origin: 'parallel', trials: trials.map(Number)};
  }
  const told = trigger.value;
  if (!trigger.prop_id.includes('"tradeoff"')) return no_update;
  const nothing = before && before.origin === 'tradeoff' ? null : no_update;  // a figure that comes has none either
  if (!told) return nothing;
  const graph = find('tradeoff'), {axis, scale, most} = (graph && graph.layout.meta) || {};
  if (axis) {
    const drawn = graph.layout.selections || [], last = drawn[drawn.length - 1];
    if (drawn.length > 1) setTimeout(() => window.Plotly.relayout(graph, {selections: [last]}));  // one holds
    const round = end => +(+end).toPrecision(6);
    let x, y, isBox = true;
    if (told.range && told.range.x) ({x, y} = told.range);
    else if (told.lassoPoints && told.lassoPoints.x) [{x, y}, isBox] = [told.lassoPoints, false];
    else if (!last) return nothing;
    else if (last.type === 'rect') [x, y] = [[last.x0, last.x1], [last.y0, last.y1]];  // it was moved
    else {
      const places = last.path.slice(1, -1).split('L').map(place => place.split(','));
      [x, y, isBox] = [places.map(place => place[0]), places.map(place => place[1]), false];
    }
    [x, y] = [x.map(round), y.map(round)];
    const isKept = told => before && JSON.stringify(before.box || before.lasso) === JSON.stringify(told);
    if (isBox) {
      const box = [axis, Math.min(...x), Math.max(...x), Math.min(...y), Math.max(...y)];
      return isKept(box) ? no_update : {origin: 'tradeoff', box};
    }
    const corners = x.map((one, at) => [one, y[at]]);
    const place = ([x, y]) => [scale === 'log' ? Math.log(x) : x, y];
    const bend = (_, at) => {  // twice the triangle with the corners beside it: least where the edge is straight
      const count = corners.length, beside = [at + count - 1, at, at + 1].map(one => place(corners[one % count]));
      const [[x0, y0], [x1, y1], [x2, y2]] = beside;
      return Math.abs((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0));
    };
    while (corners.length > most) {
      const bends = corners.map(bend);
      corners.splice(bends.indexOf(Math.min(...bends)), 1);
    }
    const lasso = [axis, scale, ...corners.flat()];
    return isKept(lasso) ? no_update : {origin: 'tradeoff', lasso};
  }
  if (!told.points) return no_update;
  if (!told.points.length && !told.range && !told.lassoPoints) return nothing;  // what was drawn is taken away
  const trials = told.points.map(point => point.customdata).filter(number => Number.isInteger(number));
  return {origin: 'tradeoff', trials: [...new Set(trials)]};
}"""
"""Makes a choice of what is told of a figure; a double click tells that nothing is chosen."""

KEEP_BRUSH = """(words, brush) => {
  const url = new URL(window.location);
  for (const name of ['trials', 'box', 'lasso']) url.searchParams.delete(name);
  if (brush && brush.box) url.searchParams.set('box', brush.box.join(':'));
  else if (brush && brush.lasso) {
    const [axis, scale, ...ends] = brush.lasso;
    url.searchParams.set('lasso', [axis, scale, ends.join('_')].join(':'));
  }
  else if (brush && words) url.searchParams.set('trials', words);
  window.history.replaceState(window.history.state, '', url);
  return window.dash_clientside.no_update;
}"""


def show_place() -> Component:
    """Returns the place for what is chosen, hidden as long as that is all."""
    hint = "To choose trials, draw a box or a lasso in the trade-off (its tools stand above it), or drag along an axis "
    return html.Div(
        [
            dmc.Text(f"{hint}of the parallel coordinates; a double click takes all again.", size="sm", c="dimmed"),
            html.Div(
                dmc.Group(
                    [
                        dmc.Text(id="brushed", size="sm", fw=600),
                        dmc.Button(
                            "Show all again",
                            id={"part": "clear", "kind": "brush"},
                            variant="default",
                            size="compact-sm",
                        ),
                    ]
                ),
                id="brush-box",
                style={"display": "none"},
                **aria(live="polite"),
            ),
            dmc.Text(id="brush-words", display="none"),
        ]
    )


def describe(reader: Reader, name: str, brush: Brush | None) -> tuple[str, dict[str, str], str]:
    """Returns what is chosen in words, how its place looks, and the numbers for the address."""
    if brush is None:
        return "", {"display": "none"}, ""
    with reader.crowd(name) as crowd:
        numbers = brush.find(crowd)
    if crowd is None:
        numbers = {trial.number for trial in reader.chosen(name, brush).study.trials}
    words = range_words(numbers, ",")
    trials = "1 trial is chosen" if len(numbers) == 1 else f"{len(numbers):,} trials are chosen"
    is_thin = crowd is not None and len(numbers) > MOST_CHOSEN
    alone = f"an even choice of {MOST_CHOSEN:,} of these" if is_thin else "these alone"
    return f"{trials}: figures below and the table show {alone}.", {}, words if len(words) <= LONGEST else ""


def register(app: Dash, site: Site) -> None:
    """Makes figures choose."""
    graph = {"part": "graph", "kind": ALL}
    app.clientside_callback(  # type: ignore[no-untyped-call]
        BRUSH,
        Output("brush", "data"),
        Input(graph, "selectedData"),
        Input(graph, "restyleData"),
        Input({"part": "clear", "kind": ALL}, "n_clicks"),
        State("brush", "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(  # type: ignore[no-untyped-call]
        KEEP_BRUSH,
        Output("silent", "children", allow_duplicate=True),
        Input("brush-words", "children"),
        State("brush", "data"),
        prevent_initial_call=True,
    )

    @app.callback(
        Output("brushed", "children"),
        Output("brush-box", "style"),
        Output("brush-words", "children"),
        Input("brush", "data"),
        State("names", "data"),
    )
    async def _(brush: dict[str, Any] | None, names: list[str]) -> Any:
        try:
            return await asyncio.to_thread(describe, site.reader, names[0], read_brush(brush))
        except StorageFault as fault:
            return str(fault), {}, ""
