"""Progress of a running sweep: bars on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from dashboards.budget import Line, budget_words
from dashboards.summary import first_cost
from dashboards.words import cost_words, params_words
from objectives.front import front
from objectives.trial import Ended, EpochEnded, Event, Noted, SlotLost
from search.spec import SweepSpec
from search.trials import RESULTS, Trial


class SweepProgress(AbstractContextManager["SweepProgress"]):
    """Shows a sweep as it runs, on standard error. Call it with each event.

    Args:
        spec: The sweep.
        num_trials: The study's target.
        num_ended: Trials that ended in earlier sittings.
        quiet: Show nothing.
    """

    def __init__(self, spec: SweepSpec, num_trials: int, num_ended: int, *, quiet: bool) -> None:
        self._epochs, self._cost = spec.objective.epochs, first_cost(spec.objective.minimize)
        self._num_trials, self._num_ended, self._quiet = num_trials, num_ended, quiet
        self._console = Console(stderr=True)
        self._best: Trial | None = None
        self._front: list[list[float]] = []
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=self._console,
            disable=quiet or not self._console.is_terminal,
        )
        self._sweep = self._bars.add_task("sweep", total=num_trials, completed=num_ended, note="")
        self._slots: dict[int, TaskID] = {}
        self._budget = ""

    def __enter__(self) -> SweepProgress:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def __call__(self, trial: Trial, event: Event) -> None:
        """Shows what happened to a trial."""
        if self._quiet:
            return
        if self._console.is_terminal:
            self._move_bars(trial, event)
        if isinstance(event, Noted):
            self.tell(f"trial {trial.number}: {event.text}")
        if not isinstance(event, Ended):
            return
        if trial.has_ended:
            self._num_ended += 1
            if trial.state in RESULTS:
                self._compare(trial)
        self._bars.update(self._sweep, completed=self._num_ended, note=self._note())
        reason = trial.reason or (event.reason if isinstance(event, SlotLost) else None)
        line = f"{self._count()} {_line(trial, self._cost, reason)}{self._budget and f'  ({self._budget})'}"
        self._console.print(line, highlight=False, soft_wrap=True)

    def show_budget(self, lines: list[Line]) -> None:
        """Shows what is spent of the budget beside the sweep's bar."""
        self._budget = budget_words(lines)
        self._bars.update(self._sweep, note=self._note())

    def tell(self, line: str) -> None:
        """Shows a line above the bars."""
        if not self._quiet:
            self._console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)

    def _move_bars(self, trial: Trial, event: Event) -> None:
        slot = trial.slot or 0
        if slot not in self._slots:
            self._slots[slot] = self._bars.add_task(f"slot {slot}", total=self._epochs, note="")
        note = f"trial {trial.number} {params_words(trial.params)}"
        if isinstance(event, EpochEnded):
            note = f"{100 * trial.accuracies[-1]:.1f} %  {note}"
        self._bars.update(self._slots[slot], completed=len(trial.accuracies), note=note)

    def _compare(self, trial: Trial) -> None:
        if self._best is None or trial.accuracies[-1] > self._best.accuracies[-1]:
            self._best = trial
        for epoch, accuracy in enumerate(trial.accuracies, start=1):
            self._front.append([-accuracy, trial.cost(self._cost, epoch).value or 0.0])
        self._front = [self._front[index] for index in front(self._front)]

    def _note(self) -> str:
        if self._best is None:
            return self._budget
        cost = cost_words(self._cost, self._best.cost(self._cost).value)
        best = f"best {100 * self._best.accuracies[-1]:.1f} % for {cost} (trial {self._best.number})"
        return f"{best}, {len(self._front)} on the front" + (self._budget and f"; {self._budget}")

    def _count(self) -> str:
        return f"[{self._num_ended}/{self._num_trials}]".replace("[", "\\[")


def _line(trial: Trial, cost: str, reason: str | None) -> str:
    setting = params_words(trial.params)
    if trial.state in RESULTS:
        spent = cost_words(cost, trial.cost(cost).value)
        stopped = f", stopped after epoch {len(trial.costs)}" if trial.state == "stopped" else ""
        return f"trial {trial.number} {100 * trial.accuracies[-1]:.1f} % for {spent}{stopped}  {setting}"
    why = " to be continued" if reason is None else f": {reason}"  # of those that were let go of before their end
    return f"trial {trial.number} {trial.state}{why}  {setting}".replace("[", "\\[")
