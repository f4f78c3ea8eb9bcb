"""The figures, each made data first, drawing second: `trace_X(summary) -> XInfo`, then `draw_X(info) -> Figure`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboards.figures.attainment import draw_attainment, trace_attainment
from dashboards.figures.compare import draw_compare, trace_compare
from dashboards.figures.curves import draw_curves, narrow_curves, tell_curves, trace_curves
from dashboards.figures.hypervolume import draw_hypervolume, trace_hypervolume
from dashboards.figures.importance import draw_importance, tell_importance, trace_importance
from dashboards.figures.optimizers import draw_optimizers, trace_optimizers
from dashboards.figures.parallel import draw_parallel, trace_parallel
from dashboards.figures.progress import draw_progress, trace_progress
from dashboards.figures.slices import draw_slices, trace_slices
from dashboards.figures.spending import draw_spending, tell_spending, trace_spending
from dashboards.figures.timeline import draw_timeline, trace_timeline
from dashboards.figures.tradeoff import draw_tradeoff, narrow_tradeoff, tell_tradeoff, trace_tradeoff
from dashboards.summary import Summary

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True)
class Figure:
    """A kind of figure.

    Attributes:
        title: Its heading.
        text: How it is read, in a line.
        trace: Makes its data, a NamedTuple, of one or more studies.
        draw: Draws the data.
        tell: Draws the data in characters, so many in a line; None where that would show too little.
        takes_several: Whether it shows more than the first study.
        narrow: Returns the labels of the first menu, and the data with one of these choices alone.
    """

    title: str
    text: str
    trace: Callable[[Sequence[Summary]], Any]
    draw: Callable[[Any], go.Figure]
    tell: Callable[[Any, int], str] | None = None
    takes_several: bool = False
    narrow: Callable[[Any, str | None], tuple[list[str], Any]] | None = None


def _of_first(trace: Callable[[Summary], Any]) -> Callable[[Sequence[Summary]], Any]:
    return lambda summaries: trace(summaries[0])


FIGURES: dict[str, Figure] = {
    "tradeoff": Figure(
        "What does accuracy cost?",
        "Each point is a trial's checkpoint, at its solo cost up to then. Accuracy is on validation images that chose "
        "the setting: of many trials the best looks better than it is. Double-click to see everything.",
        _of_first(trace_tradeoff),
        draw_tradeoff,
        tell_tradeoff,
        narrow=narrow_tradeoff,
    ),
    "curves": Figure(
        "How the trials got there",
        "Trials of the front in colour, from cheap (dark) to accurate (light).",
        _of_first(trace_curves),
        draw_curves,
        tell_curves,
        narrow=narrow_curves,
    ),
    "optimizers": Figure(
        "Optimizers side by side",
        "The best accuracy that each reached at each price; the bars at the right end are 95 % intervals. More trials "
        "give more chances: compare the counts too.",
        _of_first(trace_optimizers),
        draw_optimizers,
    ),
    "importance": Figure(
        "Which parameter matters?",
        "How much of the outcome's variance lies between groups of a parameter's values (one-way analysis of variance, "
        "complete trials). A grey bar does not pass the level that chance alone gives.",
        _of_first(trace_importance),
        draw_importance,
        tell_importance,
    ),
    "slices": Figure(
        "Parameter by parameter",
        "Each trial's last accuracy and cost against each parameter; the other parameters differ too. Choose "
        "`everything` to see the trials that stayed far below the best.",
        _of_first(trace_slices),
        draw_slices,
    ),
    "parallel": Figure(
        "All parameters at once",
        "Each line is a trial at its last checkpoint, coloured by how deep it lies under the front of these. Drag "
        "along an axis to pick a range.",
        _of_first(trace_parallel),
        draw_parallel,
    ),
    "hypervolume": Figure(
        "Was the search still getting better?",
        "The share of the best conceivable trade-off that the front covers, over all slot seconds billed to attempts "
        "that had ended, failed and lost ones included.",
        _of_first(trace_hypervolume),
        draw_hypervolume,
    ),
    "spending": Figure(
        "Where the compute went",
        "Slot seconds billed. Each block divides the same bill, so its bars add up to it; in brackets how many trials.",
        _of_first(trace_spending),
        draw_spending,
        tell_spending,
    ),
    "timeline": Figure(
        "What each slot did when",
        "A bar for each attempt; white is idle.",
        _of_first(trace_timeline),
        draw_timeline,
    ),
    "compare": Figure(
        "Studies side by side",
        "The front of each study. Costs of different devices compare machines as well as settings.",
        trace_compare,
        draw_compare,
        takes_several=True,
    ),
    "attainment": Figure(
        "What several runs attain",
        "The line is what at least half of the runs reached for so much or less, the band what a quarter and three "
        "quarters reached (empirical attainment function). Runs are studies whose specs differ in the seed alone, or "
        "the seeds of one study; where no two belong together, all studies are one group.",
        trace_attainment,
        draw_attainment,
        takes_several=True,
    ),
    "progress": Figure(
        "How fast each got there",
        "The share of the best conceivable trade-off that each study's front covered, over all slot seconds billed.",
        trace_progress,
        draw_progress,
        takes_several=True,
    ),
}
