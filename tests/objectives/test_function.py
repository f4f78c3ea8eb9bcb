"""A training function as a trial: what it tells becomes events, what it saves it continues from."""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from commands import wait_for

from objectives.context import Context
from objectives.costs import Measurement
from objectives.function import run_function
from objectives.meters.seldom import Seldom
from objectives.meters.throttling import Throttling
from objectives.slot import Requests, run_bundle
from objectives.states import flatten_state, read_state
from objectives.trial import (
    SAVED,
    Device,
    EpochEnded,
    Event,
    Failed,
    Finished,
    FunctionConfig,
    Infeasible,
    Noted,
    Profiled,
    Started,
    Stopped,
    previous,
)

CPU = Device("cpu", "a CPU", "here", 1, "2.14.1")
CONFIG = FunctionConfig(0, "own_functions:train", {"gain": 2}, epochs=3, seed=5)

Train = Callable[[dict[str, Any], Context], None]


def counts(params: dict[str, Any], context: Context) -> None:
    """Adds up random draws: a run that draws otherwise shows it."""
    total = context.restore() or 0.0
    for _ in context.epochs():
        with context.training():
            total += params["gain"] * float(np.random.rand())
        context.report(round(100 * total), 1000, train_loss=total)
        context.save(total)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Iterator[Event]]:
    module = ModuleType("own_functions")
    monkeypatch.setitem(sys.modules, "own_functions", module)

    def begin(train: Train, config: FunctionConfig = CONFIG, requests: Requests | None = None) -> Iterator[Event]:
        module.train = train  # type: ignore[attr-defined]
        return run_bundle([config], CPU, requests)

    return begin


def losses(events: list[Event]) -> list[float | None]:
    return [event.record.train_loss for event in events if isinstance(event, EpochEnded)]


def test_what_it_tells_becomes_events(run: Callable[..., Iterator[Event]]) -> None:
    begun = time.perf_counter()
    started, *epochs, finished = run(counts)
    elapsed = time.perf_counter() - begun
    assert isinstance(started, Started)
    assert isinstance(finished, Finished)
    assert [type(event) for event in epochs] == [EpochEnded] * 3
    record = epochs[1].record  # type: ignore[union-attr]
    assert (record.epoch, record.num_images, record.validation_loss) == (2, 1000, None)
    assert record.costs["device_seconds"].value > 0
    assert record.costs["train_flops"].reason == "the training function did not tell it"
    bills = [started.bill, finished.bill, *(event.record.bill for event in epochs)]  # type: ignore[union-attr]
    assert sum(seconds for bill in bills for seconds in bill.values()) == pytest.approx(elapsed, abs=0.02)


def test_what_is_read_seldom_is_read_at_the_end(
    run: Callable[..., Iterator[Event]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Seldom] = []
    asked: list[bool] = []
    foreseen: list[bool] = []
    start, stop = Throttling.start, Throttling.stop

    def foresee(meter: Throttling) -> None:
        foreseen.append(made[0].is_next_due)
        start(meter)

    def note(meter: Throttling, seconds: float) -> Measurement:
        asked.append(made[0].is_due)
        return stop(meter, seconds)

    monkeypatch.setattr(
        "objectives.meters.Seldom", lambda _seconds, clock: made.append(Seldom(1000.0, clock)) or made[-1]
    )
    monkeypatch.setattr(Throttling, "start", foresee)
    monkeypatch.setattr(Throttling, "stop", note)
    list(run(counts))
    assert asked == foreseen == [False, False, True]


@pytest.mark.parametrize(("before_save", "after_save"), [(0.0, 0.0), (0.3, 0.0), (0.0, 600.0)])
def test_a_suspended_trial_keeps_the_last_epoch_that_it_reported(
    before_save: float, after_save: float, run: Callable[..., Iterator[Event]], tmp_path: Path
) -> None:
    """Though it is not time to write, where it has not yet saved that epoch, and where it is busy before the next."""
    ends = threading.Event()

    def counts_slowly(params: dict[str, Any], context: Context) -> None:
        total = 0.0
        for epoch in context.epochs():
            with context.training():
                total += params["gain"] * float(np.random.rand())
                ends.wait(60 * (epoch - 1))
            context.report(round(100 * total), 1000, train_loss=total)
            time.sleep(before_save)
            context.save(total)
            ends.wait(after_save)

    undisturbed = losses(list(run(counts)))
    config, requests = replace(CONFIG, folder=tmp_path / "trial-00000"), Requests()
    running = run(counts_slowly, config, requests)
    assert [type(next(running)) for _ in range(2)] == [Started, EpochEnded]
    requests.to_suspend.add(config.number)
    (stopped,) = running
    ends.set()
    assert isinstance(stopped, Stopped)
    assert (set(stopped.bill), stopped.bill["lost"] > 0) == ({"lost", "saving"}, True)
    events = list(run(counts, config))
    assert events[0].epoch == 1  # type: ignore[union-attr]
    assert losses(events) == undisturbed


def test_a_function_with_brief_epochs_is_suspended_before_the_next(
    run: Callable[..., Iterator[Event]], tmp_path: Path
) -> None:
    config, requests = replace(CONFIG, folder=tmp_path / "trial-00000", epochs=10_000), Requests()
    running = run(counts, config, requests)
    assert [type(next(running)) for _ in range(4)] == [Started, EpochEnded, EpochEnded, EpochEnded]
    requests.to_suspend.add(config.number)
    (stopped,) = running
    assert isinstance(stopped, Stopped)
    assert next(run(counts, config)).epoch == 3  # type: ignore[union-attr]


def test_what_was_saved_is_written_though_the_next_save_does_not_come(
    run: Callable[..., Iterator[Event]], tmp_path: Path
) -> None:
    """Else a worker that is killed at last would take it along."""
    ends, path = threading.Event(), tmp_path / "trial-00000" / SAVED

    def counts_and_hangs(params: dict[str, Any], context: Context) -> None:
        for epoch in context.epochs():
            with context.training():
                pass
            context.report(epoch, 1000)
            ends.wait(60 * (epoch - 1))
            context.save(params["gain"] * epoch)

    requests = Requests()
    running = run(counts_and_hangs, replace(CONFIG, folder=path.parent), requests)
    assert [type(next(running)) for _ in range(3)] == [Started, EpochEnded, EpochEnded]
    requests.to_suspend.add(CONFIG.number)
    rest = threading.Thread(target=lambda: list(running))
    rest.start()
    wait_for(path.exists)
    assert read_state(path)["state"] == CONFIG.params["gain"]
    assert rest.is_alive(), "it may yet save the second epoch"
    ends.set()
    rest.join()
    assert read_state(path)["state"] == 2 * CONFIG.params["gain"]  # type: ignore[operator]


def test_what_saving_takes_does_not_grow_with_the_epochs(
    run: Callable[..., Iterator[Event]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flattened: list[int] = []

    def flatten(named: dict[str, Any]) -> Any:
        flattened.append(len(json.dumps(named, default=str)))
        return flatten_state(named)

    monkeypatch.setattr("objectives.context.flatten_state", flatten)
    list(run(counts, replace(CONFIG, folder=tmp_path / "trial-00000", epochs=50, params={"gain": 0.1})))
    assert len(flattened) == 51, "the records are written with the last one alone"
    assert max(flattened[:-1]) < 100


@pytest.mark.usefixtures("saves_always")
def test_a_trial_that_was_cut_off_continues_and_ends_equal(run: Callable[..., Iterator[Event]], tmp_path: Path) -> None:
    undisturbed = losses(list(run(counts)))
    config = replace(CONFIG, folder=tmp_path / "trial-00000")
    running = run(counts, config)
    assert [type(next(running)) for _ in range(3)] == [Started, EpochEnded, EpochEnded]
    time.sleep(0.2)
    running.close()  # type: ignore[attr-defined]
    started, *rest = run(counts, config)
    assert isinstance(started, Started)
    assert started.epoch == 1  # the second epoch was told and not yet saved
    assert [event.replayed for event in rest if isinstance(event, EpochEnded)] == [True, False, False]
    assert losses(rest) == undisturbed


@pytest.mark.usefixtures("saves_always")
@pytest.mark.parametrize("num_bytes", [-100, 10])
def test_what_is_saved_damaged_is_found_out_and_the_one_before_used(
    run: Callable[..., Iterator[Event]], tmp_path: Path, num_bytes: int
) -> None:
    config = replace(CONFIG, folder=tmp_path)
    running = run(counts, config)
    assert [type(next(running)) for _ in range(4)] == [Started, EpochEnded, EpochEnded, EpochEnded]
    running.close()  # type: ignore[attr-defined]
    (tmp_path / SAVED).write_bytes((tmp_path / SAVED).read_bytes()[:num_bytes])
    started, noted, *rest = run(counts, config)
    assert isinstance(started, Started)
    assert started.epoch == 1
    assert isinstance(noted, Noted)
    assert noted.text == "saved.npz is cut short, or from another version: the trial went on from the one before"
    assert losses(rest) == losses(list(run(counts)))


@pytest.mark.usefixtures("saves_always")
def test_what_another_study_saved_is_not_used(run: Callable[..., Iterator[Event]], tmp_path: Path) -> None:
    list(run(counts, replace(CONFIG, folder=tmp_path, study="another")))
    started, noted, *_ = run(counts, replace(CONFIG, folder=tmp_path))
    assert isinstance(started, Started)
    assert started.epoch == 0
    assert isinstance(noted, Noted)
    assert "saved.npz is of another spec or study" in noted.text


def returns_early(_params: dict[str, Any], context: Context) -> None:
    total = np.zeros(3)
    for epoch in context.epochs():
        with context.training():
            total += 1
        context.report(1, 2)
        context.save({"total": total})
        if epoch == 2:
            total *= 0  # what is saved is what it was when it was given
            return


def test_the_last_state_is_written_however_little_time_went_by(
    run: Callable[..., Iterator[Event]], tmp_path: Path
) -> None:
    assert isinstance(list(run(returns_early, replace(CONFIG, folder=tmp_path)))[-1], Finished)
    assert read_state(tmp_path / SAVED)["state"]["total"].tolist() == [2.0, 2.0, 2.0]
    assert not previous(tmp_path / SAVED).exists()


@pytest.mark.usefixtures("saves_always")
def test_a_full_disk_is_told_once_and_the_function_trains_on(
    run: Callable[..., Iterator[Event]], tmp_path: Path
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        events = list(run(counts, replace(CONFIG, folder=tmp_path)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert isinstance(events[-1], Finished)
    notes = [event.text for event in events if isinstance(event, Noted)]
    assert notes == ["what it saved could not all be written: File too large"]
    assert not list(tmp_path.iterdir())


def test_nobodys_listening_ends_the_thread(run: Callable[..., Iterator[Event]]) -> None:
    before = threading.active_count()
    running = run(counts, replace(CONFIG, epochs=100_000))
    next(running)
    running.close()  # type: ignore[attr-defined]
    deadline = time.monotonic() + 5
    while threading.active_count() > before:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_clock_stands_still_while_nobody_asks(run: Callable[..., Iterator[Event]]) -> None:
    running = run(counts)
    next(running)
    time.sleep(0.3)
    event = next(running)
    assert isinstance(event, EpochEnded)
    assert sum(event.record.bill.values()) < 0.2


def nothing(_params: dict[str, Any], _context: Context) -> None: ...


def skips(_params: dict[str, Any], context: Context) -> None:
    for _ in context.epochs():
        pass


def unmetered(_params: dict[str, Any], context: Context) -> None:
    for _ in context.epochs():
        context.report(1, 2)


def twice(_params: dict[str, Any], context: Context) -> None:
    for _ in context.epochs():
        with context.training():
            pass
        context.report(1, 2)
        context.report(1, 2)


def impossible(_params: dict[str, Any], context: Context) -> None:
    for _ in context.epochs():
        with context.training():
            pass
        context.report(3, 2)


def leaves(_params: dict[str, Any], _context: Context) -> None:
    sys.exit(3)


def keeps_an_object(_params: dict[str, Any], context: Context) -> None:
    for _ in context.epochs():
        with context.training():
            pass
        context.report(1, 2)
        context.save({"model": object()})


@pytest.mark.parametrize(
    ("train", "words"),
    [
        (nothing, "returned without a report of any epoch"),
        (skips, "epoch 1 was not reported: each needs context.report"),
        (unmetered, "epoch 1 was not metered: put its training in `with context.training():`"),
        (twice, "ends an epoch of context.epochs(), once"),
        (impossible, "0 <= num_correct <= num_images and num_images > 0 must hold, but got 3, 2"),
        (leaves, "the function ended with SystemExit: 3"),
        (
            keeps_an_object,
            "state['model']: a plain value, a NumPy array, a torch tensor",
        ),
    ],
)
def test_what_a_function_does_wrong_is_told_in_one_line(
    run: Callable[..., Iterator[Event]], tmp_path: Path, train: Train, words: str
) -> None:
    *_, last = run(train, replace(CONFIG, folder=tmp_path))
    assert isinstance(last, Failed)
    assert words in last.reason
    assert last.bill["lost"] >= 0
    assert "(test_function.py:" in last.reason or train in (nothing, leaves, skips)


def diverges(_params: dict[str, Any], context: Context) -> None:
    for epoch in context.epochs():
        with context.training():
            pass
        context.report(1, 2, train_loss=float("nan") if epoch == 2 else 1.0)


def gives_up(_params: dict[str, Any], context: Context) -> None:
    context.infeasible("the width must be even")


def exhausts(_params: dict[str, Any], _context: Context) -> None:
    raise MemoryError


@pytest.mark.parametrize(
    ("train", "reason"),
    [
        (diverges, "diverged in epoch 2: the loss is not finite"),
        (gives_up, "the width must be even"),
        (exhausts, "out of memory on a CPU"),
    ],
)
def test_a_setting_that_cannot_be_trained_is_infeasible(
    run: Callable[..., Iterator[Event]], train: Train, reason: str
) -> None:
    *_, last = run(train)
    assert isinstance(last, Infeasible)
    assert last.reason == reason


def stops_early(_params: dict[str, Any], context: Context) -> None:
    for epoch in context.epochs():
        with context.training():
            pass
        with context.training():
            time.sleep(0.02)
        context.report(1, 2, num_samples=64, train_flops=1e6)
        if epoch == 2:
            break


def test_a_function_may_stop_early_and_count_for_itself(run: Callable[..., Iterator[Event]]) -> None:
    _, first, _, last = run(stops_early)
    assert isinstance(last, Finished)
    assert isinstance(first, EpochEnded)
    costs = first.record.costs
    assert (costs["samples"].value, costs["train_flops"].value, costs["samples"].method) == (64.0, 1e6, "counted")
    assert costs["device_seconds"].value >= 0.02  # type: ignore[operator]


def test_an_iterator_that_is_closed_before_it_began_leaves_nothing(run: Callable[..., Iterator[Event]]) -> None:
    run(counts)
    run_function(CONFIG, CPU).close()  # type: ignore[attr-defined]


def test_inference_is_timed_once_in_the_first_epoch(run: Callable[..., Iterator[Event]]) -> None:
    calls: list[int] = []

    def predict() -> None:
        calls.append(len(calls))
        time.sleep(0.002)

    def times(params: dict[str, Any], context: Context) -> None:
        for _ in context.epochs():
            with context.training():
                pass
            context.time_inference(predict, num_parameters=3)
            context.report(1, 10)

    events = list(run(times))
    profiled = [event for event in events if isinstance(event, Profiled)]
    assert len(profiled) == 1
    costs = profiled[0].costs
    assert costs["parameters"].value == 3
    assert 0.002 <= (costs["inference_latency_seconds"].value or 0.0) < 0.02
    assert costs["model_bytes"].reason == "the training function did not tell it"
    assert len(calls) < 100


def test_inference_is_timed_within_an_epoch(run: Callable[..., Iterator[Event]]) -> None:
    def too_late(params: dict[str, Any], context: Context) -> None:
        for _ in context.epochs():
            with context.training():
                pass
            context.report(1, 10)
            context.time_inference(lambda: None)

    *_, failed = run(too_late)
    assert isinstance(failed, Failed)
    assert "goes between context.training() and" in failed.reason


def test_what_an_attempt_before_measured_is_not_measured_again(run: Callable[..., Iterator[Event]]) -> None:
    def times(params: dict[str, Any], context: Context) -> None:
        for _ in context.epochs():
            with context.training():
                pass
            context.time_inference(lambda: None)
            context.report(1, 10)

    assert sum(isinstance(event, Profiled) for event in run(times)) == 1
    assert not any(isinstance(event, Profiled) for event in run(times, replace(CONFIG, is_profiled=True)))


def test_an_evaluation_before_the_timing_is_in_the_wall_time(run: Callable[..., Iterator[Event]]) -> None:
    def times(params: dict[str, Any], context: Context) -> None:
        for _ in context.epochs():
            with context.training():
                pass
            time.sleep(0.05)
            context.time_inference(lambda: None)
            context.report(1, 10)

    first = next(event.record for event in run(times) if isinstance(event, EpochEnded))
    assert (first.costs["wall_seconds"].value or 0.0) >= 0.05
