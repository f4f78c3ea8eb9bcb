"""Reading and showing a study of many trials, beside Optuna's own on the same trials.

    python tests/benchmarks/dashboard_size.py --trials 100 1000 5000

A study of that many synthetic trials of up to 10 epochs, each with all costs, is written to a new SQLite database, and
the same settings with their last accuracy and device time to Optuna's tables in it. Then each side reads and draws:
`read` is `load_study` and `summarize` beside a new `RDBStorage` and `study.trials`; a figure is made of what was read,
up to the JSON that a page holds. Optuna has no epochs here, since it takes none with two objectives: it reads far fewer
rows. `report` is the whole page with all figures, without its script; its size is without that, too.
Every number is the median of so many runs in one process, in which both sides were run once before.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import optuna  # noqa: E402
from machine import machine_facts  # noqa: E402
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution  # noqa: E402
from optuna.trial import create_trial  # noqa: E402
from optuna.visualization import (  # noqa: E402
    plot_parallel_coordinate,
    plot_param_importances,
    plot_pareto_front,
)
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from sqlalchemy import Table as SqlTable  # noqa: E402
from sqlalchemy import insert, update  # noqa: E402
from synthetic import OPTIMIZERS, synthetic_summary  # noqa: E402

from dashboards.figures import FIGURES  # noqa: E402
from dashboards.plotting import read_part  # noqa: E402
from dashboards.report import render_report  # noqa: E402
from dashboards.summary import Summary, summarize  # noqa: E402
from storage import tables  # noqa: E402
from storage.database import Database  # noqa: E402
from storage.projection import Projection  # noqa: E402
from storage.reading import load_study  # noqa: E402
from storage.rows import StudyRow  # noqa: E402
from storage.studies import create_study  # noqa: E402

DIRECTIONS = [optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE]
DISTRIBUTIONS = {
    "lr": FloatDistribution(1e-4, 1.0, log=True),
    "optimizer": CategoricalDistribution(OPTIMIZERS),
    "batch_size": IntDistribution(16, 512, log=True),
    "width": FloatDistribution(0.25, 4.0, log=True),
}

Times = dict[str, list[float]]


def write_study(database: Database, study: StudyRow) -> None:
    """Writes a study made in memory, many rows at a time."""
    uuid = create_study(database, study.name, study.spec, study.num_trials, study.data)
    rows: dict[SqlTable, list[dict[str, Any]]] = {
        table: [] for table in (tables.trials, tables.attempts, tables.epochs, tables.epoch_costs, tables.bills)
    }

    def add(table: SqlTable, record: object = None, **more: Any) -> None:
        own = {} if record is None else {field.name: getattr(record, field.name) for field in fields(record)}  # type: ignore[arg-type]
        rows[table].append({"study": uuid} | {name: own[name] for name in own if name in table.c} | more)

    for trial in study.trials:
        add(tables.trials, trial, created_at=study.created_at, ended_at=study.created_at)
        for attempt in trial.attempts:
            add(tables.attempts, attempt, trial=trial.number)
            for line, seconds in attempt.bill.items():
                add(tables.bills, trial=trial.number, attempt=attempt.attempt, line=line, seconds=seconds)
        for epoch in trial.epochs:
            add(tables.epochs, epoch, trial=trial.number, recorded_at=study.created_at)
            for name, cost in epoch.costs.items():
                add(tables.epoch_costs, trial=trial.number, epoch=epoch.epoch, name=name, **cost._asdict())
    with database.engine.begin() as connection:
        for table, made in rows.items():
            connection.execute(insert(table), made)
        done = {"state": "complete", "reference": study.reference}
        connection.execute(update(tables.studies).where(tables.studies.c.uuid == uuid).values(done))


def write_optuna(database: Database, summary: Summary) -> None:
    """Writes the last checkpoints of a study to Optuna's tables."""
    projection = Projection(database, summary.study.name, DIRECTIONS)
    with database.engine.begin() as connection:
        projection.create(connection)
        for number, point in enumerate(summary.finals):
            values = [point.accuracy, point.value("device_seconds") or 0.0]
            trial = create_trial(values=values, params=dict(point.params), distributions=DISTRIBUTIONS)
            trial.number = number
            projection.add(connection, trial)
            projection.finish(connection, trial, {})


def time_call(times: Times, what: str, call: Callable[[], Any]) -> Any:
    gc.collect()  # so that no part pays for what another left
    start = time.perf_counter()
    made = call()
    times.setdefault(what, []).append(time.perf_counter() - start)
    return made


def add_up(times: Times, whole: str, *parts: str) -> None:
    times.setdefault(whole, []).append(sum(times[part][-1] for part in parts))


def time_paretune(database: Database, name: str, times: Times) -> str:
    """Times each part and returns the report."""
    study = time_call(times, "load_study", lambda: load_study(database, name))
    summary = time_call(times, "summarize", lambda: summarize(study))
    add_up(times, "read", "load_study", "summarize")
    for figure_name, figure in FIGURES.items():
        info = time_call(times, f"{figure_name}: trace", lambda kind=figure: kind.trace([summary]))
        time_call(times, f"{figure_name}: draw", lambda kind=figure, own=info: kind.draw(own).to_json())
        add_up(times, figure_name, f"{figure_name}: trace", f"{figure_name}: draw")
    return time_call(times, "report", lambda: render_report(summary))


def time_optuna(database: Database, name: str, times: Times) -> None:
    def read() -> optuna.Study:
        study = optuna.load_study(study_name=name, storage=str(database.url))
        assert study.trials
        return study

    study = time_call(times, "read", read)
    first = {"target": lambda trial: -trial.values[0], "target_name": "error"}  # it looks for low values
    time_call(times, "tradeoff", lambda: plot_pareto_front(study, target_names=["accuracy", "seconds"]).to_json())
    time_call(times, "importance", lambda: plot_param_importances(study, **first).to_json())
    time_call(times, "parallel", lambda: plot_parallel_coordinate(study, **first).to_json())


def measure(num_trials: int, count: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/{num_trials}.db")
        made = synthetic_summary(num_trials)
        write_study(database, made.study)
        write_optuna(database, made)
        ours: Times = {}
        theirs: Times = {}
        for index in range(count + 1):
            report = time_paretune(database, made.study.name, ours if index else {})
            time_optuna(database, made.study.name, theirs if index else {})
    return {
        "num_trials": num_trials,
        "num_epochs": sum(len(trial.epochs) for trial in made.study.trials),
        "report_bytes": len(report.encode()) - len(read_part().encode()),
        "seconds": {what: spread(values) for what, values in ours.items()},
        "optuna_seconds": {what: spread(values) for what, values in theirs.items()},
    }


def spread(seconds: list[float]) -> dict[str, float]:
    return {"least": min(seconds), "median": statistics.median(seconds), "most": max(seconds)}


def print_table(rows: list[dict[str, Any]], count: int) -> None:
    table = Table(box=None, title=f"seconds, median of {count} (ratio of Optuna's to it)", pad_edge=False)
    table.add_column("", no_wrap=True)
    for row in rows:
        table.add_column(f"{row['num_trials']:,} trials", justify="right", no_wrap=True)
    for what in rows[0]["seconds"]:
        table.add_row(what, *(cell(row, what) for row in rows))
    table.add_row("report, MB", *(f"{row['report_bytes'] / 1e6:.2f}" for row in rows))
    Console(width=120).print(table)


def cell(row: dict[str, Any], what: str) -> str:
    own, other = row["seconds"][what]["median"], row["optuna_seconds"].get(what)
    return f"{own:.3f}" + (f" ({other['median'] / own:.1f})" if other else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 1000, 5000])
    parser.add_argument("--count", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "results/dashboard_size.json")
    chosen = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", module="optuna")
    facts = machine_facts("optuna", "plotly", "sqlalchemy")
    rows = []
    for num_trials in chosen.trials:
        rows.append(measure(num_trials, chosen.count))
        print(f"{num_trials} trials measured", file=sys.stderr)
    print_table(rows, chosen.count)
    chosen.output.write_text(json.dumps({**facts, "count": chosen.count, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
