"""What several runs attain, and how fast each study got there."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from synthetic import SPEC, summary_of, synthetic_summary, trial

from dashboards.figures.attainment import Steps, attain, draw_attainment, trace_attainment
from dashboards.figures.progress import draw_progress, trace_progress
from dashboards.summary import Summary


def reached(run: Steps, cost: float) -> float:
    return max((accuracy for price, accuracy in run if price <= cost), default=0.0)


@pytest.mark.parametrize("num_runs", [2, 3, 4, 7])
def test_the_curves_are_the_quantiles_of_what_the_runs_reach_at_each_cost(num_runs: int) -> None:
    dice = random.Random(num_runs)
    runs = [sorted((dice.uniform(1, 9), dice.uniform(0.5, 1)) for _ in range(12)) for _ in range(num_runs)]
    for share, curve in zip((25, 50, 75), attain(runs), strict=True):
        needed = -(-share * num_runs // 100)
        for cost in [price for run in runs for price, _ in run]:
            by_run = sorted((reached(run, cost) for run in runs), reverse=True)
            assert reached(curve, cost) == pytest.approx(by_run[needed - 1]), (share, cost)


def with_seed(name: str, seed: int, *epochs: tuple[int, float], sampler: str = "tpe") -> Summary:
    spec = {**SPEC, "name": name, "search": {"sampler": sampler, "seed": seed}}
    return summary_of(trial(0, list(epochs)), name=name, spec=spec)


def test_studies_that_differ_in_the_seed_alone_are_one_group() -> None:
    runs = [with_seed("a", 0, (900, 1.0)), with_seed("b", 1, (940, 2.0)), with_seed("c", 2, (960, 3.0), sampler="gp")]
    info = trace_attainment(runs)
    assert [(band.title, band.num_runs) for band in info.bands] == [("a, b: 2 runs", 2)]
    assert [(band.title, band.curves[1]) for band in info.alone] == [("c", [(3.0, 0.96)])]
    names = [trace.name for trace in draw_attainment(info).data]
    assert names == [
        "a, b: 2 runs, 25 to 75 % of them",
        "a, b: 2 runs, median",
        "c, its front (there is no second run)",
    ]
    together = trace_attainment(runs[1:])
    assert [(band.title, band.num_runs) for band in together.bands] == [("b, c: 2 runs", 2)]


def test_the_seeds_of_one_study_are_its_runs() -> None:
    spec = {**SPEC, "search": {"sampler": "tpe", "repeats": 3}}
    curves = [[(900, 1.0)], [(920, 1.0)], [(940, 1.0)]]
    summary = summary_of(*(trial(number, curve) for number, curve in enumerate(curves)), spec=spec)
    [band] = trace_attainment([summary]).bands
    assert band.num_runs == 3
    assert band.curves == ([(1.0, 0.94)], [(1.0, 0.92)], [(1.0, 0.9)])


def test_without_a_cost_there_is_a_word_on_it() -> None:
    assert "device time" in str(draw_attainment(trace_attainment([summary_of()])).layout.annotations[0].text)


def test_progress_warns_where_scales_differ() -> None:
    first, second = synthetic_summary(8, 0), synthetic_summary(8, 1)
    other = replace(second, study=replace(second.study, reference={"chance": 0.1, "worst": [7.0]}))
    info = trace_progress([first, second, summary_of(name="empty")])
    assert ([one.study for one in info.studies], info.left_out, info.is_comparable) == (
        ["synthetic-8", "synthetic-8"], ["empty"], True,
    )  # fmt: skip
    assert "left out" in draw_progress(info).layout.title.text
    assert "Careful" not in draw_progress(info).layout.title.text
    assert "Careful" in draw_progress(trace_progress([first, other])).layout.title.text
