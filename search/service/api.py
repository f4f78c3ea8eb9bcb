"""The REST API: what the command line does, under `/api`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from dashboards.actions import Actions
from dashboards.pages.reading import Reader
from objectives.prices import PriceBook
from search.records import write_book
from search.service.answers import (
    Draft,
    Limit,
    ListedStudy,
    Me,
    Queue,
    QueuedStudy,
    Studies,
    Templates,
    told,
)
from search.service.auth import check_operates, may_operate, visitor
from search.service.coordinators import Coordinators
from search.service.deeds import add_clearing, add_deeds, add_exports, add_importing, add_remeasuring
from search.service.events import Streams
from search.service.exports import Exports
from search.service.machine import Lookout
from search.service.problems import Problem, ProblemDetails
from search.service.studies import add_events, add_study
from search.spec import SweepSpec
from storage.audit import list_deeds
from storage.queue import Waiting, list_queue
from storage.rows import StudyLine
from storage.studies import list_studies


def build_router(
    coordinators: Coordinators,
    actions: Actions,
    reader: Reader,
    lookout: Lookout,
    streams: Streams,
    exports: Exports,
    book: PriceBook,
) -> APIRouter:
    """Returns the routes under `/api`, the last of which says that there is no other.

    Args:
        coordinators: Of the studies.
        actions: What may be done to them.
        reader: Reads them.
        lookout: Looks at this machine.
        streams: Those of events.
        exports: Makes files of models.
        book: The prices that are in force.
    """
    router = APIRouter(prefix="/api")
    _add_lists(router, coordinators, actions, book)
    add_study(router, reader)
    add_events(router, reader, streams)
    add_deeds(router, coordinators, actions)
    add_clearing(router, coordinators)
    add_importing(router, coordinators)
    add_remeasuring(router, coordinators, reader)
    add_exports(router, coordinators, exports, reader)
    _add_machine(router, coordinators, lookout)

    @router.get("", include_in_schema=False)
    @router.get("/{_path:path}", include_in_schema=False)
    def nothing(request: Request) -> Response:
        routes = [one for one in router.routes if isinstance(one, APIRoute) and one.path_regex.match(request.url.path)]
        here = {method for route in routes for method in route.methods or ()}
        if here - {"GET"}:  # which is this route's own
            raise HTTPException(405)
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


def _add_lists(router: APIRouter, coordinators: Coordinators, actions: Actions, book: PriceBook) -> None:
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

    @router.get("/prices", responses=told())
    def prices() -> dict[str, Any]:
        """Tells the price book that is in force here, which a study's own prices go before."""
        return {"book": write_book(book)}

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


def _queued(waiting: Waiting) -> QueuedStudy:
    order, faults = waiting.order, (waiting.fault or "").splitlines()
    own = {
        key: getattr(order, key)
        for key in ("study", "action", "num_more", "arguments", "num_cores", "num_gpus", "token")
    }
    return QueuedStudy(**own, host=waiting.host, asked_at=waiting.asked_at, place=waiting.place, faults=faults)


def _line(line: StudyLine, place: int | None) -> ListedStudy:
    return ListedStudy(**vars(line), place=place)
