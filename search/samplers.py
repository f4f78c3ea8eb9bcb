"""Samplers: which setting to try next, what each takes as options, and what it cannot do."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from itertools import islice
from math import prod
from typing import TYPE_CHECKING, Any

from objectives.parameters import FLAG, Parameter
from search.faults import suggest
from search.laws import Laws
from search.plans import LARGEST_GRID, Plan, grid_settings, plan_cmaes, plan_grid, plan_qmc
from search.space import Choice, Entry, Range, list_values

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

Faults = list[tuple[str, str]]
"""Pairs of a key of the spec and what is wrong with it."""


@dataclass(frozen=True)
class Sweep:
    """What a sampler must be able to do.

    Attributes:
        minimize: Names of the costs to minimise.
        laws: Of what is trained.
        entries: The space.
        num_settings: Settings of the sweep, the baseline left out; 0 where the spec names all of them.
    """

    minimize: Sequence[str]
    laws: Laws
    entries: Mapping[str, Entry]
    num_settings: int


def _none(_sweep: Sweep) -> Faults:
    return []


def _no_mark(_sampler: BaseSampler) -> dict[str, Any]:
    return {}


def _mark_generation(sampler: BaseSampler) -> dict[str, Any]:
    """A genetic sampler has no parents but trials that belong to a generation."""
    key: str = type(sampler)._get_generation_key()  # type: ignore[attr-defined]
    return {key: 0}


@dataclass(frozen=True)
class Sampler:
    """A way of proposing settings: one of Optuna's, or a plan of ours.

    Attributes:
        options: The law of each option that a spec may pass on.
        optuna_class: Module and name of the class.
        settings: What that class is always given.
        plan: Gives the settings itself; Optuna learns them.
        misfits: Says what of a sweep the sampler cannot do.
        mark: Returns the attributes of a trial that it did not propose itself, so that it learns from it.
    """

    options: Mapping[str, Parameter]
    optuna_class: tuple[str, str] = ("optuna.samplers", "RandomSampler")
    settings: Mapping[str, Any] = field(default_factory=dict)
    plan: Plan | None = None
    misfits: Callable[[Sweep], Faults] = _none
    mark: Callable[[BaseSampler], dict[str, Any]] = _no_mark

    def faults(self, options: Mapping[str, Any]) -> Faults:
        """Returns what is wrong with the options."""
        found = []
        for name, value in options.items():
            if name not in self.options:
                known = suggest(name, self.options) if self.options else "; it has none"
                found.append((name, f"the sampler has no such option{known}"))
            elif not self.options[name].allows(value):
                found.append((name, f"{self.options[name].law()} is needed, but got {value!r}"))
        return found

    def mark_first(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Returns Optuna's attributes of a trial that came before the sampler's own."""
        return self.mark(self.build(0, options))

    def build(self, seed: int, options: Mapping[str, Any]) -> BaseSampler:
        """Returns a fresh sampler of Optuna's."""
        module, name = self.optuna_class
        passed = {} if self.plan else {key: self.options[key].convert(value) for key, value in options.items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # experimental options are the user's choice
            sampler: BaseSampler = getattr(import_module(module), name)(seed=seed, **self.settings, **passed)
        return sampler


def _grid_misfits(sweep: Sweep) -> Faults:
    """A grid needs values to count, and no more trials than it has settings."""
    endless = [
        (
            f"space.{name}",
            "a grid needs a fixed value, a choice or a range with a step, but this is a range without one",
        )
        for name, entry in sweep.entries.items()
        if isinstance(entry, Range) and entry.step is None and (entry.log or not entry.whole) and entry.low < entry.high
    ]
    if endless:
        return endless
    largest = prod(len(list_values(entry, LARGEST_GRID + 1)) for entry in sweep.entries.values())
    if largest > LARGEST_GRID:
        return [("space", f"a grid of at most {LARGEST_GRID:,} settings is needed, but this one has more")]
    settings = grid_settings(sweep.laws, sweep.entries)
    size = sum(1 for _ in islice(settings, sweep.num_settings))
    if size < sweep.num_settings:
        law = f"the grid has {size} settings besides the baseline, but {sweep.num_settings} are asked for"
        return [("search.trials", law)]
    return []


def _cmaes_misfits(sweep: Sweep) -> Faults:
    """CMA-ES has one objective and moves in numbers only."""
    found: Faults = []
    if sweep.minimize:
        got = ", ".join(sweep.minimize)
        law = (
            f"cmaes has one objective: minimize = [] leaves accuracy alone, but got {got}; tpe, gp, nsga2 take several"
        )
        found.append(("objective.minimize", law))
    choices = [name for name, entry in sweep.entries.items() if isinstance(entry, Choice)]
    law = "cmaes moves in numbers: a fixed value or a range is needed, but got a choice; tpe and gp take it"
    found += [(f"space.{name}", law) for name in choices]
    numbers = [entry for entry in sweep.entries.values() if isinstance(entry, Range) and entry.low < entry.high]
    if not numbers and not choices:
        found.append(("space", "cmaes needs at least one range"))
    return found


_COUNT = Parameter("int", 1)
_PROBABILITY = Parameter("float", 0, 1)
_GENETIC = {
    "population_size": Parameter("int", 2),
    "mutation_prob": _PROBABILITY,
    "crossover_prob": _PROBABILITY,
    "swapping_prob": _PROBABILITY,
}

SAMPLERS: dict[str, Sampler] = {
    "tpe": Sampler(
        {
            "n_startup_trials": _COUNT,
            "n_ei_candidates": _COUNT,
            "multivariate": FLAG,
            "constant_liar": FLAG,
            "window": Parameter("int", 10),
        },
        ("search.tpe", "QuickTPESampler"),
    ),
    "gp": Sampler(
        {"n_startup_trials": _COUNT, "deterministic_objective": FLAG},
        ("optuna.samplers", "GPSampler"),
        {"warn_independent_sampling": False},
    ),
    "nsga2": Sampler(_GENETIC, ("optuna.samplers", "NSGAIISampler"), mark=_mark_generation),
    "nsga3": Sampler(
        {**_GENETIC, "dividing_parameter": _COUNT}, ("optuna.samplers", "NSGAIIISampler"), mark=_mark_generation
    ),
    "cmaes": Sampler(
        {
            "population_size": Parameter("int", 4),
            "sigma": Parameter("float", 0, 1, open_low=True),
            "lr_adapt": FLAG,
        },
        plan=plan_cmaes,
        misfits=_cmaes_misfits,
    ),
    "random": Sampler({}),
    "grid": Sampler({}, plan=plan_grid, misfits=_grid_misfits),
    "qmc": Sampler({"kind": Parameter("str", words=("sobol", "halton")), "scramble": FLAG}, plan=plan_qmc),
}
