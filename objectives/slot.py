"""A slot: runs bundles of trials, one event at a time, in this process or as a long-lived worker.

Torch is imported by what runs in a slot, not by this module, so that the number of threads is set before; a training
function that does without has none.
"""

from __future__ import annotations

import faulthandler
import gc
import io
import os
import platform
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from importlib import metadata
from multiprocessing.connection import Connection
from pathlib import Path

from objectives.heap import keep_freed, trim
from objectives.imports import error_words, find_callable
from objectives.pulse import beating
from objectives.trial import (
    LOG,
    Config,
    Device,
    EpochEnded,
    Event,
    Failed,
    Finished,
    FunctionConfig,
    Infeasible,
    Placement,
    Profiled,
    Started,
    Stopped,
    TrialConfig,
)

Bundle = Sequence[Config]
"""Trials that are given to a slot together; on a CPU it runs them one after the other."""


@dataclass(frozen=True)
class StopRequest:
    """Asks a worker to end a trial after the epoch under way."""

    trial: int


@dataclass(frozen=True)
class SuspendRequest:
    """Asks a worker to end a trial as soon as it has saved where it is."""

    trial: int


@dataclass
class Requests:
    """What has been asked of a slot's trials; more may come while they run.

    Attributes:
        to_stop: Trials that are to end after the epoch under way.
        to_suspend: Trials that are to end as soon as they have saved where they are, to be continued from there.
    """

    to_stop: set[int] = field(default_factory=set)
    to_suspend: set[int] = field(default_factory=set)

    def clear(self) -> None:
        """Forgets all: what was asked for came too late, and the trial may come again."""
        self.to_stop.clear()
        self.to_suspend.clear()


def run_bundle(
    bundle: Bundle,
    device: Device,
    requests: Requests | None = None,
    *,
    writes_logs: bool = False,
    cores: Sequence[int] = (),
) -> Iterator[Event]:
    """Runs the trials of a bundle and yields their events; one that fails does not harm the next.

    A trial's last event comes once its log is closed: whoever hears it may end this process.

    Args:
        bundle: The trials.
        device: What the slot runs on.
        requests: Looked at while they run; None where nothing will be asked.
        writes_logs: Whether what a trial prints, and the traceback of its fault, go to the log in its folder.
        cores: That the slot is pinned to, none where it is not; a trial with fewer threads has the first of them.
    """
    requests = requests or Requests()
    for config in bundle:
        own, last = take_threads(config, device, cores), list[Event]()
        with write_log(config.folder) if writes_logs and config.folder else nullcontext():
            for event in _run_one(config, own, requests, prints_faults=writes_logs):
                if isinstance(event, Finished | Stopped | Failed | Infeasible):
                    last.append(event)
                else:
                    yield event
        yield from last


def take_threads(config: Config, device: Device, cores: Sequence[int]) -> Device:
    """Gives this process the threads and cores of a trial, and returns what it runs on then.

    Args:
        config: The trial's; one that does not say has all that the slot has.
        device: What the slot runs on.
        cores: That the slot is pinned to; none where it is not.
    """
    if not isinstance(config, TrialConfig) or config.threads is None:
        return device
    import torch

    torch.set_num_threads(config.threads)
    for task in Path("/proc/self/task").iterdir() if cores else ():  # what computed for a trial before keeps its cores
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), cores[: config.threads])
    return replace(device, threads=config.threads, held_threads=device.threads)


def _run_one(config: Config, device: Device, requests: Requests, *, prints_faults: bool) -> Iterator[Event]:
    heard_at = time.perf_counter()
    last: Event | None = None
    trim()
    try:
        with beating(config.folder), closing(_run(config, device, requests)) as trial:
            for last in trial:
                yield last
                heard_at = time.perf_counter()
                if isinstance(last, Started | Profiled | EpochEnded) and config.number in requests.to_stop:
                    yield Stopped(config.number, {})
                    break
    except Exception as error:  # noqa: BLE001  whatever a trial raises is that trial's fault, never the slot's
        bill = {"lost": time.perf_counter() - heard_at}
        if prints_faults:
            traceback.print_exc()
        if _is_out_of_memory(error):
            yield Infeasible(config.number, f"out of memory on {device.name}", bill)
        else:
            yield Failed(config.number, error_words(error), bill)
    if not isinstance(last, Finished):
        gc.collect()  # the frames of what was cut off hold its arrays, and an exception in one of them the frames
    if device.kind == "cuda":
        import torch

        torch.cuda.empty_cache()


def open_device(placement: Placement) -> Device:
    """Loads what every trial needs, sets torch up where it is loaded, and returns what the slot runs on.

    Raises:
        RuntimeError: where the device is not there.
        ImportFault: where the training function is not.
    """
    if placement.preload is None:
        import objectives.train  # noqa: F401  so that it is no trial's set-up
    else:
        find_callable(placement.preload)
    version = metadata.version("torch")
    if placement.device == "cpu":
        if "torch" in sys.modules:  # a training function may well do without
            sys.modules["torch"].set_num_threads(placement.threads)
        shared = placement.slots_per_device
        return Device("cpu", cpu_name(), platform.node(), placement.threads, version, slots=shared)

    import torch

    torch.set_num_threads(placement.threads)
    if not torch.cuda.is_available():
        raise RuntimeError(f"{placement.device} is not there: this torch sees no CUDA device")
    properties = torch.cuda.get_device_properties(0)
    uuid = str(properties.uuid)
    driver, limit = _driver_and_limit(uuid)
    return Device(
        "cuda", str(properties.name), uuid, placement.threads, version, driver, limit, placement.slots_per_device
    )


def keep_loaded() -> None:
    """Has this process never again look for garbage in what is loaded: a tenth of a second in the middle of an epoch.

    It is for a slot's own process: what is garbage later of what is there now stays.
    """
    gc.collect()
    gc.freeze()


def _driver_and_limit(uuid: str) -> tuple[str | None, float | None]:
    """Returns the driver's version and what a GPU may draw, in watts, as far as NVML tells them."""
    import pynvml

    driver = limit = None
    with suppress(pynvml.NVMLError):
        pynvml.nvmlInit()
        driver = str(pynvml.nvmlSystemGetDriverVersion())
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        limit = pynvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000
    return driver, limit


def occupy(placement: Placement) -> None:
    """Gives this process a placement's threads, cores and GPU; torch must not have touched a GPU yet."""
    os.environ["OMP_NUM_THREADS"] = str(placement.threads)
    if placement.device != "cpu":
        os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
        os.environ["CUDA_VISIBLE_DEVICES"] = placement.device.partition(":")[2]
    if placement.cores:
        os.sched_setaffinity(0, placement.cores)


def serve(connection: Connection, placement: Placement) -> None:
    """Runs a worker: takes bundles from the connection and sends events back, until the other end closes.

    Pinned to the placement's cores. A `StopRequest` or a `SuspendRequest` may come at any time. `None` is sent whenever
    it is ready for a bundle: once torch is loaded, and after the last event of each. When the coordinator dies the
    connection closes and the worker ends at once, also in mid-training.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the coordinator decides
    outlive_terminations()
    keep_freed()
    occupy(placement)
    bundles: queue.Queue[Bundle] = queue.Queue()
    requests = Requests()

    def listen() -> None:
        with suppress(EOFError, OSError):
            while True:
                message: Bundle | StopRequest | SuspendRequest = connection.recv()
                match message:
                    case StopRequest():
                        requests.to_stop.add(message.trial)
                    case SuspendRequest():
                        requests.to_suspend.add(message.trial)
                    case _:
                        requests.clear()
                        bundles.put(message)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    assert isinstance(sys.stdout, io.TextIOWrapper)
    sys.stdout.reconfigure(line_buffering=True)  # so that a log holds what was printed before a kill
    faulthandler.enable()
    device = open_device(placement)
    keep_loaded()
    while True:
        connection.send(None)
        bundle = bundles.get()
        for event in run_bundle(bundle, device, requests, writes_logs=True, cores=placement.cores):
            connection.send(event)


def outlive_terminations() -> None:
    """Has this process go on after a SIGTERM: batch systems send it to every process of a job; the coordinator decides.

    What it starts ends by one as ever, however soon that comes: a handler would lose one within the fork.
    """
    only = {signal.SIGTERM}

    def unblock() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, only)

    def die_by_it() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        unblock()

    signal.signal(signal.SIGTERM, lambda *_: None)  # one that ignores it would hand that on to other programs
    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, only),
        after_in_parent=unblock,
        after_in_child=die_by_it,
    )


def _run(config: Config, device: Device, requests: Requests) -> Generator[Event, None, None]:
    def is_to_suspend() -> bool:
        return config.number in requests.to_suspend

    if isinstance(config, FunctionConfig):
        from objectives.function import run_function

        return run_function(config, device, is_to_suspend)
    from objectives.train import run_trial

    return run_trial(config, device, is_to_suspend)


def _is_out_of_memory(error: Exception) -> bool:
    """Says whether it is the device's memory that was too small, without loading torch."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return "DefaultCPUAllocator" in str(error)  # torch's CPU allocator raises a plain RuntimeError


@contextmanager
def write_log(folder: Path) -> Iterator[None]:
    """Leads standard output and error, C libraries' too, to the log in a trial's folder, after what is there.

    Nothing written leaves no file, and no folder of its own.
    """
    path = folder / LOG
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    except OSError:  # a full disk: the trial is worth more than its log
        yield
        return
    kept = [os.dup(1), os.dup(2)]
    with file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        for number, copy in enumerate(kept, start=1):
            os.dup2(copy, number)
            os.close(copy)
        with suppress(OSError):  # the coordinator may have tidied up already
            if path.stat().st_size == 0:
                path.unlink()
                folder.rmdir()  # where nothing else is in it


def cpu_name() -> str:
    """Returns this machine's CPU, as its maker calls it."""
    with suppress(OSError), open("/proc/cpuinfo") as file:  # noqa: PTH123
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
