"""NVIDIA's management library: the energy counter of a GPU, in millijoules since the driver was loaded, and more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

from objectives.meters.energy import EnergyCounter, measure_tick

Answer = TypeVar("Answer")

TICK_SECONDS = 0.1
"""How often the counter moves (A100, H100), where it does not move while it is watched."""


class NvmlCounter:
    """Reads the counter of one GPU.

    Args:
        handle: NVML's, of the GPU.
        tick_seconds: How often it moves; None to measure it.

    Raises:
        OSError: where the GPU has no such counter.
    """

    most_seconds = float("inf")

    def __init__(self, handle: Any, tick_seconds: float | None = None) -> None:
        self._handle = handle
        self.read_joules()
        self.tick_seconds = tick_seconds or measure_tick(self.read_joules) or TICK_SECONDS

    def read_joules(self) -> float:
        """Returns the energy since the driver was loaded.

        Raises:
            OSError: where it cannot be read.
        """
        import pynvml

        try:
            return int(pynvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1000
        except pynvml.NVMLError as error:
            raise OSError(str(error)) from error

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
    found = _open_all([f"GPU-{uuid}"])
    return found if isinstance(found, str) else found[0]


def open_gpus(names: Sequence[str]) -> list[NvmlCounter] | str:
    """Returns the counters of GPUs, or why there are none; their ticks are not measured.

    Args:
        names: An index or a UUID of each, as CUDA_VISIBLE_DEVICES would name it.
    """
    return _open_all(names, TICK_SECONDS)


def _open_all(names: Sequence[str], tick_seconds: float | None = None) -> list[NvmlCounter] | str:
    """Returns the counters of GPUs, or why one has none."""
    import pynvml

    try:
        pynvml.nvmlInit()
        return [NvmlCounter(find_handle(name), tick_seconds) for name in names]
    except (pynvml.NVMLError, OSError) as error:
        return f"NVML gives no energy counter: {error}"


def find_handle(name: str) -> Any:
    """Returns NVML's handle of a GPU by its index or its UUID.

    Raises:
        pynvml.NVMLError: where there is none.
    """
    import pynvml

    find = pynvml.nvmlDeviceGetHandleByIndex if name.isdigit() else pynvml.nvmlDeviceGetHandleByUUID
    return find(int(name) if name.isdigit() else name)


def call_nvml(ask: Callable[[], Answer]) -> Answer | str:
    """Returns what NVML answers, or why it does not."""
    import pynvml

    try:
        pynvml.nvmlInit()
        return ask()
    except pynvml.NVMLError as error:
        return f"NVML does not tell: {error}"
