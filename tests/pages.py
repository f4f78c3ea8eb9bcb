"""Studies to look at by the pages, actions that note what they were asked, and a client that asks as a browser."""

from __future__ import annotations

import json
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from sqlalchemy import func, insert, select
from synthetic import DATA, DEVICE, REFERENCE, synthetic_summary

from dashboards.actions import Actions, Begun, Refused
from dashboards.machine import Machine, Place
from dashboards.web import add_pages
from objectives.findings import Finding
from storage import tables
from storage.beginnings import Beginning
from storage.database import Database
from storage.studies import create_study

MACHINE = Machine(
    "gpu1",
    [Place("a processor", "cores 0-3", "a"), Place("a processor", "cores 4-7", None), Place("a GPU", "GPU 0", "a")],
    {
        "memory": Finding("good", "it can be read"),
        "energy of the CPU": Finding("absent", "no counter", "ask its owner"),
    },
    datetime(2026, 1, 1, tzinfo=UTC),
)
EXAMPLE = '[search]\ntrials = 8\n\n[objective]\nminimize = ["device_seconds"]\n'
HOSTILE = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"


def write_study(
    database: Database,
    name: str,
    num_trials: int = 12,
    seed: int = 0,
    *,
    hostile: bool = False,
    data: Mapping[str, Any] = DATA,
) -> str:
    """Writes a study as a search leaves it; a hostile one has HTML for an optimizer and for the reason of a failure."""
    study = synthetic_summary(num_trials, seed).study
    trials = list(study.trials)
    if hostile:
        trials = [replace(one, params={**one.params, "optimizer": HOSTILE}) for one in trials]
        trials[1] = replace(trials[1], state="failed", reason=HOSTILE)
    spec = {**study.spec, "name": name, "budget": {"device_hours": 0.1}}
    uuid = create_study(
        database, name, spec, num_trials + 4, data, Beginning(trials, reference=REFERENCE), state="complete"
    )
    with database.write() as connection:
        for trial in trials:
            for own in trial.attempts:
                key = {"study": uuid, "trial": trial.number, "attempt": own.attempt}
                kept = ("slot", "device", "started_at", "heard_at", "ended_at", "outcome")
                connection.execute(insert(tables.attempts).values(**key, **{name: getattr(own, name) for name in kept}))
                rows = [{**key, "line": line, "seconds": seconds} for line, seconds in own.bill.items()]
                connection.execute(insert(tables.bills), rows)
    return uuid


def add_epoch(database: Database, uuid: str) -> None:
    """Adds the best epoch so far to the first trial, as a coordinator would."""
    epochs, costs = tables.epochs, tables.epoch_costs
    key: dict[str, Any] = {"study": uuid, "trial": 0}
    with database.write() as connection:
        own = select(func.max(epochs.c.epoch)).where(epochs.c.study == uuid, epochs.c.trial == 0)
        key["epoch"] = connection.scalar(own) + 1
        row = {"attempt": 1, "train_loss": 0.1, "validation_loss": 0.1, "num_correct": 999, "num_images": 1000}
        moment = connection.scalar(select(func.max(epochs.c.recorded_at)))
        connection.execute(insert(epochs).values(**key, **row, recorded_at=moment))
        connection.execute(insert(costs).values(**key, name="device_seconds", value=1.0, method="measured"))


def add_trial(database: Database, uuid: str) -> None:
    """Adds a trial that runs, with an epoch more accurate than all others, as a coordinator would."""
    row, key = tables.trials.c, dict[str, Any](study=uuid)
    now, number = datetime.now(UTC), select(func.max(row.number)).where(row.study == uuid)
    with database.write() as connection:
        key["trial"] = connection.scalar(number) + 1
        params = connection.scalar(select(row.params).where(row.study == uuid, row.number == 0))
        new = {"state": "running", "params": params, "seed": 0, "is_baseline": False, "created_at": now}
        connection.execute(insert(tables.trials).values(study=uuid, number=key["trial"], **new))
        device = {"slot": 0, "device": DEVICE, "started_at": now, "heard_at": now}
        connection.execute(insert(tables.attempts).values(**key, attempt=1, **device))
        seen = {"epoch": 1, "attempt": 1, "num_correct": 999, "num_images": 1000, "recorded_at": now}
        connection.execute(insert(tables.epochs).values(**key, **seen))
        cost = {"epoch": 1, "name": "device_seconds", "value": 50.0, "method": "measured"}
        connection.execute(insert(tables.epoch_costs).values(**key, **cost))


class Noting:
    """Actions that note what they were asked; `launch` writes a study of the name that the spec gives it."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder}/test.db"
        self.asked: list[tuple[Any, ...]] = []

    @property
    def actions(self) -> Actions:
        return Actions(
            self.launch,
            self.resume,
            self.stop,
            self.delete,
            self.cancel,
            lambda: ["example", "ours"],
            self.template,
            self.clone,
        )

    def launch(self, text: str) -> Begun:
        self.asked.append(("launch", text))
        try:
            name = str(tomllib.loads(text).get("name", "launched"))
        except tomllib.TOMLDecodeError as error:
            raise Refused(f"spec: {error}", "spec: a second fault") from error
        write_study(Database(self.url), name, 8, 5)
        return Begun(name)

    def resume(self, name: str, more: int) -> Begun:
        self.asked.append(("resume", name, more))
        return Begun(name)

    def template(self, name: str) -> str:
        return EXAMPLE if name == "example" else f'name = "{name}"'

    def clone(self, name: str) -> str:
        if name == "gone":
            raise Refused(f"study: there is no {name!r}")
        return f'name = "{name}-2"'

    def cancel(self, name: str) -> None:
        self.asked.append(("cancel", name))

    def stop(self, name: str) -> None:
        self.asked.append(("stop", name))

    def delete(self, name: str) -> None:
        self.asked.append(("delete", name))
        raise Refused(f"study: {name!r} is running", "stop it first")


class Pages:
    """The app, and a client that asks its callbacks as the browser does."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.noting, self.operates = Noting(folder), True
        self.server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        self.server.add_api_route("/api/now", lambda: "now")
        add_pages(self.server, database, self.noting.actions, lambda: self.operates, lambda: MACHINE, rest_seconds=0.0)
        self.client = httpx.Client()

    def ask(self, output: str, changed: str, /, *groups: dict[str, Any], **values: Any) -> Any:
        """Asks the callback of an output that an input triggers; returns what it answers, None for nothing new."""
        answer = self.client.post("/_dash-update-component", json=self.body(output, changed, *groups, **values))
        assert answer.status_code in (200, 204), answer.text
        return answer.json()["response"] if answer.status_code == 200 else None

    def body(self, output: str, changed: str, /, *groups: dict[str, Any], **values: Any) -> dict[str, Any]:
        known = self.client.get("/_dash-dependencies").json()
        [found] = [
            one
            for one in known
            if output in one["output"] and any(f"{own['id']}.{own['property']}" == changed for own in one["inputs"])
        ]
        kind, menu = values.pop("kind", None), values.pop("menu", None)

        def own_id(text: str) -> Any:
            named = json.loads(text) if text.startswith("{") else text
            return {**named, "kind": kind} if "MATCH" in text else named

        outputs = []
        for part in found["output"].strip(".").split("..."):
            name, _, prop = part.rpartition(".")
            outputs.append({"id": own_id(name.split("@")[0]), "property": prop})
        own = {}
        for side in ("inputs", "state"):
            own[side] = []
            for dependency in found[side]:
                name, prop = dependency["id"], dependency["property"]
                if "ALL" in name:
                    own[side].append([{**one, "property": prop} for one in groups])
                else:
                    value = values.get(f"{name}_{prop}".replace("-", "_"))
                    own[side].append({"id": own_id(name), "property": prop, "value": value})
        single = outputs[0] if len(outputs) == 1 and not found["output"].startswith("..") else outputs
        triggers = [
            json.dumps(one["id"], separators=(",", ":")) + f".{changed.rpartition('.')[2]}"
            for one in groups
            if menu in (None, one["id"].get("menu"))
        ]
        wanted = triggers if "ALL" in changed else [changed]
        return {"output": found["output"], "outputs": single, "changedPropIds": wanted, **own}

    def page(self, path: str, search: str = "") -> str:
        return json.dumps(self.ask("page.children", "url.pathname", url_pathname=path, url_search=search))


@contextmanager
def serving(server: FastAPI) -> Iterator[str]:
    """Serves an app on a port of this machine, in a thread; gives its address."""
    running = uvicorn.Server(uvicorn.Config(server, port=0, log_level="error", ws="none"))
    thread = Thread(target=running.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not running.started:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    finally:
        running.should_exit = True
        thread.join(20)
