"""The figures, each made data first, drawing second: `trace_X(summary) -> XInfo`, then `draw_X(info) -> Figure`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dashboards.figures.curves import draw_curves, trace_curves
from dashboards.figures.tradeoff import draw_tradeoff, trace_tradeoff
from dashboards.summary import Summary

if TYPE_CHECKING:
    import plotly.graph_objects as go

FIGURES: dict[str, Callable[[Summary], go.Figure]] = {
    "tradeoff": lambda summary: draw_tradeoff(trace_tradeoff(summary)),
    "curves": lambda summary: draw_curves(trace_curves(summary)),
}
