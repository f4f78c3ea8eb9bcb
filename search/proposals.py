"""Proposals: Optuna's live view of a study. What it is asked, told and seeded with is decided here.

A proposal is a function of the study's seed, its space, the setting's number, and the settings that were asked and told
before it. With one slot and a deterministic cost these are always the same, so a search that is cut off anywhere and
resumed is the same search. With several slots it depends on the clock which settings have been told by then, so what
`tpe`, `gp`, `nsga2`, `nsga3` and `cmaes` propose may differ from one run to the next; `random`, `grid` and `qmc` look
at no result and propose the same. What always holds: every number is given once, its training seed follows from the
study's seed and the number, and what a trial comes to follows from its setting and that seed alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from objectives.parameters import Value
from objectives.seeds import derive_seed
from search.plans import Query, Told
from search.samplers import SAMPLERS
from search.space import Choice, Entry, Fixed, Range, contains, is_asked, leave_out
from search.spec import SweepSpec
from storage.database import Database
from storage.ledger import Step
from storage.projection import Projection

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

INFEASIBLE = "infeasible"
"""Name of the constraint that Optuna is told: 0 for a setting that could be trained, 1 for one that could not."""


WHOLE = "proposal"
"""The draw of all parameters together, which comes before those of single ones."""


@dataclass(frozen=True)
class TakenOver:
    """The settings that a study began with.

    Attributes:
        settings: Their parameters; they have the first numbers.
        baseline: Which of them is the baseline; None where none is.
    """

    settings: tuple[Mapping[str, Value], ...] = ()
    baseline: int | None = None


class Proposals:
    """Asks for settings and tells how they did.

    The samplers look at trials in memory. `take_steps` gives the writes of what was asked and told to Optuna's tables,
    which are a part of the ledger's own transaction: a kill leaves both or neither, and no half trial.

    A setting is one trial of Optuna's, however many seeds it is trained with. A proposal depends on the study's seed,
    the setting's number and what was told before, not on how long the process lives.

    Args:
        database: Where the study is.
        spec: The study's.
        num_settings: Of the ledger; what Optuna's tables have beyond them, somebody else put there, and it goes. None
            trusts the tables.
        taken_over: The settings that were taken over. The baseline comes after them, then what the spec names, each
            where it is none of them.
    """

    def __init__(
        self,
        database: Database,
        spec: SweepSpec,
        num_settings: int | None = None,
        taken_over: TakenOver = TakenOver(),
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._spec, self._sampler = spec, SAMPLERS[spec.search.sampler]
        self._baseline = spec.baseline or {}
        num_taken = len(taken_over.settings)
        last = num_taken if spec.baseline is not None else None
        self._baseline_at = last if taken_over.baseline is None else taken_over.baseline
        named = [setting for setting in spec.settings if setting not in taken_over.settings]
        self._named = dict(enumerate(named, start=num_taken + int(self._baseline_at == num_taken)))
        self._num_given = num_taken + int(self._baseline_at == num_taken) + len(named)
        minimize = optuna.study.StudyDirection.MINIMIZE
        directions = [optuna.study.StudyDirection.MAXIMIZE, *(minimize for _ in spec.objective.minimize)]
        self._projection = Projection(database, spec.name, directions)
        self._storage = optuna.storages.InMemoryStorage()
        self._study = optuna.create_study(storage=self._storage, directions=directions)
        with database.read() as connection:
            trials, memory = self._projection.read(connection)
        self._unwritten: list[Step] = [self._projection.create]
        if num_settings is not None and len(trials) > num_settings:
            self._unwritten.append(partial(self._projection.remove, first=num_settings))
        trials = trials[:num_settings]
        self._restate(trials)
        for trial in trials:
            self._storage.create_new_trial(self._study._study_id, trial)
        for key, value in memory.items():
            self._storage.set_study_system_attr(self._study._study_id, key, value)

    def __len__(self) -> int:
        return len(self._trials())

    def ask(self, setting: int) -> dict[str, Value]:
        """Returns the parameters of a setting, the next that the ledger lacks.

        Raises:
            RuntimeError: where Optuna counts otherwise than the ledger.
        """
        if setting != len(self):
            raise RuntimeError(f"Optuna has {len(self)} trials where the ledger has {setting} settings")
        if setting in self._named:
            self.adopt(setting, self._named[setting])
            return dict(self._named[setting])
        preset = self._preset(setting)
        if preset is not None:
            self._study.enqueue_trial(preset)
        self._seed_sampler(setting, WHOLE)
        trial = self._study.ask()
        _ = trial.relative_params  # drawn here, under their own seed
        params = self._suggest_baseline(trial) if self.is_baseline(setting) else self._suggest_all(trial)
        self._unwritten.append(partial(self._projection.add, trial=self._trials()[setting]))
        return params

    def tell(self, setting: int, accuracy: float, costs: list[float], *, feasible: bool) -> None:
        """Tells Optuna how a setting did. One that is told already is left alone.

        Args:
            setting: Its number.
            accuracy: 0 to 1; of an infeasible one any finite number, by convention 0.
            costs: One finite number for each minimised cost.
            feasible: Whether the setting could be trained.
        """
        from optuna.trial import TrialState

        constraint = {f"constraints:{INFEASIBLE}": 0.0 if feasible else 1.0}
        self._finish(setting, TrialState.COMPLETE, [accuracy, *costs], constraint)

    def give_up(self, setting: int) -> None:
        """Tells Optuna that a setting failed for a reason that has nothing to do with it."""
        from optuna.trial import TrialState

        self._finish(setting, TrialState.FAIL, None, {})

    def take_steps(self) -> list[Step]:
        """Returns the writes of what was asked and told since they were taken last."""
        steps, self._unwritten = self._unwritten, []
        memory = self._projection.remember(self._storage.get_study_system_attrs(self._study._study_id))
        return [*steps, memory] if memory is not None else steps

    def adopt(self, setting: int, params: Mapping[str, Value]) -> None:
        """Gives Optuna a setting that it did not propose: the spec's, one taken over, or one that its tables lost."""
        from optuna.trial import TrialState, create_trial

        entries = self._spec.entries
        known = {name: value for name, value in params.items() if name in entries and contains(entries[name], value)}
        distributions = {name: _distribution(entries[name]) for name in known}
        trial = create_trial(
            state=TrialState.RUNNING,
            params=dict(known),
            distributions=distributions,
            system_attrs=self._sampler.mark_first(self._spec.search.sampler_options),
        )
        self._storage.create_new_trial(self._study._study_id, trial)
        self._unwritten.append(partial(self._projection.add, trial=self._trials()[setting]))

    def is_baseline(self, setting: int) -> bool:
        """Says whether it is the one that the others must beat."""
        return setting == self._baseline_at

    def _restate(self, trials: list[FrozenTrial]) -> None:
        """Gives trials the ranges of the spec, where they were asked in narrower ones.

        Optuna's samplers leave a parameter out of their models whose range differs between trials.
        """
        for name, entry in self._spec.entries.items():
            if isinstance(entry, Fixed):
                continue
            distribution = _distribution(entry)
            narrow = [trial for trial in trials if trial.distributions.get(name, distribution) != distribution]
            for trial in narrow:
                trial.distributions = {**trial.distributions, name: distribution}
            if narrow:
                self._unwritten.append(partial(self._projection.restate, name=name, distribution=distribution))

    def _finish(self, setting: int, state: Any, values: list[float] | None, constraints: dict[str, float]) -> None:
        """Ends a trial; samplers' own hooks after a trial are passed by: they stop a study or warn, no more."""
        trial = self._trials()[setting]
        if trial.state.is_finished():
            return
        for key, value in constraints.items():
            self._storage.set_trial_system_attr(trial._trial_id, key, value)
        self._storage.set_trial_state_values(trial._trial_id, state, values)
        ended = self._trials()[setting]
        self._unwritten.append(partial(self._projection.finish, trial=ended, constraints=constraints))

    def _trials(self) -> list[FrozenTrial]:
        return self._storage.get_all_trials(self._study._study_id, deepcopy=False)

    def _preset(self, number: int) -> dict[str, Value] | None:
        """Returns what Optuna is not to propose itself: the baseline where the space has it, or a plan's setting."""
        entries, search = self._spec.entries, self._spec.search
        if self.is_baseline(number):
            return {name: value for name, value in self._baseline.items() if _is_proposed(entries, name, value)}
        if self._sampler.plan is None:
            return None
        seeds = derive_seed(search.seed, 0, "plan"), derive_seed(search.seed, number, "plan")
        others = [trial for trial in self._trials() if not self.is_baseline(trial.number)]
        asked = [trial.params for trial in others]
        told = [Told(trial.params, trial.values[0]) for trial in others if trial.values]
        place = number - self._num_given
        query = Query(self._spec.laws, entries, search.sampler_options, seeds, place, asked, told)
        return leave_out(query.laws, entries, self._sampler.plan(query))

    def _suggest_all(self, trial: Trial) -> dict[str, Value]:
        laws, entries = self._spec.laws, self._spec.entries
        params: dict[str, Value] = {}
        for name, entry in entries.items():
            if is_asked(laws, entries, name, params):
                params[name] = entry.value if isinstance(entry, Fixed) else self._suggest_one(trial, name, entry)
        return params

    def _suggest_baseline(self, trial: Trial) -> dict[str, Value]:
        """Returns the baseline; Optuna learns those of its parameters that lie within the space."""
        for name, value in self._baseline.items():
            if _is_proposed(self._spec.entries, name, value):
                self._suggest_one(trial, name, self._spec.entries[name])
        return dict(self._baseline)

    def _suggest_one(self, trial: Trial, name: str, entry: Entry) -> Value:
        self._seed_sampler(trial.number, name)
        return _suggest(trial, name, entry)

    def _seed_sampler(self, number: int, purpose: str) -> None:
        """Makes Optuna's sampler a fresh one, seeded for one trial and parameter: no draw depends on those before."""
        seed = derive_seed(self._spec.search.seed, number, f"proposal/{purpose}")
        restart = getattr(self._study.sampler, "restart", None)
        if restart is not None and purpose != WHOLE:
            restart(seed)
            return
        self._study.sampler = self._sampler.build(seed, self._spec.search.sampler_options)


def _is_proposed(entries: Mapping[str, Entry], name: str, value: Value) -> bool:
    return name in entries and contains(entries[name], value)


def _distribution(entry: Entry) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(entry, Range) and entry.whole:
        return IntDistribution(int(entry.low), int(entry.high), log=entry.log, step=int(entry.step or 1))
    if isinstance(entry, Range):
        return FloatDistribution(entry.low, entry.high, log=entry.log, step=entry.step)
    assert isinstance(entry, Choice)
    return CategoricalDistribution(entry.values)


def _suggest(trial: Trial, name: str, entry: Entry) -> Value:
    if isinstance(entry, Range) and entry.whole:
        return trial.suggest_int(name, int(entry.low), int(entry.high), log=entry.log, step=int(entry.step or 1))
    if isinstance(entry, Range):
        return trial.suggest_float(name, entry.low, entry.high, log=entry.log, step=entry.step)
    assert isinstance(entry, Choice)
    chosen = trial.suggest_categorical(name, entry.values)
    assert chosen is not None
    return chosen
