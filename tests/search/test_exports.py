from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pytest
from synthetic import summary_of, trial

from dashboards.rows import TABLES
from dashboards.summary import Summary
from objectives.costs import COSTS
from search.exports import check_table, show_table
from search.faults import Faults


@pytest.fixture
def summary() -> Summary:
    return summary_of(
        trial(0, [(500, 2.0), (800, 2.0)]),
        trial(1, [(900, 1.0)], batch_size="full", momentum=0.9),
        trial(2, [], "infeasible"),
    )


def test_rows_hold_what_the_study_holds(summary: Summary) -> None:
    trials = TABLES["trials"](summary)
    assert [(row["trial"], row["epochs"], row["accuracy"]) for row in trials] == [
        (0, 2, 0.8),
        (1, 1, 0.9),
        (2, 0, None),
    ]
    assert [row["costs.device_seconds"] for row in trials] == [4.0, 1.0, None]
    assert [row["is_on_front"] for row in trials] == [False, True, False]
    assert [row["costs.device_seconds"] for row in TABLES["epochs"](summary)] == [2.0, 2.0, 1.0]
    costs = TABLES["costs"](summary)
    assert len(costs) == 3 * len(COSTS)
    assert {(row["value"], row["reason"]) for row in costs if row["method"] == "absent"} == {(None, "no meter")}


@pytest.mark.parametrize("table", TABLES)
def test_each_ending_holds_the_same_rows(table: str, summary: Summary, tmp_path: Path) -> None:
    rows = TABLES[table](summary)
    for ending in ("csv", "json", "parquet"):
        show_table(table, summary, tmp_path / f"a.{ending}", as_json=False)
    assert json.loads((tmp_path / "a.json").read_text()) == rows
    written = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert [row["trial"] for row in written] == [str(row["trial"]) for row in rows]
    frame = pd.read_parquet(tmp_path / "a.parquet")
    assert list(frame["trial"]) == [row["trial"] for row in rows]
    assert set(frame.columns) == {name for row in rows for name in row}


def test_what_cannot_be_written_is_told(summary: Summary, tmp_path: Path) -> None:
    with pytest.raises(Faults, match="did you mean 'epochs'"):
        check_table("epoch", None)
    with pytest.raises(Faults, match=r"no such ending: .\.xlsx."):
        check_table("trials", tmp_path / "a.xlsx")
    with pytest.raises(Faults, match="it cannot be written"):
        show_table("trials", summary, tmp_path / "nowhere" / "a.csv", as_json=False)
