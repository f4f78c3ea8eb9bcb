"""What a launch form begins with: templates, or the spec of a study under a new name."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from dashboards.actions import Refused
from objectives.data import default_root
from search.reading import example
from search.service.problems import Missing
from search.service.toml import write_toml
from search.spec import SweepSpec
from storage.database import Database
from storage.faults import NoStudy
from storage.queue import list_queue
from storage.reading import load_study
from storage.rows import StudyRow, is_imported
from storage.studies import list_studies

EXAMPLE = "example"
"""The template that is always there, unless the operator has one of that name."""

MOST_BYTES = 2**18
LONGEST_NAME = 100


@dataclass(frozen=True)
class Drafts:
    """Texts to begin with. They are checked when they are launched, as if they had been typed.

    Attributes:
        database: Of the studies.
        folder: Where the operator keeps templates, `NAME.toml` each; None for nowhere.
    """

    database: Database
    folder: Path | None = None

    def list_templates(self) -> list[str]:
        """Returns the names of the templates, the built-in one first."""
        found = sorted(path.stem for path in self._files())
        return [EXAMPLE, *(name for name in found if name != EXAMPLE)]

    def read_template(self, name: str) -> str:
        """Returns the TOML text of a template.

        Raises:
            Missing: where there is none of that name.
            Refused: where its file cannot be read.
        """
        path = next((path for path in self._files() if path.stem == name), None)
        if path is None:
            if name == EXAMPLE:
                return example()
            raise Missing(f"template: there is no {name!r}")
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(f"template: {name!r} cannot be read; the operator has to mend its file") from error

    def clone(self, name: str) -> str:
        """Returns the spec of a study as TOML text, with a new name proposed.

        Raises:
            Missing: where there is no such study.
            Refused: where it has no spec of its own.
        """
        try:
            study = load_study(self.database, name)
        except NoStudy as fault:
            raise Missing(f"study: there is no {name!r}") from fault
        _check_own(study)
        spec = {**study.spec, "search": {**study.spec.get("search", {}), "trials": study.num_trials}}
        if spec.get("objective", {}).get("data_root") == str(default_root()):
            spec["objective"] = {key: value for key, value in spec["objective"].items() if key != "data_root"}
        return write_toml({"name": self._new_name(name), **_without_defaults(spec)})

    def _files(self) -> list[Path]:
        if self.folder is None:
            return []
        try:
            return [
                path
                for path in self.folder.iterdir()
                if path.suffix == ".toml" and path.is_file() and path.stat().st_size <= MOST_BYTES
            ]
        except OSError:  # the operator took it away
            return []

    def _new_name(self, name: str) -> str:
        """Returns a name that nothing has: `a-2` after `a`, `a-3` after `a-2`."""
        taken = {line.name for line in list_studies(self.database)}
        taken |= {waiting.order.study for waiting in list_queue(self.database)}
        found = re.fullmatch(r"(.+)-(\d{1,6})", name)
        stem, number = (found[1], int(found[2])) if found else (name, 1)
        while True:
            number += 1
            proposed = f"{stem[: LONGEST_NAME - len(str(number)) - 1]}-{number}"
            if proposed not in taken:
                return proposed


def _check_own(study: StudyRow) -> None:
    if is_imported(study):
        raise Refused(f"study: {study.name!r} was imported and has no spec to begin with")
    if study.spec.get("search", {}).get("remeasures"):
        raise Refused(f"study: the settings of {study.name!r} are another study's, trained again; clone that one")


def _without_defaults(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a stored spec without the name, and without what it says anyway."""
    told: dict[str, Any] = {}
    for key, value in spec.items():
        section = SweepSpec.model_fields[key].annotation if key in SweepSpec.model_fields else None
        if isinstance(section, type) and issubclass(section, BaseModel) and isinstance(value, Mapping):
            told[key] = {name: inner for name, inner in value.items() if not _is_default(section, name, inner)}
        elif key != "name":
            told[key] = value
    return {key: value for key, value in told.items() if value not in ({}, None)}


def _is_default(section: type[BaseModel], name: str, value: Any) -> bool:
    field = section.model_fields.get(name)
    if field is None or field.is_required() or field.default_factory is not None:
        return False
    return bool(json.loads(json.dumps(field.default)) == value)
