"""The report: one HTML file that opens offline."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dashboards.answers import answer_all
from dashboards.bills import bill_lines
from dashboards.budget import budget_lines
from dashboards.changes import change_lines, source_lines
from dashboards.contention import disturbance_lines
from dashboards.devices import device_warning, name_devices
from dashboards.energy import bill_energy, energy_words
from dashboards.environments import environment_lines
from dashboards.figures import FIGURES
from dashboards.palette import ICON
from dashboards.plotting import read_part
from dashboards.prices import price_rows
from dashboards.remeasured import remeasured_lines
from dashboards.summary import Checkpoint, Summary
from dashboards.words import accuracy_words, cost_words, params_words, task_words
from objectives.costs import COSTS, ONCE
from objectives.intervals import seeds_interval
from storage.collector import collector_rests
from storage.rows import StudyRow, TrialRow

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST_ROWS = 300
"""Trials in the table; of more, those that matter most."""


def write_report(summary: Summary, path: Path) -> None:
    """Writes the report of a study.

    Raises:
        OSError: where the file cannot be written.
    """
    path.write_text(render_report(summary), encoding="utf-8")


@collector_rests()
def render_report(summary: Summary) -> str:
    """Returns the report as HTML, with the script that draws its figures in it."""
    from jinja2 import Environment, PackageLoader

    environment = Environment(loader=PackageLoader("dashboards", "."), autoescape=True)
    environment.globals.update(accuracy=accuracy_words, cost=cost_words, setting=params_words, COSTS=COSTS)
    single = {name: figure for name, figure in FIGURES.items() if not figure.takes_several}
    drawn = {name: figure.draw(figure.trace([summary])) for name, figure in single.items()}
    lines = bill_lines(summary.study)
    return environment.get_template("report.html").render(
        icon=ICON,
        summary=summary,
        study=summary.study,
        figures=single,
        drawn={name: _embed(figure) for name, figure in drawn.items()},
        heights={name: figure.layout.height for name, figure in drawn.items()},
        widths={name: (figure.layout.meta or {}).get("least_width", 0) for name, figure in drawn.items()},
        shown=_shown_trials(summary),
        remeasured=remeasured_lines(summary),
        answers=answer_all(summary),
        bill=lines,
        billed=sum(lines.values()),
        energy=energy_words(bill_energy(summary.study)),
        budget=[line for line in budget_lines(summary.study, summary.book) if line.limit is not None],
        book=summary.book,
        prices=price_rows(summary.prices, summary.book),
        tested=partial(_tested, summary.study),
        task=task_words,
        provenance=_provenance(summary),
        devices=name_devices(summary.study),
        changes=environment_lines(summary.study),
        mixed=device_warning(summary.study),
        disturbed=disturbance_lines(summary.study),
        spec_changes=change_lines(summary.study),
        sources=source_lines(summary.study),
        plotlyjs=read_part(),
    )


def _embed(figure: go.Figure) -> str:
    """Returns a figure as JSON that can stand in a script element, which only `<` could end."""
    from plotly.utils import PlotlyJSONEncoder

    plain = json.dumps(figure.to_dict(), cls=PlotlyJSONEncoder, separators=(",", ":"), ensure_ascii=False)
    return plain.replace("<", "\\u003c")


def _shown_trials(summary: Summary) -> list[TrialRow]:
    """Returns the trials of the table: all, or of very many the front's, the baseline and the most accurate."""
    trials = summary.study.trials
    if len(trials) <= MOST_ROWS:
        return list(trials)
    wanted = {number for point in summary.front for number in point.seeds}
    best = sorted(summary.finals, key=lambda point: -point.accuracy)[:MOST_ROWS]
    wanted |= {point.trial for point in best[: max(0, MOST_ROWS - len(wanted))]}
    return [trial for trial in trials if trial.number in wanted or trial.is_baseline]


def _tested(study: StudyRow, point: Checkpoint) -> str | None:
    """Returns the test accuracy of a checkpoint in words, None where it was not computed."""
    counts = [study.tests[number, point.epoch] for number in point.seeds if (number, point.epoch) in study.tests]
    return accuracy_words(*seeds_interval(counts)) if len(counts) == len(point.seeds) else None


def _provenance(summary: Summary) -> list[dict[str, str]]:
    """Returns how each cost was got, by the trials that were trained to their end."""
    finals, rows = summary.finals, []
    trained = [trial for trial in summary.study.trials if trial.epochs]
    counts = _count_ways(trained)
    for name, cost in COSTS.items() if finals else ():
        having = next((point for point in finals if point.value(name) is not None), None)
        lacking = [point for point in finals if point.value(name) is None]
        ways = _ways(name, counts, len(trained)) if having else []
        if lacking:
            of = f" in {len(lacking):,} of {len(finals):,} trials" if having else ""
            ways.append(f"absent{of}: {lacking[0].costs[name].reason}")
        rows.append({"name": name, "unit": cost.unit, "text": cost.text, "how": "; ".join(ways)})
    return rows


def _count_ways(trials: Sequence[TrialRow]) -> Counter[tuple[str, str]]:
    """Returns in how many trials each cost was got in each way."""
    counts: Counter[tuple[str, str]] = Counter()
    for trial in trials:
        own = {(name, cost.method) for epoch in trial.epochs for name, cost in epoch.costs.items()}
        counts.update(own | {(name, trial.costs[name].method) for name in ONCE if name in trial.costs})
    return counts


def _ways(name: str, counts: Counter[tuple[str, str]], num_trials: int) -> list[str]:
    """Returns in which ways a cost was got, the most frequent first; of several it tells in how many trials."""
    own = {method: count for (of, method), count in counts.most_common() if of == name and method != "absent"}
    if len(own) == 1:
        return list(own)
    return [f"{method} in {count:,} of {num_trials:,} trials" for method, count in own.items()]
