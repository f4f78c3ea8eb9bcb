"""Where width is nearly free and what is launch-bound, by steps whose parts are known."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from itertools import product

import pytest
from synthetic import DEVICE, SPEC, attempt_row, epoch_row, summary_of, trial

from dashboards.answers import answer_all
from dashboards.figures.slices import draw_slices, trace_slices
from dashboards.launches import Step, find_steps, launch_lines, take_apart
from dashboards.summary import Summary
from storage.rows import TrialRow

LAUNCHING = {"sgd": 0.5e-3, "adam": 1e-3}
IMAGE_SECONDS, RATE = 20e-6, 100e9
WIDTHS, SIZES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0), (2, 8, 32, 128)


def flops_of(width: float, size: int) -> float:
    return size * (2.4e5 * width + 2e6 * width**2)


def seconds_of(kind: str, width: float, size: int) -> float:
    return LAUNCHING[kind] + IMAGE_SECONDS * size + flops_of(width, size) / RATE


def steps_of(
    widths: tuple[float, ...] = WIDTHS, sizes: tuple[int, ...] = SIZES, noise: float = 0.05, seed: int = 0
) -> list[Step]:
    dice = random.Random(seed)
    return [
        Step(
            label, kind, size, flops_of(width, size), seconds_of(kind, width, size) * dice.uniform(1 - noise, 1 + noise)
        )
        for label, (kind, width, size) in enumerate(product(LAUNCHING, widths, sizes))
    ]


@pytest.mark.parametrize("seed", range(5))
def test_the_parts_of_a_step_are_found(seed: int) -> None:
    parts = take_apart(steps_of(seed=seed))
    assert parts is not None
    for kind, seconds in LAUNCHING.items():
        middle, half = parts.launching[kind]
        assert abs(middle - seconds) < 2 * half < 0.2 * seconds
    assert parts.image_seconds == pytest.approx(IMAGE_SECONDS, rel=0.2)
    low, high = parts.flop_per_second
    assert 0.9 * low < RATE < 1.1 * high
    assert parts.error < 0.05


def test_what_is_said_of_a_step_is_so_and_little_is_left_unsaid() -> None:
    parts = take_apart(steps_of())
    assert parts is not None
    launches = [step for step in parts.steps if LAUNCHING[step.kind] > 0.5 * step.seconds]
    free = [step for step in parts.steps if step.flops / RATE < 0.1 * step.seconds]
    for said, true in ((parts.launch_bound, launches), (parts.free, free)):
        assert set(said) <= set(true)
        assert len(said) > 0.8 * len(true) > 0


def test_large_steps_are_nothing_of_the_kind() -> None:
    parts = take_apart(steps_of(widths=(2.0, 4.0, 8.0), sizes=(64, 128, 256)))
    assert parts is not None
    assert parts.launch_bound == parts.free == []


def test_no_part_takes_less_than_no_time() -> None:
    steps = [
        step._replace(seconds=IMAGE_SECONDS * step.num_images * (1 + step.num_images / 500) + step.flops / RATE)
        for step in steps_of()
    ]
    parts = take_apart(steps)
    assert parts is not None
    assert parts.launching == {"sgd": (0.0, 0.0), "adam": (0.0, 0.0)}
    assert parts.launch_bound == []


def test_a_batch_size_that_did_not_vary_leaves_open_what_takes_the_time() -> None:
    parts = take_apart(steps_of(sizes=(2,)))
    assert parts is not None
    assert parts.image_seconds is None
    assert parts.launch_bound == []
    assert parts.free


@pytest.mark.parametrize(
    "steps",
    [
        steps_of(widths=(1.0,)),
        steps_of(noise=0.9),
        steps_of()[:7],
        [step._replace(seconds=1e-4 / step.num_images) for step in steps_of()],
        [],
    ],
    ids=["one width", "noise", "few", "the larger the quicker", "none"],
)
def test_nothing_is_said_where_the_times_do_not_tell(steps: list[Step]) -> None:
    assert take_apart(steps) is None


def trained(number: int, kind: str, width: float, size: int, waited: float = 0.0, threads: int = 1) -> TrialRow:
    """A trial of 100 steps in each of three epochs, which waited for its cores for a share of the time besides."""
    seconds = 100 * seconds_of(kind, width, size)
    costs: Mapping[str, float] = {"samples": 100 * size, "train_flops": 100 * flops_of(width, size)}
    took = seconds / (1 - waited)
    epochs = tuple(epoch_row(epoch, 900, took, **costs, contention_seconds=took - seconds) for epoch in (1, 2, 3))
    own = (attempt_row("complete", {"training": 3 * took}, device={**DEVICE, "threads": threads}),)
    made = trial(number, [], attempts=own, optimizer=kind, width=width, batch_size=size)
    return replace(made, epochs=epochs)


def study_of(widths: tuple[float, ...], sizes: tuple[int, ...], waited: float = 0.0) -> Summary:
    settings = product(LAUNCHING, widths, sizes)
    trials = [trained(number, *setting, waited=waited) for number, setting in enumerate(settings, start=1)]
    space = {**SPEC["space"], "width": {"low": 0.25, "high": 8.0}, "batch_size": {"low": 2, "high": 256}}
    return summary_of(*trials, spec={**SPEC, "space": space})


@pytest.mark.parametrize("waited", [0.0, 0.6])
def test_the_answer_and_the_figure_say_it(waited: float) -> None:
    summary = study_of(WIDTHS, SIZES, waited)
    (line,) = launch_lines(summary.study)
    true = [
        (kind, width, size, seconds_of(kind, width, size)) for kind, width, size in product(LAUNCHING, WIDTHS, SIZES)
    ]
    num_free = sum(flops_of(width, size) / RATE < 0.1 * seconds for _, width, size, seconds in true)
    num_bound = sum(LAUNCHING[kind] > 0.5 * seconds for kind, _, _, seconds in true)
    assert line == (
        f"Width is nearly free in seconds in {num_free} of 48 trials (up to width 1): there twice the FLOPs would take "
        f"less than 10 % more time. {num_bound} of 48 trials (up to batch_size 32) are launch-bound: more than half of "
        "each step goes by whatever the width and the batch size, 1 ms (1 ms to 1 ms) with adam, "
        "500 µs (500 µs to 500 µs) with sgd."
    )
    (answer,) = [found for found in answer_all(summary) if found.question == "How wide a model?"]
    assert answer.sentence.endswith(line)
    info = trace_slices(summary)
    assert info.notes == [line]
    texts = [note.text or "" for note in draw_slices(info).layout.annotations]
    assert any("are launch-bound" in text.replace("<br>", " ") for text in texts)


def test_where_it_does_not_hold_nothing_is_said() -> None:
    summary = study_of((2.0, 4.0, 8.0), (64, 128, 256))
    assert take_apart(*find_steps(summary.study).values()) is not None
    assert launch_lines(summary.study) == trace_slices(summary).notes == []
    assert not any("free" in found.sentence for found in answer_all(summary))


def test_devices_and_ways_of_computing_are_told_apart() -> None:
    trials = [trained(0, "sgd", 1.0, 8), trained(1, "sgd", 1.0, 8, threads=2), trained(2, "sgd", 1.0, 8)]
    trials.append(replace(trials[0], number=3, params={**trials[0].params, "precision": "bf16"}))
    groups = find_steps(summary_of(*trials).study)
    assert {where: [step.label for step in steps] for where, steps in groups.items()} == {
        "A CPU (host), 1 CPU thread, torch 2": [0, 2],
        "A CPU (host), 2 CPU threads, torch 2": [1],
        "A CPU (host), 1 CPU thread, torch 2, precision bf16": [3],
    }
    assert groups["A CPU (host), 1 CPU thread, torch 2"][0] == Step(
        0, "sgd", 8, flops_of(1.0, 8), pytest.approx(seconds_of("sgd", 1.0, 8))
    )


def test_of_several_devices_each_sentence_names_its_own() -> None:
    one = study_of(WIDTHS, SIZES).study.trials
    other = (
        trained(100 + number, *setting, threads=2)
        for number, setting in enumerate(product(["sgd"], (4.0, 8.0), (128,)))
    )
    (line,) = launch_lines(summary_of(*one, *other).study)
    assert line.startswith("On A CPU (host), 1 CPU thread, torch 2: Width is nearly free in seconds in ")


def test_a_full_batch_is_one_step_and_what_waited_nearly_all_the_time_is_left_out() -> None:
    full = replace(trained(0, "sgd", 1.0, 8), params={"optimizer": "sgd", "batch_size": "full"})
    lost = trained(1, "sgd", 1.0, 8, waited=0.95)
    ((step,),) = find_steps(summary_of(full, lost).study).values()
    assert (step.label, step.num_images, step.seconds) == (0, 800, pytest.approx(100 * seconds_of("sgd", 1.0, 8)))
