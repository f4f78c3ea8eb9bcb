"""Samplers: which setting to try next. Optuna proposes; what it is asked, told and seeded with is decided here."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from objectives.parameters import Value
from search.faults import suggest
from search.space import Choice, Entry, Fixed, Range, baseline, takes
from storage.database import Database
from storage.projection import optuna_storage

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.trial import Trial

    from search.spec import SweepSpec

INFEASIBLE = "infeasible"
"""Name of the constraint that Optuna is told: 0 for a setting that could be trained, 1 for one that could not."""


@dataclass(frozen=True)
class Sampler:
    """A way of proposing settings.

    Attributes:
        optuna_name: The class in `optuna.samplers`.
        options: The type of each option that a spec may pass on.
    """

    optuna_name: str
    options: Mapping[str, type]

    def faults(self, options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Returns what is wrong with the options: pairs of name and text."""
        found = []
        for name, value in options.items():
            if name not in self.options:
                found.append((name, f"the sampler has no such option{suggest(name, self.options)}"))
            elif type(value) is not self.options[name] and not (self.options[name] is float and type(value) is int):
                found.append((name, f"{self.options[name].__name__} is needed, but got {value!r}"))
            elif type(value) is int and value < 1:
                found.append((name, f"a whole number of at least 1 is needed, but got {value}"))
        return found

    def build(self, seed: int, options: Mapping[str, Any]) -> BaseSampler:
        """Returns a fresh sampler of Optuna's."""
        from optuna import samplers

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # experimental options are the user's choice
            sampler: BaseSampler = getattr(samplers, self.optuna_name)(seed=seed, **options)
        return sampler


SAMPLERS: dict[str, Sampler] = {
    "tpe": Sampler(
        "TPESampler",
        {"n_startup_trials": int, "n_ei_candidates": int, "multivariate": bool, "constant_liar": bool},
    ),
    "nsga2": Sampler("NSGAIISampler", {"population_size": int, "mutation_prob": float, "crossover_prob": float}),
    "random": Sampler("RandomSampler", {}),
}


def derive_seed(seed: int, number: int, purpose: str) -> int:
    """Returns the seed of one trial's proposal or training: a function of the study's seed and the trial's number."""
    return int.from_bytes(sha256(f"{seed}/{number}/{purpose}".encode()).digest()[:4]) % 2**31


class Proposals:
    """Optuna's view of a study: asks for settings and tells how they did.

    A proposal depends on the study's seed, the trial's number and what Optuna was told before, not on how long the
    process lives, nor on where a kill cut an earlier ask short.
    """

    def __init__(self, database: Database, spec: SweepSpec) -> None:
        import optuna

        self._spec = spec
        self.storage = optuna_storage(database)
        minimize = optuna.study.StudyDirection.MINIMIZE
        self._study = optuna.create_study(
            study_name=spec.name,
            storage=self.storage,
            directions=[optuna.study.StudyDirection.MAXIMIZE, *(minimize for _ in spec.objective.minimize)],
            pruner=optuna.pruners.NopPruner(),
            load_if_exists=True,
        )

    def ask(self, number: int) -> dict[str, Value]:
        """Returns the parameters of trial `number`, the next that the ledger lacks.

        Where a kill cut an earlier ask short, its trial is taken up again and the parameters still missing are asked.

        Raises:
            RuntimeError: where Optuna counts otherwise than the ledger.
        """
        from optuna.trial import TrialState

        is_baseline, trials = self.is_baseline(number), self._trials()
        if not number <= len(trials) <= number + 1:
            raise RuntimeError(f"Optuna has {len(trials)} trials where the ledger has {number}")
        if len(trials) == number and is_baseline:
            self._study.enqueue_trial(self._within_space(baseline(self._spec.objective.model)))
        if len(trials) == number or trials[number].state == TrialState.WAITING:
            self._study.ask()
        self._open(number)  # NSGA-II orders the parents that it computes otherwise than those that it reads back later
        trial = self._open(number)
        return self._baseline_params(trial) if is_baseline else self._suggest(trial)

    def tell(self, number: int, accuracy: float, costs: list[float], *, feasible: bool) -> None:
        """Tells Optuna how a trial did. A trial that is told already is left alone.

        Args:
            number: The trial.
            accuracy: 0 to 1; of an infeasible trial any finite number, by convention 0.
            costs: One finite number for each minimised cost.
            feasible: Whether the setting could be trained.
        """
        import optuna

        frozen = self._trials()[number]
        if frozen.state.is_finished():
            return
        trial = optuna.trial.Trial(self._study, frozen._trial_id)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # set already, by a tell that a kill cut short
            trial.set_constraint(INFEASIBLE, 0.0 if feasible else 1.0)
        self._study.tell(trial, [accuracy, *costs])

    def give_up(self, number: int) -> None:
        """Tells Optuna that a trial failed for a reason that has nothing to do with its setting."""
        import optuna

        if not self._trials()[number].state.is_finished():
            self._study.tell(number, state=optuna.trial.TrialState.FAIL)

    def is_baseline(self, number: int) -> bool:
        """Says whether trial `number` is the one that the others must beat."""
        return number == 0 and self._spec.search.baseline

    def _trials(self) -> Any:
        return self._study.get_trials(deepcopy=False)

    def _suggest(self, trial: Trial) -> dict[str, Value]:
        params: dict[str, Value] = {}
        for name, entry in self._spec.entries.items():
            if name == "optimizer" or takes(self._spec.objective.model, str(params["optimizer"]), name):
                params[name] = entry.value if isinstance(entry, Fixed) else self._suggest_one(trial, name, entry)
        return params

    def _open(self, number: int) -> Trial:
        """Returns Optuna's trial with its relative parameters drawn, which it would else draw when it likes."""
        from optuna.trial import Trial

        self._seed_sampler(number, "proposal")
        trial = Trial(self._study, self._trials()[number]._trial_id)
        _ = trial.relative_params
        return trial

    def _suggest_one(self, trial: Trial, name: str, entry: Entry) -> Value:
        self._seed_sampler(trial.number, name)
        return _suggest(trial, name, entry)

    def _seed_sampler(self, number: int, purpose: str) -> None:
        """Gives Optuna a fresh sampler, seeded for one trial and parameter: no draw depends on those before it."""
        seed = derive_seed(self._spec.search.seed, number, f"proposal/{purpose}")
        self._study.sampler = SAMPLERS[self._spec.search.sampler].build(seed, self._spec.search.sampler_options)

    def _baseline_params(self, trial: Trial) -> dict[str, Value]:
        """Returns the baseline; Optuna learns those of its parameters that lie within the space."""
        params = baseline(self._spec.objective.model)
        for name in self._within_space(params):
            self._suggest_one(trial, name, self._spec.entries[name])
        return params

    def _within_space(self, params: Mapping[str, Value]) -> dict[str, Value]:
        entries = self._spec.entries
        return {name: value for name, value in params.items() if name in entries and _contains(entries[name], value)}


def _contains(entry: Entry, value: Value) -> bool:
    if isinstance(entry, Range):
        return not isinstance(value, str) and entry.low <= value <= entry.high
    return isinstance(entry, Choice) and value in entry.values


def _suggest(trial: Trial, name: str, entry: Entry) -> Value:
    if isinstance(entry, Range) and entry.whole:
        return trial.suggest_int(name, int(entry.low), int(entry.high), log=entry.log)
    if isinstance(entry, Range):
        return trial.suggest_float(name, entry.low, entry.high, log=entry.log)
    assert isinstance(entry, Choice)
    chosen = trial.suggest_categorical(name, entry.values)
    assert chosen is not None
    return chosen
