"""A plain Optuna study, brought in to be looked at: accuracies and durations, and nothing that Optuna does not know."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from search.faults import Faults, suggest
from search.imported import ImportedStudy, ImportedTrial, write_imported
from search.spec import NAME
from storage.database import Database

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

MOST_TOLD = 10
"""Faults of a study: what is wrong of one trial is often wrong of all."""

STATES: dict[str, Literal["complete", "stopped", "failed"]] = {
    "COMPLETE": "complete",
    "PRUNED": "stopped",
    "FAIL": "failed",
}
"""What becomes of Optuna's states; trials in others are left."""


@dataclass(frozen=True)
class Wanted:
    """What is to be imported, and what its numbers mean.

    Attributes:
        url: Of Optuna's database.
        study: Its name there.
        name: Its name here.
        accuracy_index: Which of its objectives is the accuracy, from 0.
        num_images: Validation images that each accuracy is a share of.
        is_percent: Whether accuracies are from 0 to 100 rather than to 1.
    """

    url: str
    study: str
    name: str
    accuracy_index: int | None
    num_images: int | None
    is_percent: bool = False


def import_study(wanted: Wanted, database: Database) -> list[str]:
    """Makes a complete study of an Optuna study, which is left as it is; returns what a person should know of it.

    Raises:
        Faults: where it cannot be read, or its numbers cannot be what they are said to be.
        StorageFault: where the name is taken.
    """
    study, lines = read_optuna(wanted, database)
    write_imported(study, database)
    return lines


def read_optuna(wanted: Wanted, database: Database | None = None) -> tuple[ImportedStudy, list[str]]:
    """Returns what can be taken over of an Optuna study, and what a person should know of it.

    Args:
        wanted: The study, and what its numbers mean.
        database: Where it will be written; None where another process knows that.

    Raises:
        Faults: where it cannot be read, or its numbers cannot be what they are said to be.
    """
    study = _open(wanted)
    faults = [*_name_faults(wanted, database), *_meaning_faults(wanted, study)]
    if faults:
        raise Faults(*faults)
    assert wanted.num_images is not None
    usable = [trial for trial in study.get_trials(deepcopy=False) if _is_usable(trial)]
    try:
        made = ImportedStudy(
            name=wanted.name,
            url=_hidden(wanted.url),
            study=wanted.study,
            num_images=wanted.num_images,
            space=_space(usable),
            trials=[_trial(trial, wanted, wanted.num_images) for trial in usable],
        )
    except ValidationError as error:
        where = [(ascii(".".join(map(str, one["loc"])))[1:-1], one["msg"]) for one in error.errors()[:MOST_TOLD]]
        raise Faults(*(f"{wanted.study}: {key}: {law}" for key, law in where)) from error
    return made, list(_lines(wanted, study, usable))


def _open(wanted: Wanted) -> optuna.Study:
    import optuna
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    shown = _hidden(wanted.url)
    try:
        url = make_url(wanted.url)
        if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
            raise Faults(f"{shown}: there is no such file")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            storage = optuna.storages.RDBStorage(wanted.url, skip_table_creation=True)  # it creates nothing
        names = sorted(study.study_name for study in storage.get_all_studies())
    except ArgumentError as error:
        raise Faults(f"{shown}: a URL such as sqlite:///optuna.db is needed") from error
    except (SQLAlchemyError, ImportError, RuntimeError, optuna.exceptions.StorageInternalError) as error:
        raise Faults(f"{shown}: it is no database of this Optuna's: {_cause(error)}") from error
    if wanted.study not in names:
        raise Faults(f"{shown}: there is no study {wanted.study!r}{suggest(wanted.study, names)}")
    return optuna.load_study(
        study_name=wanted.study,
        storage=storage,
        sampler=optuna.samplers.RandomSampler(),
        pruner=optuna.pruners.NopPruner(),
    )


def _cause(error: BaseException) -> str:
    inner = getattr(error, "orig", None) or error.__cause__ or error
    return str(getattr(inner, "orig", None) or inner).strip().splitlines()[0]


def _hidden(url: str) -> str:
    """Returns a URL without its password, and without its query, where one may stand too."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).set(query={}).render_as_string(hide_password=True)
    except ArgumentError:
        return url


def _name_faults(wanted: Wanted, database: Database | None) -> Iterator[str]:
    from sqlalchemy.engine import make_url

    if not NAME.fullmatch(wanted.name):
        yield f"--name: 1 to 100 of A-Z a-z 0-9 . _ - are needed, a letter or digit first, but got {wanted.name!r}"
    if database is None:
        return
    theirs = make_url(wanted.url)
    is_same_file = database.is_sqlite and Path(theirs.database or "").absolute() == database.file
    if wanted.name == wanted.study and (theirs == database.url or is_same_file):
        yield f"--name: another name is needed, since Optuna's {wanted.study!r} is in this database under that one"


def _meaning_faults(wanted: Wanted, study: optuna.Study) -> Iterator[str]:
    """Yields why the numbers are no accuracies, or cannot be taken for them."""
    directions = [direction.name.lower() for direction in study.directions]
    listed = ", ".join(f"{index} ({direction})" for index, direction in enumerate(directions))
    index = wanted.accuracy_index
    if index is None or not 0 <= index < len(directions):
        got = "" if index is None else f", but got {index}"
        yield f"--accuracy-index: say which objective of {wanted.study} is the accuracy: {listed}{got}"
    elif directions[index] != "maximize":
        yield f"--accuracy-index: objective {index} of {wanted.study} is minimised: a loss is no accuracy ({listed})"
    else:
        yield from _value_faults(wanted, study, index)
    if wanted.num_images is None:
        yield (
            "--num-images: say how many validation images each accuracy is a share of; without it there is no interval"
        )
    elif wanted.num_images < 1:
        yield f"--num-images: a number of images, at least 1, is needed, but got {wanted.num_images}"


def _value_faults(wanted: Wanted, study: optuna.Study, index: int) -> Iterator[str]:
    trials = [trial for trial in study.get_trials(deepcopy=False) if _is_usable(trial)]
    if not any(trial.state.name == "COMPLETE" for trial in trials):
        yield f"{wanted.study}: no trial is complete"
    highest = 100 if wanted.is_percent else 1
    beyond = next((trial for trial in trials if trial.values and not 0 <= trial.values[index] <= highest), None)
    if beyond is not None:
        hint = "" if wanted.is_percent else "; --percent reads 0 to 100"
        got = f"trial {beyond.number} has {beyond.values[index]:g}"
        yield f"{wanted.study}: an accuracy from 0 to {highest} is needed, but {got}{hint}"


def _is_usable(trial: FrozenTrial) -> bool:
    return trial.state.name == "FAIL" or (trial.state.name in STATES and bool(trial.values))


def _trial(trial: FrozenTrial, wanted: Wanted, num_images: int) -> ImportedTrial:
    state = STATES[trial.state.name]
    seconds = trial.duration.total_seconds() if trial.duration is not None else 0.0
    return ImportedTrial(
        number=trial.number,
        state="infeasible" if state == "complete" and _is_infeasible(trial) else state,
        params={name: _plain(value) for name, value in trial.params.items()},
        num_correct=None if state == "failed" else round(_accuracy(trial, wanted) * num_images),
        wall_seconds=seconds if seconds > 0 and state != "failed" else None,
    )


def _accuracy(trial: FrozenTrial, wanted: Wanted) -> float:
    assert wanted.accuracy_index is not None
    value: float = trial.values[wanted.accuracy_index]
    return value / 100 if wanted.is_percent else value


def _is_infeasible(trial: FrozenTrial) -> bool:
    attrs = trial.system_attrs
    values = [value for key, value in attrs.items() if key.startswith("constraints:")]
    return any(value > 0 for value in [*values, *(attrs.get("constraints") or ())])


def _plain(value: Any) -> Any:
    is_plain = isinstance(value, bool | int | str) or (isinstance(value, float) and isfinite(value))
    return value if is_plain else str(value)


def _space(trials: Sequence[FrozenTrial]) -> dict[str, Any]:
    """Returns the widest space that the trials were asked in."""
    space: dict[str, Any] = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            space[name] = _widest(space.get(name), distribution)
    return space


def _widest(known: Any, distribution: Any) -> Any:
    choices = getattr(distribution, "choices", None)
    if choices is not None:
        before = known if isinstance(known, list) else []
        return before + [plain for value in choices if (plain := _plain(value)) not in before]
    if not isinstance(known, Mapping):
        return {"low": distribution.low, "high": distribution.high, "log": distribution.log}
    low, high = min(known["low"], distribution.low), max(known["high"], distribution.high)
    return {**known, "low": low, "high": high}


def _lines(wanted: Wanted, study: optuna.Study, usable: Sequence[FrozenTrial]) -> Iterator[str]:
    trials = study.get_trials(deepcopy=False)
    numbers = {trial.number for trial in usable}
    left = Counter(trial.state.name.lower() for trial in trials if trial.number not in numbers)
    why = f"; left there: {', '.join(f'{count} {state}' for state, count in left.most_common())}" if left else ""
    yield f"imported {len(usable)} of {len(trials)} trials of {wanted.study} as {wanted.name}{why}"
    yield "wall_seconds is the time from a trial's start to its end by Optuna's clock; other costs are absent"
    assert wanted.num_images is not None
    exact = [_accuracy(trial, wanted) * wanted.num_images for trial in usable if trial.values]
    rounded = sum(abs(count - round(count)) > 0.01 for count in exact)  # noqa: PLR2004  a value of single precision
    if rounded:
        yield (
            f"{rounded} accuracies are no whole number of {wanted.num_images:,} images; they are kept as the nearest, "
            f"which is off by {50 / wanted.num_images:.2g} points at most"
        )
