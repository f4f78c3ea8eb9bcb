"""What is shown of a study whose settings have several seeds each: settings are counted, not trials."""

from __future__ import annotations

from synthetic import SPEC, summary_of, trial

from dashboards.answers import answer_all
from dashboards.figures import FIGURES
from dashboards.seeds import stand_ins
from dashboards.summary import Summary

SEVERAL = {**SPEC, "search": {"sampler": "tpe", "repeats": 2}}


def several(num_settings: int) -> Summary:
    """Settings of two seeds, of which the first is the baseline; one optimizer is well ahead."""
    trials = []
    for number in range(2 * num_settings):
        optimizer, correct = ("adam", 950) if number // 2 % 2 else ("sgd", 500)
        curve = [(correct + number, 1.0)]
        trials.append(trial(number, curve, optimizer=optimizer, lr=0.01 * (1 + number // 2)))
    return summary_of(*trials, spec=SEVERAL)


def test_evidence_is_counted_in_settings() -> None:
    few = next(answer for answer in answer_all(several(5)) if answer.question == "Which optimizer?")
    assert not few.is_supported  # two settings each, though four trials
    assert "with 3 settings each are needed; there are adam (2), sgd (2)." in few.sentence
    enough = next(answer for answer in answer_all(several(7)) if answer.question == "Which optimizer?")
    assert enough.is_supported
    assert "the best of 3 settings." in enough.sentence


def test_figures_speak_of_settings() -> None:
    summary = several(7)
    drawn = {name: str(figure.draw(figure.trace([summary]))) for name, figure in FIGURES.items()}
    assert "7 settings" in drawn["tradeoff"]
    assert "adam (3 settings)" in drawn["optimizers"]
    assert "other settings" in drawn["curves"]
    assert "there are 7" in drawn["importance"]
    assert "complete<br>settings" in drawn["importance"] or "complete settings" in drawn["importance"]


def test_a_setting_is_stood_in_for_by_the_trial_of_its_curve() -> None:
    trials = [
        trial(0, [(500, 1.0)], "failed"), trial(1, [(500, 1.0)]),
        trial(2, [(500, 1.0)]), trial(3, [(500, 1.0)], "infeasible"),
        trial(4, [(500, 1.0)], "stopped"), trial(5, [(500, 1.0)]),
        trial(6, [], "failed"), trial(7, [], "failed"),
        trial(8, [(500, 1.0)]), trial(9, [], "waiting"),
    ]  # fmt: skip
    summary = summary_of(*trials, spec=SEVERAL)
    assert [stand_in.number for stand_in in stand_ins(summary.study)] == [1, 3, 4]
    assert {1, 4} == set(summary.curves)
