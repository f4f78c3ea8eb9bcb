"""A sweep that runs elsewhere, watched by the events of its service: the same lines as of one that runs here."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from dashboards.queue import place_words
from dashboards.summary import first_cost
from dashboards.words import cost_words, params_words
from search.client import Away, Client, Event
from search.faults import Faults
from search.trials import ENDED, RESULTS

GLANCE_SECONDS, PATIENCE_SECONDS = 1.0, 300.0
"""How often a queue is looked at, and for how long a service that is away is tried again."""


class Follower:
    """Follows a study to its end, on standard error.

    Args:
        client: Asks the service.
        name: The study.
        quiet: Show nothing.
    """

    def __init__(self, client: Client, name: str, *, quiet: bool) -> None:
        self._client, self._name, self._quiet = client, name, quiet
        self._console = Console(stderr=True)
        self._told: set[int] = set()
        self._last = ""
        self._num_trials, self._cost = 0, ""
        self._away_since: float | None = None

    def wait_in_queue(self) -> None:
        """Waits until the study's turn has come.

        Raises:
            Faults: where it could not begin, or the service refuses or stays away.
        """
        before: int | None = None
        while (waiting := self._find_waiting()) is not None:
            if waiting["place"] is None:
                raise Faults(*(waiting["faults"] or [f"study: {self._name!r} could not begin"]))
            if waiting["place"] != before:
                before = waiting["place"]
                self._print(f"{self._name} is {place_words(before)} on {waiting['host']}")
            time.sleep(GLANCE_SECONDS)

    def follow(self, *, is_new: bool) -> None:
        """Shows trials as they end, until the study ends; what was stopped has ended too.

        Args:
            is_new: Whether all its trials are of this sitting, but for those that were taken over; else those that
                ended before are not shown.

        Raises:
            Faults: where the service refuses or stays away, or the study did not come to an end of its own.
        """
        shown = self._ask("studies", self._name)
        self._num_trials, self._cost = shown["num_trials"], first_cost(shown["spec"]["objective"]["minimize"])
        before = [trial for trial in shown["trials"] if trial["source"] is not None or not is_new]
        self._told |= {trial["number"] for trial in before if trial["state"] in ENDED}
        while True:
            try:
                for event in self._client.listen(self._name, self._last):
                    self._away_since = None
                    self._last = event.id or self._last
                    if event.kind == "end":
                        self._check_end(event.data["state"])
                        return
                    self._show(event)
            except Away as away:
                self._check_patience(away)
            time.sleep(GLANCE_SECONDS)

    def _ask(self, *path: str) -> Any:
        """Returns what the service answers, as soon as it does.

        Raises:
            Faults: where it refuses, or stays away.
        """
        while True:
            try:
                answer = self._client.ask("GET", *path)
            except Away as away:
                self._check_patience(away)
                time.sleep(GLANCE_SECONDS)
            else:
                self._away_since = None
                return answer

    def _check_patience(self, away: Away) -> None:
        """Makes sure that a service is not away for too long.

        Raises:
            Faults: where it is.
        """
        now = time.monotonic()
        self._away_since = self._away_since or now
        if now - self._away_since > PATIENCE_SECONDS:
            raise Faults(f"{away}; its sweeps go on") from away

    def _check_end(self, state: str) -> None:
        """Makes sure that a study came to an end of its own.

        Raises:
            Faults: where it did not.
        """
        if state == "interrupted":
            raise Faults(
                f"study: {self._name!r} is interrupted: its coordinator is gone and did not say why; "
                f"`paretune --server {self._client.url} resume {self._name}` continues it"
            )
        if state == "deleted":
            raise Faults(f"study: {self._name!r} was deleted meanwhile")

    def _find_waiting(self) -> Mapping[str, Any] | None:
        queue = self._ask("queue")["queue"]
        return next((waiting for waiting in queue if waiting["study"] == self._name), None)

    def _show(self, event: Event) -> None:
        if event.kind == "study":
            self._num_trials = event.data["num_trials"]
        elif event.data["state"] in ENDED and event.data["number"] not in self._told:
            self._told.add(event.data["number"])
            self._print(f"[{len(self._told)}/{self._num_trials}] {trial_words(event.data, self._cost)}")

    def _print(self, line: str) -> None:
        if not self._quiet:
            self._console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)


def trial_words(trial: Mapping[str, Any], cost: str) -> str:
    """Returns a trial that has ended, in words.

    Args:
        trial: As the API tells it.
        cost: The cost that is shown.
    """
    setting = params_words(trial["params"])
    if trial["state"] in RESULTS and trial["accuracy"] is not None:
        spent = cost_words(cost, trial["costs"].get(cost))
        stopped = f", stopped after epoch {trial['epochs']}" if trial["state"] == "stopped" else ""
        return f"trial {trial['number']} {100 * trial['accuracy']:.1f} % for {spent}{stopped}  {setting}"
    return f"trial {trial['number']} {trial['state']}: {trial['reason']}  {setting}"
