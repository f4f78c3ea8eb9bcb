"""CPU and GPU in one sweep: each trial runs on a slot of its setting's device."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from turns import SlotsInTurn

from dashboards.answers import answer_all
from dashboards.devices import device_warning
from dashboards.summary import summarize
from objectives.trial import EpochEnded, Event, Placement
from search import sweeps
from search.compute import describe_slots, place_slots
from search.engines import ENGINES
from search.faults import Faults
from search.matching import match
from search.placing import place
from search.reading import validate
from search.remeasuring import Wish, plan
from search.sections import Compute
from search.service.slots import Need, Share, Slots, find_need
from search.space import Choice
from search.spec import SweepSpec
from search.trials import Trial
from storage.database import Database
from storage.reading import load_study
from storage.rows import RunningStudy, StudyRow

BOTH = ["cuda", "cpu"]
GPU, CPU = Placement(0, "cuda:0", 1), Placement(1, "cpu", 1)

Machine = Callable[[int, int], None]
"""Makes this machine one of so many cores and GPUs, as far as slots are placed."""


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    def make(num_cores: int, num_gpus: int) -> None:
        monkeypatch.setattr("search.compute.find_cores", lambda: list(range(num_cores)))
        monkeypatch.setattr("search.compute.find_gpus", lambda: [str(index) for index in range(num_gpus)])

    return make


@pytest.mark.parametrize(
    ("num_cores", "num_gpus", "num_trials", "asked", "slots"),
    [
        (2, 1, 100, {}, [("cuda:0", [0]), ("cpu", [1])]),
        (4, 1, 100, {}, [("cuda:0", [0]), ("cpu", [1]), ("cpu", [2]), ("cpu", [3])]),
        (8, 1, 2, {}, [("cuda:0", [0, 1, 2, 3]), ("cpu", [4, 5, 6, 7])]),
        (8, 1, 1, {}, [("cuda:0", [0, 1, 2, 3]), ("cpu", [4, 5, 6, 7])]),
        (8, 1, 100, {"threads": [1, 4]}, [("cuda:0", [0, 1, 2, 3]), ("cpu", [4, 5, 6, 7])]),
        (4, 8, 100, {}, [("cuda:0", [0]), ("cuda:1", [1]), ("cuda:2", [2]), ("cpu", [3])]),
        (8, 8, 100, {"slots": 4}, [("cuda:0", [0, 1]), ("cuda:1", [2, 3]), ("cuda:2", [4, 5]), ("cpu", [6, 7])]),
        (6, 1, 100, {"slots": 3}, [("cuda:0", [0, 1]), ("cpu", [2, 3]), ("cpu", [4, 5])]),
        (3, 1, 8, {"slots_per_device": 2}, [("cuda:0", [0]), ("cuda:0", [1]), ("cpu", [2]), ("cpu", [2])]),
        (4, 8, 100, {"slots_per_device": 2, "threads": 1, "slots": "auto"},
         [("cuda:0", [0]), ("cuda:0", [1]), ("cpu", [2]), ("cpu", [2])]),
    ],
)  # fmt: skip
def test_gpus_have_slots_first_and_the_cores_that_are_left_have_the_others(
    machine: Machine,
    num_cores: int,
    num_gpus: int,
    num_trials: int,
    asked: dict[str, Any],
    slots: list[tuple[str, list[int]]],
) -> None:
    machine(num_cores, num_gpus)
    placements = place_slots(Compute(device=BOTH, **asked), num_trials)
    assert [(placement.device, list(placement.cores)) for placement in placements] == slots
    assert [placement.slot for placement in placements] == list(range(len(slots)))
    assert {placement.threads for placement in placements} == {len(slots[0][1])}
    asked = {**asked, "slots": len(placements), "threads": placements[0].threads}
    assert place_slots(Compute(device=BOTH, **asked), 1) == placements, "what a study stores places the same again"


@pytest.mark.parametrize(
    ("num_cores", "num_gpus", "asked", "law"),
    [
        (8, 0, {}, "compute.device: cuda is asked for, but NVML finds no GPU here"),
        (1, 1, {}, "slots x threads <= cores must hold, so that costs are comparable, but got 2 x 1 on 1 cores"),
        (8, 1, {"threads": 5}, "slots x threads <= cores must hold, so that costs are comparable, but got 2 x 5 on 8"),
        (8, 1, {"threads": [2, 5]}, r"slots x max\(threads\) <= cores must hold, .* but got 2 x 5 on 8 cores"),
        (8, 1, {"slots": 9}, "slots x threads <= cores must hold, so that costs are comparable, but got 9 x 1 on 8"),
        (8, 1, {"slots": 1}, "compute.slots: a slot on a GPU and one on the CPU are needed, .* but got 1"),
        (8, 1, {"slots": 2, "slots_per_device": 2}, r"are needed \(4 with slots_per_device 2\), .* but got 2"),
        (8, 1, {"slots": 5, "slots_per_device": 2}, "a multiple of slots_per_device"),
        (8, 1, {"engine": "inline"}, "compute.device: the inline engine has 1 slot, and each of several devices needs"),
    ],
)
def test_what_cannot_be_placed_is_one_fault(
    machine: Machine, num_cores: int, num_gpus: int, asked: dict[str, Any], law: str
) -> None:
    machine(num_cores, num_gpus)
    with pytest.raises(Faults, match=law) as found:
        place_slots(Compute(device=BOTH, **asked), 10)
    assert len(found.value.lines) == 1


@pytest.mark.parametrize(
    ("tables", "fault"),
    [
        ({"objective": {"minimize": ["energy_joules"]}}, "objective.minimize: energy_joules cannot be measured here"),
        (
            {"budget": {"money": 1.0}, "prices": {"money": "electricity"}},
            "budget.money: prices.money is 'electricity', which cannot be measured here",
        ),
    ],
)
def test_what_the_cpu_lacks_is_refused_though_the_first_slot_is_on_a_gpu(
    machine: Machine, tables: dict[str, Any], fault: str
) -> None:
    machine(2, 1)
    tables["compute"] = {"device": BOTH, **tables.get("compute", {})}
    with pytest.raises(Faults, match=fault):
        place(validate(tables), 4)


def test_it_is_searched_like_a_choice_and_the_baseline_has_the_first() -> None:
    spec = validate({"compute": {"device": BOTH}})
    assert spec.entries["device"] == Choice(("cuda", "cpu"))
    assert spec.baseline is not None
    assert spec.baseline["device"] == "cuda"
    own = validate({"compute": {"device": BOTH}, "search": {"baseline": {"lr": 0.1, "device": "cpu"}}}).baseline
    assert own is not None
    assert own["device"] == "cpu"
    for one in (["cpu"], "cpu", "auto"):
        spec = validate({"compute": {"device": one}})
        assert "device" not in spec.entries
        assert "device" not in (spec.baseline or {})
    assert validate({"objective": {"train": "mine:train"}, "space": {"device": ["a", "b"]}}).space["device"] == [
        "a",
        "b",
    ]


@pytest.mark.parametrize("precision", [["fp32", "tf32", "bf16"], "tf32"])
@pytest.mark.parametrize("sampler", ["random", "grid", "tpe"])
def test_tf32_is_asked_of_gpus_alone(sampler: str, precision: Any, both_kinds: None, database: Database) -> None:
    tables = spec_of("mixed").model_dump(mode="json")
    tables["search"]["sampler"], tables["compute"]["precision"] = sampler, precision
    if sampler == "grid":
        tables["space"]["lr"] = [0.01, 0.02, 0.03] + ([] if isinstance(precision, list) else [0.04, 0.05, 0.06])
    study = sweeps.launch(validate(tables), database, silent)
    assert study.state == "complete"
    found = {(trial.params["device"], trial.params.get("precision")) for trial in study.trials if trial.number}
    several = precision if isinstance(precision, list) else [precision]
    assert {device for device, _ in found} == {"cpu", "cuda"}
    assert {own for device, own in found if device == "cpu"} == {None}, "float32"
    assert {own for device, own in found if device == "cuda"} <= set(several)
    assert ("cuda", "tf32") in found


def test_a_baseline_on_the_cpu_has_no_precision_of_gpus() -> None:
    compute = {"device": BOTH, "precision": ["fp32", "tf32"]}
    baseline = {"lr": 0.1, "device": "cpu", "precision": "tf32"}
    law = "search.baseline.precision: with these values of the others it is not asked, but got 'tf32'"
    with pytest.raises(Faults, match=law):
        validate({"compute": compute, "search": {"baseline": baseline}})
    spec = validate({"compute": compute, "search": {"baseline": {**baseline, "device": "cuda"}}})
    assert (spec.baseline or {})["precision"] == "tf32"


def waiting(*devices: str) -> list[Trial]:
    return [Trial(number, {"device": device}, 0, "waiting") for number, device in enumerate(devices)]


def test_a_trial_goes_to_a_slot_of_its_kind_alone() -> None:
    trials = waiting("cpu", "cuda", "cpu")
    for free, found in (([GPU, CPU], (0, CPU)), ([GPU], (1, GPU)), ([CPU], (0, CPU)), ([], None)):
        pair = match(trials, free, is_device_searched=True)
        assert (None if pair is None else (pair[0].number, pair[1])) == found
    assert match(waiting("cpu", "cpu"), [GPU], is_device_searched=True) is None
    assert match(trials, [GPU], is_device_searched=False) == (trials[0], GPU)


@pytest.fixture
def both_kinds(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(2, 1)
    monkeypatch.setitem(ENGINES, "turns", SlotsInTurn)


def spec_of(name: str, engine: str = "turns", **search: Any) -> SweepSpec:
    return validate(
        {
            "name": name,
            "objective": {"dataset": "digits", "epochs": 2},
            "space": {"lr": {"low": 0.001, "high": 0.1}, "batch_size": 512, "optimizer": "sgd", "width": 0.25},
            "search": {"sampler": "random", "trials": 12, **search},
            "compute": {"engine": engine, "device": BOTH},
        }
    )  # fmt: skip


def silent(_trial: Trial, _event: Event) -> None:
    pass


def results(study: StudyRow) -> list[object]:
    return [
        (trial.params, trial.state, [(epoch.train_loss, epoch.num_correct) for epoch in trial.epochs])
        for trial in study.trials
    ]


def named(*devices: str) -> dict[str, Any]:
    own = [{"lr": 0.01 * (number + 1), "device": device} for number, device in enumerate(devices)]
    return {"settings": own, "trials": len(own), "baseline": False}


def test_each_trial_runs_on_the_device_of_its_setting(both_kinds: None, database: Database) -> None:
    study = sweeps.launch(spec_of("both"), database, silent)
    assert study.state == "complete"
    assert {trial.params["device"] for trial in study.trials} == {"cpu", "cuda"}
    for trial in study.trials:
        (attempt,) = trial.attempts
        assert attempt.device is not None
        assert (attempt.device["name"] == "A GPU") == (trial.params["device"] == "cuda")
        assert attempt.slot == (0 if trial.params["device"] == "cuda" else 1)
    assert study.trials[0].params["device"] == "cuda", "the baseline has the first"
    assert study.spec["compute"]["device"] == BOTH
    assert (study.spec["compute"]["slots"], study.spec["compute"]["threads"]) == (2, 1)
    (sitting,) = study.sittings
    assert [(part["kind"], part["num_slots"]) for part in sitting.device["parts"]] == [("cuda", 1), ("cpu", 1)]

    answers = answer_all(summarize(study))
    (compute,) = [found for found in answers if found.question == "Which compute resource?"]
    assert "A GPU" in compute.sentence
    assert "CPU thread" in compute.sentence
    assert not [found for found in answers if found.question == "Which device?"]
    again = plan(summarize(study), database, Wish(repeats=2))
    assert (again.compute.slots, again.compute.device) == (2, BOTH)
    for one in ('"cpu"', '["cpu","cuda"]'):
        with pytest.raises(Faults, match=r"compute\.device: it is part of each setting"):
            sweeps.resume("both", database, silent, settings=[f"compute.device={one}"], num_more=1)


def test_a_free_slot_takes_a_later_trial_of_its_kind_but_not_too_many_are_proposed_ahead(
    both_kinds: None, database: Database
) -> None:
    begun: list[int] = []
    most_waiting = 0

    def watch(trial: Trial, _event: Event) -> None:
        nonlocal most_waiting
        if trial.number not in begun:
            begun.append(trial.number)
        states = [one.state for one in load_study(database, "ahead").trials]
        most_waiting = max(most_waiting, states.count("waiting"))

    devices = ("cuda", "cuda", "cpu", "cuda", "cuda", "cuda", "cuda", "cpu")
    study = sweeps.launch(spec_of("ahead", **named(*devices)), database, watch)
    assert begun[:2] == [0, 2], "the second of the GPU waits, and does not keep the CPU from the third"
    assert begun.index(7) > begun.index(4), "no more are proposed than there are slots"
    assert most_waiting == 2
    assert study.state == "complete"
    for trial in study.trials:
        (attempt,) = trial.attempts
        assert set(attempt.bill) <= {"setup", "training", "metering", "evaluation", "saving"}, (
            "to wait for a slot is no cost"
        )
        assert trial.costs["device_seconds"].value == pytest.approx(attempt.bill["training"])


@pytest.mark.parametrize("num_epochs", [1, 3, 8])
def test_what_waits_for_its_device_is_continued_as_in_an_undisturbed_sweep(
    both_kinds: None, database: Database, num_epochs: int
) -> None:
    left = num_epochs

    def interrupt(_trial: Trial, event: Event) -> None:
        nonlocal left
        left -= isinstance(event, EpochEnded)
        if left == 0:
            raise KeyboardInterrupt

    devices = ("cuda", "cuda", "cuda", "cpu", "cpu", "cuda")
    undisturbed = sweeps.launch(spec_of("whole", **named(*devices)), database, silent)
    with pytest.raises(KeyboardInterrupt):
        sweeps.launch(spec_of("cut", **named(*devices)), database, interrupt)
    cut = load_study(database, "cut")
    assert "waiting" in {trial.state for trial in cut.trials}
    assert results(sweeps.resume("cut", database, silent)) == results(undisturbed)


def test_a_service_counts_what_both_kinds_hold(
    machine: Machine, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(8, 4)
    assert find_need(Compute(device=BOTH, slots=3, threads=2), 8, None) == Need(6, 2)
    whole = Share(tuple(range(8)), ("0", "1", "2", "3"))
    compute = {"device": BOTH, "slots": 4, "threads": 1, "slots_per_device": 2}
    study = RunningStudy("both", compute, None, None, is_alone=False)  # type: ignore[arg-type]  # since when is not asked
    monkeypatch.setattr("search.service.slots.find_machine", lambda: whole)
    monkeypatch.setattr("search.service.slots.list_running_here", lambda _: [study])
    assert Slots(database).taken() == {"both": Share((0, 1, 2), ("0",))}


def test_slots_that_are_alike_are_described_as_one_device() -> None:
    assert describe_slots([CPU, replace(CPU, slot=2)])["kind"] == "cpu"
    parts = describe_slots([GPU, CPU, replace(CPU, slot=2)])["parts"]
    assert [(part["kind"], part["num_slots"]) for part in parts] == [("cuda", 1), ("cpu", 2)]


@pytest.mark.gpu
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one core here")
def test_a_sweep_runs_on_the_cpu_and_on_a_gpu(database: Database) -> None:
    own = named(*["cuda", "cpu"] * 3)
    study = sweeps.launch(spec_of("real", "process", **own), database, silent)
    assert study.state == "complete"
    for trial in study.trials:
        (attempt,) = trial.attempts
        assert attempt.device is not None
        assert attempt.device["kind"] == trial.params["device"]
    assert device_warning(study) is None
    (compute,) = [found for found in answer_all(summarize(study)) if found.question == "Which compute resource?"]
    names = {str(attempt.device["name"]) for trial in study.trials for attempt in trial.attempts if attempt.device}
    assert len(names) == 2
    assert all(name in compute.sentence for name in names)
