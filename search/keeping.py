"""Which weights of a study's trials stay on disk while it runs: those of the front, and the last ones of each trial."""

from __future__ import annotations

import shutil
from pathlib import Path

from objectives.front import front
from objectives.trial import CHECKPOINT, weights_path
from search.trials import RESULTS, Trial, Trials

Checkpoint = tuple[int, int]
"""A setting's number and an epoch that all its trials reached: a candidate for the front."""


class Keeper:
    """Removes what no longer stands on the front of the ended settings, trial by trial.

    Args:
        folder: The study's.
        trials: Its trials, which the coordinator changes.
    """

    def __init__(self, folder: Path, trials: Trials) -> None:
        self._folder, self._trials = folder, trials
        self._front: dict[Checkpoint, list[float]] = {}
        for setting in range(trials.num_settings):
            self._merge(setting)

    def trial_folder(self, number: int) -> Path:
        """Returns the folder of a trial."""
        return self._folder / f"trial-{number:05}"

    def tidy(self, trial: Trial) -> None:
        """Tidies up after a trial that has ended."""
        folder = self.trial_folder(trial.number)
        if trial.state in RESULTS:
            (folder / CHECKPOINT).unlink(missing_ok=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
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
                    weights_path(self.trial_folder(member.number), epoch).unlink(missing_ok=True)

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
