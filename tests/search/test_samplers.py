from __future__ import annotations

import optuna
import pytest

import search.samplers
from objectives.optimizers import OPTIMIZERS
from objectives.parameters import Value
from search.samplers import INFEASIBLE, SAMPLERS, Proposals
from search.spec import SweepSpec, read_spec
from storage.database import Database
from storage.projection import optuna_storage

NUM_TRIALS = 24


def spec_for(sampler: str, *settings: str) -> SweepSpec:
    options = {"tpe": "n_startup_trials=5", "nsga2": "population_size=6"}
    chosen = [f"search.sampler_options.{options[sampler]}"] if sampler in options else []
    return read_spec(None, [f"search.sampler={sampler}", f"name={sampler}", *chosen, *settings])


def score(params: dict[str, Value]) -> tuple[float, list[float]]:
    return float(params["lr"]) % 1, [float(params["width"]) * 3]


def sweep(database: Database, spec: SweepSpec, numbers: range) -> list[dict[str, Value]]:
    proposals, asked = Proposals(database, spec), []
    for number in numbers:
        asked.append(proposals.ask(number))
        accuracy, costs = score(asked[-1])
        proposals.tell(number, accuracy, costs, feasible=number % 5 != 4)
    return asked


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_proposes_the_same_after_a_restart(sampler: str, tmp_path: object) -> None:
    spec = spec_for(sampler)
    whole, halves = (Database(f"sqlite:///{tmp_path}/{name}.db") for name in ("whole", "halves"))
    for database in (whole, halves):
        database.create()
    undisturbed = sweep(whole, spec, range(NUM_TRIALS))
    resumed = sweep(halves, spec, range(NUM_TRIALS // 2)) + sweep(halves, spec, range(NUM_TRIALS // 2, NUM_TRIALS))
    assert resumed == undisturbed
    assert len({str(params) for params in undisturbed}) > 0.8 * NUM_TRIALS  # NSGA-II crosses parents into doubles


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_proposal_lies_in_the_space(sampler: str, database: Database) -> None:
    for params in sweep(database, spec_for(sampler), range(NUM_TRIALS))[1:]:
        assert 1e-4 <= float(params["lr"]) <= 1.0
        assert isinstance(params["batch_size"], int)
        assert 16 <= params["batch_size"] <= 512
        assert params["optimizer"] in OPTIMIZERS


def test_the_first_trial_is_the_baseline_even_where_the_space_lacks_it(database: Database) -> None:
    baseline = {"optimizer": "sgd", "lr": 0.001, "batch_size": 64, "momentum": 0.9, "width": 1.0}
    assert sweep(database, spec_for("random"), range(1)) == [baseline]
    elsewhere = spec_for("tpe", "space.optimizer=['adam', 'gd']", "space.width=2.0", "space.lr.low=0.01")
    asked = sweep(database, elsewhere, range(12))
    assert asked[0] == baseline
    assert {params["width"] for params in asked[1:]} == {2.0}
    without = spec_for("nsga2", "search.baseline=false")
    assert sweep(database, without, range(1)) != [baseline]


def test_an_option_is_asked_only_where_the_optimizer_has_it(database: Database) -> None:
    spec = spec_for("tpe", "space.optimizer=['adam', 'sgd']", "space.momentum=[0.5, 0.9]")
    asked = sweep(database, spec, range(16))
    assert {params["optimizer"] for params in asked} == {"adam", "sgd"}
    assert all(("momentum" in params) == (params["optimizer"] == "sgd") for params in asked)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("num_suggested", [0, 1, 3])
def test_an_ask_that_was_cut_short_is_taken_up_again(
    sampler: str, num_suggested: int, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_for(sampler)
    whole = Database(f"{database.url}2")
    whole.create()
    undisturbed = sweep(whole, spec, range(12))
    sweep(database, spec, range(11))
    with monkeypatch.context() as patch:
        left = iter([search.samplers._suggest] * num_suggested)
        patch.setattr(search.samplers, "_suggest", lambda *arguments: next(left)(*arguments))  # noqa: PLW0108
        with pytest.raises(StopIteration):
            sweep(database, spec, range(11, 12))
    assert sweep(database, spec, range(11, 12)) == undisturbed[11:]
    assert len(optuna.load_study(study_name=sampler, storage=optuna_storage(database)).trials) == 12


def test_optuna_learns_what_could_not_be_trained(database: Database) -> None:
    sweep(database, spec_for("tpe"), range(5))
    study = optuna.load_study(study_name="tpe", storage=optuna_storage(database))
    assert [trial.system_attrs[f"constraints:{INFEASIBLE}"] for trial in study.trials] == [0, 0, 0, 0, 1]
    assert 4 not in [trial.number for trial in study.best_trials]
