"""The hypervolume of several studies over what each spent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from dashboards.figures.hypervolume import HypervolumeInfo, bends, trace_hypervolume
from dashboards.figures.parts import choose_scale, empty_figure, menus, short
from dashboards.palette import CYCLE, LAYOUT
from dashboards.summary import Summary
from dashboards.words import cost_words

if TYPE_CHECKING:
    import plotly.graph_objects as go


class ProgressInfo(NamedTuple):
    """What the figure shows.

    Attributes:
        studies: Those that have scales and a trial that ended.
        left_out: The names of the others.
        is_comparable: Whether all count in the same scales.
    """

    studies: list[HypervolumeInfo]
    left_out: list[str]
    is_comparable: bool


def trace_progress(summaries: Sequence[Summary]) -> ProgressInfo:
    """Returns the hypervolume of each study after each trial."""
    found = [trace_hypervolume(summary) for summary in summaries]
    scales = [summary.study.reference for summary, info in zip(summaries, found, strict=True) if info.steps]
    return ProgressInfo(
        [info for info in found if info.steps],
        [info.study for info in found if not info.steps],
        all(scale == scales[0] for scale in scales),
    )


def draw_progress(info: ProgressInfo) -> go.Figure:
    """Draws a line for each study."""
    import plotly.graph_objects as go

    if not info.studies:
        return empty_figure("no trial has ended yet, or none that fixed the scales")
    notes = [] if info.is_comparable else ["Careful: each study counts in scales of its own, fixed by its first trial"]
    notes += [f"left out, without scales: {', '.join(info.left_out)}"] if info.left_out else []
    margin = {**LAYOUT["margin"], "t": 80 + 20 * len(notes), "l": 90}
    figure = go.Figure(layout={**LAYOUT, "height": 420, "margin": margin})
    for index, study in enumerate(info.studies):
        steps = bends(study.steps)
        figure.add_scatter(
            name=study.study,
            x=[short(step.spent_seconds, 6) for step in steps],
            y=[round(step.hypervolume, 5) for step in steps],
            mode="lines",
            line={"shape": "hv", "color": CYCLE[index % len(CYCLE)], "width": 2.5},
            text=[
                f"<b>{study.study}</b><br>{step.num_trials:,} trials ended, "
                f"{cost_words('device_seconds', step.spent_seconds)} billed"
                for step in steps
            ],
            hovertemplate="%{text}<br>hypervolume %{y:.3f}<extra></extra>",
        )
    figure.update_xaxes(title="slot seconds billed (s)", type="log")
    figure.update_yaxes(title="hypervolume")
    return figure.update_layout(
        title={"text": "<br>".join(notes), "font": {"size": 14}, "y": 0.97, "yanchor": "top", "x": 0.01},
        showlegend=True,
        updatemenus=menus([choose_scale("x: logarithmic", "log"), choose_scale("x: linear", "linear")]),
    )
