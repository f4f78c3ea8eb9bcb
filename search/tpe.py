"""Optuna's tree-structured Parzen estimator, proposing the same in a quarter of the time.

Optuna splits all trials into good and others anew for each parameter, and takes the normal distribution's logarithm one
number after another. Here a trial's parameters share one split, and the logarithms are scipy's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import RandomSampler, TPESampler
from optuna.samplers._lazy_random_state import LazyRandomState
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator
from optuna.samplers._tpe.sampler import (
    _split_complete_trials,
    default_gamma,
    default_gamma_multiobjective,
)
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from scipy.special import log_ndtr, logsumexp

Floats = NDArray[np.float64]
Split = tuple[list[FrozenTrial], list[FrozenTrial]]


class QuickTPESampler(TPESampler):
    """Optuna's TPE for one trial: build another for the next.

    Args:
        seed: Of the first draw; `restart` gives another.
        window: How many of the latest trials to look at; None for all, as Optuna does.
        options: Optuna's.
    """

    def __init__(self, seed: int, window: int | None = None, **options: Any) -> None:
        super().__init__(seed=seed, **options)
        self._window = window
        self._parzen_estimator_cls = _QuickEstimator
        self._shared: Split | None = None

    def restart(self, seed: int) -> None:
        """Draws from here on as a fresh sampler of that seed would."""
        self._rng, self._random_sampler = LazyRandomState(seed), RandomSampler(seed=seed)

    def _sample(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        if self._shared is None:
            self._shared = self._split(study, trial)
        below, above = (
            self._build_parzen_estimator(study, search_space, trials, handle_below=is_below)
            for trials, is_below in zip(self._shared, (True, False), strict=True)
        )
        samples = below.sample(self._rng.rng, self._n_ei_candidates)
        best = self._compare(samples, self._compute_acquisition_func(samples, below, above))
        return {name: space.to_external_repr(best[name]) for name, space in search_space.items()}

    def _get_internal_repr(
        self, trials: list[FrozenTrial], search_space: dict[str, BaseDistribution], study: Study
    ) -> dict[str, Floats]:
        if self._is_multivariate(study):
            return super()._get_internal_repr(trials, search_space, study)
        ((name, space),) = search_space.items()
        values = [params[name] for trial in trials if name in (params := trial.params)]
        if isinstance(space, CategoricalDistribution):
            values = [space.to_internal_repr(value) for value in values]
        return {name: np.array(values, dtype=np.float64)}

    def _split(self, study: Study, trial: FrozenTrial) -> Split:
        """Returns the good trials and the others, as Optuna does: infeasible ones are good only where too few are."""
        states = (TrialState.COMPLETE, TrialState.RUNNING) if self._constant_liar else (TrialState.COMPLETE,)
        trials = study.get_trials(deepcopy=False, states=states)
        trials = [other for other in trials if other.number != trial.number][-(self._window or len(trials)) :]
        running = [other for other in trials if other.state == TrialState.RUNNING]
        feasible: list[FrozenTrial] = []
        infeasible: list[FrozenTrial] = []
        for other in trials:
            if other.state == TrialState.COMPLETE:
                (infeasible if _is_infeasible(other) else feasible).append(other)
        gamma = default_gamma if len(study.directions) == 1 else default_gamma_multiobjective
        num_below = gamma(len(feasible) + len(infeasible))
        below, above = _split_complete_trials(feasible, study, num_below)
        num_more = max(0, num_below - len(below))
        below, above = [*below, *infeasible[:num_more]], [*above, *infeasible[num_more:], *running]
        return sorted(below, key=_number), sorted(above, key=_number)


class _QuickEstimator(_ParzenEstimator):
    def log_pdf(self, samples_dict: dict[str, Floats]) -> Floats:
        weights, distributions = self._mixture_distribution
        kernel: Any = distributions[0]
        if len(distributions) > 1 or not getattr(kernel, "step", 0.0):
            return super().log_pdf(samples_dict)
        values, which = np.unique(next(iter(samples_dict.values())), return_inverse=True)
        edges = np.array([values - kernel.step / 2, values + kernel.step / 2])
        left, right = (np.log(edges) if kernel.is_log else edges)[:, :, np.newaxis]
        masses = _log_mass((left - kernel.mu) / kernel.sigma, (right - kernel.mu) / kernel.sigma)
        whole = _log_mass(
            (kernel.adapted_low - kernel.mu) / kernel.sigma, (kernel.adapted_high - kernel.mu) / kernel.sigma
        )
        found: Floats = logsumexp(masses - whole + np.log(weights), axis=1)[which]
        return found


def _log_mass(low: Floats, high: Floats) -> Floats:
    """Returns the logarithm of the normal distribution's mass between two places, precise in either tail."""
    mirrored = low > 0
    low, high = np.where(mirrored, -high, low), np.where(mirrored, -low, high)
    upper: Floats = log_ndtr(high)
    mass: Floats = upper + np.log1p(-np.exp(log_ndtr(low) - upper))
    return mass


def _is_infeasible(trial: FrozenTrial) -> bool:
    return any(key.startswith("constraints:") and value > 0 for key, value in trial.system_attrs.items())


def _number(trial: FrozenTrial) -> int:
    return trial.number
