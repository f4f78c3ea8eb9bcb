"""A resumed search is the same search: the same settings in the same order, whatever cut it off."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import resumed
from instant import NUM_IMAGES, score
from resumed import launch_here, outcome, resume_here
from sampled import MOST_SLOWLY

from objectives.seeds import derive_seed
from search.samplers import SAMPLERS
from storage.database import Database
from storage.projection import optuna_storage
from storage.reading import load_study

INLINE = ("--set", "compute.engine=inline")
UNLEARNED = ("random", "grid", "qmc")
"""Samplers that look at no result."""


def searched(database: Database) -> list[Any]:
    return outcome(load_study(database, "searched"))


def assert_optuna_has_the_same(database: Database) -> None:
    import optuna

    trials = optuna.load_study(study_name="searched", storage=optuna_storage(database)).trials
    ours = load_study(database, "searched").trials
    assert [trial.number for trial in trials] == [trial.number for trial in ours] == list(range(len(ours)))
    for optunas, own in zip(trials, ours, strict=True):
        assert optunas.params == own.params
        assert optunas.state.name == ("COMPLETE" if own.state in ("complete", "infeasible") else "RUNNING")


@pytest.mark.parametrize("sampler", MOST_SLOWLY)
def test_16_trials_are_8_and_8_and_16_with_a_kill(sampler: str, tmp_path: Path) -> None:
    half = 4 if sampler == "gp" else 8  # a Gaussian process takes about a second to fit
    undisturbed = searched(launch_here(tmp_path / "undisturbed", sampler, 2 * half))
    assert len(undisturbed) == 2 * half
    assert outcome(resume_here(launch_here(tmp_path / "halves", sampler, half), num_more=half)) == undisturbed
    (tmp_path / "killed").mkdir()
    database = Database(f"sqlite:///{tmp_path}/killed/paretune.db")
    spec = resumed.write_spec(tmp_path / "killed", sampler, 2 * half)
    resumed.run_and_kill(tmp_path / "killed", "between ask and write", half, "launch", str(spec), *resumed.URL)
    assert load_study(database, "searched").state == "interrupted"
    assert outcome(resume_here(database)) == undisturbed
    assert_optuna_has_the_same(database)


@pytest.fixture(scope="session")
def undisturbed_tpe(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    return searched(launch_here(tmp_path_factory.mktemp("undisturbed"), "tpe", 12))


@pytest.mark.parametrize("instant", resumed.INSTANTS)
def test_a_kill_at_any_instant_of_a_proposal_leaves_no_half_trial(
    instant: str, tmp_path: Path, undisturbed_tpe: list[Any]
) -> None:
    spec = resumed.write_spec(tmp_path, "tpe", 12)
    resumed.run_and_kill(tmp_path, instant, 7, "launch", str(spec), *INLINE, *resumed.URL)
    database = Database(f"sqlite:///{tmp_path}/paretune.db")
    assert_optuna_has_the_same(database)  # as the kill left it
    assert outcome(resume_here(database)) == undisturbed_tpe
    assert_optuna_has_the_same(database)


def test_what_somebody_added_to_optunas_tables_goes(tmp_path: Path, undisturbed_tpe: list[Any]) -> None:
    import optuna

    database = launch_here(tmp_path, "tpe", 8)
    study = optuna.load_study(study_name="searched", storage=optuna_storage(database))
    study.enqueue_trial({"lr": 0.01})
    study.tell(study.ask(), [0.99, 1.0])
    assert outcome(resume_here(database, num_more=4)) == undisturbed_tpe
    assert_optuna_has_the_same(database)


@pytest.mark.parametrize("sampler", [sampler for sampler in MOST_SLOWLY if sampler.id in ("tpe", *UNLEARNED)])
def test_what_holds_with_several_slots_holds_after_a_kill(sampler: str, tmp_path: Path) -> None:
    spec = resumed.write_spec(tmp_path, sampler, 16, slots=2)
    resumed.run_and_kill(tmp_path, "between result and tell", 6, "launch", str(spec), *resumed.URL)
    resumed.run(tmp_path, "resume", "searched", *resumed.URL)
    database = Database(f"sqlite:///{tmp_path}/paretune.db")
    study = load_study(database, "searched")
    assert [trial.number for trial in study.trials] == list(range(16))
    assert {attempt.slot for trial in study.trials for attempt in trial.attempts} == {0, 1}
    for trial in study.trials:
        assert trial.seed == derive_seed(0, trial.number, "training")
        if trial.state == "complete":
            (epoch,) = trial.epochs
            told = epoch.num_correct, epoch.num_images, epoch.costs["train_flops"].value
            num_correct, flops = score(trial.params, trial.seed)
            assert told == (num_correct, NUM_IMAGES, flops)
    assert_optuna_has_the_same(database)
    if sampler in UNLEARNED:
        assert searched(database) == searched(launch_here(tmp_path / "one slot", sampler, 16))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_50_trials_are_25_and_25_and_50_with_kills(sampler: str, tmp_path: Path) -> None:
    for seed in range(1 if sampler == "gp" else 3):  # a Gaussian process takes about a second to fit
        folder = tmp_path / str(seed)
        folder.mkdir()
        undisturbed = searched(launch_here(folder / "undisturbed", sampler, 50, seed))
        assert outcome(resume_here(launch_here(folder / "halves", sampler, 25, seed), num_more=25)) == undisturbed
        dice, killed = random.Random(seed), folder / "killed"
        killed.mkdir()
        spec = resumed.write_spec(killed, sampler, 50, seed)
        resumed.run_and_kill_somewhere(killed, range(1, 21), dice, "launch", str(spec), *resumed.URL)
        resumed.run_and_kill_somewhere(killed, range(1, 21), dice, "resume", "searched", *resumed.URL)
        database = Database(f"sqlite:///{killed}/paretune.db")
        assert outcome(resume_here(database)) == undisturbed
        assert_optuna_has_the_same(database)
