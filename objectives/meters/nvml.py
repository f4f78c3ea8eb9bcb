"""NVIDIA's management library: the energy counter of a GPU, in millijoules since the driver was loaded, and more."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from objectives.meters.energy import EnergyCounter, measure_tick

Answer = TypeVar("Answer")

TICK_SECONDS = 0.1
"""How often the counter moves (A100, H100), where it does not move while it is watched."""


class NvmlCounter:
    """Reads the counter of one GPU.

    Args:
        uuid: The GPU's, without its prefix.

    Raises:
        pynvml.NVMLError: where there is no such GPU, or it has no such counter.
    """

    most_seconds = float("inf")

    def __init__(self, uuid: str) -> None:
        import pynvml

        pynvml.nvmlInit()
        self._handle: Any = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        self.tick_seconds = measure_tick(self.read_joules) or TICK_SECONDS

    def read_joules(self) -> float:
        """Returns the energy since the driver was loaded."""
        import pynvml

        return int(pynvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1000

    def read_watts(self) -> float | None:
        """Returns the power by the GPU's sensor: on recent ones the mean of a second."""
        import pynvml

        return int(pynvml.nvmlDeviceGetPowerUsage(self._handle)) / 1000


@cache
def open_nvml(uuid: str) -> EnergyCounter | str:
    """Returns the counter of a GPU, or why there is none; its tick is measured once in a process.

    Args:
        uuid: The GPU's, without its prefix.
    """
    import pynvml

    try:
        return NvmlCounter(uuid)
    except pynvml.NVMLError as error:
        return f"NVML gives no energy counter: {error}"


def call_nvml(ask: Callable[[], Answer]) -> Answer | str:
    """Returns what NVML answers, or why it does not."""
    import pynvml

    try:
        pynvml.nvmlInit()
        return ask()
    except pynvml.NVMLError as error:
        return f"NVML does not tell: {error}"
