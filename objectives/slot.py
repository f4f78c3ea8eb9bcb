"""A slot: runs bundles of trials, one event at a time, in this process or as a long-lived worker.

Torch is imported by what runs in a slot, not by this module, so that the number of threads is set before.
"""

from __future__ import annotations

import os
import platform
import queue
import signal
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from objectives.trial import Device, Event, Failed, Infeasible, Placement, TrialConfig

if TYPE_CHECKING:
    import torch

Bundle = Sequence[TrialConfig]
"""Trials that are given to a slot together; on a CPU it runs them one after the other."""


def run_bundle(bundle: Bundle, device: torch.device, described: Device) -> Iterator[Event]:
    """Runs the trials of a bundle and yields their events; one that fails does not harm the next."""
    import torch

    from objectives.train import run_trial

    for config in bundle:
        try:
            yield from run_trial(config, device, described)
        except (torch.OutOfMemoryError, MemoryError):
            yield Infeasible(config.number, f"out of memory on {described.name}", {})
        except Exception as error:  # noqa: BLE001  whatever a trial raises is that trial's fault, never the slot's
            if "DefaultCPUAllocator" in str(error):  # torch's CPU allocator raises a plain RuntimeError
                yield Infeasible(config.number, f"out of memory on {described.name}", {})
            else:
                place = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{os.path.basename(place.filename)}:{place.lineno}"  # noqa: PTH119
                yield Failed(config.number, f"{type(error).__name__}: {error} ({where})", {})
        if device.type == "cuda":
            torch.cuda.empty_cache()


def open_device(placement: Placement) -> tuple[torch.device, Device]:
    """Loads what every trial needs, sets torch up, and returns the device, with a description for the records.

    Raises:
        RuntimeError: where the device is not there.
    """
    import torch

    import objectives.train  # noqa: F401  so that it is no trial's set-up

    torch.optim.SGD([torch.zeros(1)])  # the first optimizer of a process loads a second's worth of torch
    torch.set_num_threads(placement.threads)
    if placement.device == "cpu":
        described = Device("cpu", _cpu_name(), platform.node(), placement.threads, str(torch.__version__))
        return torch.device("cpu"), described
    if not torch.cuda.is_available():
        raise RuntimeError(f"{placement.device} is not there: this torch sees no CUDA device")
    properties = torch.cuda.get_device_properties(0)
    name, uuid = str(properties.name), str(properties.uuid)
    return torch.device("cuda:0"), Device("cuda", name, uuid, placement.threads, str(torch.__version__))


def serve(connection: Connection, placement: Placement) -> None:
    """Runs a worker: takes bundles from the connection and sends events back, until the other end closes.

    Pinned to the placement's cores. `None` is sent whenever it is ready for a bundle: once torch is loaded, and after
    the last event of each. When the coordinator dies the connection closes and the worker ends at once, also in
    mid-training.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the coordinator decides
    os.environ["OMP_NUM_THREADS"] = str(placement.threads)
    if placement.device != "cpu":
        os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
        os.environ["CUDA_VISIBLE_DEVICES"] = placement.device.partition(":")[2]
    if placement.cores:
        os.sched_setaffinity(0, placement.cores)
    bundles: queue.Queue[Bundle] = queue.Queue()

    def listen() -> None:
        with suppress(EOFError, OSError):
            while True:
                bundles.put(connection.recv())
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    device, described = open_device(placement)
    while True:
        connection.send(None)
        for event in run_bundle(bundles.get(), device, described):
            connection.send(event)


def _cpu_name() -> str:
    with suppress(OSError), open("/proc/cpuinfo") as file:  # noqa: PTH123
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
