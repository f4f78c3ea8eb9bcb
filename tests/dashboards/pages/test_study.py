"""The page of a study."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from pages import HOSTILE, Pages, write_study
from plotly.utils import PlotlyJSONEncoder
from synthetic import DEVICE, NOW, attempt_row, summary_of, trial

from dashboards.pages.choosing import AT_LEAST
from dashboards.pages.study import TABS, show_facts, study_notes
from dashboards.summary import summarize
from storage.database import Database
from storage.rows import SittingRow


def test_the_notes_tell_why_a_study_ended_and_what_makes_its_numbers_doubtful() -> None:
    other = {**attempt_row("complete", {}).device, "name": "another CPU"}  # type: ignore[dict-item]
    there = attempt_row("complete", {"training": 1.0}, device=other)
    lines = study_notes(summary_of(trial(0, [(900, 1.0)]), trial(1, [(910, 1.0)], attempts=(there,))))
    assert any("2 devices" in line for line in lines)
    assert study_notes(summary_of(trial(0, [(900, 1.0)]))) == []


def test_every_tab_opens(pages: Pages, database: Database) -> None:
    write_study(database, "a", 6)
    for tab in TABS:
        shown = json.dumps(pages.ask("tab.children", "opened.data", opened_data=tab, names_data=["a"]))
        mark = {"answers": "Which optimizer?", "trials": "AgGrid"}.get(tab, f'"kind": "{tab}", "part": "fresh"')
        assert mark in shown.replace('"part": "fresh", "kind": "' + tab + '"', mark)


def test_the_study_and_its_trial_are_shown_and_what_is_hostile_stays_text(pages: Pages, database: Database) -> None:
    write_study(database, "a", 6, hostile=True)
    head = pages.ask("head.children", "mark.data", mark_data="1", names_data=["a"])
    limits = pages.ask("limit.min", "mark.data", names_data=["a"], wish_value=AT_LEAST)
    assert limits["limit"]["min"] < limits["limit"]["value"] <= limits["limit"]["max"]
    answer = pages.ask("answer.children", "limit.value", names_data=["a"], wish_value=AT_LEAST, **{
        "limit_value": limits["limit"]["value"]
    })  # fmt: skip
    assert "Trial " in json.dumps(answer)
    table = pages.ask("tab.children", "opened.data", opened_data="trials", names_data=["a"])
    grid = json.dumps(table)
    assert '"dangerously_allow_code": true' not in grid
    assert [one["field"] for one in json.loads(find_columns(table)) if one.get("cellRenderer")] == ["open"]
    shown = pages.ask(
        "trial.children", "mark.data", mark_data="1", scheme_data="light", names_data=["a"], number_data=1
    )
    for answered in (head, table, shown):
        assert json.dumps(HOSTILE)[1:-1] in json.dumps(answered)
        assert "dangerously_allow_html" not in json.dumps(answered)
    lost = pages.ask(
        "trial.children", "mark.data", mark_data="1", scheme_data="light", names_data=["a"], number_data=99
    )
    assert "a has no trial 99 so far" in json.dumps(lost)


def find_columns(answer: Any) -> str:
    match = re.search(r'"columnDefs": (\[.*?\]), "', json.dumps(answer))
    assert match is not None
    return match[1]


def test_the_facts_say_the_energy_and_how_it_is_known() -> None:
    study = summary_of(trial(0, [(900, 1.0)])).study
    sitting = SittingRow(1, DEVICE, 1, 1, NOW, 20.0, 4000.0)
    for sittings, words in (((sitting,), "energy 4 kJ, measured: "), ((), "energy absent: no meter")):
        facts = show_facts(summarize(replace(study, sittings=sittings)))
        assert words in json.dumps(facts, cls=PlotlyJSONEncoder)
