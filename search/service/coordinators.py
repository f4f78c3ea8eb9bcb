"""Coordinators: processes of their own, which outlive the service and are found again by their lease.

One is started as soon as the cores and GPUs that its slots need are free; until then it is queued. Who came first goes
first: a small sweep does not pass a large one, which would else wait for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Condition

from dashboards.actions import Begun, Refused
from dashboards.queue import need_words
from dashboards.summary import Summary
from search import sweeps
from search.remeasuring import Wish, free_name
from search.service.changes import Change, check_wish, find_compute, remeasuring_arguments
from search.service.problems import Missing, Unfit, refusals
from search.service.processes import check_name, private_file, start_coordinator
from search.service.reach import read_sent_spec
from search.service.rules import Rules
from search.service.slots import Need, Share, Slots, find_machine, find_need
from search.spec import NAME
from storage.database import Database
from storage.machine import Holder
from storage.queue import Order, Waiting, find_waiting, join_queue, leave_queue, list_queue, note_fault
from storage.reading import load_study
from storage.rows import StudyLine
from storage.studies import list_studies, request_stop

MOST_TRIALS = 1_000_000
PATIENCE_SECONDS = 2.0
"""How long a request waits for another that is at the same study."""


@dataclass(frozen=True)
class Coordinators:
    """The coordinators of a database's studies on this machine.

    Attributes:
        database: Where the studies are.
        rules: What a spec that is sent here may reach.
        slots: What of this machine is free.
    """

    database: Database
    rules: Rules
    slots: Slots = field(init=False)
    _starting: set[str] = field(default_factory=set)
    _is_free: Condition = field(default_factory=Condition)

    def __post_init__(self) -> None:
        """Looks after the slots of this machine."""
        object.__setattr__(self, "slots", Slots(self.database))

    def launch(self, text: str, token: str, source: str | None = None) -> Begun:
        """Starts the sweep of a spec, or queues it.

        Args:
            text: The spec, TOML.
            token: Name of the token that it is asked with.
            source: A study whose finished trials are taken over, as far as they fit; None for none.

        Raises:
            Refused: where it cannot be, a line for each reason.
        """
        with refusals():
            spec = read_sent_spec(text, self.rules)
            with self._alone(spec.name):
                if any(line.name == spec.name for line in list_studies(self.database)):
                    raise Refused(f"name: {spec.name!r} is there already; resume it, or give another name")
                need = find_need(spec.compute, spec.search.trials, spec.objective.train)
                arguments = () if source is None else (f"--from={self.find(source).name}",)
                order = Order(spec.name, "launch", token, need.num_cores, need.num_gpus, text, arguments=arguments)
                return self._begin(order)

    def resume(self, name: str, change: Change, token: str) -> Begun:
        """Continues a study, or queues that.

        Args:
            name: The study. What it trains was chosen when it was launched, and `Rules` do not ask again.
            change: What it is continued with.
            token: Name of the token that it is asked with.

        Raises:
            Refused: where it cannot be, a line for each reason.
        """
        num_more = change.num_more
        if not 0 <= num_more <= MOST_TRIALS:
            raise Unfit(f"trials: 0 to {MOST_TRIALS} more are needed, but got {num_more}")
        with refusals(), self._alone(name):
            line = self.find(name)
            if line.state == "running":
                raise Refused(f"study: {name!r} is running already")
            if line.state == "complete" and not num_more and not change.keys:
                raise Refused(f"study: {name!r} is complete; ask for more trials")
            check_name(name)
            study = load_study(self.database, name)
            sweeps.check_can_run(study)
            compute, arguments = find_compute(study, change, self.rules), change.arguments()
            need = find_need(compute, study.num_trials + num_more, study.spec["objective"].get("train"))
            order = Order(name, "resume", token, need.num_cores, need.num_gpus, None, num_more, arguments)
            return self._begin(order)

    def remeasure(self, summary: Summary, wish: Wish, token: str, *, is_forced: bool = False) -> Begun:
        """Trains settings of a study again, or queues that until nothing else runs on this machine.

        Args:
            summary: Of the study. What it trains was chosen when it was launched, and `Rules` do not ask again.
            wish: What of it.
            token: Name of the token that it is asked with.
            is_forced: Whether other studies may run meanwhile.

        Raises:
            Refused: where it cannot be, a line for each reason.
        """
        study = summary.study
        with refusals():
            sweeps.check_can_run(study)
            check_name(study.name)
            name = wish.name or free_name(self.database, study.name)
            if not NAME.fullmatch(name):
                raise Unfit(f"study: {name!r} is no name of ours")
            compute = check_wish(summary, self.database, wish)
            with self._alone(name):
                if any(line.name == name for line in list_studies(self.database)):
                    raise Refused(f"study: {name!r} is there already; give another name")
                need = find_need(compute, wish.repeats, study.spec["objective"].get("train"))
                if not is_forced:  # all of the machine: nothing else is to run beside it
                    machine = find_machine()
                    need = Need(len(machine.cores), len(machine.gpus))
                arguments = (*remeasuring_arguments(name, wish, is_forced=is_forced), "--", study.name)
                order = Order(name, "remeasure", token, need.num_cores, need.num_gpus, arguments=arguments)
                return self._begin(order)

    def stop(self, name: str) -> None:
        """Asks a study's coordinator to stop, and does not wait for it.

        Raises:
            Refused: where there is none.
        """
        with refusals():
            waiting = find_waiting(self.database, name)
            if waiting is not None:
                raise Refused(f"study: {name!r} is queued, and not running; cancel that")
            line = self.find(name)
            if not request_stop(self.database, name):
                raise Refused(f"study: {name!r} is not running: it is {line.state}")

    def delete(self, name: str) -> None:
        """Removes a study and its weights.

        Raises:
            Refused: where it is running, or there is none.
        """
        with refusals(), self._alone(name):
            self.find(name)
            if find_waiting(self.database, name) is not None:
                raise Refused(f"study: {name!r} is queued to be resumed; cancel that first")
            sweeps.delete(name, self.database)

    def cancel(self, name: str) -> None:
        """Takes what is asked of a study out of the queue.

        Raises:
            Refused: where it is not there, or begins at this moment.
        """
        with refusals(), self._alone(name):
            if find_waiting(self.database, name) is None or not leave_queue(self.database, name):
                raise Missing(f"study: {name!r} is not queued")

    def advance(self, note: Callable[[Order, str], None]) -> None:
        """Starts what waits on this machine, the first in line first, for as long as there are slots.

        Args:
            note: Told of each order how it went.

        Raises:
            StorageFault: where the database cannot be used.
        """
        here = Holder.here().machine
        for waiting in list_queue(self.database):
            if waiting.machine == here and waiting.fault is None and not self._begin_waiting(waiting, note):
                return

    def find(self, name: str) -> StudyLine:
        """Returns a study's line.

        Raises:
            Missing: where there is none of that name.
        """
        line = next((line for line in list_studies(self.database) if line.name == name), None)
        if line is None:
            raise Missing(f"study: there is no {name!r}")
        return line

    @contextmanager
    def _alone(self, name: str, patience_seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
        """Keeps a second request from starting or removing the same study meanwhile.

        It is waited for: whoever looks whether a queued study can begin has it for a moment.
        """
        with self._is_free:
            if not self._is_free.wait_for(lambda: name not in self._starting, patience_seconds):
                raise Refused(f"study: {name!r} is being started or removed at this moment")
            self._starting.add(name)
        try:
            yield
        finally:
            with self._is_free:
                self._starting.discard(name)
                self._is_free.notify_all()

    def _begin(self, order: Order) -> Begun:
        """Starts what was asked for, or puts it in the queue.

        Raises:
            Refused: where it cannot begin.
            StorageFault: where it is queued already.
        """
        here, queue = Holder.here().machine, list_queue(self.database)
        if any(waiting.order.study == order.study for waiting in queue):
            raise Refused(f"study: {order.study!r} is queued already; cancel that first")
        is_first = not any(waiting.machine == here and waiting.fault is None for waiting in queue)
        share = self.slots.take(order.study, Need(order.num_cores, order.num_gpus)) if is_first else None
        if share is None:
            return Begun(order.study, join_queue(self.database, order).place)
        self._run(order, share)
        return Begun(order.study)

    def _begin_waiting(self, waiting: Waiting, note: Callable[[Order, str], None]) -> bool:
        """Starts what is first in line; returns whether the next one's turn has come."""
        order = waiting.order
        try:
            with self._alone(order.study, 0.0):
                if find_waiting(self.database, order.study) != waiting:
                    return True  # cancelled meanwhile
                line = next((line for line in list_studies(self.database) if line.name == order.study), None)
                if line is not None and (order.action != "resume" or line.state == "running"):
                    return leave_queue(self.database, order.study)  # a service that was killed had begun it
                need = Need(order.num_cores, order.num_gpus)
                if not need.fits(machine := find_machine()):  # the service had more when it was queued
                    has = f"{len(machine.cores)} cores and {len(machine.gpus)} GPUs"
                    self._give_up(order, [f"compute: {need_words(order)} needed, but slots have {has} here now"], note)
                    return True
                share = self.slots.take(order.study, need)
                if share is None:
                    return False
                self._run_waiting(order, share, note)
        except Refused:  # somebody else is at it
            return False
        return True

    def _run_waiting(self, order: Order, share: Share, note: Callable[[Order, str], None]) -> None:
        try:
            with refusals():
                self._run(order, share)
        except Refused as refusal:
            self._give_up(order, refusal.lines, note)
        else:
            leave_queue(self.database, order.study)
            note(order, "begun, slots were free")

    def _give_up(self, order: Order, lines: Sequence[str], note: Callable[[Order, str], None]) -> None:
        note_fault(self.database, order.study, "\n".join(lines))
        note(order, "refused; " + "; ".join(lines))

    def _run(self, order: Order, share: Share) -> None:
        """Starts an order's coordinator on its share.

        Raises:
            Refused: where it cannot begin.
            OSError: where its program or its files cannot be used.
        """

        def start(*arguments: str) -> None:
            environment = share.environment()
            start_coordinator(
                self.database, order.study, arguments, environment, lambda: self.slots.give_back(order.study, share)
            )

        try:
            if order.action == "remeasure":
                start("remeasure", *order.arguments)
            elif order.spec is None:
                start("resume", "--trials", str(order.num_more), *order.arguments, "--", order.study)
            else:
                with private_file(order.spec) as path:
                    start("launch", str(path), *order.arguments)
        except BaseException:  # whatever it was: nothing else would ever give the share back
            self.slots.give_back(order.study, share)
            raise
