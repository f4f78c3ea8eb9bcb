"""Where the compute went: slot seconds by what they went into, by outcome and by parameter value."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from dashboards.bills import IDLE, bill_lines
from dashboards.energy import bill_energy, energy_words
from dashboards.figures.parts import empty_figure, short
from dashboards.palette import GREY, LAYOUT, LEGEND_ABOVE, LINES
from dashboards.settings import bin_values, varied_parameters
from dashboards.summary import Summary
from dashboards.terminal import Bar, draw_bars
from dashboards.words import cost_words, share_words
from storage.rows import TrialRow

if TYPE_CHECKING:
    import plotly.graph_objects as go

NOTE_CHARACTERS = 60
"""Of a line of the note below the figure."""


class Part(NamedTuple):
    """Some of the trials and what their attempts were billed, in seconds by line."""

    label: str
    num_trials: int
    lines: dict[str, float]

    @property
    def words(self) -> str:
        """Its label, and of how many trials it is where it is of any."""
        return f"{self.label} ({self.num_trials:,})" if self.num_trials else self.label

    @property
    def seconds(self) -> float:
        """All lines together."""
        return sum(self.lines.values())


class Division(NamedTuple):
    """The whole bill, divided by one thing: the parts add up to it."""

    by: str
    parts: list[Part]


class SpendingInfo(NamedTuple):
    """What the figure shows.

    Attributes:
        study: The study's name.
        lines: The whole bill, seconds by line.
        divisions: The same bill by outcome, and by each parameter that the study varied.
        energy: What it came to in joules, and how that is known, in words.
    """

    study: str
    lines: dict[str, float]
    divisions: list[Division]
    energy: str


def trace_spending(summary: Summary) -> SpendingInfo:
    """Returns what the spending figure shows."""
    study = summary.study
    lines = _ordered(bill_lines(study))
    if not lines:
        return SpendingInfo(study.name, {}, [], "")
    states: dict[str, list[TrialRow]] = defaultdict(list)
    for trial in study.trials:
        states[trial.state].append(trial)
    idle = [Part("no trial", 0, {IDLE: lines[IDLE]})] if lines.get(IDLE) else []
    divisions = [Division("outcome", [_part(state, trials) for state, trials in sorted(states.items())] + idle)]
    for name in varied_parameters(study):
        bins = bin_values([trial.params.get(name) for trial in study.trials])
        parts = [_part(label, (study.trials[index] for index in members)) for label, members in bins]
        divisions.append(Division(name, parts + idle))
    return SpendingInfo(study.name, lines, divisions, energy_words(bill_energy(study)))


def draw_spending(info: SpendingInfo) -> go.Figure:
    """Draws a bar for each part, coloured by line; the bars of each block add up to the bill."""
    import plotly.graph_objects as go

    if not info.lines:
        return empty_figure("nothing was billed yet")
    rows = [(division.by, part) for division in info.divisions for part in division.parts]
    total = sum(info.lines.values())
    figure = go.Figure(layout=LAYOUT)
    for line, seconds in info.lines.items():
        figure.add_bar(
            name=f"{line} {cost_words('device_seconds', seconds)} ({share_words(seconds / total)})",
            x=[short(part.lines.get(line, 0.0), 5) for _, part in rows],
            y=[[by for by, _ in rows], [part.words for _, part in rows]],
            orientation="h",
            marker={"color": LINES.get(line, GREY)},
            hovertext=[
                f"{by} {part.label}: {line} {cost_words('device_seconds', part.lines.get(line, 0.0))}"
                for by, part in rows
            ],
            hoverinfo="text",
        )
    figure.update_yaxes(autorange="reversed", dividercolor=GREY, tickfont={"size": 12})
    told = textwrap.wrap(info.energy, NOTE_CHARACTERS)
    figure.update_xaxes(title={"text": "<br>".join(["slot seconds", *told]), "font": {"size": 13}})
    height = 170 + 18 * len(told) + 24 * len(rows)
    return figure.update_layout(
        barmode="stack", height=height, legend={**LEGEND_ABOVE, "traceorder": "normal"}, bargap=0.25
    )


def tell_spending(info: SpendingInfo, width: int) -> str:
    """Draws the spending in characters."""
    if not info.lines:
        return "nothing was billed yet"
    total = sum(info.lines.values())
    blocks = [("what", [Bar(line, seconds, _note(seconds, total)) for line, seconds in info.lines.items()])]
    for division in info.divisions:
        bars = [Bar(part.words, part.seconds, _note(part.seconds, total)) for part in division.parts]
        blocks.append((division.by, bars))
    drawn = [f"by {by}\n{draw_bars(bars, width)}" for by, bars in blocks]
    head = f"{info.study}: billed {cost_words('device_seconds', total)} of slots\n{info.energy}"
    return "\n\n".join([head, *drawn])


def _part(label: str, trials: Iterable[TrialRow]) -> Part:
    members = list(trials)
    lines: dict[str, float] = defaultdict(float)
    for trial in members:
        for attempt in trial.attempts:
            for line, seconds in attempt.bill.items():
                lines[line] += seconds
    return Part(label, len(members), _ordered(lines))


def _ordered(lines: Mapping[str, float]) -> dict[str, float]:
    order = list(LINES)
    return dict(sorted(lines.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order)))


def _note(seconds: float, total: float) -> str:
    return f"{cost_words('device_seconds', seconds)} ({share_words(seconds / total)})"
