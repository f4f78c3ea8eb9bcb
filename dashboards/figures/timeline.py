"""When each slot did what: a bar for each attempt."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from dashboards.attempts import outcome_words
from dashboards.figures.parts import break_lines, empty_figure
from dashboards.palette import LAYOUT, LEGEND_ABOVE, OUTCOMES
from dashboards.summary import Summary
from dashboards.words import cost_words, params_words

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST_EDGED = 400
"""Attempts of which each gets an edge; the edges of more would hide the bars."""


class Stay(NamedTuple):
    """One attempt on its slot.

    Attributes:
        slot: The slot's number.
        trial: The trial's number.
        attempt: From 1.
        started_at: When it began.
        ended_at: When it ended; while it runs, when it was last heard of.
        outcome: complete, infeasible, failed, stopped or running; `cut off` where the trial had to go on elsewhere.
        reason: How it was cut off; None otherwise.
        setting: The trial's parameters, in words.
    """

    slot: int
    trial: int
    attempt: int
    started_at: datetime
    ended_at: datetime
    outcome: str
    reason: str | None
    setting: str


class TimelineInfo(NamedTuple):
    """What the figure shows: all attempts, the earliest first."""

    study: str
    stays: list[Stay]


def trace_timeline(summary: Summary) -> TimelineInfo:
    """Returns what the timeline shows."""
    stays = []
    for trial in summary.study.trials:
        for attempt in trial.attempts:
            words = outcome_words(trial, attempt)
            outcome = words if words in OUTCOMES else "cut off"
            stays.append(
                Stay(
                    attempt.slot,
                    trial.number,
                    attempt.attempt,
                    attempt.started_at,
                    attempt.ended_at or attempt.heard_at,
                    outcome,
                    words if outcome == "cut off" else None,
                    params_words(trial.params),
                )
            )
    return TimelineInfo(summary.study.name, sorted(stays, key=lambda stay: (stay.started_at, stay.slot, stay.trial)))


def draw_timeline(info: TimelineInfo) -> go.Figure:
    """Draws a lane for each slot and a bar for each attempt, coloured by outcome."""
    import plotly.graph_objects as go

    if not info.stays:
        return empty_figure("no attempt has begun yet")
    slots = sorted({stay.slot for stay in info.stays})
    figure = go.Figure(layout=LAYOUT)
    for outcome, color in OUTCOMES.items():
        stays = [stay for stay in info.stays if stay.outcome == outcome]
        if stays:
            figure.add_bar(
                name=f"{outcome} ({len(stays):,})",
                base=[_date(stay.started_at) for stay in stays],
                x=[round(1000 * _seconds(stay)) for stay in stays],
                y=[f"slot {stay.slot}" for stay in stays],
                orientation="h",
                marker={"color": color, "line": {"width": 1 if len(info.stays) <= MOST_EDGED else 0, "color": "white"}},
                customdata=[[stay.trial, stay.attempt] for stay in stays],
                text=[_hover(stay) for stay in stays],
                textposition="none",
                hovertemplate="<b>trial %{customdata[0]}, attempt %{customdata[1]}</b><br>%{text}<extra></extra>",
            )
    figure.update_xaxes(type="date", title="time (UTC)")
    figure.update_yaxes(categoryorder="array", categoryarray=[f"slot {slot}" for slot in reversed(slots)])
    return figure.update_layout(
        barmode="overlay",
        showlegend=True,
        bargap=0.3,
        height=190 + 44 * len(slots),
        legend=LEGEND_ABOVE,
    )


def _seconds(stay: Stay) -> float:
    return (stay.ended_at - stay.started_at).total_seconds()


def _date(moment: datetime) -> str:
    """Returns a moment as plotly reads it: naive, in milliseconds."""
    return moment.replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")


def _hover(stay: Stay) -> str:
    how = f"{stay.outcome}: {stay.reason}" if stay.reason else stay.outcome
    spent = cost_words("device_seconds", _seconds(stay))
    return f"{how}, {spent}<br>{break_lines(stay.setting)}"
