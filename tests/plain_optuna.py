"""A study that Optuna alone has made."""

from __future__ import annotations

import time
from pathlib import Path

import optuna

MEANING = ("--accuracy-index", "0", "--num-images", "1000")


def make_optuna(folder: Path, *, scale: float = 1.0, directions: tuple[str, ...] = ("maximize",)) -> str:
    """Makes a study of six complete trials, one failed, one pruned, one infeasible, one running; returns its URL."""
    url = f"sqlite:///{folder}/optuna.db"
    study = optuna.create_study(
        study_name="plain", storage=url, directions=list(directions), sampler=optuna.samplers.RandomSampler(seed=0)
    )
    for number in range(10):
        trial = study.ask()
        trial.suggest_float("lr", 1e-4, 1.0, log=True)
        trial.suggest_int("batch_size", 16, 512, log=True)
        trial.suggest_float("width", 0.25, 4.0, log=True)
        trial.suggest_categorical("optimizer", ["sgd", "adam"])
        values = [scale * (0.9 + number / 100), *(float(number) for _ in directions[1:])]
        if number == 8:
            trial.set_constraint("memory", 1.0)
        if number == 7 and len(directions) == 1:
            trial.report(scale * 0.5, 1)
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        elif number == 6:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        elif number != 9:
            time.sleep(0.01)
            study.tell(trial, values)
    return url
