from __future__ import annotations

import math
from collections.abc import Mapping

import optuna
import pytest

import search.proposals
from objectives.optimizers import OPTIMIZERS
from objectives.parameters import Value
from search.proposals import INFEASIBLE, Proposals
from search.reading import read_spec
from search.samplers import SAMPLERS
from search.spec import SweepSpec
from storage.database import Database
from storage.projection import optuna_storage

NUM_TRIALS = 24
NUM_TRIALS_OF = {"gp": 9}  # a Gaussian process takes about a second to fit

OPTIONS = {
    "tpe": ["search.sampler_options.n_startup_trials=5"],
    "gp": ["search.sampler_options.n_startup_trials=4"],
    "nsga2": ["search.sampler_options.population_size=6"],
    "nsga3": ["search.sampler_options.population_size=6"],
    "cmaes": ["search.sampler_options.population_size=5", "objective.minimize=[]", "space.optimizer=adam"],
    "grid": [
        "space.lr=[0.001, 0.01, 0.1]",
        "space.batch_size={low=16, high=64, step=16, log=false}",
        "space.width={low=0.5, high=1.5, step=0.5, log=false}",
    ],
}


def spec_for(sampler: str, *settings: str) -> SweepSpec:
    return read_spec(None, [f"search.sampler={sampler}", f"name={sampler}", *OPTIONS.get(sampler, []), *settings])


def score(params: Mapping[str, Value]) -> tuple[float, list[float]]:
    return float(params["lr"]) % 1, [float(params["width"]) * 3]


def write(database: Database, proposals: Proposals) -> None:
    with database.engine.begin() as connection:
        for step in proposals.take_steps():
            step(connection)


def sweep(database: Database, spec: SweepSpec, numbers: range) -> list[dict[str, Value]]:
    """Asks and tells as the coordinator does: every fifth trial cannot be trained, every seventh fails."""
    proposals, asked = Proposals(database, spec), []
    write(database, proposals)
    for number in numbers:
        asked.append(proposals.ask(number))
        accuracy, costs = score(asked[-1])
        write(database, proposals)
        if number % 7 == 6:
            proposals.give_up(number)
        else:
            costs = costs[: len(spec.objective.minimize)]
            proposals.tell(number, accuracy, costs, feasible=number % 5 != 4)
        write(database, proposals)
    return asked


def optuna_study(database: Database, name: str) -> optuna.Study:
    return optuna.load_study(study_name=name, storage=optuna_storage(database))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_proposes_the_same_after_a_restart(sampler: str, tmp_path: object) -> None:
    spec, num_trials = spec_for(sampler), NUM_TRIALS_OF.get(sampler, NUM_TRIALS)
    whole, halves = (Database(f"sqlite:///{tmp_path}/{name}.db") for name in ("whole", "halves"))
    for database in (whole, halves):
        database.create()
    undisturbed = sweep(whole, spec, range(num_trials))
    parts = [range(num_trials // 2), range(num_trials // 2, num_trials - 1), range(num_trials - 1, num_trials)]
    resumed = [params for part in parts for params in sweep(halves, spec, part)]
    assert resumed == undisturbed
    assert len({str(params) for params in undisturbed}) > 0.7 * num_trials  # NSGA-II crosses parents into doubles


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_proposal_lies_in_the_space(sampler: str, database: Database) -> None:
    for params in sweep(database, spec_for(sampler), range(NUM_TRIALS_OF.get(sampler, NUM_TRIALS)))[1:]:
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
    asked = sweep(database, spec, range(17))[1:]
    assert {params["optimizer"] for params in asked} == {"adam", "sgd"}
    assert all(("momentum" in params) == (params["optimizer"] == "sgd") for params in asked)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("num_suggested", [0, 1, 2])
def test_an_ask_that_was_cut_short_is_asked_again(
    sampler: str, num_suggested: int, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, last = spec_for(sampler), NUM_TRIALS_OF.get(sampler, NUM_TRIALS) // 2 + 1
    whole = Database(f"{database.url}2")
    whole.create()
    undisturbed = sweep(whole, spec, range(last + 1))
    sweep(database, spec, range(last))
    with monkeypatch.context() as patch:
        left = iter([search.proposals._suggest] * num_suggested)
        patch.setattr(search.proposals, "_suggest", lambda *arguments: next(left)(*arguments))  # noqa: PLW0108
        with pytest.raises(StopIteration):
            sweep(database, spec, range(last, last + 1))
    assert len(optuna_study(database, sampler).trials) == last  # no half trial
    assert sweep(database, spec, range(last, last + 1)) == undisturbed[last:]
    assert len(optuna_study(database, sampler).trials) == last + 1


def test_a_proposal_whose_transaction_fails_leaves_nothing(database: Database) -> None:
    spec = spec_for("nsga2")
    sweep(database, spec, range(3))
    proposals = Proposals(database, spec)
    asked = proposals.ask(3)
    steps = proposals.take_steps()
    with database.engine.connect() as connection:
        for step in steps:
            step(connection)
        connection.rollback()
    assert len(optuna_study(database, "nsga2").trials) == 3
    assert sweep(database, spec, range(3, 4)) == [asked]


def test_a_transaction_that_failed_is_written_by_the_same_steps_again(database: Database) -> None:
    spec = spec_for("cmaes", "search.baseline=false")
    proposals = Proposals(database, spec)
    for number in range(3):
        accuracy, costs = score(proposals.ask(number))
        proposals.tell(number, accuracy, costs[:0], feasible=True)
    steps = proposals.take_steps()
    for _ in range(2):
        with database.engine.connect() as connection:
            for step in steps:
                step(connection)
            connection.rollback()
    with database.engine.begin() as connection:
        for step in steps:
            step(connection)
    assert [trial.state.name for trial in optuna_study(database, "cmaes").trials] == ["COMPLETE"] * 3
    again = Proposals(database, spec)
    assert proposals.ask(3) == again.ask(3)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_optuna_reads_the_trials_as_they_are(sampler: str, database: Database) -> None:
    spec = spec_for(sampler)
    asked = sweep(database, spec, range(6))
    trials = optuna_study(database, sampler).trials
    assert [trial.number for trial in trials] == list(range(6))
    for params, trial in zip(asked[1:], trials[1:], strict=True):
        assert trial.params == {name: params[name] for name in trial.params}
        assert set(params) - set(trial.params) <= {"optimizer"}  # what is fixed is not Optuna's
        accuracy, costs = score(params)
        assert trial.values == [accuracy, *costs[: len(spec.objective.minimize)]]
        assert trial.distributions["lr"] == trials[1].distributions["lr"]
        assert trial.datetime_start is not None
        assert trial.datetime_complete is not None
        assert trial.datetime_start <= trial.datetime_complete


def test_trials_that_somebody_removed_from_optuna_come_back(database: Database) -> None:
    spec = spec_for("tpe")
    asked = sweep(database, spec, range(6))
    before = [trial.params for trial in optuna_study(database, "tpe").trials]
    optuna.delete_study(study_name="tpe", storage=optuna_storage(database))
    proposals = Proposals(database, spec)
    for number, params in enumerate(asked):
        proposals.adopt(number, params)
    proposals.give_up(5)
    write(database, proposals)
    trials = optuna_study(database, "tpe").trials
    assert [trial.params for trial in trials] == before
    assert [trial.state.name for trial in trials] == ["RUNNING"] * 5 + ["FAIL"]


def test_a_condition_holds_in_every_trial(database: Database) -> None:
    for sampler in ("tpe", "qmc", "random"):
        spec = spec_for(
            sampler,
            "space.optimizer=['adam', 'sgd', 'nesterov']",
            "space.momentum={low=0.5, high=0.9, step=0.1, when={optimizer='sgd'}}",
        )
        asked = sweep(database, spec, range(20))[1:]
        assert "sgd" in {params["optimizer"] for params in asked}
        assert all(("momentum" in params) == (params["optimizer"] == "sgd") for params in asked)
        steps = {10 * float(params["momentum"]) for params in asked if "momentum" in params}
        assert all(step == pytest.approx(round(step)) for step in steps)


def test_a_grid_tries_every_setting_once_whatever_the_baseline_is(database: Database) -> None:
    settings = ["space.optimizer=['adam', 'sgd']", "space.momentum=[0.5, 0.9]", "space.width=1.0"]
    for baseline, name in ((0, "without"), (1, "with")):
        spec = spec_for("grid", *settings, f"search.baseline={str(bool(baseline)).lower()}", "search.trials=36")
        spec = spec.model_copy(update={"name": name})
        asked = sweep(database, spec, range(36 + baseline))[baseline:]
        assert len({str(sorted(params.items())) for params in asked}) == 36
        with pytest.raises(IndexError):
            Proposals(database, spec).ask(36 + baseline)


def test_qmc_covers_the_space_more_evenly_than_chance(database: Database) -> None:
    asked = sweep(database, spec_for("qmc", "search.baseline=false"), range(16))
    sixteenths = sorted(int(16 * (math.log10(float(params["lr"])) + 4) / 4) for params in asked)
    assert sixteenths == list(range(16))
    assert {params["optimizer"] for params in asked} == set(OPTIMIZERS)


def test_cmaes_closes_in(database: Database) -> None:
    spec = spec_for("cmaes", "search.baseline=false", "space.batch_size=64")
    proposals, misses = Proposals(database, spec), []
    for number in range(80):
        params = proposals.ask(number)
        miss = abs(math.log10(float(params["lr"])) + 1) + abs(math.log2(float(params["width"])) - 1)
        proposals.tell(number, 1 / (1 + miss), [], feasible=True)
        misses.append(miss)
    assert sum(misses[-10:]) < sum(misses[:10]) / 3


def test_optuna_learns_what_could_not_be_trained(database: Database) -> None:
    sweep(database, spec_for("tpe"), range(5))
    study = optuna_study(database, "tpe")
    assert [trial.system_attrs[f"constraints:{INFEASIBLE}"] for trial in study.trials] == [0, 0, 0, 0, 1]
    assert 4 not in [trial.number for trial in study.best_trials]
