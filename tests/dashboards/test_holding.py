"""CPU and GPU in one study: each second that a slot was held has the price of its own device."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from synthetic import NOW, SPEC, attempt_row, summary_of, trial

from dashboards.holding import idle_by_device
from dashboards.prices import price_study, price_trials
from objectives.prices import default_book
from storage.rows import SittingRow, StudyRow, TrialRow

CPU: dict[str, Any] = {"kind": "cpu", "name": "EPYC", "identity": "host", "threads": 1, "torch": "2"}
GPU: dict[str, Any] = {**CPU, "kind": "cuda", "name": "A GPU"}
BOOK = replace(
    default_book(),
    devices=tuple(
        replace(default_book().devices[0], kind=kind, match="", per="device", price_per_hour=price)
        for kind, price in (("cpu", 36.0), ("cuda", 3600.0))
    ),
)


def study_of(*trials: TrialRow, seconds: float, num_cpu_slots: int = 2, device: Any = ("cpu", "cuda")) -> StudyRow:
    parts = [{**GPU, "num_slots": 1}, {**CPU, "num_slots": num_cpu_slots}]
    sitting = SittingRow(1, {"parts": parts}, 1 + num_cpu_slots, 1, NOW, seconds)
    spec = {**SPEC, "compute": {"device": list(device)}}
    return replace(summary_of(*trials, spec=spec).study, sittings=(sitting,))


def ran(number: int, device: dict[str, Any] | None, kind: str, seconds: float) -> TrialRow:
    attempt = attempt_row("complete", {"training": seconds}, seconds=seconds, device=device)
    return trial(number, [(900, seconds)], attempts=(attempt,), device=kind)


def test_idle_time_is_that_of_the_device_which_was_idle() -> None:
    study = study_of(ran(0, GPU, "cuda", 4.0), ran(1, CPU, "cpu", 1.0), seconds=5.0)
    assert [(device["kind"], seconds) for device, seconds in idle_by_device(study)] == [("cuda", 1.0), ("cpu", 9.0)]
    assert price_trials(study, BOOK)["money"].value == pytest.approx(4 * 1.0 + 1 * 0.01)
    assert price_study(study, BOOK)["money"].value == pytest.approx(5 * 1.0 + 10 * 0.01)
    assert idle_by_device(replace(study, sittings=())) == []


def test_an_attempt_that_told_no_device_had_that_of_its_setting() -> None:
    study = study_of(ran(0, GPU, "cuda", 4.0), ran(1, CPU, "cpu", 1.0), ran(2, None, "cpu", 2.0), seconds=5.0)
    assert price_trials(study, BOOK)["money"].value == pytest.approx(4 * 1.0 + 3 * 0.01)
    assert {device["kind"]: seconds for device, seconds in idle_by_device(study)} == {"cuda": 1.0, "cpu": 7.0}
    unsearched = replace(study, spec={**study.spec, "compute": {"device": "auto"}})
    assert price_trials(unsearched, BOOK)["money"].value is None
