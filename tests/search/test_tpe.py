from __future__ import annotations

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from search.tpe import QuickTPESampler

SPACE = {
    "batch_size": IntDistribution(16, 512, log=True),
    "depth": IntDistribution(1, 9),
    "lr": FloatDistribution(1e-4, 1.0, log=True),
    "momentum": FloatDistribution(0.0, 0.9, step=0.1),
    "optimizer": CategoricalDistribution(["sgd", "adam", "gd"]),
}


@pytest.mark.parametrize("directions", [["maximize"], ["maximize", "minimize"], ["maximize", "minimize", "minimize"]])
@pytest.mark.parametrize("multivariate", [False, True])
def test_it_proposes_what_optuna_does(directions: list[str], multivariate: bool) -> None:
    study = optuna.create_study(directions=directions, sampler=optuna.samplers.RandomSampler(seed=0))
    for number in range(60):
        trial = study.ask(SPACE)
        if number < 57:  # the last three run still
            params = trial.params
            trial.set_constraint("infeasible", float(number % 5 == 4))
            told = [params["lr"] % 1, params["batch_size"] * params["depth"], params["momentum"]]
            study.tell(trial, told[: len(directions)])
    proposed = []
    for kind in (optuna.samplers.TPESampler, QuickTPESampler):
        for seed in range(8):
            study.sampler = kind(seed=seed, multivariate=multivariate, constant_liar=True)
            trial = study.ask(SPACE)
            proposed.append(trial.params)
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
    assert proposed[:8] == proposed[8:]


def test_a_window_is_what_it_looks_at() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=QuickTPESampler(0, window=20))
    for number in range(60):
        lr = 10.0 ** -(number % 4)
        trial = optuna.trial.create_trial(
            values=[lr, lr], params={"lr": lr}, distributions={"lr": FloatDistribution(1e-4, 1.0, log=True)}
        )
        study.add_trial(trial)
    assert isinstance(study.sampler, QuickTPESampler)
    trial = study.ask()
    below, above = study.sampler._split(study, study.trials[trial.number])
    assert sorted(other.number for other in [*below, *above]) == list(range(40, 60))
