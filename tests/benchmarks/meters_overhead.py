"""Trials with all meters and with the clock alone, in one run: what share of the training the meters take.

    python tests/benchmarks/meters_overhead.py [--device cpu|cuda] [--pairs 12] [--epochs 5] [--width 0.5]
        [--batch-size 64]

Both sides train the same trial in one process, an epoch of each in turn, each side first in every second pair and
epoch, so that what else the machine does meets both. What counts is a trial from its first epoch to its last: set-up
is the same for both. The narrow model is the hardest case: its epochs are the shortest, and the meters are read at both
ends of each.

The ratio is told twice: of the whole trials, and of their median epochs without the readings, to which the readings'
share is added as it was billed. The second leaves out what else the machine did to some epochs.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]


class Epoch(NamedTuple):
    """One epoch of a trial.

    Attributes:
        seconds: That it took, with all that is done until the next.
        metering: Those of them that were billed for reading the meters; the clock alone has next to none.
    """

    seconds: float
    metering: float


class Side:
    """One of two trials under way.

    Attributes:
        epochs: Those that are done.
    """

    def __init__(self, config: Any, device: Any, meters: Any) -> None:
        import objectives.train

        objectives.train.Meters = meters  # which is opened before the first event
        self._events = objectives.train.run_trial(config, device)
        self.epochs: list[Epoch] = []
        next(self._events)

    @property
    def seconds(self) -> float:
        """Of all epochs."""
        return sum(epoch.seconds for epoch in self.epochs)

    @property
    def metering(self) -> float:
        """The seconds of all epochs that were billed for reading the meters."""
        return sum(epoch.metering for epoch in self.epochs)

    def train_epoch(self) -> None:
        """Trains until the next epoch has ended."""
        from objectives.trial import EpochEnded

        start = time.perf_counter()
        event = next(event for event in self._events if isinstance(event, EpochEnded))
        self.epochs.append(Epoch(time.perf_counter() - start, event.record.bill.get("metering", 0.0)))


def train_both(config: Any, device: Any, sides: dict[str, Any]) -> dict[str, Side]:
    """Trains the same trial with the meters of each side, an epoch of each in turn."""
    trials = {name: Side(config, device, meters) for name, meters in sides.items()}
    for epoch in range(config.epochs):
        for name in list(sides) if epoch % 2 else list(sides)[::-1]:
            trials[name].train_epoch()
    return trials


class Ratios(NamedTuple):
    """What a trial with all meters took, as a multiple of one with the clock alone.

    Attributes:
        whole: Of all epochs.
        undisturbed: Of the median epoch without its readings, with the readings' share added.
    """

    whole: float
    undisturbed: float


def compare(both: dict[str, Side]) -> Ratios:
    """Returns the ratios of a pair of trials."""
    metered, clock = both["meters"], both["clock"]
    rest = median(
        (with_meters.seconds - with_meters.metering) / alone.seconds
        for with_meters, alone in zip(metered.epochs, clock.epochs, strict=True)
    )
    return Ratios(metered.seconds / clock.seconds, rest + metered.metering / clock.seconds)


def ratio_of(ratios: list[float]) -> tuple[float, float, float]:
    """Returns the mean of ratios and a 95 % interval; of their logarithms, else it is over 1 for two equal sides."""
    from objectives.intervals import student_interval

    center, (low, high) = student_interval([math.log(ratio) for ratio in ratios])
    return math.exp(center), math.exp(low), math.exp(high)


def show(ratio: tuple[float, float, float]) -> str:
    """Returns a ratio with its interval."""
    return "{:.4f} ({:.4f}-{:.4f})".format(*ratio)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--width", type=float, default=0.5)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("-o", "--output", type=Path, default=None)
    chosen = parser.parse_args()

    from machine import machine_facts

    from objectives.costs import absent, measured
    from objectives.meters import Meters
    from objectives.meters.time import Stopwatch
    from objectives.slot import keep_loaded, open_device
    from objectives.trial import Placement, TrialConfig

    class ClockAlone:
        """Tells device seconds, which the trial cannot do without."""

        def __init__(self, _device: object, watch: Stopwatch, _graph_bytes: float) -> None:
            self._watch = watch

        def start(self, line: str | None = None) -> None:
            pass

        def read_all(self) -> None:
            pass

        def stop(self) -> dict[str, Any]:
            names = ("cpu_seconds", "contention_seconds", "energy_joules", "peak_memory_bytes")
            seconds = measured(self._watch.lap("training"))
            return {"device_seconds": seconds, **dict.fromkeys(names, absent("left out"))}

    if chosen.device == "cpu":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    device = open_device(Placement(0, "cpu" if chosen.device == "cpu" else "cuda:0", 1))
    keep_loaded()
    options = {"width": chosen.width}
    config = TrialConfig(
        0, "cnn", "mnist5k", chosen.epochs, 0, 0.01, "sgd", chosen.batch_size, options, {}, is_profiled=True
    )
    sides: dict[str, Any] = {"meters": Meters, "clock": ClockAlone}
    pairs: list[dict[str, Side]] = []
    train_both(config, device, sides)
    for pair in range(chosen.pairs):
        pairs.append(train_both(config, device, sides if pair % 2 else dict(reversed(sides.items()))))
        print("{}/{}: {:.4f}, {:.4f}".format(pair + 1, chosen.pairs, *compare(pairs[-1])), file=sys.stderr)
    whole = ratio_of([both["meters"].seconds / both["clock"].seconds for both in pairs])
    undisturbed = ratio_of([compare(both).undisturbed for both in pairs])
    reading_seconds = median(both["meters"].metering / config.epochs for both in pairs)
    epoch_seconds = median(both["clock"].seconds / config.epochs for both in pairs)
    print(
        f"{chosen.pairs} pairs of {chosen.epochs} epochs of {epoch_seconds:.3f} s: with meters / with the clock alone "
        f"{show(whole)}, without what else disturbed some epochs {show(undisturbed)}; both readings of an epoch take "
        f"{1e6 * reading_seconds:.0f} us, {100 * reading_seconds / epoch_seconds:.2f} % of it"
    )
    facts = machine_facts("torch") | {
        "device": device.name,
        "pairs": chosen.pairs,
        "epochs": chosen.epochs,
        "width": chosen.width,
        "batch_size": chosen.batch_size,
        "seconds": {name: [both[name].seconds for both in pairs] for name in sides},
        "ratio": whole[0],
        "ratio_interval": whole[1:],
        "undisturbed_ratio": undisturbed[0],
        "undisturbed_ratio_interval": undisturbed[1:],
        "readings_seconds": reading_seconds,
        "epoch_seconds": epoch_seconds,
    }
    output = chosen.output or Path(__file__).parent / f"results/meters_overhead_{chosen.device}.json"
    output.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
