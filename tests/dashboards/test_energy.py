"""The energy of a study, computed by hand: by its sittings' meters, or else by what its training took."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from synthetic import NOW, attempt_row, summary_of, trial

from dashboards.budget import budget_lines
from dashboards.energy import BESIDES, HELD, TRAINING, bill_energy, sum_energy
from dashboards.figures.spending import draw_spending, tell_spending, trace_spending
from dashboards.prices import ESTIMATED, METERED, price_study, price_trial
from dashboards.records import as_json
from dashboards.report import render_report
from dashboards.summary import summarize
from objectives.prices import KWH_JOULES, default_book
from storage.ledger import CostValue
from storage.rows import SittingRow, StudyRow, TrialRow

BOOK = replace(default_book(), pue=replace(default_book().pue, value=1.0))
REASON = "this machine shows no energy counter of its CPU"


def trained(joules: float | None) -> TrialRow:
    """A trial of 10 s of training, with 2 s of set-up, that took so much energy while training."""
    made = trial(0, [(900, 10.0)], attempts=(attempt_row("complete", {"training": 10.0, "setup": 2.0}, start=1.0),))
    cost = CostValue(joules, "measured", None) if joules is not None else CostValue(None, "absent", "shared cores")
    return replace(made, epochs=(replace(made.epochs[0], costs={**made.epochs[0].costs, "energy_joules": cost}),))


def study_of(joules: float | None, *sittings: float | None) -> StudyRow:
    """A study with a sitting of 20 s for each of these energies."""
    rows = tuple(
        SittingRow(token, {"kind": "cpu", "name": "EPYC", "threads": 1}, 1, 1, NOW, 20.0, each,
                   None if each is not None else REASON)
        for token, each in enumerate(sittings)
    )  # fmt: skip
    return replace(summary_of(trained(joules)).study, sittings=rows)


def site_joules(study: StudyRow) -> tuple[float | None, str | None]:
    found = price_study(study, BOOK)["electricity_kwh"]
    return None if found.value is None else found.value * KWH_JOULES, found.source


def spent_joules(study: StudyRow) -> float | None:
    [line] = [line for line in budget_lines(study, BOOK) if line.name == "kwh"]
    return None if line.spent is None else line.spent * KWH_JOULES


def test_what_was_trained_and_what_is_left_add_up_to_the_meters_of_all_sittings() -> None:
    study = study_of(3000.0, 4000.0, 500.0)
    bill = bill_energy(study)
    assert (bill.method, bill.joules, bill.reason) == ("measured", 4500.0, None)
    assert bill.lines == {TRAINING: 3000.0, BESIDES: 1500.0}
    assert spent_joules(study) == 4500.0
    joules, source = site_joules(study)
    assert joules == pytest.approx(4500.0)
    assert (source or "").startswith(METERED)


def test_a_tick_that_the_training_counts_too_much_is_not_beyond_the_meter() -> None:
    bill = bill_energy(study_of(3000.0, 2990.0))
    assert bill.lines == {TRAINING: 2990.0, BESIDES: 0.0}


def test_slots_that_cannot_tell_their_own_energy_have_it_all_on_one_line() -> None:
    study = study_of(None, 4000.0)
    bill = bill_energy(study)
    assert (bill.joules, bill.lines) == (4000.0, {HELD: 4000.0})
    assert site_joules(study)[0] == pytest.approx(4000.0)


@pytest.mark.parametrize("sittings", [(None,), (4000.0, None)])
def test_one_sitting_without_a_meter_makes_it_an_estimate_that_says_so(sittings: tuple[float | None, ...]) -> None:
    study = study_of(3000.0, *sittings)
    bill = bill_energy(study)
    assert (bill.method, bill.joules, bill.reason) == ("estimated", pytest.approx(3600.0), REASON)
    assert bill.lines == {TRAINING: 3000.0, BESIDES: pytest.approx(600.0)}
    assert spent_joules(study) == pytest.approx(3600.0)
    assert (site_joules(study)[1] or "").startswith(ESTIMATED)


def test_attempts_before_the_first_sitting_are_in_no_meter() -> None:
    study = study_of(3000.0, 4000.0)
    late = replace(study.sittings[0], started_at=NOW + timedelta(seconds=5))
    assert sum_energy(replace(study, sittings=(late,))).value is None
    assert sum_energy(replace(study, sittings=())).value is None
    assert bill_energy(replace(study, sittings=(late,))).method == "estimated"


def test_without_any_counter_nothing_is_claimed() -> None:
    study = study_of(None, None)
    bill = bill_energy(study)
    assert (bill.method, bill.joules, bill.reason, bill.lines) == ("absent", None, "shared cores", {})
    assert spent_joules(study) is None
    assert site_joules(study)[0] is None


def test_a_trials_own_energy_is_estimated() -> None:
    study = study_of(3000.0, 4000.0)
    found = price_trial(study, study.trials[0], BOOK)["electricity_kwh"]
    assert (found.value or 0.0) * KWH_JOULES == pytest.approx(3600.0)
    assert (found.source or "").startswith(ESTIMATED)


def figure_words(study: StudyRow) -> str:
    title: Any = draw_spending(trace_spending(summarize(study))).layout.xaxis.title.text
    return str(title).replace("<br>", " ")


@pytest.mark.parametrize(
    ("study", "words"),
    [
        (study_of(3000.0, 4000.0), "energy 4 kJ, measured: training 3 kJ (75 %), besides training 1 kJ (25 %)"),
        (
            study_of(3000.0, None),
            f"energy 3.6 kJ, estimated ({REASON}): training 3 kJ (83 %), besides training 600 J (17 %)",
        ),
        (study_of(None, None), "energy absent: shared cores"),
    ],
)
def test_figure_and_report_say_the_energy_and_how_it_is_known(study: StudyRow, words: str) -> None:
    summary = summarize(study)
    assert words in figure_words(study)
    assert words in tell_spending(trace_spending(summary), 80)
    assert words in re.sub(r"\s+", " ", render_report(summary))


def test_the_answer_in_json_has_the_lines() -> None:
    assert as_json(summarize(study_of(3000.0, 4000.0)))["billed"]["energy"] == {
        "method": "measured",
        "joules": 4000.0,
        "reason": None,
        "lines": {"training": 3000.0, "besides training": 1000.0},
    }
