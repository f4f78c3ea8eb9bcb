"""The spec of a sweep: one typed model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from objectives.parameters import Value
from objectives.prices import find_faults
from search.faults import suggest
from search.laws import COMPUTING, Laws, find_laws
from search.samplers import SAMPLERS, Sweep
from search.sections import Artifacts, Budget, Compute, Limits, Objective, Search, Section
from search.settings import read_settings
from search.space import Entry, Fixed, is_asked, parse_space

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

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
    prices: dict[str, Any] = Field(default_factory=dict)

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
            if self.compute.is_device_searched:
                yield "compute.device", "a training function has that of its slot: one of auto, cpu, cuda is needed"

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
        for name, value in given.items() if self.laws.names else ():
            if name in self.entries and not is_asked(self.laws, self.entries, name, given):
                yield f"search.baseline.{name}", f"with these values of the others it is not asked, but got {value!r}"
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
        """The space with what of `compute` is part of a setting.

        TF32 is of GPUs: where devices are searched, precisions with it among them are asked of a GPU alone.
        """
        precision: Any = self.compute.precision
        if "tf32" in self.precisions and self.compute.is_device_searched:
            precision = {"choices": self.precisions, "when": {"device": "cuda"}}
        own: dict[str, Any] = {} if precision == "fp32" else {"precision": precision}
        several = {name: getattr(self.compute, name) for name in ("threads", "device")}
        own.update((name, values) for name, values in several.items() if isinstance(values, list))
        return {**self.space, **own}

    @property
    def entries(self) -> dict[str, Entry]:
        """The space, read."""
        return parse_space(self.laws, self.whole_space)[0]

    @property
    def baseline(self) -> dict[str, Value] | None:
        """The setting of the first trial, which the others must beat; None where there is none.

        Where threads are searched it has the most, where devices are it has the first, unless it says otherwise.
        """
        own, threads, devices = self.search.baseline, self.compute.threads, self.compute.device
        chosen: dict[str, Value] = {"threads": max(threads)} if isinstance(threads, list) else {}
        chosen |= {"device": devices[0]} if isinstance(devices, list) else {}
        if isinstance(own, bool):
            return {**self.laws.baseline, **chosen} or None if own else None
        fixed = {name: entry.value for name, entry in self.entries.items() if isinstance(entry, Fixed)}
        params = {**(self.laws.baseline or fixed), **chosen, **own}
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
