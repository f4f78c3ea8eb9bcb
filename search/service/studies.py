"""The routes that read one study."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import WithJsonSchema
from starlette.concurrency import run_in_threadpool

from dashboards.choice import NothingFits
from dashboards.choice import pick as choose
from dashboards.logs import read_log
from dashboards.pages.reading import Reader
from dashboards.prices import price_trial, prices_json
from dashboards.records import as_json, checkpoint_json, trial_json, trial_log_json
from dashboards.remeasured import remeasurement_json
from dashboards.rows import TABLES
from dashboards.summary import Summary
from objectives.costs import MINIMIZABLE
from objectives.prices import DERIVED
from search.choosing import pick_json, read_limits
from search.records import Record
from search.service.answers import Limit, told
from search.service.auth import CHECK, visitor
from search.service.events import MEDIA_TYPE, Cursor, EventStream, Streams, tell_events
from search.service.problems import Missing, Problem
from search.testing import kept_accuracy
from storage.audit import find_stop
from storage.faults import NoStudy, NoTrial, StorageFault
from storage.leases import find_holding
from storage.reading import load_study
from storage.rows import find_trial
from storage.studies import list_remeasurements

MaxCost = Annotated[
    str,
    WithJsonSchema(
        {"type": "string", "pattern": rf"^({'|'.join([*MINIMIZABLE, *DERIVED])})=[0-9]{{1,9}}(\.[0-9]{{1,9}})?$"}
    ),
]
TableName = Annotated[str, WithJsonSchema({"type": "string", "enum": [*TABLES]})]
"""Both are described and not checked by their schema: what is wrong with them has a better line of our own."""

TOLD_BEFORE = "What was told before: the `id` of an event."


def add_study(router: APIRouter, reader: Reader) -> None:
    """Adds the routes that tell of one study."""
    database = reader.database

    @router.get("/studies/{name}", responses=told(404))
    def study(name: str) -> dict[str, Any]:
        """Tells what `paretune show NAME --json` tells, who coordinates the study now, and who stopped it here."""
        summary = find_summary(reader, name)
        holding = find_holding(database, name)
        coordinator = None if holding is None else asdict(holding)
        stop = find_stop(database, name)
        stopped = None if stop is None else {"by": stop.token, "at": stop.at}
        told = {"coordinator": coordinator, "stopped": stopped}
        return {**as_json(summary), "remeasurement": remeasurement_json(summary), **told}

    @router.get("/studies/{name}/trials", responses=told(404))
    def trials(
        name: str, after: Annotated[int, Query(ge=-1, description="Begin behind this number.")] = -1, limit: Limit = 100
    ) -> dict[str, Any]:
        """Lists trials by number; `next` is the `after` of the next page, null on the last one."""
        summary = find_summary(reader, name)
        rest = [trial for trial in summary.study.trials if trial.number > after]
        page = rest[:limit]
        return {"trials": [trial_json(trial) for trial in page], "next": page[-1].number if len(rest) > limit else None}

    @router.get("/studies/{name}/trials/{number}", responses=told(404))
    def trial(name: str, number: int) -> dict[str, Any]:
        """Tells what `paretune show NAME TRIAL --json` tells: attempts, epochs, log, prices."""
        summary = find_summary(reader, name)
        try:
            found = find_trial(summary.study, number)
        except NoTrial as fault:
            raise Missing(str(fault)) from fault
        printed = read_log(database, summary.study.uuid, number)
        prices = price_trial(summary.study, found, summary.book)
        return trial_log_json(found, printed, prices_json(prices, summary.book))

    @router.get("/studies/{name}/record", responses=told(404))
    def record(name: str) -> Response:
        """Tells the whole study as it is kept, each epoch with its costs: what `paretune --server` works on."""
        summary, again = find_summary(reader, name), []
        for other in list_remeasurements(database, summary.study.uuid):
            with suppress(StorageFault):  # deleted meanwhile
                again.append(load_study(database, other))
        return Response(Record(summary.study, again, summary.book).write(), media_type="application/json")

    @router.get("/studies/{name}/tables/{table}", responses=told(404))
    def table(name: str, table: TableName) -> dict[str, Any]:
        """Exports `trials`, `epochs` or `costs` as rows, as `paretune show NAME --table` does."""
        if table not in TABLES:
            raise Problem(404, f"table: one of {', '.join(TABLES)} is needed, but got {table!r}")
        return {"rows": TABLES[table](find_summary(reader, name))}

    @router.get("/studies/{name}/pick", responses=told(404))
    def pick(
        name: str,
        min_accuracy: Annotated[float | None, Query(ge=0, le=1)] = None,
        max_cost: Annotated[list[MaxCost], Query(description="COST=VALUE, in the cost's unit.")] = [],  # noqa: B006
        *,
        knee: Annotated[bool, Query(description="The knee of the front.")] = False,
    ) -> dict[str, Any]:
        """Picks as `paretune pick NAME --json` does; test accuracies are told where they were computed before."""
        summary, limits = find_summary(reader, name), read_limits(min_accuracy, max_cost, "max_cost")
        try:
            picked = choose(summary, min_accuracy, limits, at_knee=knee)
        except NothingFits as reason:
            raise Problem(404, str(reason)) from reason
        return pick_json(summary, picked, kept_accuracy(summary.study, picked.point))

    @router.get("/studies/{name}/front", responses=told(404))
    def front(name: str) -> dict[str, Any]:
        """Lists the checkpoints that nothing beats, and the knee."""
        summary = find_summary(reader, name)
        knee = None if summary.knee is None else checkpoint_json(summary.knee, summary.book)
        return {"front": [checkpoint_json(point, summary.book) for point in summary.front], "knee": knee}


def add_events(router: APIRouter, reader: Reader, streams: Streams) -> None:
    """Adds the stream of a study's events."""
    stream = {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}

    @router.get(
        "/studies/{name}/events",
        response_class=StreamingResponse,
        responses={**told(404), 200: {"description": "Events, until the study ends.", **stream}},
    )
    async def events(
        request: Request,
        name: str,
        after: Annotated[str | None, Query(description=TOLD_BEFORE)] = None,
        last_event_id: Annotated[str | None, Header(description=TOLD_BEFORE)] = None,
    ) -> EventStream:
        """Tells what happens to a study as server-sent events, and ends with it.

        `study` is how it stands, `trial` a trial of which something is new (as in the list of trials), `end` the last
        event. Whoever goes on after a cut sends the last `id`, as browsers do, and misses nothing; a trial may be told
        twice. A line that begins with a colon comes when nothing happens for 15 s.
        """
        sent = last_event_id or after
        cursor = None if sent is None else Cursor.read(sent)
        await run_in_threadpool(find_summary, reader, name)
        token = visitor()
        assert token is not None
        return EventStream(
            tell_events(reader, name, cursor, request.scope[CHECK], streams.are_over), streams, token.name
        )


def find_summary(reader: Reader, name: str) -> Summary:
    """Returns what a study has come to.

    Raises:
        Missing: where there is none of that name.
    """
    try:
        return reader.summary(name)
    except NoStudy as fault:
        raise Missing(f"study: there is no {name!r}") from fault
