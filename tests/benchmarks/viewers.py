"""A running sweep with twenty viewers of its page, and without.

    python tests/benchmarks/viewers.py --pairs 4

Each run trains the same settings with the same seeds in a new database, which `paretune serve` serves at the same time;
in every other run twenty viewers ask as an open page of the study does: for its mark every two seconds, or as seldom as
the service says, and where that is new for all that the page shows. What they ask is taken from a real browser. They
are one process beside the sweep, since real viewers have machines of their own.

- `ratio`: wall time of the sweep with viewers over that without, geometric mean of the pairs with its 95 % interval;
- `share`: CPU time of the server with viewers, less the same without, as a part of the CPU time of the training: where
  that has all cores, so much longer it takes;
- `answers`: what the viewers were answered in that time, `wanted` what twenty pages ask for in that time that are
  never told to wait.

A machine that others use makes the ratio uncertain, and the share too large: the sweep then takes longer, so that
viewers ask more often while it runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
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

from objectives.intervals import student_interval  # noqa: E402

CALL = "/_dash-update-component"
POLL_SECONDS = 2.0
SPEC = """name = "watched"
[objective]
dataset = "mnist5k"
epochs = 4
[space]
lr = {{ low = 1e-3, high = 0.1, log = true }}
optimizer = ["sgd", "adam"]
batch_size = 64
width = 1.0
[search]
sampler = "random"
seed = 0
trials = {trials}
"""

OK = 200

Bodies = list[dict[str, Any]]
Known = dict[tuple[str, str], Any]
"""What a page holds, by component and property."""


def main() -> None:
    """Runs the benchmark, or the viewers alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--trials", type=int, default=160)
    parser.add_argument("--viewers", type=int, default=20)
    parser.add_argument("--watch", type=Path, metavar="FILE", help="be the viewers: URL, token and bodies as JSON")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "results/viewers.json")
    chosen = parser.parse_args()
    if chosen.watch:
        asyncio.run(watch(*json.loads(chosen.watch.read_text()), chosen.viewers))
        return
    facts = machine_facts("dash", "fastapi", "plotly", "sqlalchemy", "torch", "uvicorn")
    bodies = record_bodies()
    runs = []
    for index in range(2 * chosen.pairs):
        is_watched = index % 4 in (1, 2)  # without, with, with, without: what drifts hits both alike
        runs.append(run(chosen.trials, chosen.viewers if is_watched else 0, bodies))
        print(json.dumps(runs[-1]), file=sys.stderr)
    result = {**facts, "viewers": chosen.viewers, **compare(runs), "runs": runs}
    print(json.dumps({key: value for key, value in result.items() if key != "runs"}, indent=1))
    chosen.output.write_text(json.dumps(result, indent=1) + "\n")


def compare(runs: list[dict[str, float]]) -> dict[str, Any]:
    """Returns ratio and share, each with its interval."""
    pairs = [sorted(pair, key=lambda one: one["viewers"]) for pair in zip(runs[::2], runs[1::2], strict=True)]
    logs = [math.log(watched["wall_seconds"] / alone["wall_seconds"]) for alone, watched in pairs]
    shares = [watched["server_share"] - alone["server_share"] for alone, watched in pairs]
    mean, (low, high) = student_interval(logs)
    share, share_interval = student_interval(shares)
    return {
        "ratio": math.exp(mean),
        "ratio_interval": [math.exp(low), math.exp(high)],
        "share": share,
        "share_interval": list(share_interval),
    }


def run(num_trials: int, num_viewers: int, bodies: Bodies) -> dict[str, float]:
    """Runs a sweep, with so many viewers or with none."""
    with sweeping(num_trials) as (folder, url, process, token, sweep):
        own = psutil.Process(process.pid)
        wait_for_study(url, token)
        viewers = start_viewers(folder, url, token, bodies, num_viewers) if num_viewers else None
        start, used = time.perf_counter(), sum(own.cpu_times()[:2])
        sweep.wait()
        took, spent = time.perf_counter() - start, sum(own.cpu_times()[:2]) - used
        answers = 0
        if viewers is not None:
            viewers.terminate()
            answers = int(viewers.communicate()[0])
        with httpx.Client(base_url=url, headers={"authorization": f"Bearer {token}"}) as client:
            study = client.get("/api/studies/watched").json()
        training = study["billed"]["lines"]["training"]
        worked = sum(trial["costs"].get("cpu_seconds") or 0.0 for trial in study["trials"])
    return {
        "viewers": num_viewers, "wall_seconds": took, "training_seconds": training, "server_cpu_seconds": spent,
        "training_cpu_seconds": worked, "server_share": spent / worked,
        "answers": answers, "wanted": num_viewers * took / POLL_SECONDS,
    }  # fmt: skip


@contextmanager
def sweeping(num_trials: int) -> Iterator[tuple[Path, str, psutil.Process, str, subprocess.Popen[bytes]]]:
    """Serves a new database and launches a sweep in it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "spec.toml").write_text(SPEC.format(trials=num_trials))
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
            of_mark = body["output"].startswith("..mark.data") or any(one.get("id") == "mark" for one in asked)
            if of_mark:
                found[json.dumps(body["outputs"])] = body

    with sweeping(8) as (_, url, _process, token, _sweep), sync_playwright() as playwright:
        wait_for_study(url, token)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        context = browser.new_context()
        context.request.post(f"{url}/login", form={"token": token}, headers={"origin": url})
        page = context.new_page()
        page.on("request", note)
        page.goto(f"{url}/study/watched")
        page.wait_for_timeout(8000)
        browser.close()
    return sorted(found.values(), key=lambda body: not body["output"].startswith("..mark.data"))


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
        answer = await client.post(CALL, json=as_known(poll, known))
        answers.append(answer.status_code)
        told = learn(answer, known)
        if "mark" in told:
            for again in await asyncio.gather(*(client.post(CALL, json=as_known(body, known)) for body in others)):
                learn(again, known)
        wait_seconds = known.get(("clock", "interval"), 1000 * POLL_SECONDS) / 1000
        await asyncio.sleep(max(0.0, wait_seconds - (time.monotonic() - start)))


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
