from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from synthetic import NOW, attempt_row, summary_of, synthetic_summary, trial

from dashboards.bills import bill_lines
from dashboards.exports import as_plain
from dashboards.figures import FIGURES
from dashboards.figures.compare import draw_compare, trace_compare
from dashboards.figures.curves import MOST_OTHERS, draw_curves, trace_curves
from dashboards.figures.hypervolume import draw_hypervolume, trace_hypervolume
from dashboards.figures.importance import CHANCE, chance_levels, draw_importance, tell_importance, trace_importance
from dashboards.figures.optimizers import trace_optimizers
from dashboards.figures.parallel import draw_parallel, trace_parallel
from dashboards.figures.parts import hover
from dashboards.figures.slices import MOST_POINTS, draw_slices, trace_slices
from dashboards.figures.spending import tell_spending, trace_spending
from dashboards.figures.timeline import trace_timeline
from dashboards.figures.tradeoff import MOST_EARLIER, draw_tradeoff, tell_tradeoff, trace_tradeoff
from dashboards.palette import RED
from dashboards.plotting import read_part
from dashboards.report import MOST_ROWS, render_report
from dashboards.summary import Summary, summarize
from storage.ledger import CostValue


@pytest.fixture(scope="module")
def large() -> Summary:
    return synthetic_summary(5000)


def test_the_tradeoff_shows_each_recorded_cost(summary: Summary) -> None:
    info = trace_tradeoff(summary)
    assert info.tradeoffs[0].cost == "device_seconds"
    assert "energy_joules" not in [tradeoff.cost for tradeoff in info.tradeoffs]
    assert [(point.trial, point.epoch) for point in info.tradeoffs[0].front] == [(1, 1), (1, 2), (2, 2)]
    assert {point.trial for point in info.finals} == {0, 1, 2}
    assert [(point.trial, point.epoch) for point in info.earlier] == [(0, 1), (1, 1), (2, 1)]
    assert info.num_earlier == 3
    assert info.baseline is summary.baseline


def test_the_tradeoff_in_the_terminal_marks_front_knee_and_baseline(summary: Summary) -> None:
    drawn = tell_tradeoff(trace_tradeoff(summary), 80)
    assert "98.0 %" in drawn
    assert "1 s" in drawn
    assert "9 s" in drawn
    assert drawn.count("★") == 2  # in the plot and in its legend
    assert max(len(line) for line in drawn.splitlines()) <= 80


def test_a_choice_of_cost_moves_the_shared_points_and_shows_the_fronts_of_that_cost(summary: Summary) -> None:
    drawn = draw_tradeoff(trace_tradeoff(summary))
    first, second = drawn.layout.updatemenus[0].buttons[:2]
    assert list(first.args[0]["x"][1]) == [4.0, 2.0, 9.0]
    assert list(drawn.data[1].x) == [4.0, 2.0, 9.0]
    assert first.args[0]["visible"][:5] == [True] * 5
    assert second.args[0]["visible"][:7] == [True] * 3 + [False] * 2 + [True] * 2
    assert len(first.args[0]["x"]) == len(drawn.data)


def test_the_curves_tell_who_is_who(summary: Summary) -> None:
    info = trace_curves(summary)
    assert [(curve.trial, curve.role) for curve in info.curves] == [(0, "baseline"), (1, "front"), (2, "front")]
    assert [point.value("device_seconds") for point in info.curves[2].points] == [3.0, 9.0]


def test_the_curves_switch_between_times_and_epochs() -> None:
    three = summary_of(trial(0, [(700, 1.0)]), trial(1, [(900, 1.0), (950, 1.0)]), trial(2, [(600, 1.5), (700, 2.0)]))
    info = trace_curves(three)
    assert info.axes == ["device_seconds", "wall_seconds", "cpu_seconds", "epoch"]
    buttons = draw_curves(info).layout.updatemenus[0].buttons
    assert [button.label for button in buttons] == ["device time", "wall time", "CPU time", "epoch"]
    assert buttons[3].args[0]["x"] == [[1, 2, None], [1], [1, 2]]
    assert buttons[0].args[0]["x"] == [[1.5, 3.5, None], [1.0], [1.0, 2.0]]


def test_the_hypervolume_grows_in_the_order_in_which_trials_ended() -> None:
    def ended(at: float, bill: float, state: str = "complete") -> tuple[Any, ...]:
        return (attempt_row(state, {"training": bill}, start=0.0, seconds=at),)

    cut = attempt_row("killed by SIGKILL", {"training": 4.0, "lost": 1.0}, seconds=1.0)
    resumed = attempt_row("complete", {"training": 2.0}, attempt=2, start=1.0, seconds=19.0)
    found = trace_hypervolume(
        summary_of(
            trial(0, [(550, 10.0)], attempts=(cut, resumed)),
            trial(1, [(1000, 100.0), (1000, 1.0)], attempts=ended(10.0, 7.0)),
            trial(2, [(1000, 0.001)], "infeasible", attempts=ended(30.0, 3.0)),
            trial(3, [(550, 1.0)], "running", attempts=(attempt_row(None, {"training": 9.0}, seconds=None),)),
        )
    )
    assert [(step.trial, step.num_trials, step.spent_seconds) for step in found.steps] == [
        (1, 1, 12.0),  # the first attempt of trial 0 had ended by then
        (0, 2, 14.0),
        (2, 3, 17.0),
    ]
    assert [step.hypervolume for step in found.steps] == pytest.approx([0.0, 0.5 / 3, 0.5 / 3])


@pytest.mark.parametrize("minimize", [["device_seconds"], ["device_seconds", "train_flops"]])
def test_the_hypervolume_ends_at_that_of_the_study(minimize: list[str]) -> None:
    made = synthetic_summary(60)
    spec = {**made.study.spec, "objective": {**made.study.spec["objective"], "minimize": minimize}}
    worst = [100.0, 1e13][: len(minimize)]
    summary = summarize(replace(made.study, spec=spec, reference={"chance": 0.1, "worst": worst}))
    assert trace_hypervolume(summary).steps[-1].hypervolume == pytest.approx(summary.hypervolume)


def test_the_line_of_the_hypervolume_keeps_its_shape_without_the_steps_that_are_flat() -> None:
    info = trace_hypervolume(synthetic_summary(60))
    line = draw_hypervolume(info).data[0]
    heights = {step.num_trials: round(step.hypervolume, 5) for step in info.steps}
    drawn = dict(zip(draw_hypervolume(info).layout.updatemenus[0].buttons[1].args[0]["x"][0], line.y, strict=True))
    assert len(drawn) < len(heights)
    assert drawn.items() <= heights.items()
    assert {1, len(heights)} <= drawn.keys()
    assert sorted(set(drawn.values())) == sorted(set(heights.values()))


def test_without_scales_there_is_no_hypervolume(summary: Summary) -> None:
    assert trace_hypervolume(replace(summary, study=replace(summary.study, reference=None))).steps == []


def test_parallel_coordinates_are_one_trace_with_the_front_last(summary: Summary) -> None:
    info = trace_parallel(summary)
    assert info.trials == [0, 1, 2]
    assert info.ranks == [1, 0, 0]
    assert [axis.title for axis in info.axes] == ["optimizer", "device time", "accuracy (%)"]
    assert info.axes[0].places == [0.0, 0.0, 1.0]
    assert info.axes[0].ticks == [(0, "adam"), (1, "sgd")]
    assert info.axes[1].places == pytest.approx([0.60206, 0.30103, 0.954243])
    assert info.axes[1].ticks == [(pytest.approx(0.30103), "2 s"), (pytest.approx(0.69897), "5 s")]
    drawn = draw_parallel(info)
    assert len(drawn.data) == 1
    line = drawn.data[0].line
    assert list(line.color) == [-1, 0, 0]
    assert (line.colorscale[-1], line.colorscale[-2][0]) == ((1.0, RED), pytest.approx(2 / 3))  # a band for each rank


def test_a_parameter_that_a_trial_lacks_has_a_place_of_its_own() -> None:
    trials = [trial(n, [(900 + n, 1.0)], momentum=0.1 * n) for n in (1, 2, 3)] + [trial(4, [(900, 1.0)])]
    axis = next(axis for axis in trace_parallel(summary_of(*trials)).axes if axis.title == "momentum")
    assert min(axis.places) < 0.1
    assert axis.ticks[0] == (min(axis.places), "not set")


def test_importance_tells_what_matters_from_what_does_not() -> None:
    trials = [
        trial(
            n, [(950 - 100 * (n % 2) + n % 3, 1.0 + n // 12)], optimizer=("adam", "sgd")[n % 2], lr=0.01 * (1 + n % 5)
        )
        for n in range(24)
    ]
    info = trace_importance(summary_of(*trials))
    assert [outcome.name for outcome in info.outcomes] == ["accuracy", "device_seconds"]
    first, second = info.outcomes[0].shares
    assert (first.parameter, first.is_told_apart) == ("optimizer", True)
    assert first.share > 0.99
    assert first.groups == [("adam", 12, pytest.approx(0.951)), ("sgd", 12, pytest.approx(0.851))]
    assert (second.parameter, second.is_told_apart) == ("lr", False)
    assert CHANCE in tell_importance(info, 100)
    assert trace_importance(summary_of(*trials)) == info  # the dealing has a fixed seed


def test_each_outcome_has_a_row_of_its_own_in_the_importance() -> None:
    drawn = draw_importance(trace_importance(synthetic_summary(20)))
    bars = [trace for trace in drawn.data if trace.type == "bar"]
    assert [bar.yaxis for bar in bars] == ["y", "y2"]
    assert drawn.layout.xaxis.domain == drawn.layout.xaxis2.domain == (0.0, 1.0)
    words = [text for trace in drawn.data if trace.type == "scatter" for text in trace.text or ()]
    assert any(text.endswith("%, within chance") for text in words)


def test_few_trials_give_no_importance() -> None:
    info = trace_importance(summary_of(*(trial(n, [(900 + n, 1.0)], lr=0.1 * (1 + n)) for n in range(7))))
    assert info.outcomes == []
    assert "8 complete trials that differ are needed, there are 7" in tell_importance(info, 80)


def test_the_chance_level_is_that_of_the_analysis_of_variance() -> None:
    """Of 100 normal outcomes in 4 groups eta squared is Beta(3/2, 48): its 95 % quantile is 0.0778."""
    dice = random.Random(1)
    values = [dice.gauss(0, 1) for _ in range(100)]
    ((level,),) = chance_levels([values], [[list(range(start, 100, 4)) for start in range(4)]])
    assert level == pytest.approx(0.0778, abs=0.02)


def test_slices_show_words_in_order_and_the_front(summary: Summary) -> None:
    info = trace_slices(summary)
    assert [(part.parameter, part.words) for part in info.slices] == [("optimizer", ["adam", "sgd"])]
    assert info.front == [1, 2]
    assert [point.trial for point in info.points] == [0, 1, 2]


def test_slices_open_at_the_best_and_can_show_everything(summary: Summary) -> None:
    drawn = draw_slices(trace_slices(summary))
    assert list(drawn.layout.yaxis.range) == pytest.approx([63.0, 100.5])
    assert [button.args[0]["yaxis.range"] for button in drawn.layout.updatemenus[0].buttons] == [
        [pytest.approx(63.0), 100.5],
        [0.0, 100.5],
    ]
    assert drawn.data[0].text[0].endswith("<br>4 s<br>optimizer=adam")


def test_the_spending_adds_up_to_the_bill(summary: Summary) -> None:
    info = trace_spending(summary)
    assert info.lines == {"training": pytest.approx(15.6), "setup": 6.0}
    outcomes = {part.label: (part.num_trials, part.seconds) for part in info.divisions[0].parts}
    assert outcomes == {"complete": (4, 19.0), "failed": (1, 1.1), "infeasible": (1, 1.5)}
    optimizers = {part.label: part.lines["training"] for part in info.divisions[1].parts}
    assert optimizers == {"adam": pytest.approx(6.6), "sgd": 9.0}
    assert "complete" in tell_spending(info, 80)


@pytest.mark.parametrize("seed", [0, 1])
def test_every_division_of_the_spending_is_the_whole_bill(seed: int) -> None:
    summary = synthetic_summary(200, seed)
    total = sum(bill_lines(summary.study).values())
    info = trace_spending(summary)
    assert sum(info.lines.values()) == pytest.approx(total)
    assert {division.by for division in info.divisions} == {"outcome", "lr", "optimizer", "batch_size", "width"}
    for division in info.divisions:
        assert sum(part.seconds for part in division.parts) == pytest.approx(total)
        assert sum(part.num_trials for part in division.parts) == 200


def test_optimizers_are_compared_by_the_best_at_each_price(summary: Summary) -> None:
    info = trace_optimizers(summary)
    assert [(line.optimizer, line.num_trials, line.num_infeasible) for line in info.lines] == [
        ("sgd", 1, 0),
        ("adam", 3, 1),
    ]
    assert [(point.trial, point.epoch) for point in info.lines[1].front] == [(1, 1), (1, 2)]
    assert info.most == 9.0


def test_studies_on_different_devices_are_compared_with_a_warning(summary: Summary) -> None:
    gpu = {"kind": "cuda", "name": "A GPU", "identity": "host", "threads": 1, "torch": "2"}
    there = (attempt_row("complete", {"training": 1.0}, device=gpu),)
    other = summary_of(trial(1, [(990, 0.2)], attempts=there), name="other")
    info = trace_compare([summary, other])
    assert [(study.study, study.num_trials, len(study.front)) for study in info.studies] == [
        ("study", 3, 3),
        ("other", 1, 1),
    ]
    assert info.warnings == ["the devices differ, so device time compares machines as well as settings"]
    assert "Careful: the devices differ" in draw_compare(info).layout.title.text
    assert trace_compare([summary, summary]).warnings == []
    assert trace_compare([summary, summary_of(name="empty")]).left_out == ["empty"]


def test_the_timeline_has_a_bar_for_each_attempt() -> None:
    cut = attempt_row("killed by SIGKILL", {"lost": 3.0}, slot=1, seconds=3.0)
    again = attempt_row("complete", {"training": 2.0}, attempt=2, start=4.0, seconds=2.0)
    running = attempt_row(None, {}, start=5.0, seconds=None)
    info = trace_timeline(
        summary_of(trial(1, [(900, 1.0)], attempts=(cut, again)), trial(2, [], "running", attempts=(running,)))
    )
    assert [(stay.trial, stay.attempt, stay.slot, stay.outcome, stay.reason) for stay in info.stays] == [
        (1, 1, 1, "cut off", "killed by SIGKILL"),
        (1, 2, 0, "complete", None),
        (2, 1, 0, "running", None),
    ]
    assert info.stays[0].ended_at - info.stays[0].started_at == timedelta(seconds=3)
    assert info.stays[0].started_at == NOW
    [stay] = trace_timeline(summary_of(trial(2, [], "waiting", attempts=(running,)))).stays
    assert stay.outcome == "cut off"
    assert stay.reason.startswith("cut off, last heard of 2026-01-01")


def test_every_figure_is_drawn_of_nothing() -> None:
    for figure in FIGURES.values():
        drawn = figure.draw(figure.trace([summary_of()]))
        assert len(drawn.data) == 0
        assert len(drawn.layout.annotations) == 1


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("num_trials", [1, 2, 20])
def test_every_figure_is_drawn(name: str, num_trials: int) -> None:
    figure, made = FIGURES[name], synthetic_summary(num_trials)
    info = figure.trace([made, synthetic_summary(3, seed=1)] if figure.takes_several else [made])
    drawn = figure.draw(info)
    assert len(drawn.data) > 0 or num_trials < 20
    if figure.tell is not None:
        assert max(len(line) for line in figure.tell(info, 80).splitlines()) <= 80
    plain = as_plain(info)
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_of_5000_trials_is_small_and_drawn_in_few_traces(name: str, large: Summary) -> None:
    figure = FIGURES[name]
    drawn = figure.draw(figure.trace([large]))
    page = drawn.to_html(full_html=False, include_plotlyjs=False)
    assert len(page) < 2_500_000
    assert len(drawn.data) < 100


def test_what_is_left_out_of_5000_trials_is_said(large: Summary) -> None:
    tradeoff, curves, slices = trace_tradeoff(large), trace_curves(large), trace_slices(large)
    assert len(tradeoff.earlier) == MOST_EARLIER < tradeoff.num_earlier
    assert f"{MOST_EARLIER:,} of {tradeoff.num_earlier:,}" in draw_tradeoff(tradeoff).data[0].name
    assert sum(curve.role == "other" for curve in curves.curves) == MOST_OTHERS < curves.num_others
    parallel = trace_parallel(large)
    assert len(parallel.trials) < 2000 < parallel.num_trials
    assert "of<br>4,744 trials" in draw_parallel(parallel).data[0].line.colorbar.title.text
    assert len(slices.points) == MOST_POINTS + len(slices.front) < slices.num_trials


def test_the_report_of_5000_trials_stays_small(large: Summary) -> None:
    page = render_report(large)
    assert len(page) - len(read_part()) < 5_000_000
    assert page.count("<td>complete") <= MOST_ROWS + 1
    assert "of 5,000 trials: the" in page
    assert all(f'<h2 id="{name}">' in page for name, figure in FIGURES.items() if not figure.takes_several)


def test_a_point_whose_training_waited_for_its_cores_says_so() -> None:
    waited = CostValue(0.4, "measured", None)
    one = trial(0, [(900, 1.0)])
    disturbed = replace(
        one, epochs=(replace(one.epochs[0], costs={**one.epochs[0].costs, "contention_seconds": waited}),)
    )
    assert "waited" not in hover(summary_of(one).finals[0])
    assert "waited for its cores for 40 % of the training" in hover(summary_of(disturbed).finals[0])
