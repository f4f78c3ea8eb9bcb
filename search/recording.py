"""What the coordinator writes of its trials, event by event: into the ledger, into memory, and to the sampler."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from objectives.costs import COSTS, ONCE
from objectives.front import Reference
from objectives.pulse import read_pulse
from objectives.trial import (
    Bill,
    Calibrated,
    Checkpointed,
    Ended,
    EpochEnded,
    Event,
    Failed,
    Finished,
    Infeasible,
    Noted,
    Profiled,
    SlotLost,
    Started,
    Stopped,
    in_vain,
)
from search.budget import Account
from search.gain import Gain
from search.keeping import Keeper
from search.limits import judge_epoch, judge_profile
from search.profiles import Profiles
from search.proposals import Proposals
from search.spec import SweepSpec
from search.trials import RESULTS, Trial, Trials, kept
from storage.leases import Lease
from storage.ledger import Page
from storage.rows import AttemptRow, StudyRow

MOST_DEATHS = 3
"""Slots that may die in a row under a trial before it ends another epoch; after the last one it has failed."""


class Recorder:
    """Puts what slots tell on pages of the ledger, and keeps the trials in memory in step with them.

    A page is written whole by whoever opened it, again where the database was away; what is decided here is decided
    once.

    Args:
        spec: The study's.
        study: As it was read under the lease.
        trials: Its trials.
        proposals: Told of each setting that ended.
        keeper: Of the trials' folders.
        account: The study's books.
        gain: Told of each setting that ended.
        profiles: Of the study's networks.
        slots_per_device: How many slots share a device in this sitting: each is billed its share.

    Attributes:
        reference: Scales of the hypervolume; None until a trial completed.
        num_ended: Trials that ended in this sitting.
    """

    def __init__(
        self,
        spec: SweepSpec,
        study: StudyRow,
        trials: Trials,
        proposals: Proposals,
        keeper: Keeper,
        account: Account,
        gain: Gain,
        profiles: Profiles,
        slots_per_device: int,
    ) -> None:
        self._spec, self._trials, self._proposals = spec, trials, proposals
        self._keeper, self._account, self._gain = keeper, account, gain
        self._profiles, self._slots_per_device = profiles, slots_per_device
        self._chance = 1 / study.data["num_classes"] if "num_classes" in study.data else 0.0
        self.reference: Mapping[str, Any] | None = study.reference
        self.num_ended = 0

    def write(self, page: Page, trial: Trial, event: Event) -> None:
        """Puts on a page what a slot told of a trial."""
        trial.hear(time.perf_counter())
        match event:
            case Started():
                page.set_device(trial.number, trial.num_attempts, asdict(event.device))
                self._charge(page, trial, event.bill)
            case Profiled():
                self._write_profile(page, trial, event)
            case Calibrated() if event.is_disturbed:
                pass
            case Calibrated():
                costs = {name: kept(cost) for name, cost in event.costs.items()}
                page.keep_calibration(event.signature, event.device.digest, asdict(event.device), costs)
            case Checkpointed():
                is_known = event.epoch <= len(trial.costs)  # trained once more, as in `_write_epoch`
                self._charge(page, trial, in_vain(event.bill) if is_known else event.bill)
                page.hear(trial.number, trial.num_attempts)
            case Noted():
                trial.reason = event.text if trial.reason is None else f"{trial.reason}; {event.text}"
                page.note_trial(trial.number, trial.reason)
            case EpochEnded():
                self._write_epoch(page, trial, event)
            case _:
                self._charge(page, trial, event.bill)
                self._conclude(page, trial, event)

    def _conclude(self, page: Page, trial: Trial, event: Ended) -> None:
        """Writes what becomes of a trial that its slot has let go of."""
        verdict = trial.verdict
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
            case _ if isinstance(event, SlotLost):
                self._return(page, trial, event.reason)
            case _:
                self._return(page, trial, "interrupted" if verdict is None else "stopped before its first epoch ended")

    def _return(self, page: Page, trial: Trial, outcome: str) -> None:
        """Puts a trial back to be continued."""
        page.end_attempt(trial.number, trial.num_attempts, outcome)
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

    def _write_profile(self, page: Page, trial: Trial, event: Profiled) -> None:
        if trial.profile:
            return  # measured once more, since an attempt before was cut off before its first checkpoint
        trial.profile = dict(self._profiles.settle(page, event))
        page.record_profile(trial.number, {name: kept(cost) for name, cost in trial.profile.items()})
        trial.verdict = trial.verdict or judge_profile(self._spec.limits, trial)

    def _write_epoch(self, page: Page, trial: Trial, event: EpochEnded) -> None:
        record, attempt = event.record, trial.num_attempts
        if record.epoch <= len(trial.costs):
            if not event.replayed:  # trained once more, since the checkpoint was older than the ledger
                self._charge(page, trial, in_vain(record.bill))
            return
        page.record_epoch(
            trial.number,
            attempt,
            epoch=record.epoch,
            train_loss=record.train_loss,
            validation_loss=record.validation_loss,
            num_correct=record.num_correct,
            num_images=record.num_images,
            costs={name: kept(cost) for name, cost in record.costs.items()},
        )
        if not event.replayed:  # else its time is in what the attempt before it lost
            self._charge(page, trial, record.bill)
        trial.remember(record)
        self._account.add_epoch(record.costs)
        trial.verdict = trial.verdict or judge_epoch(self._spec.limits, trial, record)
        trial.forgiven_seconds = 0.0

    def _end(self, page: Page, trial: Trial, state: str, reason: str | None) -> None:
        page.end_attempt(trial.number, trial.num_attempts, state)
        costs = {name: kept(trial.cost(name)) for name in COSTS if name not in ONCE} if trial.costs else {}
        trial.state, trial.reason = state, reason or trial.reason
        page.end_trial(trial.number, state, trial.reason, costs)
        self.num_ended += 1
        setting = self._trials.setting_of(trial)
        if self._trials.has_ended(setting):
            self._gain.add(setting)
            self._tell(setting)

    def _charge(self, page: Page, trial: Trial, slot_seconds: Bill) -> None:
        """Bills an attempt for its slot's share of the device."""
        bill = {line: seconds / self._slots_per_device for line, seconds in slot_seconds.items()}
        page.charge(trial.number, trial.num_attempts, bill)
        trial.charge(bill)
        trial.billed_until += sum(slot_seconds.values())
        self._account.charge(trial, bill)

    def _fix_reference(self, page: Page, trial: Trial) -> None:
        """Fixes the hypervolume's scales by the first trial that completes, once for the whole study."""
        if self.reference is not None:
            return
        worst = [Reference.WORST_OVER_FIRST * value for value in trial.values(self._trials.minimize)]
        self.reference = {"chance": self._chance, "worst": worst}
        page.set_reference(self.reference)

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

    def put_back(self, page: Page) -> None:
        """Ends the attempts under way, bills what they lost, and lets their trials wait to be continued."""
        for trial in self._trials.running:
            self._charge(page, trial, {"lost": max(0.0, time.perf_counter() - trial.billed_until)})
            self._return(page, trial, "interrupted")

    def repair(self, page: Page, study: StudyRow, lease: Lease) -> None:
        """Mends what a coordinator that was killed left behind, and Optuna's tables where somebody changed them."""
        page.set_state("running")
        ends: list[datetime] = []
        for row in study.trials:
            trial = self._trials[row.number]
            for attempt in row.attempts:
                if attempt.ended_at is None:
                    shared = study.sittings[-1].slots_per_device if study.sittings else 1
                    lost_seconds, ended_at = self._find_end(row.number, attempt, lease, shared)
                    ends.append(ended_at)
                    page.charge(row.number, attempt.attempt, {"lost": lost_seconds})
                    trial.charge({"lost": lost_seconds})
                    self._account.charge(trial, {"lost": lost_seconds})
                    page.end_attempt(row.number, attempt.attempt, "killed with its coordinator", ended_at)
            if row.state == "running":
                page.return_trial(row.number)
                trial.state = "waiting"
        if study.sittings and ends:  # its slots were held for as long as they are known to have gone on
            last = study.sittings[-1]
            page.mend_sitting(last.token, max(last.seconds, (max(ends) - last.started_at).total_seconds()))
        for setting in range(self._trials.num_settings):
            if setting >= len(self._proposals):
                self._proposals.adopt(setting, self._trials.members(setting)[0].params)
            self._tell(setting)
        page.add(*self._proposals.take_steps())

    def _find_end(self, number: int, attempt: AttemptRow, lease: Lease, shared: int) -> tuple[float, datetime]:
        """Returns what an attempt that was killed with its coordinator lost, in device seconds, and when it ended.

        Its slot noted for how long it went on; where there is no note, it is taken to have ended when its coordinator
        was last heard of.
        """
        held_seconds = read_pulse(self._keeper.trial_folder(number))
        if held_seconds is None:
            last = max(lease.last_renewed_at or attempt.heard_at, attempt.heard_at)
            held_seconds = (last - attempt.started_at).total_seconds()
        billed_seconds = sum(attempt.bill.values()) * shared
        held_seconds = max(held_seconds, billed_seconds)  # its last epoch may be younger than its last note
        return (held_seconds - billed_seconds) / shared, attempt.started_at + timedelta(seconds=held_seconds)
