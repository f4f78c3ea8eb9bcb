"""What a study ran on, and whether that was one device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dashboards.holding import is_device_searched
from dashboards.words import threads_words
from storage.rows import StudyRow


def name_devices(study: StudyRow) -> list[str]:
    """Returns what the study's attempts ran on, in words."""
    return sorted({device_words(device) for device in _list_devices(study)})


def device_warning(study: StudyRow) -> str | None:
    """Returns that a study's measured costs come from several devices; None where they do not.

    Numbers of threads, and CPU and GPU, are a part of the settings where the study searched them, and no other device.
    """
    same = {"threads": 1} if isinstance(study.spec.get("compute", {}).get("threads"), list) else {}
    devices = name_devices(study)
    apart = {(device["kind"], device_words({**device, **same})) for device in _list_devices(study)}
    if len(apart) <= (len({kind for kind, _ in apart}) if is_device_searched(study.spec) else 1):
        return None
    told = "; ".join(devices)
    return f"its measured costs come from {len(devices)} devices, so that they compare devices as well: {told}"


def _list_devices(study: StudyRow) -> Iterator[Mapping[str, Any]]:
    return (attempt.device for trial in study.trials for attempt in trial.attempts if attempt.device is not None)


def device_words(device: Mapping[str, Any]) -> str:
    """Returns a device as an attempt told it, in words; costs of different ones are not the same cost."""
    words = f"{device['name']} ({device['identity']}), {threads_words(device['threads'])}, torch {device['torch']}"
    if device.get("driver"):
        words += f", driver {device['driver']}"
    if device.get("power_limit_watts"):
        words += f", at most {device['power_limit_watts']:.0f} W"
    return words
