"""The report: one HTML file that opens offline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dashboards.answers import answer_all
from dashboards.figures import FIGURES
from dashboards.summary import Summary, bill_lines
from dashboards.words import accuracy_words, cost_words, params_words
from objectives.costs import COSTS


def write_report(summary: Summary, path: Path) -> None:
    """Writes the report of a study.

    Raises:
        OSError: where the file cannot be written.
    """
    path.write_text(render_report(summary), encoding="utf-8")


def render_report(summary: Summary) -> str:
    """Returns the report as HTML, with plotly's script in it."""
    from jinja2 import Environment, PackageLoader
    from plotly.offline import get_plotlyjs

    environment = Environment(loader=PackageLoader("dashboards", "."), autoescape=True)
    environment.globals.update(accuracy=accuracy_words, cost=cost_words, setting=params_words, COSTS=COSTS)
    figures = {
        name: draw(summary).to_html(full_html=False, include_plotlyjs=False, config={"displaylogo": False})
        for name, draw in FIGURES.items()
    }
    lines = bill_lines(summary.study)
    return environment.get_template("report.html").render(
        summary=summary,
        study=summary.study,
        figures=figures,
        answers=answer_all(summary),
        bill=lines,
        billed=sum(lines.values()),
        provenance=_provenance(summary),
        devices=_devices(summary),
        plotlyjs=get_plotlyjs(),
    )


def _provenance(summary: Summary) -> list[dict[str, Any]]:
    """Returns how each cost was got, by the trials that were trained to their end."""
    rows = []
    for name, cost in COSTS.items():
        values = [point.costs[name] for point in summary.finals if name in point.costs]
        if values:
            reason = next((value.reason for value in values if value.reason), None)
            rows.append(
                {"name": name, "unit": cost.unit, "text": cost.text, "method": values[0].method, "reason": reason}
            )
    return rows


def _devices(summary: Summary) -> list[str]:
    found = {
        f"{device['name']} ({device['identity']}), {device['threads']} CPU threads, torch {device['torch']}"
        for trial in summary.study.trials
        for attempt in trial.attempts
        if (device := attempt.device) is not None
    }
    return sorted(found)
