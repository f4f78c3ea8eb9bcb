"""The contract of an engine, over every entry of `ENGINES`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from commands import workers_of

from objectives.trial import (
    EpochEnded,
    Event,
    Failed,
    Finished,
    Infeasible,
    Placement,
    Profiled,
    SlotLost,
    Started,
    Stopped,
    TrialConfig,
    billed_seconds,
)
from search.engines import ENGINES, Engine
from search.faults import Faults

ENDINGS = (Finished, Stopped, Infeasible, Failed, SlotLost)


def config(number: int, epochs: int = 1, **changed: object) -> TrialConfig:
    options: dict[str, object] = {"model_options": {"width": 0.25}, "optimizer_options": {}, "lr": 0.01, **changed}
    return TrialConfig(number, "cnn", "digits", epochs, 0, optimizer="gd", batch_size=64, **options)  # type: ignore[arg-type]


def events_until_free(engine: Engine) -> list[Event]:
    events: list[Event] = []
    deadline = time.monotonic() + 60
    while not engine.free_slots():
        assert time.monotonic() < deadline
        events += engine.events(0.2)
    return events


@pytest.fixture
def placements() -> list[Placement]:
    return [Placement(0, "cpu", 1, (min(os.sched_getaffinity(0)),))]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, placements: list[Placement]) -> Iterator[Engine]:
    made = ENGINES[request.param](placements)
    assert events_until_free(made) == []
    yield made
    made.close()


def test_a_bundle_of_three_of_which_one_dies(engine: Engine) -> None:
    engine.submit(0, [config(4), config(5, optimizer_options={"nonsense": 1.0}), config(6)])
    events = events_until_free(engine)
    endings = {event.trial: type(event) for event in events if isinstance(event, ENDINGS)}
    assert endings == {4: Finished, 5: Failed, 6: Finished}
    for number in (4, 6):
        assert [type(event) for event in events if event.trial == number] == [Started, Profiled, EpochEnded, Finished]


def test_a_trial_that_diverges_is_infeasible(engine: Engine) -> None:
    engine.submit(0, [config(0, lr=1e9)])
    assert isinstance(events_until_free(engine)[-1], Infeasible)


def test_a_slot_takes_one_bundle_after_the_other(engine: Engine) -> None:
    for number in (0, 1):
        engine.submit(0, [config(number)])
        assert engine.free_slots() == []
        assert isinstance(events_until_free(engine)[-1], Finished)


def next_epochs(engine: Engine, number: int) -> list[Event]:
    events: list[Event] = []
    deadline = time.monotonic() + 60
    while sum(isinstance(event, EpochEnded) for event in events) < number:
        assert time.monotonic() < deadline
        events += engine.events(1.0)
    return events


def test_a_trial_that_is_stopped_ends_after_the_epoch_under_way(engine: Engine) -> None:
    engine.submit(0, [config(0, epochs=10_000), config(1)])
    next_epochs(engine, 2)
    engine.stop(0)
    events = events_until_free(engine)
    of_first = [event for event in events if event.trial == 0]
    assert isinstance(of_first[-1], Stopped)
    assert [type(event) for event in events if event.trial == 1] == [Started, Profiled, EpochEnded, Finished]
    engine.submit(0, [config(0)])  # the request does not outlive the attempt
    assert isinstance(events_until_free(engine)[-1], Finished)


def test_a_trial_that_is_suspended_goes_on_from_where_it_was(engine: Engine, tmp_path: Path) -> None:
    endless = config(0, epochs=10_000, folder=tmp_path / "trial-00000")
    engine.submit(0, [endless])
    before = next_epochs(engine, 1)
    engine.suspend(0)
    before += events_until_free(engine)
    assert isinstance(before[-1], Stopped)
    assert "lost" not in before[-1].bill
    engine.submit(0, [endless])
    after = next_epochs(engine, 1)
    assert isinstance(after[0], Started)
    assert after[0].epoch == sum(isinstance(event, EpochEnded) for event in before)


def test_a_stop_that_comes_too_late_does_nothing(engine: Engine) -> None:
    engine.submit(0, [config(0)])
    assert isinstance(events_until_free(engine)[-1], Finished)
    engine.stop(0)
    engine.submit(0, [config(0)])
    assert isinstance(events_until_free(engine)[-1], Finished)


def test_a_trial_that_is_abandoned_ends_and_its_slot_is_there_again(engine: Engine) -> None:
    engine.submit(0, [config(0, epochs=10_000)])
    next_epochs(engine, 1)
    engine.abandon(0)
    assert isinstance(events_until_free(engine)[-1], SlotLost | Stopped)
    engine.submit(0, [config(1)])
    assert isinstance(events_until_free(engine)[-1], Finished)


def test_a_halted_worker_is_abandoned_and_replaced(placements: list[Placement]) -> None:
    engine = ENGINES["process"](placements)
    try:
        assert events_until_free(engine) == []
        engine.submit(0, [config(0, epochs=10_000)])
        next_epochs(engine, 1)
        (worker,) = workers_of()
        worker.send_signal(signal.SIGSTOP)
        halted_at = time.perf_counter()
        while time.perf_counter() < halted_at + 0.5:
            list(engine.events(0.1))
        engine.stop(0)
        engine.abandon(0)
        (lost,) = [event for event in events_until_free(engine) if isinstance(event, SlotLost)]
        assert lost.bill["lost"] >= 0.4
        engine.submit(0, [config(1)])
        assert isinstance(events_until_free(engine)[-1], Finished)
    finally:
        engine.close()


def test_what_a_killed_worker_told_late_is_billed_once_and_the_rest_is_lost(placements: list[Placement]) -> None:
    engine = ENGINES["process"](placements)
    try:
        assert events_until_free(engine) == []
        start = time.perf_counter()
        engine.submit(0, [config(0, epochs=10_000)])
        told = next_epochs(engine, 1)
        time.sleep(1.0)  # it goes on, and nobody listens
        (worker,) = workers_of()
        worker.send_signal(signal.SIGSTOP)
        time.sleep(1.0)
        told += engine.events(1.0)
        worker.kill()
        told += events_until_free(engine)
        held = time.perf_counter() - start
        assert sum(event.bill["lost"] for event in told if isinstance(event, SlotLost)) >= 0.9
        assert held - 0.5 <= sum(map(billed_seconds, told)) <= held  # replacing it takes a moment
    finally:
        engine.close()


def test_a_worker_that_never_gets_ready_is_replaced(
    placements: list[Placement], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ENGINES["process"](placements)
    try:
        (worker,) = workers_of()
        worker.send_signal(signal.SIGSTOP)
        monkeypatch.setattr("search.engines.process.LOADING_SECONDS", 0.2)
        while worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.3)
            list(engine.events(0.1))
        monkeypatch.undo()
        assert events_until_free(engine) == []
    finally:
        engine.close()


def test_a_worker_outlives_what_ends_a_whole_job(placements: list[Placement]) -> None:
    engine = ENGINES["process"](placements)
    events_until_free(engine)
    engine.submit(0, [config(0, epochs=3)])
    (worker,) = workers_of()
    worker.terminate()
    assert isinstance(events_until_free(engine)[-1], Finished)
    engine.close()


def test_what_a_worker_starts_ends_by_the_signal_that_it_outlives() -> None:
    code = """
import multiprocessing, signal, time
from objectives.slot import outlive_terminations
outlive_terminations()
signal.raise_signal(signal.SIGTERM)
child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
child.start()
child.terminate()
child.join()
print(child.exitcode)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert int(told.stdout) == -signal.SIGTERM


def test_closing_ends_what_runs(engine: Engine) -> None:
    engine.submit(0, [config(0, epochs=10_000)])
    next(iter(engine.events(30.0)))
    engine.close()
    assert not workers_of()


def test_a_worker_that_is_killed_is_replaced_and_its_bundle_told_lost(
    placements: list[Placement], tmp_path: Path
) -> None:
    engine = ENGINES["process"](placements)
    try:
        assert events_until_free(engine) == []
        long = config(0, epochs=10_000, folder=tmp_path)
        engine.submit(0, [long, config(1)])
        events: list[Event] = []
        while sum(isinstance(event, EpochEnded) for event in events) < 2:
            events += engine.events(5.0)
        (worker,) = workers_of()
        assert worker.cpu_affinity() == list(placements[0].cores)
        worker.send_signal(signal.SIGKILL)
        lost = [event for event in events_until_free(engine) if isinstance(event, SlotLost)]
        assert [event.trial for event in lost] == [0, 1]
        assert "SIGKILL" in lost[0].reason
        assert lost[0].bill["lost"] > 0
        assert lost[1].bill == {}
        engine.submit(0, [config(2)])
        assert isinstance(events_until_free(engine)[-1], Finished)
    finally:
        engine.close()


def test_a_slot_that_cannot_start_is_given_up_with_its_reason() -> None:
    engine = ENGINES["process"]([Placement(0, "cpu", 1, (10_000,))])  # there is no such core
    try:
        with pytest.raises(Faults, match=r"slot died: exit code 1 before it was ready, 3 times \(slot 0\)"):
            events_until_free(engine)
    finally:
        engine.close()
