"""The trade-off page of a study of many trials, beside optuna-dashboard's on the same trials.

    python tests/benchmarks/service_size.py --trials 1000 10000 100000

Each size gets a new SQLite database with trials of 10 epochs of 14 costs each, and one of Optuna's with the same
trials, their last accuracy and device seconds (Optuna takes no epochs with two objectives, so that its dashboard reads
far fewer rows). Each side is served by its own command and looked at by a new headless Chromium:

- `first`: the server has just begun and read nothing, the browser has nothing in its cache;
- `rested`: the same with a server that began ten seconds ago, which Paretune's uses to read the large studies;
- `warm`: the same address again, in the same browser, from its fourth visit on: as people's own it has a profile on
  disk, and keeps scripts compiled that it met twice; the median of so many;
- all end when the browser has painted the points in a figure that can be zoomed and asked, by its own clock, which
  begins with the navigation; `seen` ends when the trade-off is seen, which with Paretune is a picture before; `whole`
  when what is around the figure is there as well, which with Paretune comes after it;
- `bytes` are those that came over the wire, headers included, for a window of 1,280 by 900 that nobody scrolls (what is
  below is read by Paretune once it is about to be in sight); `scripts` is the part that a browser keeps for a year;
- `rss` is the memory of the server's process after that;
- `new trial`: from the commit of a transaction with a new trial, better than all, to its point on the page.

Optuna's dashboard is given up after a time-out, and then its numbers are missing, with the reason.
"""

from __future__ import annotations

import argparse
import json
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests/benchmarks")]

import httpx  # noqa: E402
import psutil  # noqa: E402
from browser import CHROMIUM, FLAGS  # noqa: E402
from bulk import NAME, Settings, add_trials, write_optuna, write_paretune  # noqa: E402
from commands import COMMAND  # noqa: E402
from machine import machine_facts  # noqa: E402
from playwright.sync_api import BrowserContext, Error, sync_playwright  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from storage.database import Database  # noqa: E402

PATIENCE_SECONDS = 120
REST_SECONDS = 10.0
TIMES = ("seen_seconds", "seconds", "whole_seconds")
NUM_MEETINGS = 2
"""Visits after the first until a browser has what it keeps of scripts."""

BETTER = 0.9995
"""Accuracy of the trial that comes later; none before it has that."""

SEEN = "() => document.querySelector('#arrival svg') !== null"
"""Whether the picture of the trade-off is there that comes before the figure."""

DRAWN = """() => [...document.querySelectorAll('.js-plotly-plot')].some(graph =>
  graph._fullData && graph._fullData.length > 1
  && graph.querySelectorAll('.scatterlayer path.point, .gl-container canvas').length > 0)"""
"""Whether a scatter plot with points is drawn."""

WATCH = f"""(() => {{
  const watch = (name, holds) => {{
    const look = () => {{
      if (holds()) setTimeout(() => {{ window[name] = performance.now() / 1000; }});
      else requestAnimationFrame(look);
    }};
    requestAnimationFrame(look);
  }};
  const isDrawn = {DRAWN};
  watch('drawnAt', isDrawn);
  watch('wholeAt', () => isDrawn() && !document.getElementById('arrival'));
  watch('seenAt', () => ({SEEN})() || isDrawn());
}})()"""
"""Notes in the page itself, since the navigation began, when a frame with one of these has been painted.

A question from outside would be answered only once no script runs."""

NEW = """least => [...document.querySelectorAll('.js-plotly-plot')].some(graph =>
  (graph.data || []).some(trace => trace.y && [...trace.y, ...trace.x].some(value => value === least)))"""
"""Whether a figure holds a point of that accuracy."""


@dataclass(frozen=True)
class Side:
    """One of the two.

    Attributes:
        command: What serves it.
        page: The address after the server's.
        folder: Where its database is.
        accuracy: The new trial's, in the unit of its page.
    """

    command: list[str]
    page: str
    folder: Path
    accuracy: float


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--count", type=int, default=5, help="warm loads of each")
    parser.add_argument("--optuna-most", type=int, default=10_000, help="trials from which on Optuna's is left out")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "results/service_size.json")
    chosen = parser.parse_args()
    facts = machine_facts("optuna", "optuna-dashboard", "dash", "plotly", "sqlalchemy", "uvicorn")
    rows = []
    for num_trials in chosen.trials:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(Path(folder), num_trials, chosen))
        print(json.dumps(rows[-1]), file=sys.stderr)
    print_table(rows)
    chosen.output.write_text(json.dumps({**facts, "count": chosen.count, "rows": rows}, indent=1) + "\n")


def measure(folder: Path, num_trials: int, chosen: argparse.Namespace) -> dict[str, Any]:
    """Returns what both sides take with so many trials."""
    settings = Settings(num_trials)
    ours = folder / "paretune"
    ours.mkdir()
    database = Database(f"sqlite:///{ours}/test.db")
    database.create()
    uuid = write_paretune(database, settings)
    port = free_port()
    command = [COMMAND, "serve", "--port", str(port), "--storage", "sqlite:///test.db"]
    side = Side(command, f"/study/{NAME}", ours, 100 * BETTER)
    row: dict[str, Any] = {"num_trials": num_trials, "database_bytes": database.file.stat().st_size}
    row["paretune"] = look(side, port, chosen.count, lambda: add_better(database, uuid, num_trials))
    if num_trials > chosen.optuna_most:
        row["optuna_dashboard"] = {"absent": f"left out above {chosen.optuna_most:,} trials"}
        return row
    theirs = folder / "optuna"
    theirs.mkdir()
    write_optuna(theirs / "test.db", settings)
    port = free_port()
    command = [str(Path(sys.executable).parent / "optuna-dashboard"), "sqlite:///test.db", "--port", str(port)]
    side = Side(command, "/dashboard/studies/1", theirs, BETTER)
    row["optuna_dashboard"] = look(side, port, chosen.count, lambda: add_better_optuna(theirs / "test.db", num_trials))
    return row


def look(side: Side, port: int, count: int, add: Any) -> dict[str, Any]:
    """Serves a side and looks at its page, again and again."""
    url = f"http://127.0.0.1:{port}"
    with serving(side, url) as (process, token), browsing(url, token) as context:
        try:
            first = load(context, url + side.page)
            for _ in range(NUM_MEETINGS):
                load(context, url + side.page)
            warm = [load(context, url + side.page) for _ in range(count)]
            found = {
                **{f"first_{name}": first[name] for name in TIMES},
                "first_bytes": first["bytes"],
                "first_scripts_bytes": first["scripts_bytes"],
                **{f"warm_{name}": spread([one[name] for one in warm]) for name in TIMES},
                "warm_bytes": statistics.median(one["bytes"] for one in warm),
                "rss_bytes": sum(
                    one.memory_info().rss for one in [process, *process.children(recursive=True)] if one.is_running()
                ),
            }
            found["new_trial_seconds"] = time_new(context, url + side.page, side.accuracy, add)
        except Error as error:
            return {"absent": f"given up: {str(error).splitlines()[0]}"}
    with serving(side, url, is_again=True):
        time.sleep(REST_SECONDS)
        with browsing(url, token) as context:
            rested = load(context, url + side.page)
    return found | {f"rested_{name}": rested[name] for name in TIMES}


@contextmanager
def browsing(url: str, token: str | None) -> Iterator[BrowserContext]:
    """Starts a browser with a new profile, signed in where there is a token."""
    with sync_playwright() as playwright, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=CHROMIUM, args=FLAGS.split(), viewport={"width": 1280, "height": 900}
        )
        if token is not None:
            answer = context.request.post(f"{url}/login", form={"token": token}, headers={"origin": url})
            assert answer.ok, answer.text()
        yield context
        context.close()


def load(context: BrowserContext, address: str) -> dict[str, float]:
    """Opens an address in a new tab; returns the `TIMES` of it, and the bytes that came."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    seen: dict[str, str] = {}
    sizes = {"all": 0.0, "scripts": 0.0}
    network = context.new_cdp_session(page)

    def note(event: Any) -> None:
        seen[event["requestId"]] = event["request"]["url"]

    def weigh(event: Any) -> None:
        sizes["all"] += event["encodedDataLength"]
        sizes["scripts"] += event["encodedDataLength"] * seen.get(event["requestId"], "").partition("?")[0].endswith(
            (".js", ".css", ".woff2")
        )

    network.on("Network.requestWillBeSent", note)
    network.on("Network.loadingFinished", weigh)
    network.send("Network.enable")
    page.add_init_script(WATCH)
    page.goto(address, wait_until="commit")
    page.wait_for_function("() => window.wholeAt")
    seen_seconds, seconds, whole_seconds = page.evaluate("() => [window.seenAt, window.drawnAt, window.wholeAt]")
    page.wait_for_timeout(1500)  # what else it loads counts as bytes
    page.close()
    return {
        "seen_seconds": seen_seconds, "seconds": seconds, "whole_seconds": whole_seconds,
        "bytes": sizes["all"], "scripts_bytes": sizes["scripts"],
    }  # fmt: skip


def time_new(context: BrowserContext, address: str, accuracy: float, add: Any) -> float | None:
    """Returns the seconds from a new trial's commit to its point on a page that is open."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    page.goto(address)
    page.wait_for_function(DRAWN)
    page.wait_for_timeout(3000)
    add()
    start = time.perf_counter()
    try:
        page.wait_for_function(NEW, arg=accuracy, timeout=60_000, polling=50)
    except Error:
        return None
    seconds = time.perf_counter() - start
    page.close()
    return seconds


@contextmanager
def serving(side: Side, url: str, *, is_again: bool = False) -> Iterator[tuple[psutil.Process, str | None]]:
    """Runs what serves a side; gives its process, and the token that ours prints the first time."""
    with subprocess.Popen(
        side.command, cwd=side.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            token = None
            if side.command[0] == str(COMMAND):
                assert process.stdout is not None
                process.stdout.readline()
                token = None if is_again else process.stdout.readline().split()[-1]
            deadline = time.monotonic() + 60
            while not is_up(url):
                assert time.monotonic() < deadline, side.command
                time.sleep(0.05)
            yield psutil.Process(process.pid), token
        finally:
            process.kill()


def is_up(url: str) -> bool:
    """Says whether a server answers."""
    try:
        return httpx.get(url).status_code > 0
    except httpx.HTTPError:
        return False


def free_port() -> int:
    """Returns a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def add_better(database: Database, uuid: str, number: int) -> None:
    """Writes a trial that is better than all, in one transaction."""
    settings = Settings(number + 1, 1)
    settings.correct[:] = round(BETTER * 1000)
    settings.seconds[:] = 0.001
    with closing(sqlite3.connect(database.file)) as connection:
        add_trials(connection, uuid, settings, [number])
        connection.execute(
            "UPDATE paretune_epochs SET num_correct = 1999, num_images = 2000 WHERE study = ? AND trial = ?",
            (uuid, number),
        )
        connection.commit()


def add_better_optuna(path: Path, number: int) -> None:
    """The same for Optuna."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "INSERT INTO trials (trial_id, number, study_id, state, datetime_start, datetime_complete) "
            "VALUES (?, ?, 1, 'COMPLETE', '2026-01-01', '2026-01-01')",
            (number + 1, number),
        )
        connection.execute(
            "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) "
            "SELECT ?, param_name, param_value, distribution_json FROM trial_params WHERE trial_id = 1",
            (number + 1,),
        )
        connection.executemany(
            "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (?, ?, ?, 'FINITE')",
            [(number + 1, 0, BETTER), (number + 1, 1, 0.01)],
        )
        connection.commit()


def spread(values: list[float]) -> dict[str, float]:
    """Returns least, median and most."""
    return {"least": min(values), "median": statistics.median(values), "most": max(values)}


def print_table(rows: list[dict[str, Any]]) -> None:
    """Prints both sides beside each other."""
    table = Table(box=None, title="Paretune / optuna-dashboard", pad_edge=False)
    table.add_column("")
    for row in rows:
        table.add_column(f"{row['num_trials']:,} trials", justify="right")
    for key, scale, unit in (
        *((f"{visit}_{name}", 1, "s") for visit in ("first", "rested", "warm") for name in TIMES),
        ("first_bytes", 1e-6, "MB"),
        ("first_scripts_bytes", 1e-6, "MB"), ("warm_bytes", 1e-6, "MB"), ("rss_bytes", 1e-6, "MB"),
        ("new_trial_seconds", 1, "s"),
    ):  # fmt: skip
        table.add_row(f"{key} ({unit})", *(
            f"{cell(row['paretune'], key, scale)} / {cell(row['optuna_dashboard'], key, scale)}" for row in rows
        ))  # fmt: skip
    Console(width=120).print(table)


def cell(side: dict[str, Any], key: str, scale: float) -> str:
    """Returns one number in words, `-` where it is absent."""
    value = side.get(key)
    if value is None:
        return "-"
    return f"{scale * (value['median'] if isinstance(value, dict) else value):.2f}"


if __name__ == "__main__":
    main()
