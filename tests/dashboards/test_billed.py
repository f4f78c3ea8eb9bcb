"""The trade-off by bill."""

from __future__ import annotations

import pytest
from synthetic import attempt_row, summary_of, synthetic_summary, trial

from dashboards.figures.billed import trace_billed
from dashboards.pages.drawing import draw


def test_a_trial_is_billed_all_its_attempts_what_was_lost_included() -> None:
    cut = attempt_row("killed by SIGKILL", {"training": 3.0, "lost": 2.0}, attempt=1)
    again = attempt_row("complete", {"setup": 1.0, "training": 4.0}, attempt=2)
    summary = summary_of(trial(0, [(900, 1.0)]), trial(1, [(950, 2.0)], attempts=(cut, again)), trial(2, [(940, 20.0)]))
    info = trace_billed(summary, "device_seconds")
    assert [(one.point.trial, one.amount) for one in info.trials] == [(0, 2.0), (1, 10.0), (2, 21.0)]
    assert [one.point.trial for one in info.front] == [0, 1]
    assert info.baseline is not None
    assert info.baseline.point.trial == 0
    money = trace_billed(summary, "money")
    assert money.trials[1].amount == pytest.approx(5 * money.trials[0].amount)


def test_the_figure_says_which_of_the_two_it_shows() -> None:
    summary = synthetic_summary(12)

    def title(*choices: str) -> str:
        return str(draw("tradeoff", [summary], choices, "light").figure["layout"]["xaxis"]["title"]["text"])

    rest = ("x: logarithmic", "y: the best")
    assert title("device time", *rest, "solo cost") == "device time (s), solo"
    assert title("device time", *rest, "billed") == "device time (s), billed"
    assert title("training FLOPs", *rest, "billed") == (
        "training FLOPs (FLOP), solo (not billed: bills are in device time and money)"
    )
    drawn = draw("tradeoff", [summary], ["device time", "x: linear", "y: the best", "billed"], "dark")
    assert drawn.choices == ["device time", "x: linear", "y: the best", "billed"]
    assert drawn.figure["layout"]["xaxis"]["type"] == "linear"


def test_without_a_bill_there_is_a_word_on_why() -> None:
    unbilled = trial(0, [(900, 1.0)], "running", attempts=(attempt_row(None, {}),))
    assert trace_billed(summary_of(unbilled), "device_seconds").trials == []
    drawn = draw("tradeoff", [summary_of(unbilled)], ["device time", "", "", "billed"], "light")
    assert drawn.choices[3] == "billed"
    [word] = drawn.figure["layout"]["annotations"]
    assert word["text"].startswith("no attempt was billed yet")
