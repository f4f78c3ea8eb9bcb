"""The REST API: what the command line does, under `/api`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, get_args

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from dashboards.actions import Actions
from dashboards.pages.reading import Reader
from search.service.answers import (
    BegunStudy,
    Done,
    Draft,
    Limit,
    ListedStudy,
    Me,
    More,
    Queue,
    QueuedStudy,
    Studies,
    Templates,
    told,
)
from search.service.auth import check_operates, may_operate, visitor
from search.service.coordinators import Coordinators
from search.service.events import Streams
from search.service.machine import Lookout
from search.service.problems import Problem, ProblemDetails
from search.service.studies import add_events, add_study
from search.service.toml import write_toml
from search.spec import SweepSpec
from storage.audit import list_deeds
from storage.queue import Waiting, list_queue
from storage.rows import StudyLine
from storage.studies import list_studies


def build_router(
    coordinators: Coordinators, actions: Actions, reader: Reader, lookout: Lookout, streams: Streams
) -> APIRouter:
    """Returns the routes under `/api`, the last of which says that there is no other.

    Args:
        coordinators: Of the studies.
        actions: What may be done to them.
        reader: Reads them.
        lookout: Looks at this machine.
        streams: Those of events.
    """
    router = APIRouter(prefix="/api")
    _add_lists(router, coordinators, actions)
    add_study(router, reader)
    add_events(router, reader, streams)
    _add_actions(router, actions)
    _add_machine(router, coordinators, lookout)

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
        places = {waiting.order.study: waiting.place for waiting in list_queue(coordinators.database)}
        return Studies(studies=[_line(line, places.get(line.name)) for line in list_studies(coordinators.database)])

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


def _add_machine(router: APIRouter, coordinators: Coordinators, lookout: Lookout) -> None:
    @router.get("/machine", responses=told())
    def machine() -> dict[str, Any]:
        """Tells what the service's machine has, whose each part is now, and what can be measured there."""
        return lookout.look().as_json()

    @router.get("/queue", responses=told())
    def queue() -> Queue:
        """Lists what waits for free slots: a core or a GPU is one study's at a time, who came first goes first."""
        return Queue(queue=[_queued(waiting) for waiting in list_queue(coordinators.database)])


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

    @router.post("/studies/{name}/resume", status_code=202, responses=told(400, 403, 404, 409))
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
    own = {key: getattr(order, key) for key in ("study", "action", "num_more", "num_cores", "num_gpus", "token")}
    return QueuedStudy(**own, host=waiting.host, asked_at=waiting.asked_at, place=waiting.place, faults=faults)


def _line(line: StudyLine, place: int | None) -> ListedStudy:
    return ListedStudy(**vars(line), place=place)


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
        nulls = [f"{where}: null is no value of it; leave it out" for where in _unfit_nulls(raw)]
        if nulls:
            raise Problem(422, nulls[0], nulls)
        text = write_toml(raw)
        text.encode()
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, numbers or nesting without end
        raise Problem(422, f"body: it is no JSON that can be read: {error}") from error
    return text


def _unfit_nulls(raw: Mapping[str, Any]) -> Iterator[str]:
    """Yields the keys of a spec that are null though they may not be: TOML, which has no null, would leave them out."""
    for key, table in raw.items():
        if table is None:
            yield key
        elif isinstance(table, Mapping):
            section = SweepSpec.model_fields[key].annotation if key in SweepSpec.model_fields else None
            known = section.model_fields if isinstance(section, type) and issubclass(section, BaseModel) else {}
            optional = {name for name, field in known.items() if type(None) in get_args(field.annotation)}
            yield from (f"{key}.{name}" for name, value in table.items() if value is None and name not in optional)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")
