"""Several numbers of threads in one sweep: each trial computes with its own, as a sweep of that number alone does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from resumed import silent

from dashboards.answers import answer_all
from dashboards.devices import device_warning
from dashboards.logs import read_log
from dashboards.summary import summarize
from objectives.slot import run_bundle
from objectives.trial import Device, Started, TrialConfig
from search import sweeps
from search.compute import place_slots
from search.faults import Faults
from search.reading import validate
from search.sections import Compute
from search.space import Choice
from storage.database import Database
from storage.rows import StudyRow

NUM_CORES = len(os.sched_getaffinity(0))
TWO_CORES = pytest.mark.skipif(NUM_CORES < 2, reason="there is one core here")


def spec_of(name: str, threads: Any, own: list[dict[str, Any]], **compute: Any) -> Any:
    return validate(
        {
            "name": name,
            "objective": {"dataset": "digits", "epochs": 1, "model": "witness:Model"},
            "space": {"lr": 0.05, "batch_size": [256, 512], "optimizer": "sgd"},
            "search": {"trials": len(own), "baseline": False, "settings": own},
            "compute": {"device": "cpu", "slots": 1, "threads": threads, **compute},
        }
    )


def results(study: StudyRow, number: int) -> list[Any]:
    trial = study.trials[number]
    return [(epoch.train_loss, epoch.validation_loss, epoch.num_correct) for epoch in trial.epochs]


@TWO_CORES
def test_each_trial_computes_as_in_a_sweep_of_its_number_alone(database: Database) -> None:
    own: list[dict[str, Any]] = [{"batch_size": 512}, {"batch_size": 512}, {"batch_size": 256}]
    several = [{**setting, "threads": threads} for setting, threads in zip(own, (2, 1, 2), strict=True)]
    mixed = sweeps.launch(spec_of("mixed", [1, 2], several), database, silent)
    alone = {1: sweeps.launch(spec_of("one", 1, [{"batch_size": 256}, {"batch_size": 512}]), database, silent)}
    alone[2] = sweeps.launch(spec_of("two", 2, [own[0]]), database, silent)

    first_core = sorted(os.sched_getaffinity(0))[:1]
    for trial, threads in zip(mixed.trials, (2, 1, 2), strict=True):
        assert trial.params["threads"] == threads
        (attempt,) = trial.attempts
        assert attempt.device is not None
        assert (attempt.device["threads"], attempt.device["held_threads"]) == (threads, 2)
        log = (read_log(database, mixed.uuid, trial.number) or "").splitlines()
        cores = first_core if threads == 1 else sorted(os.sched_getaffinity(0))[:2]
        assert set(log) == {f"threads={threads} cores={cores}"}
    assert [trial.seed for trial in mixed.trials[:2]] == [alone[2].trials[0].seed, alone[1].trials[1].seed]
    assert results(mixed, 0) == results(alone[2], 0)
    assert results(mixed, 1) == results(alone[1], 1)

    assert device_warning(mixed) is None
    (compute,) = [found for found in answer_all(summarize(mixed)) if found.question == "Which compute resource?"]
    assert "1 CPU thread (1), " in compute.sentence
    assert "2 CPU threads (2)" in compute.sentence

    with pytest.raises(Faults, match=r"compute\.threads: it is part of each setting"):
        sweeps.resume("mixed", database, silent, settings=["compute.threads=1"])
    with pytest.raises(Faults, match=r"compute\.threads: it is part of each setting"):
        sweeps.resume("one", database, silent, settings=["compute.threads=[1,2]"])
    assert sweeps.stored_spec(mixed, {"slots": 1}).compute.threads == [1, 2]


@pytest.fixture
def threads_kept() -> Iterator[None]:
    """This process has afterwards as many threads as before."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_a_trial_inline_has_its_own_threads(threads_kept: None) -> None:
    config = TrialConfig(0, "cnn", "digits", 1, 0, 0.1, "sgd", "full", {"width": 0.25}, {}, is_profiled=True)
    slot = Device("cpu", "a CPU", "here", 3, "2")
    for threads, held in ((1, 3), (3, 3), (None, None)):
        config = TrialConfig(**{**vars(config), "threads": threads})
        (started,) = [event for event in run_bundle([config], slot) if isinstance(event, Started)]
        assert (started.device.threads, started.device.held_threads) == (threads or 3, held)


def test_several_are_searched_like_a_choice_and_the_baseline_has_the_most() -> None:
    spec = validate({"compute": {"threads": [1, 4, 2]}})
    assert spec.entries["threads"] == Choice((1, 4, 2))
    assert spec.baseline is not None
    assert spec.baseline["threads"] == 4
    own = validate({"compute": {"threads": [1, 2]}, "search": {"baseline": {"lr": 0.1, "threads": 1}}}).baseline
    assert own is not None
    assert own["threads"] == 1
    for one in ([2], 2, "auto"):
        spec = validate({"compute": {"threads": one}})
        assert "threads" not in spec.entries
        assert "threads" not in (spec.baseline or {})
    assert validate({"objective": {"train": "mine:train"}, "space": {"threads": [1, 2]}}).space == {"threads": [1, 2]}


def test_a_slot_holds_as_many_cores_as_its_most_threads() -> None:
    (placement,) = place_slots(Compute(device="cpu", threads=[1, NUM_CORES] if NUM_CORES > 1 else 1), 100)
    assert placement.threads == len(placement.cores) == NUM_CORES
    law = rf"slots x max\(threads\) <= cores must hold, .* but got 2 x {NUM_CORES} on {NUM_CORES} cores"
    with pytest.raises(Faults, match=law):
        place_slots(Compute(device="cpu", slots=2, threads=[NUM_CORES, max(1, NUM_CORES - 1)]), 100)
    assert len(place_slots(Compute(device="cpu", threads=1), 100)) == NUM_CORES
