"""What makes a trial infeasible: limits, time-outs of slots that really hang, memory that really runs out."""

from __future__ import annotations

import os
import re
import resource
import signal
import threading
import time
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from commands import Run, workers_of
from replay import Replay

from objectives.costs import measured
from objectives.trial import EpochRecord, Event
from search import sweeps
from search.faults import Faults
from search.limits import judge_epoch
from search.reading import read_spec, validate
from search.spec import SweepSpec
from search.trials import Trial
from storage.database import Database
from storage.projection import optuna_storage
from storage.reading import load_study
from storage.rows import StudyRow

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _find_sleepers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]))


def sleepers(function: str, space: dict[str, Any], **tables: dict[str, Any]) -> SweepSpec:
    return validate(
        {
            "name": "quick",
            "objective": {"train": f"sleepers:{function}", "epochs": 3, **tables.pop("objective", {})},
            "space": space,
            "search": {"trials": 3, "sampler": "random", **tables.pop("search", {})},
            "compute": {"slots": 1, "threads": 1, "device": "cpu", **tables.pop("compute", {})},
            **tables,
        }
    )


def silent(_trial: Trial, _event: Event) -> None:
    pass


def constraints(database: Database) -> list[Any]:
    told = optuna.load_study(study_name="quick", storage=optuna_storage(database)).trials
    assert all(trial.state.name == "COMPLETE" for trial in told)
    assert all(abs(value) < float("inf") for trial in told for value in trial.values)
    return [trial.system_attrs["constraints:infeasible"] for trial in told]


def assert_bills_balance(study: StudyRow) -> None:
    for trial in study.trials:
        for attempt in trial.attempts:
            assert attempt.ended_at is not None
            held_seconds = (attempt.ended_at - attempt.started_at).total_seconds()
            assert sum(attempt.bill.values()) == pytest.approx(held_seconds, rel=0.05, abs=0.3)


def test_a_slot_that_hangs_is_replaced_and_its_trial_infeasible(database: Database) -> None:
    spec = sleepers("hang", {"hangs": [True, False]}, limits={"epoch_seconds": 1.0},
                    search={"baseline": {"hangs": True}})  # fmt: skip
    study = sweeps.launch(spec, database, silent)
    assert study.state == "complete"
    hung = study.trials[0]
    assert (hung.state, len(hung.epochs)) == ("infeasible", 1)
    assert hung.reason == "timed out: no epoch ended within 1 s (limits.epoch_seconds)"
    assert 1.0 <= hung.attempts[0].bill["lost"] <= 3.0
    for trial in study.trials:
        assert trial.state == ("infeasible" if trial.params["hangs"] else "complete")
    assert constraints(database) == [float(bool(trial.params["hangs"])) for trial in study.trials]
    assert_bills_balance(study)
    assert not workers_of()


def test_a_halted_slot_is_a_hanging_one(database: Database) -> None:
    spec = sleepers("sleep", {"pause": 0.2}, limits={"epoch_seconds": 1.0}, search={"trials": 1})
    halted: list[int] = []

    def halt(trial: Trial, _event: Event) -> None:
        if len(trial.accuracies) == 1 and not halted:
            (worker,) = workers_of()
            worker.send_signal(signal.SIGSTOP)
            halted.append(worker.pid)

    study = sweeps.launch(spec, database, halt)
    assert halted
    assert study.trials[0].state == "infeasible"
    assert "no epoch ended within 1 s" in str(study.trials[0].reason)
    assert not psutil.pid_exists(halted[0])
    assert_bills_balance(study)


def test_a_halted_coordinator_takes_no_slot_for_a_hanging_one(database: Database) -> None:
    """As Ctrl-Z does: here the coordinator's thread alone is kept busy for longer than an epoch may take."""
    spec = sleepers("sleep", {"pause": 0.5}, limits={"epoch_seconds": 3.0}, search={"trials": 1})
    paused: list[bool] = []

    def pause(trial: Trial, _event: Event) -> None:
        if len(trial.accuracies) == 1 and not paused:
            (worker,) = workers_of()
            worker.send_signal(signal.SIGSTOP)
            time.sleep(6.0)
            threading.Timer(1.5, worker.send_signal, [signal.SIGCONT]).start()
            paused.append(True)

    study = sweeps.launch(spec, database, pause)
    assert paused
    assert (study.trials[0].state, study.trials[0].reason) == ("complete", None)


@pytest.mark.parametrize("engine", ["process", "inline"])
def test_a_trial_that_takes_too_long_is_infeasible(database: Database, engine: str) -> None:
    spec = sleepers(
        "sleep", {"pause": [0.05, 0.5]}, objective={"epochs": 4}, search={"baseline": {"pause": 0.5}},
        limits={"trial_seconds": 1.2}, compute={"engine": engine, "slots": 1},
    )  # fmt: skip
    study = sweeps.launch(spec, database, silent)
    for trial in study.trials:
        assert trial.state == ("infeasible" if trial.params["pause"] == 0.5 else "complete")
    assert study.trials[0].reason in {
        f"timed out: set-up and {done} epochs took more than 1.2 s (limits.trial_seconds)" for done in (1, 2, 3)
    }


def test_an_epoch_that_took_too_long_is_told_inline_too(database: Database) -> None:
    spec = sleepers("sleep", {"pause": 0.3}, limits={"epoch_seconds": 0.2}, search={"trials": 1},
                    compute={"engine": "inline", "slots": 1})  # fmt: skip
    (trial,) = sweeps.launch(spec, database, silent).trials
    assert (trial.state, len(trial.epochs)) == ("infeasible", 1)
    assert "timed out: epoch 1 took 0.3" in str(trial.reason)


def test_peak_memory_beyond_its_limit_is_infeasible_with_both_numbers(quick_spec: Path, database: Database) -> None:
    settings = ["limits.peak_memory_bytes=1e6", "search.trials=2", "compute.engine=inline", "compute.device=cpu"]
    study = sweeps.launch(read_spec(quick_spec, settings), database, silent)
    for trial in study.trials:
        assert (trial.state, len(trial.epochs)) == ("infeasible", 1)
        assert "B after epoch 1, more than 1 MB (limits.peak_memory_bytes)" in str(trial.reason)
    assert constraints(database) == [1.0, 1.0]


@pytest.mark.parametrize("function", ["fail", pytest.param("fill", marks=pytest.mark.slow)])
def test_a_study_in_which_nothing_can_be_trained_ends_early_and_says_why(database: Database, function: str) -> None:
    space = {"gives_up": [True, False]} if function == "fail" else {"takes": True}
    spec = sleepers(function, space, search={"trials": 30, "baseline": False},
                    compute={"engine": "inline", "slots": 1})  # fmt: skip
    study = sweeps.launch(spec, database, silent)
    assert study.state == "stopped"
    assert len(study.trials) == 5
    assert study.reason is not None
    assert study.reason.startswith("nothing could be trained: all 5 trials that ended failed or proved infeasible")
    assert str(study.trials[-1].reason) in study.reason
    again = sweeps.resume("quick", database, silent)  # what was at fault may have been mended: it tries anew
    assert len(again.trials) == 10


def test_a_study_given_up_with_failed_trials_is_exit_3(paretune: Run, tmp_path: Path) -> None:
    spec = tmp_path / "bad.toml"
    spec.write_text(
        'name = "bad"\n[objective]\ntrain = "sleepers:fail"\n[space]\ngives_up = false\n[compute]\nengine = "inline"\n'
    )
    done = paretune("launch", str(spec))
    assert done.returncode == 3
    assert (
        "nothing could be trained: all 5 trials that ended failed or proved infeasible, the last of them:"
        in done.stdout
    )
    assert "no such file: weights.bin" in done.stdout
    assert "Traceback" not in done.stderr


def test_after_an_out_of_memory_the_slot_is_clean_again(database: Database) -> None:
    """The trial takes 270 MB, then asks for more than there is; the same process trains the next ones."""
    spec = sleepers(
        "fill", {"takes": [True, False]}, search={"trials": 8, "baseline": {"takes": False}},
        objective={"epochs": 1},
    )  # fmt: skip
    workers: set[int] = set()

    def watch(_trial: Trial, _event: Event) -> None:
        workers.update(worker.pid for worker in workers_of())

    study = sweeps.launch(spec, database, watch)
    taking = [trial for trial in study.trials if trial.params["takes"]]
    assert taking
    assert all(trial.state == "infeasible" and "out of memory on" in str(trial.reason) for trial in taking)
    held = {trial.number: trial.epochs[-1].train_loss or 0.0 for trial in study.trials if trial.state == "complete"}
    assert len(workers) == 1
    assert max(held) > taking[0].number > 0
    assert max(held.values()) - held[0] < 100  # MB


def test_memory_that_the_system_refuses_is_infeasible(quick_spec: Path, database: Database) -> None:
    """A real limit of the process's address space, under which torch's own allocator fails."""
    spec = read_spec(quick_spec, ["space.width=[0.25, 64.0]", "search.baseline={width = 64.0}", "search.trials=3",
                                  "space.batch_size=512", "compute.engine=inline", "compute.device=cpu"])  # fmt: skip
    sweeps_done: list[StudyRow] = []
    before = resource.getrlimit(resource.RLIMIT_AS)
    import objectives.train  # noqa: F401  what it loads is not what must not fit

    here = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (here + 400_000_000, before[1]))
    try:
        sweeps_done.append(sweeps.launch(spec, database, silent))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    for trial in load_study(database, "quick").trials:
        assert trial.state == ("infeasible" if trial.params["width"] == 64.0 else "complete")
        assert trial.reason is None or trial.reason.startswith("out of memory on")


def test_a_model_that_is_too_slow_for_its_users_is_infeasible_by_its_first_epoch(database: Database) -> None:
    spec = validate(
        {
            "name": "quick",
            "objective": {"dataset": "digits", "epochs": 3, "minimize": ["inference_latency_seconds"]},
            "space": {"width": [0.25, 16.0], "lr": 0.01, "optimizer": "sgd", "batch_size": 512},
            "search": {"sampler": "grid", "trials": 2, "baseline": False},
            "compute": {"slots": 1, "threads": 1, "device": "cpu"},
            "limits": {"inference_latency_seconds": 0.001},
        }
    )
    study = sweeps.launch(spec, database, silent)
    by_width = {trial.params["width"]: trial for trial in study.trials}
    slow, quick = by_width[16.0], by_width[0.25]
    assert slow.state == "infeasible"
    assert slow.reason is not None
    assert slow.reason.startswith("inference_latency_seconds is ")
    assert slow.reason.endswith("for one image, more than 1 ms (limits.inference_latency_seconds)")
    assert len(slow.epochs) == 1
    assert quick.state == "complete"
    latency = quick.costs["inference_latency_seconds"]
    assert latency.value is not None
    assert latency.value < 0.001
    assert latency.error is not None
    assert constraints(database)[list(by_width).index(16.0)] > 0


def test_a_latency_that_an_attempt_before_measured_is_judged_by_the_next_epoch() -> None:
    limits = validate({"limits": {"inference_latency_seconds": 0.001}}).limits
    trial = Trial(0, {}, 0, "running", profile={"inference_latency_seconds": measured(0.002)})
    costs = {"device_seconds": measured(1.0)}
    record = EpochRecord(1, 0.1, 0.1, 9, 10, costs, {"training": 1.0})
    trial.remember(record)
    verdict = judge_epoch(limits, trial, record)
    assert verdict is not None
    assert verdict.state == "infeasible"
    trial.profile = {}
    assert judge_epoch(limits, trial, record) == (
        "failed",
        "limits.inference_latency_seconds cannot be held: it was not measured",
    )


def test_a_model_that_needs_too_much_memory_of_its_users_is_infeasible(database: Database) -> None:
    name = "inference_peak_memory_bytes"
    spec = validate(
        {
            "name": "quick",
            "objective": {"dataset": "digits", "epochs": 2, "minimize": [name]},
            "space": {"width": [0.25, 4.0], "lr": 0.01, "optimizer": "sgd", "batch_size": 512},
            "search": {"sampler": "grid", "trials": 2, "baseline": False},
            "compute": {"engine": "inline", "threads": 1, "device": "cpu"},
            "limits": {name: 6e6},
        }
    )
    study = sweeps.launch(spec, database, silent)
    by_width = {trial.params["width"]: trial for trial in study.trials}
    assert by_width[4.0].reason is not None
    told = rf"{name} is \S+ MB for a large batch, more than 6 MB \(limits.{name}\)"
    assert re.fullmatch(told, by_width[4.0].reason)
    assert by_width[0.25].state == "complete"
    assert 1e5 < (by_width[0.25].costs[name].value or 0.0) < 6e6


def test_energy_of_inference_that_cannot_be_measured_is_told_before_anything_begins(database: Database) -> None:
    name = "inference_joules_per_1000_images"
    for tables in ({"objective": {"minimize": [name]}}, {"limits": {name: 1.0}}):
        with pytest.raises(Faults, match=f"{name}.* cannot be measured here: "):
            sweeps.launch(
                validate({**tables, "compute": {"device": "cpu", "slots": 1, "threads": 1}}), database, silent
            )


@pytest.mark.parametrize(("most", "state"), [(1e9, "complete"), (1e-9, "infeasible")])
def test_energy_of_inference_is_an_objective_and_a_limit_where_a_counter_shows_it(
    database: Database, monkeypatch: pytest.MonkeyPatch, most: float, state: str
) -> None:
    name = "inference_joules_per_1000_images"
    counter = Replay.steady(20.0, 0.001, 1.0)
    monkeypatch.setattr(counter, "read_joules", lambda: 20.0 * time.perf_counter())
    monkeypatch.setattr("objectives.meters.open_counter", lambda _device: counter)
    monkeypatch.setattr("search.placing.find_fault", lambda _cores: None)
    spec = validate(
        {
            "objective": {"dataset": "digits", "epochs": 1, "minimize": [name]},
            "space": {"width": 0.25, "lr": 0.01, "optimizer": "sgd", "batch_size": 512},
            "search": {"trials": 1, "baseline": False},
            "compute": {"engine": "inline", "threads": 1, "device": "cpu"},
            "limits": {name: most},
        }
    )
    (trial,) = sweeps.launch(spec, database, silent).trials
    assert trial.state == state
    found = trial.costs[name]
    assert found.method == "measured"
    assert found.value is not None
    assert found.error is not None
    assert 0 < found.error < found.value
    assert most > 1 or f"for 1,000 images, more than 1e-09 J (limits.{name})" in (trial.reason or "")
