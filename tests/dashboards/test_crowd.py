"""A large study as columns: the same front, knee and bill as when it is read trial by trial, and kept up to date."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from pages import add_trial, write_study
from postgresql import new_database
from sqlalchemy import insert, update

from dashboards.bills import bill_lines
from dashboards.brushing import Brush
from dashboards.columns import find_front
from dashboards.crowd import Crowd
from dashboards.figures.crowd import chosen_trace, crowd_tradeoff, draw_crowd, trace_crowd
from dashboards.figures.tradeoff import trace_tradeoff
from dashboards.pages.drawing import BILLS, draw_large
from dashboards.summary import Summary, summarize
from objectives.front import front
from storage import tables
from storage.database import Database
from storage.faults import StorageFault
from storage.reading import load_study
from storage.rows import StudyRow


def crowd_of(database: Database, name: str, uuid: str) -> Crowd:
    crowd = Crowd(database, name, uuid, None)
    crowd.refresh()
    return crowd


def whole(database: Database, name: str) -> Summary:
    return summarize(load_study(database, name))


def places(summary: Summary) -> list[tuple[int, int]]:
    return [(point.trial, point.epoch) for point in summary.front]


def test_front_and_knee_at_every_cost_are_those_of_all_trials(database: Database) -> None:
    uuid = write_study(database, "a", 80)
    crowd, info = crowd_of(database, "a", uuid), trace_tradeoff(whole(database, "a"))
    assert crowd.costs() == [one.cost for one in info.tradeoffs]
    for one in info.tradeoffs:
        found = crowd_tradeoff(crowd, one.cost)
        assert [(p.trial, p.epoch) for p in found.front] == [(p.trial, p.epoch) for p in one.front], one.cost
        assert (found.knee and found.knee.trial) == (one.knee and one.knee.trial)
        totals = {key: value for key, value in zip(zip(crowd.trial, crowd.epoch), crowd.cost(one.cost), strict=True)}  # noqa: B905,C416
        for point in (*info.finals, *info.earlier):
            assert totals[point.trial, point.epoch] == pytest.approx(point.value(one.cost), rel=1e-9)


def test_its_peak_is_the_study_without_the_trials_that_are_not_on_top(database: Database) -> None:
    uuid = write_study(database, "a", 80)
    crowd, summary = crowd_of(database, "a", uuid), whole(database, "a")
    assert places(crowd.peak()) == places(summary)
    assert crowd.peak().knee == summary.knee or crowd.peak().knee.trial == summary.knee.trial  # type: ignore[union-attr]
    assert crowd.peak().baseline.trial == summary.baseline.trial  # type: ignore[union-attr]
    assert len(crowd.peak().study.trials) < len(summary.study.trials) / 2
    assert crowd.tally.bill == pytest.approx(bill_lines(summary.study))
    assert (crowd.tally.num_trials, crowd.tally.num_ended) == (80, 80)
    chosen = crowd.read(crowd.choose(20))
    assert places(chosen) == places(summary)
    assert 20 <= len(chosen.study.trials) < 40


def test_what_is_new_is_added_without_reading_the_rest(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    uuid = write_study(database, "a", 30)
    add_trial(database, uuid)
    crowd = crowd_of(database, "a", uuid)
    for name in ("device_seconds", "peak_memory_bytes", "parameters", "money"):
        crowd.cost(name)
    before = len(crowd.trial)
    add_trial(database, uuid)
    with database.write() as connection:
        late = {"study": uuid, "trial": 30, "epoch": 2}
        seen = {"attempt": 1, "num_correct": 998, "num_images": 1000, "recorded_at": datetime.now(UTC)}
        connection.execute(insert(tables.epochs).values(late | seen))
        connection.execute(
            insert(tables.epoch_costs).values(late | {"name": "device_seconds", "value": 0.1, "method": "measured"})
        )
    read: list[int] = []
    monkeypatch.setattr("dashboards.crowd.to_table", lambda rows, width: noted(read, rows, width))
    crowd.refresh()
    assert max(read) < before / 2
    fresh = crowd_of(database, "a", uuid)
    assert len(crowd.trial) == before + 2
    assert (crowd.trial == fresh.trial).all()
    assert (crowd.epoch == fresh.epoch).all()
    assert (crowd.accuracy == fresh.accuracy).all()
    for name in ("device_seconds", "peak_memory_bytes", "parameters", "money"):
        np.testing.assert_allclose(crowd.cost(name), fresh.cost(name))
    assert crowd.tally.bill == pytest.approx(fresh.tally.bill)
    assert places(crowd.peak()) == places(whole(database, "a"))


def test_a_trial_that_has_ended_is_read_whole_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    uuid = write_study(database, "a", 30)
    crowd = crowd_of(database, "a", uuid)
    read: list[int] = []

    def load(*given: Any) -> StudyRow:
        study = load_study(*given)
        read.append(len(study.trials))
        return study

    monkeypatch.setattr("dashboards.crowd.load_study", load)
    for _ in range(2):
        assert places(crowd.read(set(range(30)))) == places(whole(database, "a"))
    add_trial(database, uuid)
    crowd.refresh()
    read.append(-1)
    assert len(crowd.read(set(range(31))).study.trials) == 31
    assert (read[0], read[1], read[-1]) == (30, 0, 1)
    baseline, *others = whole(database, "a").study.trials
    assert crowd.read({3}).study.trials == (baseline, others[2])


def test_a_database_that_fails_while_it_is_read_doubles_no_bill(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    uuid = write_study(database, "a", 30)
    crowd = Crowd(database, "a", uuid, None)

    def fail(*_: object) -> None:
        raise StorageFault("storage: it is away")

    with monkeypatch.context() as broken:
        broken.setattr("dashboards.crowd.read_heard", fail)
        with pytest.raises(StorageFault, match="it is away"):
            crowd.refresh()
    crowd.refresh()
    assert crowd.tally.bill == pytest.approx(bill_lines(whole(database, "a").study))


def test_an_attempt_that_told_no_device_yet_takes_no_price_away(database: Database) -> None:
    uuid = write_study(database, "a", 30)
    add_trial(database, uuid)
    attempt = tables.attempts.c
    with database.write() as connection:
        connection.execute(update(tables.attempts).where(attempt.trial == 30).values(device=None))
    crowd = crowd_of(database, "a", uuid)
    assert crowd.costs() == [one.cost for one in trace_tradeoff(whole(database, "a")).tradeoffs]
    assert "money" in crowd.costs()


def noted(read: list[int], rows: list[tuple[float, ...]], width: int) -> object:
    read.append(len(rows))
    return np.array(rows, dtype=float).reshape(-1, width)


@pytest.mark.parametrize("num_costs", [0, 1, 2])
def test_the_front_of_columns_is_the_front_of_points(num_costs: int) -> None:
    dice = np.random.default_rng(0)
    accuracy, costs = dice.integers(0, 200, 20_000) / 200, [dice.integers(0, 300, 20_000) / 7 for _ in range(num_costs)]
    points = [(-one, *others) for one, *others in zip(accuracy, *costs, strict=True)]
    assert find_front(accuracy, costs).tolist() == front(points)
    assert find_front(np.empty(0), [np.empty(0)] * num_costs).tolist() == []


def test_the_figure_shows_the_best_of_each_place_and_counts_the_rest(database: Database) -> None:
    uuid = write_study(database, "a", 80)
    crowd = crowd_of(database, "a", uuid)
    info = trace_crowd(crowd, "device_seconds", is_log=True, sees_all=True)
    assert sum(place.num_here for place in info.grid.places) == info.num_checkpoints == len(crowd.trial)
    assert len(info.grid.places) < info.num_checkpoints
    assert max(place.accuracy for place in info.grid.places) == crowd.accuracy.max()
    drawn = draw_crowd(info, is_log=True, sees_all=True)
    assert drawn.data[0].name.startswith(f"{len(crowd.trial):,} checkpoints of ")
    low = trace_crowd(crowd, "device_seconds", is_log=False, sees_all=False)
    assert sum(place.num_here for place in low.grid.places) < info.num_checkpoints


@pytest.mark.parametrize("is_billed", [False, True])
def test_trials_that_are_chosen_elsewhere_stand_out_at_their_last_checkpoint(
    is_billed: bool, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    uuid = write_study(database, "a", 80)
    crowd = crowd_of(database, "a", uuid)
    chosen = set(range(10, 30)) | {10**6}
    points = crowd.points("device_seconds", is_billed=is_billed)
    trace = chosen_trace(points, chosen, "s", is_log=True)
    lasts = {int(trial): (accuracy, cost) for trial, _, accuracy, cost in zip(*points, strict=True)}
    there = [trial for trial in sorted(chosen) if trial in lasts]
    assert list(trace.customdata) == there
    assert list(trace.y) == pytest.approx([100 * lasts[trial][0] for trial in there], abs=0.01)
    assert list(trace.x) == pytest.approx([lasts[trial][1] for trial in there], rel=1e-3)
    assert trace.name == f"{len(there)} chosen"
    label = next(label for label in BILLS if ("billed" in label) == is_billed)
    drawn = draw_large(crowd, ["device time (s)", label], "light", Brush("parallel", frozenset(chosen)))
    assert drawn.figure["data"][-1]["name"] == trace.name
    assert len(draw_large(crowd, [], "light").figure["data"]) == len(drawn.figure["data"]) - 1
    monkeypatch.setattr("dashboards.figures.crowd.MOST_CHOSEN", 5)
    few = chosen_trace(points, chosen, "s", is_log=True)
    assert 3 <= len(few.x) <= 5
    assert few.name == f"{len(few.x)} of {len(there)} chosen"
    assert set(few.customdata) < set(there)


def test_a_database_server_gives_the_same(server: str) -> None:
    database = Database(new_database(server))
    database.create()
    uuid = write_study(database, "a", 30)
    crowd, summary = crowd_of(database, "a", uuid), whole(database, "a")
    assert places(crowd.peak()) == places(summary)
    assert crowd.tally.bill == pytest.approx(bill_lines(summary.study))
    add_trial(database, uuid)
    crowd.refresh()
    assert places(crowd.peak()) == places(whole(database, "a")) != places(summary)
    assert crowd.costs() == [one.cost for one in trace_tradeoff(whole(database, "a")).tradeoffs]


def test_idle_slots_are_counted_once_whichever_trials_are_read(database: Database) -> None:
    uuid = write_study(database, "a", 30)
    with database.write() as connection:
        sitting = {"token": 1, "device": {"kind": "cpu", "name": "EPYC", "threads": 1}, "num_slots": 4}
        sitting |= {"slots_per_device": 1, "started_at": datetime.now(UTC), "seconds": 1e6}
        connection.execute(insert(tables.sittings).values(study=uuid, **sitting))
    crowd, summary = crowd_of(database, "a", uuid), whole(database, "a")
    assert sum(crowd.tally.lines.values()) == pytest.approx(4e6)
    assert crowd.tally.lines == pytest.approx(bill_lines(summary.study))
    assert crowd.tally.bill == {line: value for line, value in crowd.tally.lines.items() if line != "idle"}
    assert "idle" not in bill_lines(crowd.peak().study)
