"""Plans: samplers that need no memory of Optuna's. A setting follows from its place in the plan and what was told.

They work in the unit cube: each parameter of the space is a coordinate from 0 to 1 (`search.space.from_unit`).
"""

from __future__ import annotations

import itertools
import random
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from objectives.parameters import Value
from search.laws import Laws
from search.space import Entry, Fixed, Range, from_unit, leave_out, list_values, to_unit

LARGEST_GRID = 100_000
"""Settings of a grid that is still written out to be shuffled."""


@dataclass(frozen=True)
class Told:
    """A setting that ended, and its accuracy: 0 where it could not be trained."""

    params: Mapping[str, Value]
    accuracy: float


@dataclass(frozen=True)
class Query:
    """What a plan is asked.

    Attributes:
        laws: Of what is trained.
        entries: The space.
        options: The sampler's.
        seeds: Of the whole study, and of this setting.
        place: From 0; neither the baseline nor a setting that the spec names has one.
        asked: The parameters that were proposed before, without those that are fixed and without the baseline.
        told: The settings that ended, in the order of their places, without the baseline.
    """

    laws: Laws
    entries: Mapping[str, Entry]
    options: Mapping[str, Any]
    seeds: tuple[int, int]
    place: int
    asked: Sequence[Mapping[str, Value]]
    told: Sequence[Told]


Plan = Callable[[Query], dict[str, Value]]
"""Returns the setting at a place; parameters that the setting does not take may be among it."""


def plan_grid(query: Query) -> dict[str, Value]:
    """Returns one setting of the grid, in an order that the study's seed shuffles: a sweep cut short has seen all.

    It is the first that was not asked yet, so that a grid may grow.

    Raises:
        IndexError: where all were asked.
    """
    settings = list(grid_settings(query.laws, query.entries))
    random.Random(query.seeds[0]).shuffle(settings)  # noqa: S311
    asked = {_key(query.entries, params) for params in query.asked}
    left = (setting for setting in settings if _key(query.entries, setting) not in asked)
    for setting in left:
        return setting
    raise IndexError(f"all {len(settings)} settings of the grid were asked")


def _key(entries: Mapping[str, Entry], params: Mapping[str, Value]) -> tuple[Any, ...]:
    """Returns what tells a setting from others: its parameters that are not fixed."""
    return tuple(params.get(name) for name, entry in entries.items() if not isinstance(entry, Fixed))


def plan_qmc(query: Query) -> dict[str, Value]:
    """Returns one point of a low-discrepancy sequence: it covers the space more evenly than random points.

    A choice is a coordinate like any other, cut into equal parts. (Optuna's QMCSampler takes the space from the first
    trial that completed, and draws at random what that one lacked: a conditional option, a baseline outside.)
    """
    from scipy.stats import qmc

    names = [name for name, entry in query.entries.items() if len(list_values(entry, 2)) > 1]
    kind = qmc.Halton if query.options.get("kind") == "halton" else qmc.Sobol
    sequence = kind(max(1, len(names)), scramble=query.options.get("scramble", True), rng=query.seeds[0])
    if query.place:
        sequence.fast_forward(query.place)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "balance properties": the points are drawn one at a time
        units = dict(zip(names, sequence.random(1)[0], strict=False))
    return {name: from_unit(entry, float(units.get(name, 0.0))) for name, entry in query.entries.items()}


def plan_cmaes(query: Query) -> dict[str, Value]:
    """Returns a draw from CMA-ES's distribution, which each full generation of trials moves (Hansen 2016).

    The distribution is computed from the trials each time. (Optuna's CmaEsSampler keeps it as a pickle in the database,
    and a pickle runs the code of whoever wrote it.) With several slots a straggler counts in a later generation.
    """
    import numpy as np
    from cmaes import CMA

    ranges = {
        name: entry for name, entry in query.entries.items() if isinstance(entry, Range) and entry.low < entry.high
    }
    optimizer = CMA(
        mean=np.full(len(ranges), 0.5),
        sigma=query.options.get("sigma", 1 / 6),
        bounds=np.tile([0.0, 1.0], (len(ranges), 1)),
        population_size=query.options.get("population_size"),
        seed=query.seeds[0],
        lr_adapt=query.options.get("lr_adapt", False),
    )
    center = {name: from_unit(entry, 0.5) for name, entry in query.entries.items()}
    solutions = [
        (
            np.array([to_unit(entry, trial.params.get(name, center[name])) for name, entry in ranges.items()]),
            -trial.accuracy,
        )
        for trial in query.told
    ]
    for start in range(0, len(solutions) - optimizer.population_size + 1, optimizer.population_size):
        optimizer.tell(solutions[start : start + optimizer.population_size])
    optimizer.reseed_rng(query.seeds[1])
    drawn = dict(zip(ranges, optimizer.ask(), strict=True))
    return {name: from_unit(entry, float(drawn.get(name, 0.5))) for name, entry in query.entries.items()}


def grid_settings(laws: Laws, entries: Mapping[str, Entry]) -> Iterator[dict[str, Value]]:
    """Yields the settings of a grid, each once: where an option is not asked, its values do not count."""
    seen = set()
    axes = [list_values(entry, LARGEST_GRID) for entry in entries.values()]
    for values in itertools.product(*axes):
        setting = leave_out(laws, entries, dict(zip(entries, values, strict=True)))
        key = tuple(setting.items())
        if key not in seen:
            seen.add(key)
            yield setting
