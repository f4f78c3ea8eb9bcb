"""The coordinator's own time per trial: ask, record, tell, beside Optuna's own ask and tell.

    python tests/benchmarks/coordinator_overhead.py --trials 100,1000,10000 --databases sqlite,postgresql

A study of that many told trials is made first, the same for both. Then trials are asked, recorded (a new trial, an
attempt, one epoch, the end) and told, one after another. Both sample by TPE with two objectives over the same four
parameters, on the same kind of database. `sampling` is the part of Paretune's ask that is spent in Optuna's sampler.
Nothing trains. `cpu` is the processor time of the whole trial, which other programs on the machine disturb less.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import optuna  # noqa: E402
from machine import machine_facts  # noqa: E402
from optuna.trial import FrozenTrial, TrialState, create_trial  # noqa: E402
from postgresql import new_database, running_postgresql  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from objectives.seeds import derive_seed  # noqa: E402
from search.proposals import INFEASIBLE, Proposals, _distribution  # noqa: E402
from search.reading import read_spec  # noqa: E402
from search.spec import SweepSpec  # noqa: E402
from storage import leases  # noqa: E402
from storage.database import Database  # noqa: E402
from storage.ledger import CostValue, Ledger  # noqa: E402
from storage.projection import Projection, optuna_storage  # noqa: E402
from storage.studies import create_study  # noqa: E402

Times = dict[str, list[float]]


@contextmanager
def timed(times: Times, phase: str, clock: Callable[[], float] = time.perf_counter) -> Iterator[None]:
    start = clock()
    yield
    times[phase].append(1000 * (clock() - start))


def score(params: dict[str, Any]) -> tuple[float, list[float]]:
    """Returns a made-up accuracy and cost that pull in opposite directions, as width does."""
    miss = abs(params["lr"] - 0.01) / (params["lr"] + 0.01) + 0.2 / params["width"] + 0.01 * len(params["optimizer"])
    return 1 / (1 + miss), [params["width"] ** 2 * 100 / params["batch_size"] ** 0.5]


def history(spec: SweepSpec, num_trials: int) -> list[FrozenTrial]:
    """Returns told trials drawn at random."""
    distributions = {name: _distribution(entry) for name, entry in spec.entries.items()}
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0), directions=["maximize", "minimize"])
    made = []
    for number in range(num_trials):
        params = study.ask(distributions).params
        accuracy, costs = score(params)
        trial = create_trial(
            values=[accuracy, *costs],
            params=params,
            distributions=distributions,
            system_attrs={f"constraints:{INFEASIBLE}": 0.0},
        )
        trial.number = number
        trial.datetime_complete = (trial.datetime_start or datetime.now()) + timedelta(seconds=1)
        made.append(trial)
    return made


def write_history(database: Database, spec: SweepSpec, trials: list[FrozenTrial]) -> None:
    directions = [optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE]
    projection = Projection(database, spec.name, directions)
    with database.engine.begin() as connection:
        projection.create(connection)
        for trial in trials:
            projection.add(connection, trial)
            projection.finish(connection, trial, {})


def time_paretune(database: Database, spec: SweepSpec, trials: list[FrozenTrial], count: int) -> Times:
    study = create_study(database, spec.name, spec.model_dump(mode="json"), len(trials) + count, {"num_classes": 10})
    write_history(database, spec, trials)
    ledger = Ledger(database, leases.acquire(database, study))
    with ledger.writing() as page:
        for trial in trials:
            page.add_trial(trial.number, trial.params, 0, is_baseline=False)
            page.end_trial(trial.number, "complete", None, {})
    times: Times = defaultdict(list)
    with timed(times, "open"):
        proposals = Proposals(database, spec)
    for number in range(len(trials), len(trials) + count):
        with timed(times, "trial"), timed(times, "cpu", time.process_time):
            _one_trial(ledger, proposals, number, times)
    ledger.close()
    return times


def _one_trial(ledger: Ledger, proposals: Proposals, number: int, times: Times) -> None:
    with timed(times, "ask"):
        with timed(times, "sampling"):
            params = proposals.ask(number)
        with ledger.writing() as page:
            page.add_trial(number, params, derive_seed(0, number, "training"), is_baseline=False)
            page.add(*proposals.take_steps())
    accuracy, values = score(params)
    costs = {name: CostValue(values[0], "measured", None) for name in ("device_seconds", "wall_seconds", "samples")}
    with timed(times, "record"):
        with ledger.writing() as page:
            page.start_attempt(number, 1, 0)
        with ledger.writing() as page:
            page.record_epoch(
                number, 1, epoch=1, train_loss=1.0, validation_loss=1.0, num_correct=1, num_images=1, costs=costs
            )
            page.charge(number, 1, {"training": 1.0, "evaluation": 1.0})
    with timed(times, "tell"), ledger.writing() as page:
        page.end_attempt(number, 1, "complete")
        page.end_trial(number, "complete", None, costs)
        proposals.tell(number, accuracy, values, feasible=True)
        page.add(*proposals.take_steps())


def time_optuna(database: Database, spec: SweepSpec, trials: list[FrozenTrial], count: int) -> Times:
    write_history(database, spec, trials)
    distributions = {name: _distribution(entry) for name, entry in spec.entries.items()}
    times: Times = defaultdict(list)
    with timed(times, "open"):
        study = optuna.load_study(
            study_name=spec.name, storage=optuna_storage(database), sampler=optuna.samplers.TPESampler(seed=0)
        )
        study.get_trials(deepcopy=False)
    for _ in range(count):
        with timed(times, "trial"), timed(times, "cpu", time.process_time):
            with timed(times, "ask"):
                trial = study.ask(distributions)
            accuracy, costs = score(trial.params)
            with timed(times, "tell"):
                trial.set_constraint(INFEASIBLE, 0.0)
                study.tell(trial, [accuracy, *costs], state=TrialState.COMPLETE)
    return times


def spread(milliseconds: list[float]) -> dict[str, float]:
    """Returns the median and the tenth and ninetieth percentile."""
    if len(milliseconds) == 1:
        return {"p10": milliseconds[0], "median": milliseconds[0], "p90": milliseconds[0]}
    tenths = statistics.quantiles(milliseconds, n=10, method="inclusive")
    return {"p10": tenths[0], "median": statistics.median(milliseconds), "p90": tenths[-1]}


@contextmanager
def databases(kind: str) -> Iterator[Callable[[], Database]]:
    """Yields what makes a new, created database of a kind."""
    with tempfile.TemporaryDirectory() as folder:
        if kind == "sqlite":
            names = iter(range(1000))
            yield lambda: _created(f"sqlite:///{folder}/{next(names)}.db")
        else:
            with running_postgresql() as server:
                yield lambda: _created(new_database(server))


def _created(url: str) -> Database:
    database = Database(url)
    database.create()
    return database


def measure(kinds: list[str], sizes: list[int], count: int) -> list[dict[str, Any]]:
    rows = []
    for kind in kinds:
        with databases(kind) as make:
            for size in sizes:
                spec = read_spec(None, [f"search.trials={size + count}", "search.baseline=false"])
                trials = history(spec, size)
                for name, run in (("paretune", time_paretune), ("optuna", time_optuna)):
                    times = run(make(), spec, trials, count)
                    phases = {phase: spread(values) for phase, values in times.items()}
                    rows.append({"database": kind, "num_trials": size, "who": name, "milliseconds": phases})
                    print(f"{kind} {size} {name}: {phases['trial']['median']:.1f} ms", file=sys.stderr)
    return rows


def print_table(rows: list[dict[str, Any]], count: int) -> None:
    table = Table(box=None, title=f"milliseconds, median (p10-p90) of {count} trials", pad_edge=False)
    phases = ("trial", "cpu", "ask", "sampling", "record", "tell", "open")
    for name in ("database", "trials before", "who", *phases):
        table.add_column(name, justify="left" if name in ("database", "who") else "right", no_wrap=True)
    for row in rows:
        cells = [
            f"{at['median']:.1f} ({at['p10']:.1f}-{at['p90']:.1f})" if (at := row["milliseconds"].get(phase)) else "-"
            for phase in phases
        ]
        table.add_row(row["database"], f"{row['num_trials']:,}", row["who"], *cells)
    Console(width=190).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", default="100,1000,10000")
    parser.add_argument("--databases", default="sqlite,postgresql")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument(
        "-o", "--output", type=Path, default=Path(__file__).parent / "results/coordinator_overhead.json"
    )
    chosen = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rows = measure(chosen.databases.split(","), [int(size) for size in chosen.trials.split(",")], chosen.count)
    print_table(rows, chosen.count)
    facts = {
        **machine_facts("optuna", "sqlalchemy", "numpy", "psycopg"),
        "count": chosen.count,
        "sampler": "tpe, its defaults",
        "rows": rows,
    }
    chosen.output.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
