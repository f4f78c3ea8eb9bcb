from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from replay import Replay
from torch import Tensor

from objectives.calibration import CALIBRATED, calibrate_epoch
from objectives.costs import Measurement, measured
from objectives.meters import Meters
from objectives.meters.seldom import Seldom
from objectives.meters.time import Stopwatch
from objectives.slot import open_device, run_bundle
from objectives.trial import (
    Calibrated,
    Device,
    EpochEnded,
    EpochRecord,
    Event,
    Finished,
    Placement,
    Profiled,
    Recipe,
    Started,
    TrialConfig,
    sign,
    sign_family,
)

CONFIG = TrialConfig(0, "cnn", "digits", 2, 5, 0.01, "adam", 64, {"width": 0.5}, {}, signature="s")


class Clock:
    """One that steps move, by 0.1 ms for each image."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def steps(self, order_N: Tensor, batch_size: int) -> Iterator[None]:
        for start in range(0, len(order_N), batch_size):
            self.now += 1e-4 * len(order_N[start : start + batch_size])
            yield


def events_of(config: TrialConfig, slots: int) -> list[Event]:
    return list(run_bundle([config], open_device(Placement(0, "cpu", 1, slots_per_device=slots))))


def records_of(events: list[Event]) -> list[EpochRecord]:
    return [event.record for event in events if isinstance(event, EpochEnded)]


def learned(events: list[Event]) -> list[tuple[object, ...]]:
    return [(record.train_loss, record.validation_loss, record.num_correct) for record in records_of(events)]


@pytest.mark.parametrize(("num_images", "batch_size"), [(100, 30), (90, 30), (40, 40)])
def test_an_epoch_costs_what_its_steps_do(num_images: int, batch_size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("objectives.calibration.time", clock := Clock())
    device = Device("cpu", "EPYC", "here", 1, "2.14.1", slots=2)
    meters = Meters(device, Stopwatch(device))
    costs, _ = calibrate_epoch(clock.steps, torch.arange(num_images), batch_size, meters)
    assert set(costs) == set(CALIBRATED)
    seconds = costs["device_seconds"]
    assert seconds.method == "calibrated"
    assert seconds.value == pytest.approx(1e-4 * num_images)
    assert seconds.error == pytest.approx(0.0, abs=1e-9)


def test_what_warms_up_is_no_part_of_what_is_metered(monkeypatch: pytest.MonkeyPatch) -> None:
    played = Replay.steady(100.0, 0.01, 60.0)
    played.install(monkeypatch)
    monkeypatch.setattr("objectives.calibration.time.perf_counter", played.clock)
    device = Device("cpu", "EPYC", "here", 1, "2.14.1", slots=2)

    def steps(order_N: Tensor, batch_size: int) -> Iterator[None]:
        for _ in range(len(order_N) // batch_size):
            played.play(0.1)
            yield

    watch = Stopwatch(device)
    costs, _ = calibrate_epoch(steps, torch.arange(100), 20, Meters(device, watch))
    joules = costs["energy_joules"]
    assert (joules.value, joules.error) == (pytest.approx(50.0), pytest.approx(1.0))
    assert watch.take_bill() == {"calibration": pytest.approx(played.now), "metering": 0.0}


def test_what_is_read_seldom_is_read_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Seldom] = []
    monkeypatch.setattr(
        "objectives.meters.Seldom", lambda _seconds, clock: made.append(Seldom(1000.0, clock)) or made[-1]
    )
    monkeypatch.setattr("objectives.calibration.time", clock := Clock())
    device = Device("cpu", "EPYC", "here", 1, "2.14.1", slots=2)
    calibrate_epoch(clock.steps, torch.arange(90), 30, Meters(device, Stopwatch(device)))
    assert [seldom.is_due for seldom in made] == [True, True]


def test_a_calibration_has_meters_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what a second model holds in it would be told of the trial."""
    begun: list[Meters] = []
    start = Meters.start
    monkeypatch.setattr(Meters, "start", lambda self, line=None: begun.append(self) or start(self, line))
    events_of(CONFIG, 2)
    assert begun[0] is not begun[-1]
    assert begun[-1] is begun[-CONFIG.epochs], "the trial's"


def test_a_slot_that_shares_its_device_trains_the_same_and_tells_what_was_calibrated() -> None:
    own, shared = events_of(CONFIG, 1), events_of(CONFIG, 2)
    assert [type(event) for event in shared] == [Started, Profiled, Calibrated, EpochEnded, EpochEnded, Finished]
    assert learned(shared) == learned(own)
    calibrated = next(event for event in shared if isinstance(event, Calibrated))
    assert (calibrated.signature, calibrated.device.slots) == ("s", 2)
    for record in records_of(shared):
        assert {name: record.costs[name] for name in CALIBRATED} == calibrated.costs
        assert "shares its device" in str(record.costs["wall_seconds"].reason)
        assert record.costs["peak_memory_bytes"].method == "measured"
    assert all(cost.method != "calibrated" for record in records_of(own) for cost in record.costs.values())


def test_what_is_known_is_not_measured_again() -> None:
    first = next(event for event in events_of(CONFIG, 2) if isinstance(event, Calibrated))
    known = {"device_seconds": Measurement(123.0, "calibrated", error=1.0)}
    told = events_of(replace(CONFIG, is_profiled=True, calibrations={first.device.digest: known}), 2)
    assert not [event for event in told if isinstance(event, Calibrated)]
    assert [record.costs["device_seconds"].value for record in records_of(told)] == [123.0, 123.0]
    other = events_of(replace(CONFIG, calibrations={"of another device": known}), 2)
    assert [event for event in other if isinstance(event, Calibrated)]


class Waiting:
    """A meter that tells one share of each stretch after the other, and the last one from then on."""

    def __init__(self, *shares: float) -> None:
        self._shares = list(shares)

    def __call__(self, _device: Device) -> Waiting:
        return self

    def start(self) -> None:
        pass

    def stop(self, seconds: float) -> Measurement:
        return measured(seconds * (self._shares.pop(0) if len(self._shares) > 1 else self._shares[0]))


@pytest.mark.parametrize(
    ("shares", "num_tries", "is_disturbed"),
    [((0.0,), 1, False), ((0.3, 0.0), 2, False), ((0.3, 0.2, 0.0), 3, False), ((0.3,), 3, True)],
)
def test_a_disturbed_calibration_is_tried_again_and_never_told_of_others(
    shares: tuple[float, ...], num_tries: int, is_disturbed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("objectives.meters.Contention", Waiting(*shares))
    monkeypatch.setattr("objectives.calibration.time", clock := Clock())
    begun: list[str | None] = []
    start = Meters.start
    monkeypatch.setattr(Meters, "start", lambda self, line=None: begun.append(line) or start(self, line))
    device = Device("cpu", "EPYC", "here", 1, "2.14.1", slots=2)
    found = calibrate_epoch(clock.steps, torch.arange(60), 30, Meters(device, Stopwatch(device)))
    assert (len(begun), found.is_disturbed) == (num_tries, is_disturbed)
    waited = found.costs["contention_seconds"].value
    assert waited is not None
    assert (waited > 0) == is_disturbed


def test_beside_others_on_its_gpu_a_calibration_is_told_of_no_other_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("objectives.meters.Contention", Waiting(0.0))
    monkeypatch.setattr("objectives.meters.Throttling", lambda *_: Waiting(0.9))  # the device is so, alone too
    monkeypatch.setattr("objectives.calibration.time", clock := Clock())
    device = Device("cpu", "EPYC", "here", 1, "2.14.1", slots=2)

    def calibrate() -> bool:
        return calibrate_epoch(clock.steps, torch.arange(60), 30, Meters(device, Stopwatch(device))).is_disturbed

    assert not calibrate()
    monkeypatch.setattr("objectives.meters.Neighbours", Waiting(1.0))
    assert calibrate()


def test_a_calibration_has_its_line_of_the_bill() -> None:
    start = time.perf_counter()
    events = events_of(CONFIG, 2)
    seconds = time.perf_counter() - start
    started = next(event for event in events if isinstance(event, Started))
    assert started.bill["calibration"] >= 0.1
    bills = [event.bill for event in events if isinstance(event, Started | Finished)]
    billed = sum(sum(bill.values()) for bill in [*bills, *(record.bill for record in records_of(events))])
    assert 0.9 * seconds <= billed <= seconds


def test_a_signature_holds_what_decides_the_cost_of_an_epoch_and_nothing_else() -> None:
    same = [
        replace(CONFIG, number=3, seed=9, lr=0.5, epochs=7, study="other", is_profiled=True),
        replace(CONFIG, recipe=Recipe(schedule="cosine", warmup_epochs=1.0)),
    ]
    others = [
        replace(CONFIG, batch_size=32),
        replace(CONFIG, optimizer="sgd"),
        replace(CONFIG, model_options={"width": 0.75}),
        replace(CONFIG, recipe=Recipe(augmentation="shift")),
        replace(CONFIG, recipe=Recipe(precision="bf16")),
    ]
    assert {sign(config, "data") for config in [CONFIG, *same]} == {sign(CONFIG, "data")}
    assert len({sign(config, "data") for config in [CONFIG, *others]} | {sign(CONFIG, "other data")}) == 7
    families = {sign_family(config, "data") for config in [CONFIG, *same, *others[:4]]}
    assert families == {sign_family(CONFIG, "data")}
    of_others = [CONFIG, others[4], replace(CONFIG, model="package.module:name")]
    families = {sign_family(config, "data") for config in of_others}
    assert len(families | {sign_family(CONFIG, "other data")}) == 4
