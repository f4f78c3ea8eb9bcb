"""What was trained again, on studies with known answers."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from scipy import stats
from synthetic import DATA, NOW, REFERENCE, SPEC, summary_of, trial

from dashboards.exports import as_plain
from dashboards.figures.tradeoff import draw_tradeoff, trace_tradeoff
from dashboards.remeasured import (
    NOT_TRAINED,
    Estimate,
    Remeasurement,
    compare,
    remeasured_lines,
    remeasurement_json,
)
from dashboards.report import render_report
from dashboards.summary import Summary
from objectives.intervals import difference_interval, seeds_interval, student_interval
from storage.ledger import CostValue
from storage.rows import StudyRow, TrialRow

CHEAP, MIDDLE, DEAR = 0.01, 0.02, 0.03
"""Learning rates, which tell the three settings apart."""

COUNTS = {CHEAP: (899, 900, 901, 902), MIDDLE: (958, 966, 962, 954), DEAR: (961, 957, 965, 953)}
SECONDS = {CHEAP: (1.0, 1.1, 1.05, 1.05), MIDDLE: (2.0, 2.1, 2.05, 2.05), DEAR: (8.0, 8.1, 8.05, 8.05)}


def searched() -> Summary:
    return summary_of(
        trial(0, [(905, 1.0)], lr=CHEAP), trial(1, [(964, 2.0)], lr=MIDDLE), trial(2, [(990, 8.0)], lr=DEAR)
    )


def again(*trials: TrialRow, repeats: int = 4, name: str = "again") -> StudyRow:
    spec = {**SPEC, "search": {"sampler": "tpe", "repeats": repeats, "remeasures": "u"}}
    return StudyRow("v", name, "complete", spec, len(trials), NOW, REFERENCE, DATA, trials)


def trials_again(**changes: str) -> list[TrialRow]:
    rates = [lr for lr in COUNTS for _ in range(4)]
    numbers = range(len(rates))
    return [
        trial(
            number,
            [(COUNTS[lr][number % 4], SECONDS[lr][number % 4])],
            changes.get(f"trial{number}", "complete"),
            lr=lr,
        )
        for number, lr in zip(numbers, rates, strict=True)
    ]


def compared(*studies: StudyRow, summary: Summary | None = None) -> tuple[Summary, Remeasurement]:
    summary = summary or searched()
    found = compare(summary, studies or (again(*trials_again()),))
    return replace(summary, remeasurement=found), found


def test_means_and_intervals_are_those_of_the_seeds() -> None:
    _, found = compared()
    cheap = found.points[0]
    assert (cheap.seen.trial, cheap.seeds, cheap.study) == (0, (0, 1, 2, 3), "again")
    assert cheap.accuracy.mean == pytest.approx(0.9005)
    assert cheap.accuracy.interval == seeds_interval([(n, 1000) for n in COUNTS[CHEAP]])[1]
    cost = cheap.costs["device_seconds"]
    assert cost.mean == pytest.approx(1.05)
    low, high = stats.t.interval(0.95, 3, loc=1.05, scale=stats.sem(SECONDS[CHEAP]))
    assert cost.interval == pytest.approx((low, high), abs=1e-4)
    assert "energy_joules" not in cheap.costs  # no meter, not zero


def test_which_points_cannot_be_told_apart() -> None:
    summary, found = compared()
    assert [[point.seen.trial for point in group] for group in found.groups] == [[1, 2]]
    line = next(line for line in remeasured_lines(summary) if "cannot be told apart" in line)
    assert line.startswith(
        "Trial 1 after epoch 1 and trial 2 after epoch 1 cannot be told apart in accuracy with 4 seeds each"
    )
    assert "trial 1 after epoch 1 is the cheapest of them: 2.05 s (1.99 s to 2.11 s)" in line
    assert "1 of 3 differ in accuracy from their neighbours" in " ".join(remeasured_lines(summary))


def test_a_group_holds_no_two_that_differ() -> None:
    spread = (-6, -2, 2, 6)
    rates = (0.01, 0.02, 0.03)
    trials = [
        trial(4 * index + seed, [(900 + 8 * index + spread[seed], 1.0 + index)], lr=lr)
        for index, lr in enumerate(rates)
        for seed in range(4)
    ]
    seen = [trial(index, [(900 + 8 * index, 1.0 + index)], lr=lr) for index, lr in enumerate(rates)]
    _, found = compared(again(*trials), summary=summary_of(*seen))
    first, _, last = found.points
    assert not first.is_like(last)
    assert [[point.seen.trial for point in group] for group in found.groups] == [[0, 1], [1, 2]]


def test_luck_is_what_new_seeds_do_not_explain() -> None:
    summary, found = compared()
    assert [point.luck for point in found.points[:2]] == [None, None]
    assert found.points[2].luck == pytest.approx(0.031)
    assert remeasured_lines(summary)[0].startswith(
        "The search was lucky with trial 2 after epoch 1: the 99.0 % that it saw are above"
    )
    assert [point.excess("device_seconds") for point in found.points] == [None, None, None]
    assert replace(found.points[0], seen=found.points[2].seen).excess("device_seconds") == pytest.approx(8.0 - 1.05)


def test_one_search_in_twenty_looks_lucky_or_unlucky_by_chance() -> None:
    dice, outside = random.Random(0), 0
    for _ in range(2000):
        values = tuple(dice.gauss(0.95, 0.01) for _ in range(5))
        low, high = Estimate(values, *student_interval(values)).range_of(1)
        outside += not low <= dice.gauss(0.95, 0.01) <= high
    assert 70 < outside < 130


def test_equal_costs_of_all_seeds_are_the_searchs() -> None:
    several = {**SPEC, "search": {"sampler": "tpe", "repeats": 3}}
    seen = summary_of(*(trial(seed, [(905, 0.05)], lr=CHEAP) for seed in range(3)), spec=several)
    assert seen.front[0].value("train_flops") != 0.05  # the mean of equal numbers, rounded
    _, found = compared(again(*(trial(seed, [(900 + seed, 0.05)], lr=CHEAP) for seed in range(4))), summary=seen)
    estimate = found.points[0].costs["train_flops"]
    assert (estimate.mean, estimate.interval) == (0.05, (0.05, 0.05))
    assert found.points[0].excess("train_flops") is None


def test_epochs_of_the_same_trainings_are_compared_seed_by_seed() -> None:
    seen = summary_of(trial(0, [(900, 1.0), (905, 1.0)]))
    counts = ((800, 805), (850, 856), (900, 904), (950, 955))
    trained = again(*(trial(seed, [(one, 1.0), (two, 1.0)]) for seed, (one, two) in enumerate(counts)))
    _, found = compared(trained, summary=seen)
    assert not found.groups  # 5 points in each, though the seeds differ by 150
    gap, interval = found.points[0].gap(found.points[1])
    assert gap == pytest.approx(0.005)
    rel = stats.ttest_rel([two / 1000 for _, two in counts], [one / 1000 for one, _ in counts])
    assert interval == pytest.approx(tuple(rel.confidence_interval()), abs=2e-4)  # and what an image's share adds


def test_welchs_interval() -> None:
    first, second = (0.90, 0.93, 0.91, 0.92), (0.95, 0.95, 0.97, 0.93)
    _, (low, high) = difference_interval(first, second, paired=False)
    exact = stats.ttest_ind(second, first, equal_var=False).confidence_interval()
    assert low < exact.low < exact.high < high  # degrees of freedom are rounded down
    assert (low, high) == pytest.approx((exact.low, exact.high), abs=2e-3)


def test_a_seed_that_cannot_be_trained_is_told_and_not_left_out_of_the_mean() -> None:
    summary, found = compared(again(*trials_again(trial1="infeasible")))
    assert [point.seen.trial for point in found.points] == [1, 2]
    assert "Trial 0 after epoch 1: with 1 of 4 new seeds it could not be trained: None." in remeasured_lines(summary)


def test_what_has_not_come_yet_is_absent_with_its_reason() -> None:
    rows = trials_again()
    summary, found = compared(again(*rows[:5]))
    assert [point.seen.trial for point in found.points] == [0]
    reasons = {lack.seen.trial: lack.reason for lack in found.lacking}
    assert reasons == {1: "1 of 4 new seeds have come so far, 2 or more are needed", 2: NOT_TRAINED}
    assert remeasured_lines(summary)[-1] == "1 other point of the front: not trained again."


def test_a_checkpoint_goes_by_the_newest_study_that_has_it() -> None:
    newer = again(*(trial(seed, [(700 + seed, 1.0)], lr=CHEAP) for seed in range(4)), name="newer")
    _, found = compared(newer, again(*trials_again()))
    assert [point.study for point in found.points] == ["newer", "again", "again"]


def test_the_last_of_a_setting_that_is_not_on_the_front_is_compared_too() -> None:
    beside = summary_of(trial(0, [(905, 1.0)], lr=CHEAP), trial(1, [(900, 2.0)], lr=MIDDLE))
    assert [point.trial for point in beside.front] == [0]
    _, found = compared(summary=beside)
    assert [point.seen.trial for point in found.points] == [0, 1]


def test_the_tradeoff_has_error_bars_in_both_directions() -> None:
    summary, found = compared()
    drawn = draw_tradeoff(trace_tradeoff(summary))
    (trace,) = [trace for trace in drawn.data if trace.name == "trained again (means, 95 %)" and trace.visible]
    assert list(trace.x) == [1.05, 2.05, 8.05]
    assert list(trace.y) == [90.05, 96.0, 95.9]
    low, high = found.points[1].accuracy.interval
    assert trace.error_y.array[1] == pytest.approx(100 * high - 96.0, abs=0.01)
    assert trace.error_y.arrayminus[1] == pytest.approx(96.0 - 100 * low, abs=0.01)
    low, high = found.points[1].costs["device_seconds"].interval
    assert trace.error_x.array[1] == pytest.approx(high - 2.05, abs=1e-4)
    assert trace.error_x.arrayminus[1] == pytest.approx(2.05 - low, abs=1e-4)
    for button in drawn.layout.updatemenus[0].buttons:
        shown = [trace for trace, is_shown in zip(drawn.data, button.args[0]["visible"], strict=True) if is_shown]
        assert sum(trace.name.startswith("trained again") for trace in shown) == 1
        assert len(button.args[0]["x"]) == len(drawn.data)
    assert "trained again" not in str(draw_tradeoff(trace_tradeoff(searched())))


def test_the_report_and_the_data_tell_it() -> None:
    summary, _ = compared()
    page = render_report(summary)
    assert "Trained again with new seeds" in page
    assert "cannot be told apart in accuracy with 4 seeds each" in page
    assert "Trained again with new seeds" not in render_report(searched())
    data = json.loads(json.dumps(as_plain(trace_tradeoff(summary)), allow_nan=False))
    assert data["remeasured"][0]["accuracy"]["values"] == [0.899, 0.9, 0.901, 0.902]
    answer = json.loads(json.dumps(remeasurement_json(summary), allow_nan=False))
    assert answer["not_distinguishable"] == [[{"trial": 1, "epoch": 1}, {"trial": 2, "epoch": 1}]]
    assert answer["points"][2]["search"]["accuracy"] == 0.99
    assert remeasurement_json(searched()) is None


def test_that_the_new_trainings_were_disturbed_is_told_with_what_they_cost() -> None:
    waited = CostValue(0.6, "measured", None)

    def beside(one: TrialRow) -> TrialRow:
        last = one.epochs[0]
        return replace(one, epochs=(replace(last, costs={**last.costs, "contention_seconds": waited}),))

    summary, found = compared(again(*map(beside, trials_again())))
    words = "Of again, 12 of 12 epochs waited for their cores, which other work had for up to 60 % of the training"
    assert found.disturbed == (f"{words}: their seconds are too long.",)
    assert found.disturbed[0] in remeasured_lines(summary)
    assert compared()[1].disturbed == ()


def test_few_seeds_that_agree_are_not_taken_for_certain() -> None:
    seen = summary_of(trial(0, [(901, 1.0)], lr=CHEAP), trial(1, [(902, 2.0)], lr=MIDDLE))
    twice = [trial(number, [(900 + number // 2, 1.0)], lr=(CHEAP, MIDDLE)[number // 2]) for number in range(4)]
    _, found = compared(again(*twice, repeats=2), summary=seen)
    assert [point.accuracy.values for point in found.points] == [(0.9, 0.9), (0.901, 0.901)]
    assert [point.luck for point in found.points] == [None, None]
    assert [point.seen.trial for point in found.groups[0]] == [0, 1]


def test_a_search_within_the_interval_that_is_told_had_no_luck() -> None:
    seen = summary_of(trial(0, [(915, 1.0)], lr=CHEAP))
    found = compared(again(*(trial(n, [(900 + n % 2, 1.0)], lr=CHEAP) for n in range(4))), summary=seen)[1].points[0]
    assert not found.accuracy.range_of(1)[0] <= 0.915 <= found.accuracy.range_of(1)[1]
    assert found.accuracy.interval[0] <= 0.915 <= found.accuracy.interval[1]
    assert found.luck is None


@pytest.mark.parametrize("num_seeds", [2, 3, 5])
def test_one_more_seed_lies_in_the_range_as_often_as_is_told(num_seeds: int) -> None:
    """Also where seeds differ by an image or so: without its share, 18 of 100 would lie outside with two seeds."""
    chance, num_images, num_rounds = random.Random(0), 360, 4000

    def accuracy() -> float:
        return round((0.95 + chance.gauss(0, 0.003)) * num_images) / num_images

    inside = 0
    for _ in range(num_rounds):
        low, high = student_interval([accuracy() for _ in range(num_seeds)], 1, 1 / num_images)[1]
        inside += low <= accuracy() <= high
    assert inside / num_rounds > 0.94
