"""Which weights of a study's trials stay on disk while it runs: the front's, and each trial's last up to a byte cap."""

from __future__ import annotations

import math
from contextlib import suppress
from itertools import chain
from pathlib import Path

from objectives.front import front
from objectives.trial import LOG, PASSING, SAVED, weights_path
from search.trials import RESULTS, Trial, Trials
from storage.artifacts import trial_folder

Checkpoint = tuple[int, int]
"""A setting's number and an epoch that all its trials reached: a candidate for the front."""


class Keeper:
    """Removes what no longer stands on the front of the ended settings, trial by trial.

    Args:
        folder: The study's.
        trials: Its trials, which the coordinator changes.
        max_bytes: Most bytes of weights of ended settings; the front's stay even beyond it.
    """

    def __init__(self, folder: Path, trials: Trials, max_bytes: int) -> None:
        self._folder, self._trials, self._max_bytes = folder, trials, max_bytes
        self._front: dict[Checkpoint, list[float]] = {}
        self._num_bytes: dict[tuple[int, int], int] = {}
        """Of the weights that are kept, by trial and epoch."""
        for setting in range(trials.num_settings):
            self._merge(setting)
        for setting in range(trials.num_settings):
            self._weigh(setting)

    def trial_folder(self, number: int) -> Path:
        """Returns the folder of a trial."""
        return trial_folder(self._folder, number)

    def mend(self) -> None:
        """Tidies up what a coordinator that was killed had no time for, between the end of a trial and its files."""
        for trial in self._trials:
            if not trial.has_ended:
                continue
            self._clear(trial)
            setting = self._trials.setting_of(trial)
            for epoch in range(1, len(trial.costs)) if self._trials.has_ended(setting) else ():
                if (setting, epoch) not in self._front:
                    self._remove(trial, epoch)

    def tidy(self, trial: Trial) -> None:
        """Tidies up after a trial that has ended."""
        self._clear(trial)
        setting = self._trials.setting_of(trial)
        if not self._trials.has_ended(setting):
            return
        before = set(self._front)
        self._merge(setting)
        deepest = max(len(member.costs) for member in self._trials.members(setting))
        new = {(setting, epoch) for epoch in range(1, deepest + 1)}
        for dropped, epoch in (before | new) - set(self._front):
            for member in self._trials.members(dropped):
                if epoch < len(member.costs):
                    self._remove(member, epoch)
        self._weigh(setting)
        self._hold_to_cap()

    def _clear(self, trial: Trial) -> None:
        """Removes what nothing needs of a trial that has ended, whatever becomes of its weights."""
        folder = self.trial_folder(trial.number)
        if trial.state in RESULTS:
            for path in chain((folder / name for name in PASSING), folder.glob("*.part")):
                path.unlink(missing_ok=True)
        else:
            with suppress(FileNotFoundError):  # its slot removes a folder that it has left empty
                for path in folder.glob("*"):
                    if path.name != LOG:
                        path.unlink(missing_ok=True)
            with suppress(OSError):  # it holds a log, or there is none
                folder.rmdir()

    def _weigh(self, setting: int) -> None:
        """Notes the sizes of what is kept of an ended setting."""
        if not self._trials.has_ended(setting):
            return
        on_front = {epoch for member, epoch in self._front if member == setting}
        for trial in self._trials.members(setting):
            for epoch in on_front | {len(trial.costs)}:
                if found := [path.stat().st_size for path in self._files(trial, epoch) if path.exists()]:
                    self._num_bytes[trial.number, epoch] = sum(found)

    def _hold_to_cap(self) -> None:
        """Removes last weights until the rest is below the cap, those farthest from the front first."""
        excess = sum(self._num_bytes.values()) - self._max_bytes
        if excess <= 0:
            return
        lasts = [
            trial
            for trial in self._trials
            if (trial.number, len(trial.costs)) in self._num_bytes
            and (self._trials.setting_of(trial), len(trial.costs)) not in self._front
        ]
        distances = self._distances({self._trials.setting_of(trial) for trial in lasts})
        for trial in sorted(lasts, key=lambda trial: -distances[self._trials.setting_of(trial)]):
            excess -= self._num_bytes[trial.number, len(trial.costs)]
            self._remove(trial, len(trial.costs))
            if excess <= 0:
                return

    def _distances(self, settings: set[int]) -> dict[int, float]:
        """Returns how far each setting ended from the front: what it lacks, in the objective where it lacks most.

        That is the additive epsilon indicator of Zitzler et al. (2003), each objective divided by its range; infinite
        for a setting that cannot be trained with some seed.
        """
        ends = {setting: self._end(setting) for setting in settings}
        points = [*self._front.values(), *(end for end in ends.values() if end is not None)]
        ranges = [max(column) - min(column) or 1.0 for column in zip(*points, strict=True)]

        def distance(end: list[float]) -> float:
            return min(
                max((mine - best) / size for mine, best, size in zip(end, point, ranges, strict=True))
                for point in self._front.values()
            )

        return {setting: math.inf if end is None or not self._front else distance(end) for setting, end in ends.items()}

    def _end(self, setting: int) -> list[float] | None:
        if any(trial.state == "infeasible" for trial in self._trials.members(setting)):
            return None
        accuracy, *costs = self._trials.means(setting)
        return [-accuracy, *costs]

    def _files(self, trial: Trial, epoch: int) -> list[Path]:
        """Returns where the weights of a trial after an epoch may lie; a training function saves its last alone."""
        folder = self.trial_folder(trial.number)
        return [weights_path(folder, epoch), *([folder / SAVED] if epoch == len(trial.costs) else [])]

    def _remove(self, trial: Trial, epoch: int) -> None:
        for path in self._files(trial, epoch):
            path.unlink(missing_ok=True)
        self._num_bytes.pop((trial.number, epoch), None)

    def _merge(self, setting: int) -> None:
        """Takes an ended setting's checkpoints into the front; one that cannot be trained with some seed has none."""
        if not self._trials.has_ended(setting):
            return
        for epoch in range(1, self._trials.depth(setting) + 1):
            accuracy, *costs = self._trials.means(setting, epoch)
            self._front[setting, epoch] = [-accuracy, *costs]
        ordered = sorted(self._front)
        kept = front([self._front[checkpoint] for checkpoint in ordered])
        self._front = {ordered[index]: self._front[ordered[index]] for index in kept}
