"""Plays a recording of a device: a clock and an energy counter that show what was written down, at known instants."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from objectives.context import Context
    from objectives.costs import Measurement
    from objectives.meters.seldom import Asked, Seldom


class Replay:
    """A device at which time goes by only when somebody lets it.

    It keeps the contract of `objectives.meters.energy.EnergyCounter`.

    Args:
        readings: Instants in seconds, and what the counter shows from then on, in joules; the first at 0 seconds.
        tick_seconds: How often the counter moved.
        sensed_watts: What the power sensor tells; None where there is none.
    """

    most_seconds = math.inf
    record: Any = None

    def __init__(
        self, readings: Sequence[tuple[float, float]], tick_seconds: float, sensed_watts: float | None = None
    ) -> None:
        self.now = 0.0
        self.tick_seconds = tick_seconds
        self._readings, self._sensed_watts = readings, sensed_watts

    @staticmethod
    def steady(watts: float, tick_seconds: float, seconds: float, since: float = 0.0) -> Replay:
        """Returns a device of constant power, whose counter first moves at an instant and then each tick."""
        instants = [0.0, *(since + tick * tick_seconds for tick in range(math.ceil(seconds / tick_seconds)))]
        return Replay([(instant, watts * instant) for instant in instants], tick_seconds, watts)

    def play(self, seconds: float) -> None:
        """Lets time go by."""
        self.now += seconds

    def clock(self) -> float:
        """Returns the instant."""
        return self.now

    def read_joules(self) -> float:
        """Returns what the counter shows at this instant."""
        return max(joules for instant, joules in self._readings if instant <= self.now + 1e-9)

    def read_watts(self) -> float | None:
        """Returns what the sensor tells."""
        return self._sensed_watts

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Puts it in the place of this machine's clock and counter, for trials that run in this process."""
        patch.setattr("replay.PLAYED", [self])
        patch.setattr("objectives.meters.time.perf_counter", self.clock)
        patch.setattr("objectives.meters.open_counter", lambda _device: self)
        patch.setattr("objectives.meters.held.open_rapl", lambda _cores, _root, _has: self)


class SeldomAsked:
    """Epochs at a device that is played, of which a meter asks seldom.

    Args:
        played: The device.
        seldom: Says at which stops, by the device's clock.
        meter: Measures the epochs.
    """

    def __init__(self, played: Replay, seldom: Seldom, meter: Asked) -> None:
        self.played, self.seldom, self.meter = played, seldom, meter

    def train(self, seconds: float, *, is_last: bool = False) -> Measurement:
        """Returns what is told of an epoch."""
        self.seldom.asks_always = is_last
        self.meter.start()
        self.played.play(seconds)
        self.seldom.begin_stop()
        return self.meter.stop(seconds)


PLAYED: list[Replay] = []
"""The device that `train` plays on; what installs one puts it here."""

SETUP_SECONDS, EVALUATION_SECONDS = 0.5, 0.25


def train(params: dict[str, Any], context: Context) -> None:
    """Takes known times: half a second to begin, `epoch_seconds` for each epoch, a quarter to evaluate.

    With `gives_up` it proves infeasible after its first epoch's training.
    """
    (device,) = PLAYED
    device.play(SETUP_SECONDS)
    for epoch in context.epochs():
        with context.training():
            device.play(params["epoch_seconds"])
        if params["gives_up"]:
            context.infeasible("it gives up")
        device.play(EVALUATION_SECONDS)
        context.report(900 + epoch, 1000)
