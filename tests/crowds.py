"""A large study by columns, beside the same read trial by trial."""

from __future__ import annotations

import pytest

from dashboards.crowd import Crowd
from dashboards.figures.billed import BilledInfo, trace_billed, trace_crowd_billed
from dashboards.summary import summarize
from storage.database import Database
from storage.reading import load_study


def crowd_of(database: Database, uuid: str) -> Crowd:
    crowd = Crowd(database, "a", uuid, None)
    crowd.refresh()
    return crowd


def check_billed(database: Database, crowd: Crowd, cost: str) -> BilledInfo:
    whole = trace_billed(summarize(load_study(database, "a")), cost)
    points = crowd.points(cost, is_billed=True)
    found = {trial: amount for trial, amount in zip(points.trial.tolist(), points.cost, strict=True) if amount >= 0}
    assert found == pytest.approx({one.point.trial: one.amount for one in whole.trials}, rel=1e-9)
    info = trace_crowd_billed(crowd, cost, is_log=False, sees_all=True)
    assert [one.point.trial for one in info.front] == [one.point.trial for one in whole.front]
    assert [one.amount for one in info.front] == pytest.approx([one.amount for one in whole.front])
    assert (info.knee and info.knee.point.trial) == (whole.knee and whole.knee.point.trial)
    assert (info.baseline and info.baseline.point.trial) == (whole.baseline and whole.baseline.point.trial)
    assert info.grid is not None
    assert sum(place.num_here for place in info.grid.places) == info.num_trials == whole.num_trials
    return whole
