"""A running sweep with twenty viewers of its page, and without.

    python tests/benchmarks/viewers.py --pairs 8

One sweep of equal settings trains on all cores and is served by `paretune serve`. By turns of a minute twenty
viewers ask as an open page of the study does, or are held still: for its mark every two seconds, or as seldom as the
service says, and where that is new for all that the page shows. What they ask is taken from a real browser. They are
one process on the same cores, though real viewers have machines of their own.

- `ratio`: wall time of an epoch, its training and evaluation, with viewers over that without; geometric mean of the
  pairs of turns with its 95 % interval;
- `waiting`: the part of their time in which threads of the slots stood ready without a core, with viewers less the
  same without: as the machine's kernel counts it, so that what else the host of a virtual machine does is not in it;
- `share`: CPU time of the server with viewers, less the same without, as a part of the CPU time of the sweep: where
  that has all cores, so much longer it takes; `viewers_share` is that of the viewers' own process;
- `answers`: how often the viewers were told of the mark, `wanted` how often twenty pages ask for it in the same time
  that are never told to wait.

An epoch counts that lies within one turn, after its first seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests/benchmarks")]

import httpx  # noqa: E402
import psutil  # noqa: E402
from browser import CHROMIUM, FLAGS  # noqa: E402
from commands import COMMAND  # noqa: E402
from machine import machine_facts  # noqa: E402
from playwright.sync_api import Request, sync_playwright  # noqa: E402
from service_size import Side, free_port, serving  # noqa: E402
from sqlalchemy import and_, select  # noqa: E402

from objectives.intervals import student_interval  # noqa: E402
from storage.database import Database  # noqa: E402
from storage.tables import epoch_costs as costs  # noqa: E402
from storage.tables import epochs  # noqa: E402

CALL = "/_dash-update-component"
POLL_SECONDS = 2.0
SPEC = """name = "watched"
[objective]
dataset = "mnist5k"
epochs = 4
[space]
lr = { low = 1e-3, high = 0.1, log = true }
optimizer = "sgd"
batch_size = 64
width = 1.0
[search]
sampler = "random"
seed = 0
trials = 100000
baseline = false
"""
SETTLE_SECONDS = 4.0
"""How long a turn has been under way before what is measured begins."""

OK = 200
OF_MARK = ["mark.data"]
"""Because of what a page asks what the service answers to all alike."""


Bodies = list[dict[str, Any]]
Known = dict[tuple[str, str], Any]
"""What a page holds, by component and property."""


@dataclass(frozen=True)
class Turn:
    """What was measured in one turn.

    Attributes:
        is_watched: Whether viewers asked.
        num_epochs: That lie in it.
        epoch_seconds: Mean of their wall time.
        server_cpu_seconds: Of the service.
        sweep_cpu_seconds: Of the sweep, its slots in it.
        viewers_cpu_seconds: Of the viewers.
        waiting: Part of the time of the slots' threads, 0 to 1, in which they stood ready without a core.
        seconds: That it took.
    """

    is_watched: bool
    num_epochs: int
    epoch_seconds: float
    server_cpu_seconds: float
    sweep_cpu_seconds: float
    viewers_cpu_seconds: float
    waiting: float
    seconds: float


def main() -> None:
    """Runs the benchmark, or the viewers alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60.0, help="of a turn")
    parser.add_argument("--viewers", type=int, default=20)
    parser.add_argument("--watch", type=Path, metavar="FILE", help="be the viewers: URL, token and bodies as JSON")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "results/viewers.json")
    chosen = parser.parse_args()
    if chosen.watch:
        asyncio.run(watch(*json.loads(chosen.watch.read_text()), chosen.viewers))
        return
    facts = machine_facts("dash", "fastapi", "plotly", "sqlalchemy", "torch", "uvicorn")
    turns, answers = measure(chosen.pairs, chosen.seconds, chosen.viewers)
    watched_seconds = chosen.seconds + sum(SETTLE_SECONDS + turn.seconds for turn in turns if turn.is_watched)
    wanted = chosen.viewers * watched_seconds / POLL_SECONDS
    counted = {"viewers": chosen.viewers, "pairs": chosen.pairs, "answers": answers, "wanted": wanted}
    result = {**facts, **counted, **compare(turns)}
    print(json.dumps(result, indent=1))
    chosen.output.write_text(json.dumps({**result, "turns": [asdict(turn) for turn in turns]}, indent=1) + "\n")


def compare(turns: Sequence[Turn]) -> dict[str, Any]:
    """Returns ratio and shares, each with its interval."""
    pairs = [sorted(pair, key=lambda one: one.is_watched) for pair in zip(turns[::2], turns[1::2], strict=True)]
    logs = [math.log(watched.epoch_seconds / alone.epoch_seconds) for alone, watched in pairs]
    shares = [
        watched.server_cpu_seconds / watched.sweep_cpu_seconds - alone.server_cpu_seconds / alone.sweep_cpu_seconds
        for alone, watched in pairs
    ]
    mean, ends = student_interval(logs)
    share, share_interval = student_interval(shares)
    waiting, waiting_interval = student_interval([watched.waiting - alone.waiting for alone, watched in pairs])
    watched = [turn for turn in turns if turn.is_watched]
    return {
        "ratio": math.exp(mean),
        "ratio_interval": [math.exp(end) for end in ends],
        "waiting": waiting,
        "waiting_interval": list(waiting_interval),
        "share": share,
        "share_interval": list(share_interval),
        "viewers_share": sum(turn.viewers_cpu_seconds for turn in watched)
        / sum(turn.sweep_cpu_seconds for turn in watched),
    }


def measure(num_pairs: int, turn_seconds: float, num_viewers: int) -> tuple[list[Turn], int]:
    """Returns the turns of one sweep, and how often the viewers were told of the mark, before them too."""
    bodies, turns = record_bodies(), list[Turn]()
    with sweeping() as (folder, url, server, token, sweep):
        wait_for_study(url, token)
        viewers = start_viewers(folder, url, token, bodies, num_viewers)
        watching = psutil.Process(viewers.pid)
        time.sleep(turn_seconds)  # their first pages, and the sweep's first trials
        watching.suspend()
        for index in range(2 * num_pairs):
            is_watched = index % 4 in (1, 2)  # without, with, with, without: what drifts hits both alike
            if is_watched:
                watching.resume()
            time.sleep(SETTLE_SECONDS)
            turns.append(take_turn(folder / "test.db", [server, psutil.Process(sweep.pid), watching], turn_seconds,
                                   is_watched=is_watched))  # fmt: skip
            watching.suspend()
            print(json.dumps(asdict(turns[-1])), file=sys.stderr)
        watching.resume()
        viewers.terminate()
        return turns, int(viewers.communicate()[0])


def take_turn(file: Path, processes: Sequence[psutil.Process], seconds: float, *, is_watched: bool) -> Turn:
    """Waits and returns what was measured meanwhile.

    Args:
        file: The database.
        processes: The server, the sweep, the viewers.
        seconds: How long.
        is_watched: Whether the viewers ask.
    """
    slots = [one.pid for one in processes[1].children(recursive=True)]
    begun, start, before = datetime.now(UTC), time.perf_counter(), [read_cpu(one) for one in processes]
    scheduled = read_scheduled(slots)
    time.sleep(seconds)
    ran, waited = (later - earlier for earlier, later in zip(scheduled, read_scheduled(slots), strict=True))
    ended, took = datetime.now(UTC), time.perf_counter() - start
    used = [read_cpu(one) - earlier for one, earlier in zip(processes, before, strict=True)]
    seconds_each = read_epochs(file, begun, ended)
    return Turn(is_watched, len(seconds_each), statistics.mean(seconds_each), *used, waited / (ran + waited), took)


def read_cpu(process: psutil.Process) -> float:
    """Returns the CPU seconds of a process and of those it began that still run."""
    return sum(sum(one.cpu_times()[:2]) for one in (process, *process.children(recursive=True)))


def read_scheduled(processes: Sequence[int]) -> tuple[int, int]:
    """Returns the nanoseconds that the threads of processes ran, and that they waited for a core.

    Both are Linux's, which counts them for each thread (Documentation/scheduler/sched-stats.rst).
    """
    files = [one for process in processes for one in Path(f"/proc/{process}/task").glob("*/schedstat")]
    counted = [file.read_text().split() for file in files]
    return sum(int(one[0]) for one in counted), sum(int(one[1]) for one in counted)


def read_epochs(file: Path, begun: datetime, ended: datetime) -> list[float]:
    """Returns the wall seconds of the epochs that lie between two instants."""
    found = (
        select(epochs.c.recorded_at, costs.c.value)
        .join(costs, and_(*(epochs.c[key] == costs.c[key] for key in ("study", "trial", "epoch"))))
        .where(costs.c.name == "wall_seconds", epochs.c.recorded_at.between(begun, ended))
    )
    with Database(f"sqlite:///{file}").read() as connection:
        rows = connection.execute(found).all()
    return [seconds for at, seconds in rows if at - timedelta(seconds=seconds) >= begun]


@contextmanager
def sweeping() -> Iterator[tuple[Path, str, psutil.Process, str, subprocess.Popen[bytes]]]:
    """Serves a new database and launches a sweep in it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "spec.toml").write_text(SPEC)
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        command = [COMMAND, "serve", "--port", str(port), "--storage", "sqlite:///test.db"]
        with serving(Side(command, "", folder, 0.0), url) as (process, token):
            assert token is not None
            launch = [COMMAND, "launch", "spec.toml", "--quiet", "--storage", "sqlite:///test.db"]
            with subprocess.Popen(launch, cwd=folder, stdout=subprocess.DEVNULL) as sweep:
                try:
                    yield folder, url, process, token, sweep
                finally:
                    sweep.terminate()


def wait_for_study(url: str, token: str) -> None:
    """Waits until the study has an epoch."""
    deadline = time.monotonic() + 60
    with httpx.Client(base_url=url, headers={"authorization": f"Bearer {token}"}) as client:
        while time.monotonic() < deadline:
            answer = client.get("/api/studies/watched")
            if answer.status_code == 200 and any(trial["epochs"] for trial in answer.json()["trials"]):
                return
            time.sleep(0.2)
    raise TimeoutError("the sweep does not begin")


def record_bodies() -> Bodies:
    """Returns what an open page of a study asks when something is new, its mark first."""
    found: dict[str, dict[str, Any]] = {}

    def note(request: Request) -> None:
        if CALL in request.url and request.post_data:
            body = json.loads(request.post_data)
            asked = [one for one in body["inputs"] if isinstance(one, dict)]
            of_mark = is_poll(body) or any(one.get("id") == "mark" for one in asked)
            if of_mark:
                found[json.dumps(body["outputs"])] = body

    with sweeping() as (_, url, _process, token, _sweep), sync_playwright() as playwright:
        wait_for_study(url, token)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        context = browser.new_context()
        context.request.post(f"{url}/login", form={"token": token}, headers={"origin": url})
        page = context.new_page()
        page.on("request", note)
        page.goto(f"{url}/study/watched")
        deadline = time.monotonic() + 120
        while not found or any(body["changedPropIds"] != OF_MARK for body in list(found.values()) if not is_poll(body)):
            assert time.monotonic() < deadline, "the page does not ask for what is new"
            page.wait_for_timeout(1000)
        browser.close()
    return sorted(found.values(), key=lambda body: not is_poll(body))


def is_poll(body: dict[str, Any]) -> bool:
    """Says whether a page asks for the mark."""
    return str(body["output"]).startswith("..mark.data")


def start_viewers(folder: Path, url: str, token: str, bodies: Bodies, count: int) -> subprocess.Popen[bytes]:
    """Starts the viewers in a process of their own."""
    told = folder / "watch.json"
    told.write_text(json.dumps([url, token, bodies]))
    command = [sys.executable, __file__, "--viewers", str(count), "--watch", str(told)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


async def watch(url: str, token: str, bodies: Bodies, count: int) -> None:
    """Lets so many viewers ask until the process is told to end; prints how often they were answered."""
    answers: list[int] = []
    async with httpx.AsyncClient(base_url=url, headers={"origin": url}, timeout=60) as client:
        await client.post("/login", data={"token": token})
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(view(client, bodies, POLL_SECONDS * number / count, answers))
                for number in range(count)
            ]
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, lambda: [task.cancel() for task in tasks])
    print(len(answers))


async def view(client: httpx.AsyncClient, bodies: Bodies, delay_seconds: float, answers: list[int]) -> None:
    """Asks as one page does, and notes the status of each answer to a question for the mark."""
    await asyncio.sleep(delay_seconds)
    [poll, *others] = bodies
    known: Known = {("mark", "data"): None}
    while True:
        start = time.monotonic()
        answer = await ask(client, as_known(poll, known))
        answers.append(answer.status_code)
        told = learn(answer, known)
        if "mark" in told:
            for again in await asyncio.gather(*(ask(client, as_known(body, known)) for body in others)):
                learn(again, known)
        wait_seconds = known.get(("clock", "interval"), 1000 * POLL_SECONDS) / 1000
        await asyncio.sleep(max(0.0, wait_seconds - (time.monotonic() - start)))


async def ask(client: httpx.AsyncClient, body: dict[str, Any]) -> httpx.Response:
    """Asks until there is an answer: what was under way as the viewers were held still is lost."""
    while True:
        try:
            return await client.post(CALL, json=body)
        except httpx.TransportError:
            continue


def learn(answer: httpx.Response, known: Known) -> dict[str, Any]:
    """Notes what a page was told, by component and property, and returns it."""
    told: dict[str, Any] = answer.json()["response"] if answer.status_code == OK else {}
    known |= {(component, name): value for component, props in told.items() for name, value in props.items()}
    return told


def as_known(body: dict[str, Any], known: Known) -> dict[str, Any]:
    """Returns what a page asks that knows this."""

    def renewed(one: Any) -> Any:
        if isinstance(one, list):
            return [renewed(inner) for inner in one]
        component = one["id"]
        if isinstance(component, dict):
            component = json.dumps(component, sort_keys=True, separators=(",", ":"))
        return {**one, "value": known.get((component, one["property"]), one.get("value"))}

    return {**body, **{side: renewed(body[side]) for side in ("inputs", "state") if side in body}}


if __name__ == "__main__":
    main()
