"""Trials that a kill cut off, as the coordinator and its slots see them: nothing is lost, nothing is counted twice."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from commands import workers_of

from objectives.checkpoint import load_weights
from objectives.slot import open_device, run_bundle
from objectives.trial import (
    CHECKPOINT,
    Checkpointed,
    EpochEnded,
    Event,
    Finished,
    Noted,
    Placement,
    SlotLost,
    Started,
    TrialConfig,
    previous,
)
from search import sweeps
from search.engines.process import ProcessEngine
from search.reading import read_spec
from search.trials import Trial
from storage.database import Database
from storage.reading import load_study
from storage.rows import StudyRow

SETTINGS = ["compute.engine=inline", "search.trials=2", "objective.epochs=3", "space.batch_size=128"]


class Interruption:
    """Interrupts a sweep once it was told of so many events of a kind."""

    def __init__(self, kind: type[Event], number: int) -> None:
        self.kind, self.left = kind, number

    def __call__(self, _trial: Trial, event: Event) -> None:
        self.left -= isinstance(event, self.kind)
        if self.left == 0:
            raise KeyboardInterrupt


class Listener:
    """Remembers what a sweep told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, _trial: Trial, event: Event) -> None:
        self.events.append(event)


def outcome(study: StudyRow) -> list[object]:
    return [
        (trial.number, trial.state, trial.params, [(row.epoch, row.train_loss) for row in trial.epochs])
        for trial in study.trials
    ]  # fmt: skip


def curve(events: list[Event]) -> list[tuple[float | None, float | None, int]]:
    records = [event.record for event in events if isinstance(event, EpochEnded)]
    return [(record.train_loss, record.validation_loss, record.num_correct) for record in records]


@pytest.mark.usefixtures("saves_always")
@pytest.mark.parametrize("num_checkpoints", [1, 12])
def test_a_sweep_cut_off_within_an_epoch_ends_as_an_undisturbed_one(
    quick_spec: Path, database: Database, tmp_path: Path, num_checkpoints: int
) -> None:
    spec = read_spec(quick_spec, SETTINGS)
    undisturbed = sweeps.launch(spec, Database(f"sqlite:///{tmp_path}/other.db"), Listener())
    with pytest.raises(KeyboardInterrupt):
        sweeps.launch(spec, database, Interruption(Checkpointed, num_checkpoints))
    cut_off = load_study(database, "quick").trials[0].attempts[0]
    assert cut_off.bill["training"] > 0  # of the steps that the checkpoint holds
    listener = Listener()
    resumed = sweeps.resume("quick", database, listener)
    assert outcome(resumed) == outcome(undisturbed)
    assert not any(isinstance(event, Noted) for event in listener.events)
    for trial in resumed.trials:
        measured = sum(epoch.costs["device_seconds"].value or 0 for epoch in trial.epochs)
        assert sum(attempt.bill["training"] for attempt in trial.attempts) == pytest.approx(measured)
        assert trial.costs["samples"].value == 3 * 1078
        assert [epoch.epoch for epoch in trial.epochs] == [1, 2, 3]


@pytest.mark.usefixtures("saves_always")
def test_epochs_that_are_trained_again_are_lost_and_recorded_once(
    quick_spec: Path, database: Database, tmp_path: Path
) -> None:
    spec = read_spec(quick_spec, SETTINGS)
    undisturbed = sweeps.launch(spec, Database(f"sqlite:///{tmp_path}/other.db"), Listener())
    with pytest.raises(KeyboardInterrupt):
        sweeps.launch(spec, database, Interruption(EpochEnded, 2))
    before = load_study(database, "quick").trials[0]
    folder = database.artifacts / load_study(database, "quick").uuid / "trial-00000"
    for path in (folder / CHECKPOINT, previous(folder / CHECKPOINT)):
        path.write_bytes(path.read_bytes()[:-1])
    listener = Listener()
    resumed = sweeps.resume("quick", database, listener)
    assert outcome(resumed) == outcome(undisturbed)
    trial = resumed.trials[0]
    assert trial.costs["device_seconds"].value == pytest.approx(
        sum(epoch.costs["device_seconds"].value or 0 for epoch in trial.epochs)
    )
    assert trial.epochs[0] == before.epochs[0]
    assert trial.attempts[1].bill["lost"] > 0
    assert trial.attempts[1].bill["training"] == pytest.approx(trial.epochs[2].costs["device_seconds"].value)
    assert "checkpoint.pt is cut short" in str(trial.reason)
    assert "the trial began anew" in str(trial.reason)
    assert resumed.trials[1].reason is None


def test_a_slot_killed_within_an_epoch_ends_bit_equal(tmp_path: Path) -> None:
    config = TrialConfig(
        0, "cnn", "mnist5k", 2, 3, 0.01, "sgd", 1, {"width": 0.25}, {"momentum": 0.9}, folder=tmp_path / "killed"
    )
    engine = ProcessEngine([Placement(0, "cpu", 1, (min(os.sched_getaffinity(0)),))])
    events: list[Event] = []

    def wait_for(kind: type[Event]) -> None:
        deadline = time.monotonic() + 120
        while not any(isinstance(event, kind) for event in events):
            assert time.monotonic() < deadline
            events.extend(engine.events(0.2))

    try:
        while not engine.free_slots():
            events += engine.events(0.2)
        engine.submit(0, [config])
        wait_for(Checkpointed)
        (worker,) = workers_of()
        worker.send_signal(signal.SIGKILL)
        wait_for(SlotLost)
        seen, events = events, []
        while not engine.free_slots():
            events += engine.events(0.2)
        engine.submit(0, [config])
        wait_for(Finished)
    finally:
        engine.close()
    num_ended = sum(isinstance(event, EpochEnded) for event in seen)
    started = next(event for event in events if isinstance(event, Started))
    assert started.epoch == num_ended
    whole = list(run_bundle([replace(config, folder=tmp_path / "whole")], open_device(Placement(0, "cpu", 1))))
    assert curve(events) == curve(whole)
    ends = [load_weights(tmp_path / name, 2) for name in ("killed", "whole")]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[1])
    first = next(event for event in events if isinstance(event, EpochEnded) and not event.replayed).record
    assert first.epoch == num_ended + 1
    safe = sum(
        event.bill.get("training", 0.0)
        for event in seen
        if isinstance(event, Checkpointed) and event.epoch == first.epoch
    )
    assert safe > 0
    assert (first.costs["device_seconds"].value or 0) > safe + first.bill["training"] * 0.99


def test_last_weights_beyond_the_cap_go_farthest_from_the_front_first(quick_spec: Path, database: Database) -> None:
    settings = [
        "compute.engine=inline", "search.sampler=grid", "search.baseline=false", "search.trials=4",
        "space={lr=[1e-9, 1e-5, 0.003, 0.01], optimizer='adam', batch_size=64, width=0.25}", "objective.epochs=3",
    ]  # fmt: skip
    free = sweeps.launch(read_spec(quick_spec, [*settings, "name=free"]), database, Listener())
    sizes = weights_of(database, free)
    lasts = {number: sizes[number, 3] for number in range(4)}
    by_accuracy = sorted(free.trials, key=lambda trial: trial.epochs[-1].num_correct)
    on_front = {key for key in sizes if key[1] < 3}
    room = sum(sizes.values()) - lasts[by_accuracy[0].number]
    capped = sweeps.launch(read_spec(quick_spec, [*settings, f"artifacts.max_bytes={room}"]), database, Listener())
    worst = next(row for row in capped.trials if row.params == by_accuracy[0].params)
    assert set(weights_of(database, capped)) == set(sizes) - {(worst.number, 3)}
    none = sweeps.launch(read_spec(quick_spec, [*settings, "name=none", "artifacts.max_bytes=0"]), database, Listener())
    from dashboards.summary import summarize

    assert set(weights_of(database, none)) == {(point.trial, point.epoch) for point in summarize(none).front}
    assert on_front <= set(weights_of(database, none))


def weights_of(database: Database, study: StudyRow) -> dict[tuple[int, int], int]:
    folder = database.artifacts / study.uuid
    return {(int(path.parent.name[6:]), int(path.stem[6:])): path.stat().st_size for path in folder.rglob("epoch-*.pt")}
