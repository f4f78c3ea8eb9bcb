"""The REST API: what the command line does, under `/api`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Header, Query, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from dashboards.actions import Actions
from dashboards.logs import read_log
from dashboards.pages.reading import Reader
from dashboards.prices import price_trial, prices_json
from dashboards.records import as_json, checkpoint_json, trial_json, trial_log_json
from dashboards.remeasured import remeasurement_json
from dashboards.summary import Summary
from search.service.auth import CHECK, check_operates, may_operate, visitor
from search.service.coordinators import MOST_TRIALS, Coordinators
from search.service.events import MEDIA_TYPE as MEDIA_TYPE_EVENTS
from search.service.events import Cursor, EventStream, Streams, tell_events
from search.service.problems import MEDIA_TYPE, Missing, Problem, ProblemDetails
from search.service.toml import write_toml
from search.spec import SweepSpec
from storage.audit import find_stop, list_deeds
from storage.faults import NoStudy
from storage.leases import find_holding
from storage.queue import Waiting, list_queue
from storage.studies import StudyLine, list_studies

MOST_AT_ONCE = 1000
WORDS = {
    401: "No token, or none that holds.",
    403: "The token may only read, or the spec reaches further than the operator allows.",
    404: "There is no such study, trial or page.",
    409: "The study is in no state for that.",
    413: "The body is too large.",
    415: "The body is no JSON.",
    422: "What was sent is not what is needed; each fault has a line.",
    429: "Too many wrong tokens, or too many streams.",
}

TOLD_BEFORE = "What was told before: the `id` of an event."
Limit = Annotated[int, Query(ge=1, le=MOST_AT_ONCE, description="At most so many.")]


class Me(BaseModel):
    """Whose token this is."""

    name: str
    role: str
    may_operate: bool


class ListedStudy(BaseModel):
    """A study in a list."""

    name: str
    uuid: str
    state: str
    num_trials: int
    num_ended: int
    created_at: datetime


class Studies(BaseModel):
    """All studies, the newest first."""

    studies: list[ListedStudy]


class More(BaseModel):
    """How a study is continued."""

    model_config = ConfigDict(extra="forbid", strict=True)

    trials: int = Field(0, ge=0, le=MOST_TRIALS, description="Trials to add to its target.")


class Done(BaseModel):
    """What was done, or is under way."""

    study: str
    action: str


class BegunStudy(Done):
    """What runs, or waits for free slots."""

    place: int | None = Field(description="In the queue, from 1; null where it runs.")


class Templates(BaseModel):
    """What a launch may begin with, the built-in example first."""

    templates: list[str]


class Draft(BaseModel):
    """A spec to begin with."""

    name: str = Field(description="Of the template, or of the study that it is a clone of.")
    toml: str


class QueuedStudy(BaseModel):
    """What waits until enough slots of its machine are free, or could not begin."""

    study: str
    action: str = Field(description="launch or resume.")
    num_more: int = Field(description="Trials that a resume adds.")
    num_cores: int = Field(description="CPU cores that its slots need together.")
    num_gpus: int = Field(description="GPUs that they need, each of them whole.")
    host: str = Field(description="The machine whose slots it waits for.")
    token: str = Field(description="Name of the token that it was asked with.")
    asked_at: datetime
    place: int | None = Field(description="From 1, on its machine; null where it could not begin.")
    faults: list[str] = Field(description="Why it could not begin; it stays until it is cancelled.")


class Queue(BaseModel):
    """What waits, the first in line first."""

    queue: list[QueuedStudy]


def told(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Returns the descriptions of a route's errors."""
    schema = {"schema": {"$ref": f"#/components/schemas/{ProblemDetails.__name__}"}}
    return {
        status: {"description": WORDS[status], "content": {MEDIA_TYPE: schema}} for status in (401, 422, 429, *statuses)
    }


def build_router(coordinators: Coordinators, actions: Actions, reader: Reader) -> APIRouter:
    """Returns the routes under `/api`, the last of which says that there is no other.

    Args:
        coordinators: Of the studies.
        actions: What may be done to them.
        reader: Reads them.
    """
    router = APIRouter(prefix="/api")
    _add_lists(router, coordinators, actions)
    _add_study(router, reader)
    _add_events(router, reader)
    _add_actions(router, actions)

    @router.get("", include_in_schema=False)
    @router.get("/{_path:path}", include_in_schema=False)
    def nothing(_path: str = "") -> Response:
        raise Problem(404, "there is no such page; /api/openapi.json lists those that there are")

    return router


def describe(app: FastAPI) -> None:
    """Adds the spec and the problem details to the app's OpenAPI, which routes do not read by themselves."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            parts = schema.setdefault("components", {}).setdefault("schemas", {})
            for model in (SweepSpec, ProblemDetails):
                described = model.model_json_schema(ref_template="#/components/schemas/{model}")
                parts |= {**described.pop("$defs", {}), model.__name__: described}
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _add_lists(router: APIRouter, coordinators: Coordinators, actions: Actions) -> None:
    @router.get("/me", responses=told())
    def me() -> Me:
        """Tells whose token this is and what it may do."""
        token = visitor()
        assert token is not None
        return Me(name=token.name, role=token.role, may_operate=may_operate())

    @router.get("/studies", responses=told())
    def studies() -> Studies:
        """Lists the studies."""
        return Studies(studies=[_line(line) for line in list_studies(coordinators.database)])

    @router.get("/queue", responses=told())
    def queue() -> Queue:
        """Lists what waits for free slots: a core or a GPU is one study's at a time, who came first goes first."""
        return Queue(queue=[_queued(waiting) for waiting in list_queue(coordinators.database)])

    @router.get("/templates", responses=told())
    def templates() -> Templates:
        """Lists what a launch may begin with."""
        return Templates(templates=list(actions.templates()))

    @router.get("/templates/{name}", responses=told(404, 409))
    def template(name: str) -> Draft:
        """Returns a template."""
        return Draft(name=name, toml=actions.template(name))

    @router.get("/studies/{name}/clone", responses=told(404, 409))
    def clone(name: str) -> Draft:
        """Returns the spec of a study, with a new name proposed."""
        return Draft(name=name, toml=actions.clone(name))

    @router.get("/audit", responses=told(403))
    def audit(limit: Limit = 100) -> dict[str, Any]:
        """Tells who did what, the newest first; to those who may operate."""
        check_operates(visitor())
        return {"deeds": [asdict(deed) for deed in list_deeds(coordinators.database, limit)]}


def _add_study(router: APIRouter, reader: Reader) -> None:
    database = reader.database

    @router.get("/studies/{name}", responses=told(404))
    def study(name: str) -> dict[str, Any]:
        """Tells what `paretune show NAME --json` tells, who coordinates the study now, and who stopped it here."""
        summary = _summary(reader, name)
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
        summary = _summary(reader, name)
        rest = [trial for trial in summary.study.trials if trial.number > after]
        page = rest[:limit]
        return {"trials": [trial_json(trial) for trial in page], "next": page[-1].number if len(rest) > limit else None}

    @router.get("/studies/{name}/trials/{number}", responses=told(404))
    def trial(name: str, number: int) -> dict[str, Any]:
        """Tells what `paretune show NAME TRIAL --json` tells: attempts, epochs, log, prices."""
        summary = _summary(reader, name)
        found = next((each for each in summary.study.trials if each.number == number), None)
        if found is None:
            raise Problem(404, f"trial: {name!r} has no trial {number}")
        printed = read_log(database, summary.study.uuid, number)
        prices = price_trial(summary.study, found, summary.book)
        return trial_log_json(found, printed, prices_json(prices, summary.book))

    @router.get("/studies/{name}/front", responses=told(404))
    def front(name: str) -> dict[str, Any]:
        """Lists the checkpoints that nothing beats, and the knee."""
        summary = _summary(reader, name)
        knee = None if summary.knee is None else checkpoint_json(summary.knee, summary.book)
        return {"front": [checkpoint_json(point, summary.book) for point in summary.front], "knee": knee}


def _add_events(router: APIRouter, reader: Reader) -> None:
    streams, stream = Streams(), {"content": {MEDIA_TYPE_EVENTS: {"schema": {"type": "string"}}}}

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
        await run_in_threadpool(_summary, reader, name)
        token = visitor()
        assert token is not None
        return EventStream(tell_events(reader, name, cursor, request.scope[CHECK]), streams, token.name)


def _add_actions(router: APIRouter, actions: Actions) -> None:
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/SweepSpec"}}}, "required": True}

    @router.post(
        "/studies",
        status_code=201,
        responses={**told(403, 409, 413, 415), 202: {"model": BegunStudy, "description": "It is queued."}},
        openapi_extra={"requestBody": body},
    )
    async def launch(request: Request, response: Response) -> BegunStudy:
        """Starts the sweep of a spec, or queues it until the slots that it needs are free."""
        begun = await run_in_threadpool(actions.launch, _spec_text(request, await request.body()))
        response.headers["location"] = f"/api/studies/{begun.study}" if begun.place is None else "/api/queue"
        response.status_code = 201 if begun.place is None else 202
        return BegunStudy(study=begun.study, action="launch", place=begun.place)

    @router.post("/studies/{name}/resume", status_code=202, responses=told(403, 404, 409))
    def resume(name: str, more: More | None = None) -> BegunStudy:
        """Continues a study: what was cut off, what is still to do, and more trials if asked.

        It is queued until the slots that it needs are free.
        """
        begun = actions.resume(name, more.trials if more else 0)
        return BegunStudy(study=name, action="resume", place=begun.place)

    @router.post("/studies/{name}/stop", status_code=202, responses=told(403, 404, 409))
    def stop(name: str) -> Done:
        """Pauses or ends a study, which is one thing: its trials end after the epochs under way and all is saved.

        Its slots are free for what is queued, and `resume` continues it where it was.
        """
        actions.stop(name)
        return Done(study=name, action="stop")

    @router.delete("/studies/{name}", responses=told(403, 404, 409))
    def delete(name: str) -> Done:
        """Removes a study and its weights."""
        actions.delete(name)
        return Done(study=name, action="delete")

    @router.delete("/queue/{name}", responses=told(403, 404, 409))
    def cancel(name: str) -> Done:
        """Takes what waits for free slots, or could not begin, out of the queue."""
        actions.cancel(name)
        return Done(study=name, action="cancel")


def _queued(waiting: Waiting) -> QueuedStudy:
    order, faults = waiting.order, (waiting.fault or "").splitlines()
    told = {key: getattr(order, key) for key in ("study", "action", "num_more", "num_cores", "num_gpus", "token")}
    return QueuedStudy(**told, host=waiting.host, asked_at=waiting.asked_at, place=waiting.place, faults=faults)


def _summary(reader: Reader, name: str) -> Summary:
    if "\0" in name:  # no text of PostgreSQL's holds it, so that it would refuse the question
        raise Missing(f"study: there is no {name!r}")
    try:
        return reader.summary(name)
    except NoStudy as fault:
        raise Missing(f"study: there is no {name!r}") from fault


def _line(line: StudyLine) -> ListedStudy:
    return ListedStudy(**{key: getattr(line, key) for key in ListedStudy.model_fields})


def _spec_text(request: Request, body: bytes) -> str:
    """Returns a JSON spec as TOML, which coordinators read.

    Raises:
        Problem: where it is no JSON object that TOML can say.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "body: content-type: application/json is needed")
    try:
        raw = json.loads(body, parse_constant=_refuse_constant)
        if not isinstance(raw, Mapping):
            raise Problem(422, f"body: a spec is a JSON object, but got {type(raw).__name__}")
        text = write_toml(raw)
        text.encode()
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, numbers or nesting without end
        raise Problem(422, f"body: it is no JSON that can be read: {error}") from error
    return text


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")
