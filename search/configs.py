"""What a slot is told of a trial, by the spec and the trial's parameters."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from objectives.optimizers import OPTIMIZERS
from objectives.trial import Config, FunctionConfig, Recipe, TrialConfig, sign
from search.environment import digest_code, import_paths
from search.models import find_family
from search.spec import SweepSpec
from search.trials import Trial, measurement_of
from storage.ledger import Page
from storage.rows import StudyRow


def configure(spec: SweepSpec, trial: Trial, folder: Path) -> Config:
    """Returns all that a slot needs to run a trial.

    Args:
        spec: The study's.
        trial: One of its trials.
        folder: Where the trial's files are, in that of its study.
    """
    params, objective = trial.params, spec.objective
    if objective.train is not None:
        return FunctionConfig(
            trial.number, objective.train, params, objective.epochs, trial.seed, folder, folder.parent.name,
            is_profiled=bool(trial.profile),
        )  # fmt: skip
    lr, optimizer, batch_size = params["lr"], str(params["optimizer"]), params["batch_size"]
    threads = params.get("threads")
    assert isinstance(lr, float)
    assert objective.model is not None
    assert objective.dataset is not None
    assert objective.data_root is not None
    options = OPTIMIZERS[optimizer].options
    return TrialConfig(
        number=trial.number,
        model=objective.model,
        dataset=objective.dataset,
        epochs=objective.epochs,
        seed=trial.seed,
        lr=lr,
        optimizer=optimizer,
        batch_size="full" if batch_size == "full" else int(batch_size),
        model_options={name: params[name] for name in find_family(objective.model).parameters if name in params},
        optimizer_options={name: params[name] for name in options if name in params},
        recipe=Recipe(**{name: params[name] for name in Recipe.__dataclass_fields__ if name in params}),  # type: ignore[arg-type]  # the spec has checked them
        folder=folder,
        data_root=Path(objective.data_root),
        study=folder.parent.name,
        is_profiled=bool(trial.profile),
        threads=None if threads is None else int(threads),
    )


def fingerprint_trained(study: StudyRow, spec: SweepSpec) -> str:
    """Returns a digest of what decides an epoch's cost beside the setting: the data set, and code of the user's own.

    What that code imports in its turn may change from one study to the next: calibrations of it are the study's own.
    """
    data = str(study.data.get("fingerprint", ""))
    paths = import_paths(spec.objective.model_dump())
    return json.dumps([data, study.uuid, [digest_code(path) for path in paths]]) if paths else data


def add_calibrations(config: TrialConfig, page: Page, fingerprint: str) -> TrialConfig:
    """Returns a trial's configuration with its signature and what is known of an epoch's cost by that.

    Args:
        config: The trial's.
        page: Of the ledger.
        fingerprint: Of what is trained, and of the data set.
    """
    signature = sign(config, fingerprint)
    known = {
        device: {name: measurement_of(cost) for name, cost in costs.items()}
        for device, costs in page.find_calibrations(signature).items()
    }
    return replace(config, signature=signature, calibrations=known)
