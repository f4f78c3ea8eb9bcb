"""The coordinator: the one process that decides for a study. It asks, submits, records and tells."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Literal, NamedTuple

from dashboards.budget import Line
from dashboards.energy import sum_energy
from objectives.meters.held import HeldEnergy, open_counters
from objectives.pulse import forget_pulse
from objectives.seeds import derive_seed
from objectives.trial import Event, Placement, TrialConfig
from search.budget import Account
from search.compute import describe_slots
from search.configs import add_calibrations, configure, fingerprint_trained
from search.engines import ENGINES, Engine
from search.faults import Hasty
from search.gain import Gain
from search.keeping import Keeper
from search.limits import judge_silence
from search.matching import match
from search.profiles import Profiles
from search.proposals import Proposals, TakenOver
from search.recording import Recorder
from search.spec import SweepSpec
from search.tariff import Tariff
from search.trials import RESULTS, Trial, Trials, Verdict, kept
from storage.database import Database
from storage.ledger import Ledger, Page
from storage.patience import DatabaseAway
from storage.rows import StudyRow

HEARTBEAT_SECONDS = 1.0
"""How often requests are looked for."""

PAUSE_SECONDS = 5.0
"""A round of the coordinator that takes longer was a pause of its own: it was halted, or proposed for so long. That it
heard no slot then is no slot's silence."""

SUSPEND_SECONDS = 5.0
"""How long trials have to save where they are when the sitting ends before them: whoever stops a job by SIGTERM, a
container's engine or a batch system, kills it after ten seconds or more."""

LEAST_FAILURES = 5
"""Trials, or as many as there are slots, after which a study of which nothing could be trained is given up."""

Watch = Callable[[Trial, Event], None]
"""Told of each event after it was recorded."""


ShowBudget = Callable[[list[Line]], None]
"""Told what is spent of the budget, after each event."""


class Ending(NamedTuple):
    """How a sitting ended, and why before the study's target."""

    state: Literal["complete", "stopped"]
    reason: str | None = None


class Coordinator:
    """Runs a study until its target is reached, its budget is spent, a stop is requested, or it is interrupted.

    Args:
        database: Where the study is.
        study: The study, as it was read under the lease.
        spec: Its spec; `compute` may differ from the stored one.
        ledger: Where it is written.
        placements: The slots to use.
        watch: Told of each event.
        show_budget: Told of what is spent.
        is_interrupted: Asked between events; once it says so, KeyboardInterrupt is raised with everything saved.
        tariff: What the sitting costs.
    """

    def __init__(
        self,
        database: Database,
        study: StudyRow,
        spec: SweepSpec,
        ledger: Ledger,
        placements: Sequence[Placement],
        watch: Watch,
        show_budget: ShowBudget,
        is_interrupted: Callable[[], bool],
        tariff: Tariff,
    ) -> None:
        self._spec, self._watch, self._placements = spec, watch, placements
        self._show_budget = show_budget
        self._is_interrupted = is_interrupted
        self._target = study.num_trials
        by_number = {row.number: Trial.of(row) for row in study.trials}
        self._trials = Trials(spec.search.repeats, spec.objective.minimize, by_number)
        self._keeper = Keeper(database.artifacts / study.uuid, self._trials, spec.artifacts.max_bytes)
        self._ledger = ledger
        self._proposals = Proposals(database, spec, self._trials.num_settings, _taken_over(study, spec.search.repeats))
        wall_seconds = study.wall_seconds
        self._account = Account(
            spec.budget, spec.objective.epochs, self._trials, wall_seconds, tariff=tariff,
            slots_per_device=placements[0].slots_per_device, energy_before=sum_energy(study),
        )  # fmt: skip
        self._gain = Gain(spec.budget.min_gain_per_device_hour, self._trials)
        self._fingerprint = fingerprint_trained(study, spec)
        self._profiles = Profiles(self._fingerprint, measures_anew=spec.search.remeasures is not None)
        shared = placements[0].slots_per_device
        self._recorder = Recorder(
            spec, study, self._trials, self._proposals, self._keeper, self._account, self._gain, self._profiles, shared
        )
        self._refusal: str | None = None
        self._looked_at = time.perf_counter()
        self._next_heartbeat = 0.0
        self._opened_at: float | None = None
        self._energy = HeldEnergy("no slot is held")
        self._keeper.mend()
        with ledger.writing() as page:
            self._recorder.repair(page, study, ledger.lease)

    def run(self) -> Ending:
        """Runs trials until the study is complete, may begin no more, or is asked to stop; returns how it ended.

        Whatever ends it, KeyboardInterrupt too, the slots are ended and what was under way is put back to be continued:
        by whoever resumes it, where the database is away.
        """
        self._refusal = self._find_refusal()
        ending = self._find_ending() or self._sit()
        with self._ledger.writing() as page:
            self._note_time(page)
            page.set_state(*ending)
        return ending

    def _sit(self) -> Ending:
        self._energy = HeldEnergy(open_counters(self._placements))
        with self._ledger.writing() as page:
            page.begin_sitting(
                describe_slots(self._placements),
                len(self._placements),
                self._placements[0].slots_per_device,
                kept(self._energy.read()),
            )
        self._opened_at = time.perf_counter()
        engine = ENGINES[self._spec.compute.engine](self._placements)
        try:
            return self._loop(engine)
        finally:
            engine.close()
            with suppress(DatabaseAway), self._ledger.writing() as page:
                self._recorder.put_back(page)
                self._note_time(page)
            self._opened_at = None

    def _loop(self, engine: Engine) -> Ending:
        while not self._stop_requested():
            if self._is_interrupted():
                raise KeyboardInterrupt if self._suspend(engine) else Hasty
            self._fill(engine)
            if (ending := self._find_ending()) is not None:
                return ending
            left = self._account.seconds_left(time.perf_counter())
            events = list(engine.events(HEARTBEAT_SECONDS if left is None else min(HEARTBEAT_SECONDS, left)))
            self._note_pause()
            self._record(events)
            self._hold(engine)
        self._suspend(engine)
        return Ending("stopped", "a stop was requested")

    def _suspend(self, engine: Engine) -> bool:
        """Has each trial save where it is, and waits a while for that; returns whether all have.

        Who interrupts for a second time does not wait.
        """
        until = time.perf_counter() + SUSPEND_SECONDS
        for trial in self._trials.running:
            engine.suspend(trial.number)
        while self._trials.running and (left := until - time.perf_counter()) > 0:
            self._record(list(engine.events(min(HEARTBEAT_SECONDS, left))))
        return not self._trials.running

    def _find_ending(self) -> Ending | None:
        """Returns how the sitting ends if nothing is to be done any more."""
        if self._trials.running:
            return None
        if len(self._trials) >= self._target and all(trial.has_ended for trial in self._trials):
            return Ending("complete")
        return None if self._refusal is None else Ending("stopped", self._refusal)

    def _find_refusal(self) -> str | None:
        """Returns why no trial may begin, the one that waits or any; None where it may."""
        now = time.perf_counter()
        waiting = next((trial for trial in self._trials if trial.state == "waiting"), None)
        return (
            self._account.find_spent(now)
            or self._gain.find_lack(self._recorder.reference)
            or self._find_hopelessness()
            or (None if waiting is None else self._account.refuse(waiting, now))
        )

    def _find_hopelessness(self) -> str | None:
        """Returns that nothing can be trained; a sitting tries anew, since what was at fault may have been mended."""
        least = max(LEAST_FAILURES, len(self._placements))
        if self._recorder.num_ended < least or any(trial.state in RESULTS for trial in self._trials):
            return None
        ended = [trial for trial in self._trials if trial.has_ended]
        count = f"all {len(ended)} trials that ended failed or proved infeasible"
        return f"nothing could be trained: {count}, the last of them: {ended[-1].reason}"

    def _stop_requested(self) -> bool:
        if time.monotonic() < self._next_heartbeat:
            return False
        self._next_heartbeat = time.monotonic() + HEARTBEAT_SECONDS
        with self._ledger.writing() as page:
            self._note_time(page)
            return "stop" in page.take_requests()

    def _note_time(self, page: Page) -> None:
        """Writes how long the coordinators ran, and this sitting held its slots, with the energy of these."""
        now = time.perf_counter()
        page.set_wall(self._account.wall_seconds(now))
        if self._opened_at is not None:
            seconds, energy = now - self._opened_at, self._energy.read()
            page.set_sitting(seconds, kept(energy))
            self._account.meter(energy, seconds * len(self._placements) / self._placements[0].slots_per_device)

    def _fill(self, engine: Engine) -> None:
        self._refusal = self._find_refusal()
        free = list(engine.free_slots())
        while free and self._refusal is None and (found := self._find_next(free)) is not None:
            trial, placement = found
            free.remove(placement)
            self._refusal = self._account.refuse(trial, time.perf_counter())
            if self._refusal is None:
                self._begin(engine, trial, placement)

    def _find_next(self, free: Sequence[Placement]) -> tuple[Trial, Placement] | None:
        """Returns the next trial with a free slot for it, proposed where none waits for one.

        Where devices are searched the proposals may be for slots that are busy: those wait, and others are proposed
        until as many wait as there are slots. They are in the ledger like all that wait, so that a sitting that is cut
        off leaves them to the next.
        """
        is_searched = self._spec.compute.is_device_searched
        while True:
            waiting = [trial for trial in self._trials if trial.state == "waiting"]
            found = match(waiting, free, is_device_searched=is_searched)
            if found is not None or len(waiting) >= len(self._placements) or self._propose() is None:
                return found

    def _begin(self, engine: Engine, trial: Trial, placement: Placement) -> None:
        folder = self._keeper.trial_folder(trial.number)
        forget_pulse(folder)
        config = configure(self._spec, trial, folder)
        with self._ledger.writing() as page:
            if isinstance(config, TrialConfig):
                config = self._add_known(config, page, placement)
            page.start_attempt(trial.number, trial.num_attempts + 1, placement.slot)
        trial.begin(time.perf_counter(), placement.slot)
        engine.submit(placement.slot, [config])

    def _add_known(self, config: TrialConfig, page: Page, placement: Placement) -> TrialConfig:
        """Adds what others found out of a setting."""
        if placement.slots_per_device > 1:
            config = add_calibrations(config, page, self._fingerprint)
        return self._profiles.add_known(config)

    def _note_pause(self) -> None:
        """Notes a pause of the coordinator; inline there is none, since a round is as long as an epoch."""
        now = time.perf_counter()
        seconds, self._looked_at = now - self._looked_at, now
        if seconds > PAUSE_SECONDS and self._spec.compute.engine != "inline":
            for trial in self._trials.running:
                trial.forgive(seconds)

    def _hold(self, engine: Engine) -> None:
        """Holds running trials to the limits and the budget."""
        self._note_pause()
        now = time.perf_counter()
        spent = self._account.find_spent(now)
        for trial in self._trials.running:
            if (late := judge_silence(self._spec.limits, trial, now)) is not None:
                trial.verdict = late
                engine.abandon(trial.number)
                continue
            if trial.verdict is None and spent is not None:
                trial.verdict = Verdict("stopped", spent)
            if trial.verdict is not None and not trial.is_asked_to_stop:
                trial.is_asked_to_stop = True
                engine.stop(trial.number)

    def _propose(self) -> Trial | None:
        number = len(self._trials)
        if number >= self._target:
            return None
        setting, repeat = divmod(number, self._trials.repeats)
        params = self._proposals.ask(setting) if repeat == 0 else dict(self._trials[number - repeat].params)
        trial = Trial(number, params, derive_seed(self._spec.search.seed, number, "training"), "waiting")
        with self._ledger.writing() as page:
            page.add_trial(number, params, trial.seed, is_baseline=self._proposals.is_baseline(setting))
            page.add(*self._proposals.take_steps())
        self._trials.add(trial)
        return trial

    def _record(self, events: list[Event]) -> None:
        """Writes events in one transaction, Optuna's tables too, then tells the watcher and the disk."""
        if not events:
            return
        with self._ledger.writing() as page:
            for event in events:
                self._recorder.write(page, self._trials[event.trial], event)
            self._note_time(page)
            page.add(*self._proposals.take_steps())
        for event in events:
            trial = self._trials[event.trial]
            if trial.has_ended:
                self._keeper.tidy(trial)
            self._show_budget(self._account.lines(time.perf_counter()))
            self._watch(trial, event)


def _taken_over(study: StudyRow, repeats: int) -> TakenOver:
    """Returns which settings the study began with."""
    taken = [trial for trial in study.trials if trial.source is not None]
    baselines = [trial.number // repeats for trial in taken if trial.is_baseline]
    return TakenOver(tuple(trial.params for trial in taken[::repeats]), min(baselines, default=None))
