"""The coordinator: the one process that decides for a study. It asks, submits, records and tells."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from dashboards.budget import Line
from objectives.costs import COSTS, Measurement
from objectives.front import Reference
from objectives.pulse import forget_pulse, read_pulse
from objectives.seeds import derive_seed
from objectives.trial import (
    Bill,
    Checkpointed,
    Ended,
    EpochEnded,
    Event,
    Failed,
    Finished,
    Infeasible,
    Noted,
    Placement,
    SlotLost,
    Started,
    Stopped,
)
from search.budget import Account
from search.configs import configure
from search.engines import ENGINES, Engine
from search.gain import Gain
from search.keeping import Keeper
from search.limits import judge_epoch, judge_silence
from search.proposals import Proposals, TakenOver
from search.spec import SweepSpec
from search.trials import RESULTS, Trial, Trials, Verdict
from storage.database import Database
from storage.leases import Lease
from storage.ledger import CostValue, Ledger, Page
from storage.patience import DatabaseAway
from storage.studies import AttemptRow, StudyRow

MOST_DEATHS = 3
"""Slots that may die in a row under a trial before it ends another epoch; after the last one it has failed."""

HEARTBEAT_SECONDS = 1.0
"""How often requests are looked for."""

PAUSE_SECONDS = 5.0
"""A round of the coordinator that takes longer was a pause of its own: it was halted, or proposed for so long. That it
heard no slot then is no slot's silence."""

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
    """

    def __init__(
        self,
        database: Database,
        study: StudyRow,
        spec: SweepSpec,
        ledger: Ledger,
        placements: list[Placement],
        watch: Watch,
        show_budget: ShowBudget,
        is_interrupted: Callable[[], bool],
    ) -> None:
        self._spec, self._watch, self._placements = spec, watch, placements
        self._show_budget = show_budget
        self._is_interrupted = is_interrupted
        self._target, self._reference = study.num_trials, study.reference
        self._chance = 1 / study.data["num_classes"] if "num_classes" in study.data else 0.0
        by_number = {row.number: Trial.of(row) for row in study.trials}
        self._trials = Trials(spec.search.repeats, spec.objective.minimize, by_number)
        self._keeper = Keeper(database.artifacts / study.uuid, self._trials, spec.artifacts.max_bytes)
        self._ledger = ledger
        self._proposals = Proposals(database, spec, self._trials.num_settings, _taken_over(study, spec.search.repeats))
        self._account = Account(spec.budget, spec.objective.epochs, self._trials, study.wall_seconds)
        self._gain = Gain(spec.budget.min_gain_per_device_hour, self._trials)
        self._refusal: str | None = None
        self._num_ended_here = 0
        self._looked_at = time.perf_counter()
        self._next_heartbeat = 0.0
        self._repair(study, ledger.lease)

    def run(self) -> Ending:
        """Runs trials until the study is complete, may begin no more, or is asked to stop; returns how it ended.

        Whatever ends it, KeyboardInterrupt too, the slots are ended and what was under way is put back to be continued:
        by whoever resumes it, where the database is away.
        """
        self._refusal = self._find_refusal()
        ending = self._find_ending() or self._sit()
        with self._ledger.writing() as page:
            page.set_wall(self._account.wall_seconds(time.perf_counter()))
            page.set_state(*ending)
        return ending

    def _sit(self) -> Ending:
        engine = ENGINES[self._spec.compute.engine](self._placements)
        try:
            return self._loop(engine)
        finally:
            engine.close()
            with suppress(DatabaseAway):
                self._put_back()

    def _loop(self, engine: Engine) -> Ending:
        while not self._stop_requested():
            if self._is_interrupted():
                raise KeyboardInterrupt
            self._fill(engine)
            if (ending := self._find_ending()) is not None:
                return ending
            left = self._account.seconds_left(time.perf_counter())
            events = list(engine.events(HEARTBEAT_SECONDS if left is None else min(HEARTBEAT_SECONDS, left)))
            self._note_pause()
            self._record(events)
            self._hold(engine)
        return Ending("stopped", "a stop was requested")

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
            or self._gain.find_lack(self._reference)
            or self._find_hopelessness()
            or (None if waiting is None else self._account.refuse(waiting, now))
        )

    def _find_hopelessness(self) -> str | None:
        """Returns that nothing can be trained; a sitting tries anew, since what was at fault may have been mended."""
        least = max(LEAST_FAILURES, len(self._placements))
        if self._num_ended_here < least or any(trial.state in RESULTS for trial in self._trials):
            return None
        ended = [trial for trial in self._trials if trial.has_ended]
        count = f"all {len(ended)} trials that ended failed or proved infeasible"
        return f"nothing could be trained: {count}, the last of them: {ended[-1].reason}"

    def _stop_requested(self) -> bool:
        if time.monotonic() < self._next_heartbeat:
            return False
        self._next_heartbeat = time.monotonic() + HEARTBEAT_SECONDS
        with self._ledger.writing() as page:
            page.set_wall(self._account.wall_seconds(time.perf_counter()))
            return "stop" in page.take_requests()

    def _fill(self, engine: Engine) -> None:
        self._refusal = self._find_refusal()
        for placement in engine.free_slots():
            if self._refusal is not None:
                return
            waiting = (trial for trial in self._trials if trial.state == "waiting")
            trial = next(waiting, None) or self._propose()
            if trial is None:
                return
            self._refusal = self._account.refuse(trial, time.perf_counter())
            if self._refusal is None:
                self._begin(engine, trial, placement)

    def _begin(self, engine: Engine, trial: Trial, placement: Placement) -> None:
        forget_pulse(self._keeper.trial_folder(trial.number))
        with self._ledger.writing() as page:
            page.start_attempt(trial.number, trial.num_attempts + 1, placement.slot)
        trial.num_attempts += 1
        trial.state, trial.slot, trial.verdict, trial.is_asked_to_stop = "running", placement.slot, None, False
        trial.hear(time.perf_counter())
        engine.submit(placement.slot, [configure(self._spec, trial, self._keeper.trial_folder(trial.number))])

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
                self._write(page, self._trials[event.trial], event)
            page.add(*self._proposals.take_steps())
        for event in events:
            trial = self._trials[event.trial]
            if trial.has_ended:
                self._keeper.tidy(trial)
            self._show_budget(self._account.lines(time.perf_counter()))
            self._watch(trial, event)

    def _write(self, page: Page, trial: Trial, event: Event) -> None:
        trial.hear(time.perf_counter())
        match event:
            case Started():
                page.set_device(trial.number, trial.num_attempts, asdict(event.device))
                self._charge(page, trial, event.bill)
            case Checkpointed():
                is_known = event.epoch <= len(trial.costs)  # trained once more, as in `_write_epoch`
                self._charge(page, trial, {"lost": sum(event.bill.values())} if is_known else event.bill)
                page.hear(trial.number, trial.num_attempts)
            case Noted():
                trial.reason = event.text if trial.reason is None else f"{trial.reason}; {event.text}"
                page.note_trial(trial.number, trial.reason)
            case EpochEnded():
                self._write_epoch(page, trial, event)
            case _:
                self._charge(page, trial, event.bill)
                self._conclude(page, trial, event)

    def _charge(self, page: Page, trial: Trial, bill: Bill) -> None:
        page.charge(trial.number, trial.num_attempts, bill)
        trial.charge(bill)
        self._account.charge(bill)

    def _conclude(self, page: Page, trial: Trial, event: Ended) -> None:
        """Writes what becomes of a trial that its slot has let go of."""
        verdict, attempt = trial.verdict, trial.num_attempts
        is_whole = len(trial.costs) >= self._spec.objective.epochs
        trial.num_deaths += isinstance(event, SlotLost)
        match event:
            case _ if verdict is not None and verdict.state != "stopped":
                self._end(page, trial, *verdict)
            case Infeasible():
                self._end(page, trial, "infeasible", event.reason)
            case Failed():
                self._end(page, trial, "failed", event.reason)
            case Finished() | Stopped() if is_whole or isinstance(event, Finished):
                self._finish(page, trial, "complete", None)
            case Stopped() | SlotLost() if verdict is not None and trial.costs:
                self._finish(page, trial, *verdict)
            case SlotLost() if trial.num_deaths >= MOST_DEATHS:
                self._end(page, trial, "failed", f"{event.reason}, {trial.num_deaths} times without an epoch")
            case _:
                outcome = event.reason if isinstance(event, SlotLost) else "stopped before its first epoch ended"
                page.end_attempt(trial.number, attempt, outcome)
                page.return_trial(trial.number)
                trial.state = "waiting"

    def _finish(self, page: Page, trial: Trial, state: str, reason: str | None) -> None:
        """Ends a trial that has results, unless they lack what the search needs."""
        missing = [cost for name in self._spec.objective.minimize if (cost := trial.cost(name)).value is None]
        if missing:
            self._end(page, trial, "failed", f"a cost to minimise is absent: {missing[0].reason}")
        else:
            self._end(page, trial, state, reason)
            if state == "complete":
                self._fix_reference(page, trial)

    def _write_epoch(self, page: Page, trial: Trial, event: EpochEnded) -> None:
        record, attempt = event.record, trial.num_attempts
        if record.epoch <= len(trial.costs):
            if not event.replayed:  # trained once more, since the checkpoint was older than the ledger
                self._charge(page, trial, {"lost": sum(record.bill.values())})
            return
        page.record_epoch(
            trial.number,
            attempt,
            epoch=record.epoch,
            train_loss=record.train_loss,
            validation_loss=record.validation_loss,
            num_correct=record.num_correct,
            num_images=record.num_images,
            costs={name: _kept(cost) for name, cost in record.costs.items()},
        )
        if not event.replayed:  # else its time is in what the attempt before it lost
            self._charge(page, trial, record.bill)
        trial.remember(record)
        self._account.add_epoch(record.costs)
        trial.verdict = trial.verdict or judge_epoch(self._spec.limits, trial, record)
        trial.forgiven_seconds = 0.0

    def _end(self, page: Page, trial: Trial, state: str, reason: str | None) -> None:
        page.end_attempt(trial.number, trial.num_attempts, state)
        costs = {name: _kept(trial.cost(name)) for name in COSTS} if trial.costs else {}
        trial.state, trial.reason = state, reason or trial.reason
        page.end_trial(trial.number, state, trial.reason, costs)
        self._num_ended_here += 1
        setting = self._trials.setting_of(trial)
        if self._trials.has_ended(setting):
            self._gain.add(setting)
            self._tell(setting)

    def _fix_reference(self, page: Page, trial: Trial) -> None:
        """Fixes the hypervolume's scales by the first trial that completes, once for the whole study."""
        if self._reference is not None:
            return
        worst = [Reference.WORST_OVER_FIRST * value for value in trial.values(self._trials.minimize)]
        self._reference = {"chance": self._chance, "worst": worst}
        page.set_reference(self._reference)

    def _tell(self, setting: int) -> None:
        """Tells Optuna how a setting did, once all its trials have ended: the means over its seeds.

        A setting that could not be trained, with one of its seeds even, is told as accuracy 0 at the highest cost of
        any trial, with a violated constraint; these numbers are for the sampler alone and are recorded nowhere else.
        One that was stopped is told by its accuracy and costs so far.
        """
        if not self._trials.has_ended(setting):
            return
        states = {trial.state for trial in self._trials.members(setting)}
        if "infeasible" in states:
            costs = [self._trials.highest(name) or 1.0 for name in self._trials.minimize]
            self._proposals.tell(setting, 0.0, costs, feasible=False)
        elif states & set(RESULTS):
            accuracy, *costs = self._trials.means(setting, self._trials.depth(setting) if "stopped" in states else None)
            self._proposals.tell(setting, accuracy, costs, feasible=True)
        else:
            self._proposals.give_up(setting)

    def _put_back(self) -> None:
        """Ends the attempts under way, bills what they lost, and lets their trials wait to be continued."""
        with self._ledger.writing() as page:
            page.set_wall(self._account.wall_seconds(time.perf_counter()))
            for trial in self._trials.running:
                self._charge(page, trial, {"lost": time.perf_counter() - trial.heard_at})
                page.end_attempt(trial.number, trial.num_attempts, "interrupted")
                page.return_trial(trial.number)
                trial.state = "waiting"

    def _repair(self, study: StudyRow, lease: Lease) -> None:
        """Mends what a coordinator that was killed left behind, and Optuna's tables where somebody changed them."""
        self._keeper.mend()
        with self._ledger.writing() as page:
            page.set_state("running")
            for row in study.trials:
                trial = self._trials[row.number]
                for attempt in row.attempts:
                    if attempt.ended_at is None:
                        lost_seconds, ended_at = self._find_end(row.number, attempt, lease)
                        page.charge(row.number, attempt.attempt, {"lost": lost_seconds})
                        trial.charge({"lost": lost_seconds})
                        self._account.charge({"lost": lost_seconds})
                        page.end_attempt(row.number, attempt.attempt, "killed with its coordinator", ended_at)
                if row.state == "running":
                    page.return_trial(row.number)
                    trial.state = "waiting"
            for setting in range(self._trials.num_settings):
                if setting >= len(self._proposals):
                    self._proposals.adopt(setting, self._trials.members(setting)[0].params)
                self._tell(setting)
            page.add(*self._proposals.take_steps())

    def _find_end(self, number: int, attempt: AttemptRow, lease: Lease) -> tuple[float, datetime]:
        """Returns what an attempt that was killed with its coordinator lost, in seconds, and when it ended.

        Its slot noted for how long it went on; where there is no note, it is taken to have ended when its coordinator
        was last heard of.
        """
        held_seconds = read_pulse(self._keeper.trial_folder(number))
        if held_seconds is not None:
            lost_seconds = max(0.0, held_seconds - sum(attempt.bill.values()))
            return lost_seconds, attempt.started_at + timedelta(seconds=held_seconds)
        last = max(lease.last_renewed_at or attempt.heard_at, attempt.heard_at)
        return (last - attempt.heard_at).total_seconds(), last


def _taken_over(study: StudyRow, repeats: int) -> TakenOver:
    """Returns which settings the study began with."""
    taken = [trial for trial in study.trials if trial.source is not None]
    baselines = [trial.number // repeats for trial in taken if trial.is_baseline]
    return TakenOver(len(taken) // repeats, min(baselines, default=None))


def _kept(cost: Measurement) -> CostValue:
    return CostValue(cost.value, cost.method, cost.reason)
