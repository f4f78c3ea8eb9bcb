"""What the search still gains: hypervolume of the front per device hour, over the settings that ended last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from objectives.front import Reference, front, hypervolume
from objectives.prices import HOUR_SECONDS
from search.trials import Trials

WINDOW = 10
"""Settings over which the gain is counted, the last that ended, whether they could be trained or not."""

LEAST = 20
"""Settings that must have ended before anybody judges: the first ones are the sampler's guesses."""


class Gain:
    """Counts the gain of a study.

    Args:
        least: Gain of hypervolume (0 to 1) per device hour below which nothing more is begun; None asks for none.
        trials: The study's, which the coordinator changes.
    """

    def __init__(self, least: float | None, trials: Trials) -> None:
        self._least, self._trials = least, trials
        self._ended = [setting for setting in range(trials.num_settings) if trials.has_ended(setting)]
        self._scores: dict[int, list[tuple[float, ...]]] = {}

    def add(self, setting: int) -> None:
        """Notes that a setting has ended."""
        self._ended.append(setting)

    def find_lack(self, reference: Mapping[str, Any] | None) -> str | None:
        """Returns that the last settings gained too little, as a reason to stop; None where they did not.

        Args:
            reference: The study's scales; None until they are fixed.
        """
        if self._least is None or reference is None or len(self._ended) < LEAST:
            return None
        before, latest = self._ended[:-WINDOW], self._ended[-WINDOW:]
        seconds = sum(sum(trial.bill.values()) for setting in latest for trial in self._trials.members(setting))
        gained = self._volume([*before, *latest], reference) - self._volume(before, reference)
        rate = gained * HOUR_SECONDS / seconds if seconds else 0.0
        if rate >= self._least:
            return None
        return (
            f"budget: the front gained {rate:.3g} per device hour over the last {WINDOW} settings, less than "
            f"min_gain_per_device_hour = {self._least:g}"
        )

    def _volume(self, settings: list[int], reference: Mapping[str, Any]) -> float:
        return hypervolume([score for setting in settings for score in self._scores_of(setting, reference)])

    def _scores_of(self, setting: int, reference: Mapping[str, Any]) -> list[tuple[float, ...]]:
        """Returns those scores of a setting's checkpoints that its other checkpoints do not beat."""
        if setting not in self._scores:
            scales = Reference(reference["chance"], tuple(reference["worst"]))
            found = []
            for epoch in range(1, self._trials.depth(setting) + 1):
                accuracy, *costs = self._trials.means(setting, epoch)
                found.append(scales.scores(accuracy, tuple(costs)))
            kept = front([tuple(-score for score in scores) for scores in found])
            self._scores[setting] = [found[index] for index in kept]
        return self._scores[setting]
