"""The spec of a sweep: one typed model."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from objectives.costs import MINIMIZABLE
from objectives.data import DATASETS, FOLDER, default_root
from objectives.models import MODELS
from objectives.parameters import PRECISIONS, THREADS, Value
from objectives.prices import find_faults
from search.engines import ENGINES
from search.faults import Faults, suggest
from search.laws import COMPUTING, Laws, find_laws
from search.models import find_family
from search.samplers import SAMPLERS, Sweep
from search.settings import read_settings
from search.space import Entry, Fixed, is_asked, parse_space

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
IMPORT_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")

TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|d)")
TIME_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}

BUILT_IN_SPACE: dict[str, Any] = {
    "lr": {"low": 1e-4, "high": 1.0, "log": True},
    "optimizer": ["gd", "sgd", "nesterov", "adagrad", "rmsprop", "adam", "adamw"],
    "batch_size": {"low": 16, "high": 512, "log": True},
    "width": {"low": 0.25, "high": 4.0, "log": True},
}


def built_in_space(model: str | None) -> dict[str, Any]:
    """Returns the space of a sweep that names none.

    Of a user's model all parameters stay at their defaults; a training function (None) has nothing to vary.
    """
    left_out = {"cnn": set(), None: set(BUILT_IN_SPACE)}.get(model, {"width"})
    return {name: entry for name, entry in BUILT_IN_SPACE.items() if name not in left_out}


def _known(kind: str, names: Iterable[str]) -> AfterValidator:
    def check(name: str) -> str:
        if name not in names:
            raise PydanticCustomError("unknown", "{text}", {"text": f"no such {kind}: {name!r}{suggest(name, names)}"})
        return name

    return AfterValidator(check)


def _absolute(path: str) -> str:
    """Returns the path as it holds from everywhere: a study may be resumed in another folder."""
    return str(Path(os.path.expanduser(path)).absolute())  # noqa: PTH111  Path.expanduser raises without a home


def _read_model(name: str) -> str:
    """Returns the name of a model; a user's own is imported, by a process of its own."""
    if name not in MODELS and not IMPORT_PATH.fullmatch(name):
        law = "a name or package.module:name is needed, but got" if ":" in name else "no such model:"
        raise PydanticCustomError("unknown", "{text}", {"text": f"{law} {name!r}{suggest(name, MODELS)}"})
    try:
        find_family(name)
    except Faults as faults:
        text = faults.lines[0].removeprefix("objective.model: ")
        raise PydanticCustomError("unknown", "{text}", {"text": text}) from faults
    return name


def _read_import_path(name: str) -> str:
    if not IMPORT_PATH.fullmatch(name):
        text = f"package.module:name of a function train(params, context) is needed, but got {name!r}"
        raise PydanticCustomError("unknown", "{text}", {"text": text})
    return name


def _read_dataset(name: str) -> str:
    """Returns the name of a data set; whether a folder or a module is there is found out when it is opened."""
    if name.startswith(FOLDER) and name != FOLDER:
        return FOLDER + _absolute(name.removeprefix(FOLDER))
    if name in DATASETS or IMPORT_PATH.fullmatch(name):
        return name
    if ":" in name:
        law = f"a name, folder:PATH or package.module:name is needed, but got {name!r}"
        raise PydanticCustomError("unknown", "{text}", {"text": law})
    raise PydanticCustomError("unknown", "{text}", {"text": f"no such data set: {name!r}{suggest(name, DATASETS)}"})


class Section(BaseModel):
    """A table of the spec: unknown keys are faults, nothing is changed after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _unless_function(value: str) -> Callable[[dict[str, Any]], str | None]:
    """Returns the default of a key that only the built-in training has."""
    return lambda known: None if known.get("train") else value


class Objective(Section):
    """What is trained, and what is wanted of it: a model on a data set, or a training function of the user's."""

    train: Annotated[str, AfterValidator(_read_import_path)] | None = None
    model: Annotated[str, AfterValidator(_read_model)] | None = Field(default_factory=_unless_function("cnn"))
    dataset: Annotated[str, AfterValidator(_read_dataset)] | None = Field(default_factory=_unless_function("mnist5k"))
    data_root: Annotated[str, AfterValidator(_absolute)] | None = Field(
        default_factory=lambda known: None if known.get("train") else str(default_root())
    )
    epochs: int = Field(10, ge=1, le=100_000)
    maximize: list[Literal["accuracy"]] = Field(["accuracy"], min_length=1, max_length=1)
    minimize: list[Annotated[str, _known("cost", MINIMIZABLE)]] = ["device_seconds"]

    @field_validator("model", "dataset", "data_root")
    @classmethod
    def _whole(cls, value: str | None, info: ValidationInfo) -> str | None:
        if (value is None) != (info.data.get("train") is not None):
            law = f"it does not go with objective.train, which brings its own; leave {value!r} out"
            raise PydanticCustomError("unknown", "{text}", {"text": law if value else "a name is needed"})
        return value

    @field_validator("minimize")
    @classmethod
    def _differ(cls, names: list[str]) -> list[str]:
        if len(set(names)) < len(names):
            raise PydanticCustomError("doubled", "the costs must differ, but got {names}", {"names": ", ".join(names)})
        return names


class Search(Section):
    """How settings are proposed, and how many.

    Attributes:
        settings: What is trained after the baseline, before the sampler is asked.
        remeasures: UUID of the study whose settings these are, trained again; `paretune remeasure` sets it.
    """

    sampler: Annotated[str, _known("sampler", SAMPLERS)] = "tpe"
    sampler_options: dict[str, Any] = {}
    seed: int = Field(0, ge=0, lt=2**31)
    trials: int = Field(32, ge=1, le=1_000_000)
    repeats: int = Field(1, ge=1, le=1000)
    baseline: bool | dict[str, Value] = True
    settings: list[dict[str, Any]] = []
    remeasures: str | None = None

    @field_validator("sampler_options")
    @classmethod
    def _taken(cls, options: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        sampler = info.data.get("sampler")
        if sampler is not None:
            faults = SAMPLERS[sampler].faults(options)
            if faults:
                raise PydanticCustomError("faults", "{faults}", {"faults": faults})
        return options


def _one_or_several(law: str, allows: Callable[[Any], bool], word: str | None = None) -> BeforeValidator:
    """Returns what reads one value, or a list of different ones; `word` stands alone."""

    def read(value: Any) -> Any:
        several = value if isinstance(value, list) else [value]
        is_lawful = several and all(allows(one) for one in several) and len(set(several)) == len(several)
        if not is_lawful and (word is None or value != word):
            text = f"{law}, or a list of different ones, is needed, but got {value!r}"
            raise PydanticCustomError("unknown", "{text}", {"text": text})
        return several if len(several) > 1 else several[0]

    return BeforeValidator(read)


_PRECISION = _one_or_several(f"one of {', '.join(PRECISIONS)}", lambda one: isinstance(one, str) and one in PRECISIONS)
_THREADS = _one_or_several(f"'auto', {THREADS.law()}", lambda one: isinstance(one, int) and THREADS.allows(one), "auto")


class Compute(Section):
    """Where trials run, and how they compute: several precisions, or numbers of threads, are searched like a choice."""

    engine: Annotated[str, _known("engine", ENGINES)] = "process"
    slots: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = "auto"
    slots_per_device: int = Field(1, ge=1, le=64)
    threads: Annotated[int | list[int] | Literal["auto"], _THREADS] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Annotated[str | list[str], _PRECISION] = "fp32"

    @property
    def most_threads(self) -> int | None:
        """The threads that a slot holds; None where they are found by its machine."""
        several = self.threads if isinstance(self.threads, list) else [self.threads]
        return None if self.threads == "auto" else max(one for one in several if one != "auto")


class Artifacts(Section):
    """What is kept on disk."""

    max_bytes: int = Field(10**10, ge=0)


def _read_time(value: Any) -> float | None:
    """Returns seconds."""
    number = value
    if isinstance(value, str) and (found := TIME.fullmatch(value.strip())):
        number = float(found[1]) * TIME_UNITS[found[2]]
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    if value is not None and not (is_number and 0 < number < math.inf):
        law = f"a time such as 90s, 20m, 2h, 1d or a number of seconds, above 0, is needed, but got {value!r}"
        raise PydanticCustomError("unknown", "{text}", {"text": law})
    return None if value is None else float(number)


Amount = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Budget(Section):
    """What may be spent, over all sittings and slots; the trials' number is `search.trials`. None has no limit."""

    wall: Annotated[float | None, BeforeValidator(_read_time)] = None
    device_hours: Amount | None = None
    kwh: Amount | None = None
    money: Amount | None = None
    min_gain_per_device_hour: Amount | None = None


class Limits(Section):
    """What a trial may take; one that takes more is infeasible. None has no limit."""

    peak_memory_bytes: Amount | None = None
    energy_joules: Amount | None = None
    inference_latency_seconds: Amount | None = None
    inference_peak_memory_bytes: Amount | None = None
    inference_joules_per_1000_images: Amount | None = None
    trial_seconds: Amount | None = None
    epoch_seconds: Amount = 3600.0


class SweepSpec(Section):
    """All that defines a sweep: the TOML file, the stored text and the flags' result."""

    name: str = "mnist5k-cnn"
    objective: Objective = Field(default_factory=Objective)
    space: dict[str, Any] = Field(default_factory=lambda known: built_in_space(known["objective"].model))
    search: Search = Search()
    compute: Compute = Compute()
    artifacts: Artifacts = Artifacts()
    budget: Budget = Budget()
    limits: Limits = Limits()
    prices: dict[str, Any] = {}

    @field_validator("name")
    @classmethod
    def _printable(cls, name: str) -> str:
        if not NAME.fullmatch(name):
            law = "1 to 100 of A-Z a-z 0-9 . _ - are needed, a letter or digit first, but got {name!r}"
            raise PydanticCustomError("name", "{text}", {"text": law.format(name=name)})
        return name

    @field_validator("space")
    @classmethod
    def _lawful(cls, space: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        objective = info.data.get("objective")
        is_function = objective is not None and objective.train is not None
        laws = [
            (name, f"it is `compute.{name}`, which takes a list too")
            for name in COMPUTING
            if name in space and not is_function
        ]
        if laws:
            raise PydanticCustomError("faults", "{faults}", {"faults": laws})
        if objective is None:  # it has faults of its own
            objective = Objective(train="a:function") if (info.context or {}).get("is_function") else Objective()
        faults = parse_space(find_laws(objective), space)[1]
        if faults:
            raise PydanticCustomError("faults", "{faults}", {"faults": faults})
        return space

    @field_validator("prices")
    @classmethod
    def _priced(cls, prices: dict[str, Any]) -> dict[str, Any]:
        faults = find_faults(prices, is_whole=False)
        if faults:
            raise PydanticCustomError("faults", "{faults}", {"faults": faults})
        plain = {key: value.isoformat() if isinstance(value, date) else value for key, value in prices.items()}
        return {key: value for key, value in plain.items() if value is not None}

    @model_validator(mode="after")
    def _possible(self) -> SweepSpec:
        sweep = Sweep(self.objective.minimize, self.laws, self.entries, self._num_searched())
        laws = list(self._function_faults())
        if laws:
            raise PydanticCustomError("faults", "{faults}", {"faults": laws})
        faults = [*self._repeat_faults(), *self._baseline_faults(), *self._setting_faults()]
        faults += SAMPLERS[self.search.sampler].misfits(sweep)
        if faults:
            raise PydanticCustomError("faults", "{faults}", {"faults": faults})
        return self

    def _function_faults(self) -> Iterator[tuple[str, str]]:
        """Yields what of `compute` does not go with a training function."""
        if self.objective.train is not None:
            if self.compute.precision != "fp32":
                yield "compute.precision", "a training function chooses its own: make it a parameter of [space]"
            if isinstance(self.compute.threads, list):
                yield "compute.threads", "a training function has those of its slot: one number is needed"

    def _num_searched(self) -> int:
        """Returns how many settings lie within the space, those that the spec names too; 0 where it names all."""
        search = self.search
        num_settings = search.trials // search.repeats - (self.baseline is not None)
        return num_settings if num_settings > len(search.settings) else 0

    def _repeat_faults(self) -> Iterator[tuple[str, str]]:
        trials, repeats = self.search.trials, self.search.repeats
        if trials % repeats:
            law = "a multiple of search.repeats is needed, so that each setting gets all its seeds"
            more = trials + repeats - trials % repeats
            yield "search.trials", f"{law}, but got {trials} and {repeats}; {more} would do"

    def _baseline_faults(self) -> Iterator[tuple[str, str]]:
        """Yields what is wrong with a baseline of the user's own."""
        if isinstance(self.search.baseline, bool):
            return
        for name, value in self.search.baseline.items():
            law = self.laws.find(name, value)
            if name in COMPUTING and self.laws.names and value not in self._computing(name):
                yield f"search.baseline.{name}", f"{value!r} is none of `compute.{name}`"
            elif law is None or (name not in self.entries and not self.laws.names):
                yield f"search.baseline.{name}", f"no such parameter{suggest(name, self.laws.names or self.entries)}"
            elif not law.allows(value):
                yield f"search.baseline.{name}", f"{law.law()} is needed, but got {value!r}"
        given = self.baseline or {}
        for name in self.entries:
            if name not in given and not self.laws.names and is_asked(self.laws, self.entries, name, given):
                yield f"search.baseline.{name}", "the space has this parameter: a value is needed"

    def _setting_faults(self) -> Iterator[tuple[str, str]]:
        if self.search.remeasures is None:  # else they were trained before, within this space or as its baseline
            settings, faults = read_settings(self.laws, self.whole_space, self.search.settings)
            yield from ((f"search.settings.{where}", text) for where, text in faults)
            if not faults and self.baseline in settings:
                where = f"search.settings.{settings.index(self.baseline)}"
                yield where, "it is the baseline, which is trained anyway; leave it out"

    @property
    def laws(self) -> Laws:
        """The laws of the parameters."""
        return find_laws(self.objective)

    @property
    def precisions(self) -> list[str]:
        """The precisions that are searched."""
        return self._computing("precision")

    def _computing(self, name: str) -> list[Any]:
        several = getattr(self.compute, name)
        return several if isinstance(several, list) else [several]

    @property
    def whole_space(self) -> dict[str, Any]:
        """The space with what of `compute` is part of a setting."""
        precision, threads = self.compute.precision, self.compute.threads
        own: dict[str, Any] = {} if precision == "fp32" else {"precision": precision}
        if isinstance(threads, list):
            own["threads"] = threads
        return {**self.space, **own}

    @property
    def entries(self) -> dict[str, Entry]:
        """The space, read."""
        return parse_space(self.laws, self.whole_space)[0]

    @property
    def baseline(self) -> dict[str, Value] | None:
        """The setting of the first trial, which the others must beat; None where there is none.

        Where threads are searched it has the most, unless it says otherwise.
        """
        own, threads = self.search.baseline, self.compute.threads
        most: dict[str, Value] = {"threads": max(threads)} if isinstance(threads, list) else {}
        if isinstance(own, bool):
            return {**self.laws.baseline, **most} or None if own else None
        fixed = {name: entry.value for name, entry in self.entries.items() if isinstance(entry, Fixed)}
        params = {**(self.laws.baseline or fixed), **most, **own}
        laws = {name: self.laws.find(name, value) for name, value in params.items()}
        return {
            name: law.convert(params[name])
            for name, law in laws.items()
            if law is not None and law.allows(params[name]) and self.laws.takes(name, params)
        }

    @property
    def settings(self) -> list[dict[str, Value]]:
        """The settings that are trained after the baseline, before the sampler is asked."""
        if self.search.remeasures is not None:
            return [dict(setting) for setting in self.search.settings]
        return read_settings(self.laws, self.whole_space, self.search.settings)[0]
