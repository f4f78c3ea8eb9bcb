"""What a training function of the user's own is given: any loop, any library, with a few lines about it.

def train(params, context):
    model = Model(**params)
    saved = context.restore()
    if saved is not None:
        model.load(saved)
    for epoch in context.epochs():
        with context.training():
            model.fit_once()
        context.report(model.num_correct(), num_images=1000)
        context.save(model.state())
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from operator import index
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from objectives.costs import ONCE, Measurement, absent, add_costs, counted, measured
from objectives.files import Unusable, read_newest
from objectives.meters import Meters
from objectives.meters.latency import LEAST_PASSES, quantile_of_bursts, time_in_bursts
from objectives.meters.time import Stopwatch
from objectives.pace import Pace
from objectives.randomness import seed_everything
from objectives.seeds import derive_seed
from objectives.states import State, decode_state, flatten_state, write_state
from objectives.trial import (
    SAVED,
    Device,
    EpochEnded,
    EpochRecord,
    Event,
    Finished,
    FunctionConfig,
    Infeasible,
    Noted,
    Profiled,
    Question,
    Started,
    Stopped,
    identify,
    in_vain,
    never,
)

FORMAT = 1
"""Of what is saved: a file of another is not gone on from."""


class Context:
    """What a training function is given beside its parameters.

    Attributes:
        seed: The trial's; NumPy's, torch's and Python's global random states are set from it at the start, and again
            at the start of each epoch, so that a trial which continues draws what it would have drawn.
        device: Where to train, as torch calls it: `cpu` or `cuda:0`.
        num_epochs: Epochs that the spec asks for.
    """

    def __init__(
        self, config: FunctionConfig, device: Device, send: Callable[[Event], None], is_to_suspend: Question = never
    ) -> None:
        self.seed, self.num_epochs = config.seed, config.epochs
        self.device = "cuda:0" if device.kind == "cuda" else "cpu"
        self._config, self._described, self._send = config, device, send
        self._watch = Stopwatch(device)
        self._meters = Meters(device, self._watch)
        self._records: list[EpochRecord] = []
        self._costs: dict[str, Measurement] = {}
        self._evaluation_seconds = 0.0
        self._is_training, self._is_profiled = False, config.is_profiled
        self._epoch = 0
        self._pace = Pace()
        self._unsaved: _Snapshot | None = None
        self._num_saved = 0  # records, as it was saved last
        self._is_to_suspend, self._is_over = is_to_suspend, False
        self._speaking = threading.RLock()
        self._notes: list[str] = []
        self._is_failing = False
        seed_everything(config.seed)

    def restore(self) -> Any:
        """Returns what was saved last, after which `epochs` continues; None in a trial that begins."""
        if self._saved_path is None:
            return None
        kept, note = read_newest(self._saved_path, self._decode)
        self._notes += [] if note is None else [note]
        if kept is None:
            return None
        self._records = [EpochRecord.of(plain) for plain in kept["records"]]
        self._num_saved = len(self._records)
        return kept["state"]

    def epochs(self) -> Iterator[int]:
        """Yields the number of each epoch that is still to do, from 1; it must be reported before the next."""
        with self._word():
            self._watch.lap("setup")
            with self._watch.paused():
                self._send(Started(self._config.number, self._described, len(self._records), self._watch.take_bill()))
                self._send_notes()
                for record in self._records:
                    self._send(EpochEnded(self._config.number, record, replayed=True))
        for epoch in range(len(self._records) + 1, self.num_epochs + 1):
            with self._word():
                if self._is_to_suspend():
                    raise Suspended
                self._epoch = epoch
                seed_everything(derive_seed(self.seed, epoch, "epoch"))
            yield epoch
            if len(self._records) < epoch:
                raise RuntimeError(f"epoch {epoch} was not reported: each needs context.report(...)")

    @contextmanager
    def training(self) -> Iterator[None]:
        """Meters what is done inside as this epoch's training: time, energy, memory. More than once, they add up."""
        with self._word():
            if self._epoch == self.num_epochs:
                self._meters.read_all()
            self._meters.start("setup")
            self._is_training = True
        yield
        with self._word():
            self._is_training = False
            self._costs = add_costs(self._costs, self._meters.stop())

    def time_inference(self, predict: Callable[[], object], *, num_parameters: int | None = None) -> None:
        """Measures how long one call takes whoever uses the model: median and 95th percentile of many calls.

        Call it in any epoch between training and report; what is known already is not measured again.

        Args:
            predict: Predicts one example. It must not draw random numbers that the training needs.
            num_parameters: Weights of the model.

        Raises:
            RuntimeError: outside an epoch, or while it is trained.
        """
        if self._epoch != len(self._records) + 1 or self._is_training:
            raise RuntimeError("context.time_inference(...) goes between context.training() and context.report(...)")
        if self._is_profiled:
            return
        with self._word():
            self._is_profiled = True
            self._evaluation_seconds += self._watch.lap("evaluation")
            kind = "cuda" if self.device.startswith("cuda") else "cpu"
            (latencies,) = time_in_bursts([predict], kind, [LEAST_PASSES])
            self._watch.lap("setup")
            untold = absent("the training function did not tell it")
            costs = {
                **dict.fromkeys(ONCE, untold),
                "parameters": _told(num_parameters),
                "inference_latency_seconds": quantile_of_bursts(latencies, 0.5),
                "inference_latency_p95_seconds": quantile_of_bursts(latencies, 0.95),
            }
            with self._watch.paused():
                self._send(Profiled(self._config.number, costs))

    def report(
        self,
        num_correct: int,
        num_images: int,
        *,
        train_loss: float | None = None,
        validation_loss: float | None = None,
        num_samples: int | None = None,
        train_flops: float | None = None,
    ) -> None:
        """Ends an epoch: tells how good the model is now.

        Args:
            num_correct: Validation examples that it gets right.
            num_images: Validation examples, at least 1.
            train_loss: Mean over the pass; a trial whose loss is not finite is infeasible.
            validation_loss: Mean after the pass; likewise.
            num_samples: Examples trained on in this epoch.
            train_flops: Floating-point operations of this epoch's training, 2 per multiply-add.

        Raises:
            RuntimeError: outside an epoch, for the second time in one, or where nothing was metered.
            ValueError: for counts that cannot be.
        """
        correct, images = index(num_correct), index(num_images)
        if not 0 <= correct <= images or images == 0:
            raise ValueError(
                f"0 <= num_correct <= num_images and num_images > 0 must hold, but got {correct}, {images}"
            )
        if self._epoch != len(self._records) + 1:
            raise RuntimeError("context.report(...) ends an epoch of context.epochs(), once")
        if not self._costs:
            raise RuntimeError(f"epoch {self._epoch} was not metered: put its training in `with context.training():`")
        with self._word():
            self._evaluation_seconds += self._watch.lap("evaluation")
            losses = [None if loss is None else float(loss) for loss in (train_loss, validation_loss)]
            if any(loss is not None and not math.isfinite(loss) for loss in losses):
                self.infeasible(f"diverged in epoch {self._epoch}: the loss is not finite")
            costs = {
                **self._costs,
                "wall_seconds": measured((self._costs["device_seconds"].value or 0.0) + self._evaluation_seconds),
                "train_flops": _told(train_flops),
                "samples": _told(num_samples),
            }
            record = EpochRecord(self._epoch, losses[0], losses[1], correct, images, costs, self._watch.take_bill())
            self._records.append(record)
            self._costs, self._evaluation_seconds = {}, 0.0
            with self._watch.paused():
                self._send(EpochEnded(self._config.number, record))
                self._send_notes()

    def save(self, state: Any) -> None:
        """Keeps a state to continue from after the last epoch that was reported. It may be called after every epoch.

        It is written where enough time has gone by since the last one, so that writing takes less than 1 % of the time;
        that of the last call is written in any case, when the function returns. Until then a copy is held, which takes
        its time at every call: a large state after brief epochs had better be saved after some of them.

        Args:
            state: None, flags, numbers, words, NumPy arrays of these and torch tensors, in lists, tuples and dicts: a
                `state_dict()` is.

        Raises:
            StateFault: for anything else.
        """
        with self._word():
            flat = flatten_state({"state": state})
            self._num_saved = len(self._records)
            if self._pace.is_due or self._num_saved == self.num_epochs:
                self._write(_Snapshot(flat, self._num_saved))
            else:
                self._unsaved = _Snapshot(flat.copy(), self._num_saved)
            self._watch.lap("saving")

    def infeasible(self, reason: str) -> NoReturn:
        """Ends the trial: its setting cannot be trained. Samplers learn to stay away from it."""
        raise NotTrainable(reason)

    def close(self) -> Iterator[Event]:
        """Yields the events that end a trial whose function has returned.

        Raises:
            RuntimeError: where it reported no epoch.
        """
        if not self._records:
            raise RuntimeError("the function returned without a report of any epoch")
        self._write_unsaved()
        self._watch.lap("saving")
        yield from (Noted(self._config.number, note) for note in self._notes)
        yield Finished(self._config.number, self._watch.take_bill())

    def give_up(self, reason: str) -> Event:
        """Returns the event that ends a trial which cannot be trained."""
        self._watch.lap("training")
        return Infeasible(self._config.number, reason, self._watch.take_bill())

    def hush(self) -> bool:
        """Has a function that runs on say nothing more, so that its trial can be suspended; returns whether it can be.

        It cannot while the function tells something, or may be about to save the epoch that it reported last: what was
        saved before is written then, so that it outlives whatever becomes of this process.
        """
        if not self._speaking.acquire(blocking=False):
            return False
        try:
            is_between = 0 < self._epoch == len(self._records) < self.num_epochs
            self._is_over = not is_between or self._num_saved == len(self._records)
            if not self._is_over:
                self._write_unsaved()
        finally:
            self._speaking.release()
        return self._is_over

    def suspend(self) -> Event:
        """Returns the event that ends the trial where it is; what was saved last is written."""
        self._watch.lap("training")
        lost = in_vain(self._watch.take_bill())
        self._write_unsaved()
        self._watch.lap("saving")
        return Stopped(self._config.number, {**lost, **self._watch.take_bill()})

    @contextmanager
    def _word(self) -> Iterator[None]:
        """Lets the function say something, unless nobody listens any more."""
        with self._speaking:
            if self._is_over:
                raise Abandoned
            yield

    def _write_unsaved(self) -> None:
        if self._unsaved is not None:
            self._write(self._unsaved)

    def _write(self, snapshot: _Snapshot) -> None:
        """Writes what was saved; that it cannot be written is no end of the trial."""
        self._unsaved = None
        if (path := self._saved_path) is None:
            return
        since = time.perf_counter()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            records = [asdict(record) for record in self._records[: snapshot.num_records]]
            head = {"format": FORMAT, "identity": identify(self._config), "records": records}
            write_state(path, snapshot.state.beside(flatten_state(head)))
        except OSError as error:
            if not self._is_failing:
                self._notes.append(f"what it saved could not all be written: {error.strerror or error}")
            self._is_failing = True
        self._pace.saved(time.perf_counter() - since)

    def _decode(self, content: memoryview) -> dict[str, Any]:
        kept = decode_state(content)
        if kept.get("format") != FORMAT:
            raise Unusable("is from another version")
        if kept["identity"] != identify(self._config):
            raise Unusable("is of another spec or study")
        return kept

    def _send_notes(self) -> None:
        notes, self._notes = self._notes, []
        for note in notes:
            self._send(Noted(self._config.number, note))

    @property
    def _saved_path(self) -> Path | None:
        return None if self._config.folder is None else self._config.folder / SAVED


class _Snapshot(NamedTuple):
    """What a function saved, and after how many epochs."""

    state: State
    num_records: int


class NotTrainable(Exception):
    """Raised by `Context.infeasible`."""


class Abandoned(BaseException):
    """Ends the thread of a function that nobody listens to any more."""


class Suspended(BaseException):
    """Ends the thread of a function between two epochs."""


def _told(value: float | None) -> Measurement:
    return absent("the training function did not tell it") if value is None else counted(float(value))
