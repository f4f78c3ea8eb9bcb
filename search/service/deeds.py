"""The routes that do something: what they are asked is checked here, done by the coordinators, and audited."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from dashboards.actions import Actions
from dashboards.pages.reading import Reader
from search.exporting import Wanted
from search.imported import ImportedStudy
from search.remeasuring import Wish
from search.service.actions import ask_clear, ask_export, ask_import, ask_launch, ask_remeasure, ask_resume
from search.service.answers import BegunStudy, Done, Export, ExportedModel, More, Remeasurement, ToClear, told
from search.service.auth import check_operates, visitor
from search.service.changes import Change
from search.service.coordinators import Coordinators
from search.service.exports import Exports, read_pieces
from search.service.problems import Problem
from search.service.studies import find_summary
from search.service.toml import write_toml
from search.spec import SweepSpec

BYTES = "application/octet-stream"
MOST_IMPORTED = 20_000
"""Trials of a study that is brought in by a request."""

Source = Annotated[
    str | None,
    Query(
        alias="from",
        description="A study whose finished trials are taken over, as far as they fit; the spec's are trained besides.",
    ),
]


def add_deeds(router: APIRouter, coordinators: Coordinators, actions: Actions) -> None:
    """Adds the routes that change something, each for those alone who may operate."""
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/SweepSpec"}}}, "required": True}

    @router.post(
        "/studies",
        status_code=201,
        responses={**told(403, 404, 409, 413, 415), 202: {"model": BegunStudy, "description": "It is queued."}},
        openapi_extra={"requestBody": body},
    )
    async def launch(request: Request, response: Response, source: Source = None) -> BegunStudy:
        """Starts the sweep of a spec, or queues it until the slots that it needs are free."""
        text = _spec_text(request, await request.body())
        begun = await run_in_threadpool(ask_launch, coordinators, text, source)
        response.headers["location"] = f"/api/studies/{begun.study}" if begun.place is None else "/api/queue"
        response.status_code = 201 if begun.place is None else 202
        return BegunStudy(study=begun.study, action="launch", place=begun.place)

    @router.post("/studies/{name}/resume", status_code=202, responses=told(400, 403, 404, 409))
    def resume(name: str, more: More | None = None) -> BegunStudy:
        """Continues a study: what was cut off, what is still to do, and more trials if asked.

        A range of its space may widen, and its budget may be another. It is queued until the slots that it needs are
        free.
        """
        asked = more or More()
        change = Change(asked.trials, asked.changes, asked.engine, asked.slots)
        begun = ask_resume(coordinators, name, change)
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


def add_clearing(router: APIRouter, coordinators: Coordinators) -> None:
    """Adds the route that removes files that nothing needs, for those alone who may operate."""

    @router.post("/artifacts/clear", responses=told(400, 403, 409))
    def clear(asked: ToClear | None = None) -> dict[str, Any]:
        """Removes weights and checkpoints that nothing needs any more, as `paretune gc` does, and tells of which."""
        is_dry = (asked or ToClear()).dry_run
        return ask_clear(coordinators, is_dry=is_dry).as_json()


def add_importing(router: APIRouter, coordinators: Coordinators) -> None:
    """Adds the route that brings in studies of Optuna's, for those alone who may operate."""

    @router.post("/imports", status_code=201, responses=told(400, 403, 409, 413))
    def bring_in(study: ImportedStudy, response: Response) -> Done:
        """Makes a complete study of what was read of one of Optuna's, as `paretune import` does with `--server`."""
        if len(study.trials) > MOST_IMPORTED:
            got = f"but got {len(study.trials):,}; a larger study is imported on the service's machine"
            line = f"trials: at most {MOST_IMPORTED:,} are taken, {got}"
            raise Problem(422, line, [line])
        ask_import(coordinators, study)
        response.headers["location"] = f"/api/studies/{study.name}"
        return Done(study=study.name, action="import")


def add_remeasuring(router: APIRouter, coordinators: Coordinators, reader: Reader) -> None:
    """Adds the route that trains settings of a study again, for those alone who may operate."""

    @router.post("/studies/{name}/remeasure", status_code=202, responses=told(400, 403, 404, 409))
    def remeasure(name: str, asked: Remeasurement | None = None) -> BegunStudy:
        """Trains the front of a study again with new seeds, as a study of its own, whose name is in the answer.

        It is queued until it has the machine to itself, unless it is forced.
        """
        body = asked or Remeasurement()
        budget = {f"budget.{key}": value for key, value in body.budget.items()}
        wish = Wish(body.repeats, tuple(body.trials), body.knee, body.study, budget)
        begun = ask_remeasure(coordinators, find_summary(reader, name), wish, is_forced=body.force)
        return BegunStudy(study=begun.study, action="remeasure", place=begun.place)


def add_exports(router: APIRouter, coordinators: Coordinators, exports: Exports, reader: Reader) -> None:
    """Adds the routes that export models, which takes a process and its time: for those alone who may operate."""
    file = {"description": "The file.", "content": {BYTES: {"schema": {"type": "string", "format": "binary"}}}}

    @router.post("/studies/{name}/exports", status_code=201, responses=told(400, 403, 404, 409))
    def export(name: str, response: Response, asked: Export | None = None) -> ExportedModel:
        """Exports a trained model as `paretune export` does; the file is at the answer's location for ten minutes."""
        wish = asked or Export()
        wanted = Wanted(Path(f"model.{wish.format}"), wish.trial, wish.epoch, wish.knee)
        made = ask_export(coordinators, name, wanted, lambda: exports.make(find_summary(reader, name), wanted))
        response.headers["location"] = f"/api/exports/{made.key}"
        return ExportedModel(id=made.key, sha256=made.sha256, told=made.told)

    @router.get("/exports/{key}", response_class=StreamingResponse, responses={**told(403, 404), 200: file})
    def exported(key: str) -> StreamingResponse:
        """Sends a model that was exported."""
        check_operates(visitor())
        made, content = exports.open(key)
        headers = {
            "content-disposition": f'attachment; filename="model{made.path.suffix}"',
            "content-length": str(os.fstat(content.fileno()).st_size),
        }
        return StreamingResponse(read_pieces(content), media_type=BYTES, headers=headers)


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
