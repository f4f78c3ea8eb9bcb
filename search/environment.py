"""What a sitting runs with: versions, machine, and the user's own code. Nothing of it is imported to be looked at."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from importlib import metadata
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dashboards.environments import Change, Environment, list_changes
from objectives.data import FOLDER
from storage.ledger import Page

PACKAGES = ("paretune", "torch", "torchvision", "numpy", "pillow", "optuna", "scipy", "cmaes", "sqlalchemy")
IMPORT_PATH = re.compile(r"[^\W\d][\w.]*:[^\W\d]\w*")

RESULTS_DIFFER = "accuracies and costs may differ; results are bit-equal only within one version"
PROPOSALS_DIFFER = "proposals may differ from those of an undisturbed study"
EFFECTS = {"torch": RESULTS_DIFFER, "optuna": PROPOSALS_DIFFER, "scipy": PROPOSALS_DIFFER, "cmaes": PROPOSALS_DIFFER}
"""What another version of a package may do to a study."""


def observe(objective: Mapping[str, Any]) -> Environment:
    """Returns the present environment, as plain values.

    Args:
        objective: The spec's table; the import paths in it name the user's code.
    """
    return {
        "since": datetime.now(UTC).isoformat(),
        "versions": {"python": platform.python_version(), **_versions(PACKAGES)},
        "host": platform.node(),
        "platform": platform.platform(),
        "code": {path: digest for path in import_paths(objective) if (digest := digest_code(path)) is not None},
    }


def keep_environment(page: Page, environment: Environment) -> list[str]:
    """Writes a sitting's environment where it is new; returns how it differs from the study's last one, in lines."""
    before = page.environments()
    changes = list_changes(before[-1], environment) if before else []
    if changes or not before:
        page.add_environment(environment)
    return explain(changes)


def explain(changes: Iterable[Change]) -> list[str]:
    """Returns a line for each change: what it is, and what it may do.

    >>> for line in explain([Change("versions", "torch", "2.14.1", "2.15.0"), Change("code", "my:net", "a", "b")]):
    ...     print(line)
    torch 2.14.1 then, 2.15.0 now: accuracies and costs may differ; results are bit-equal only within one version
    the code of my:net has changed since the study last ran: trials before and after may not be comparable
    """
    return [_explain(change) for change in changes]


def import_paths(objective: Mapping[str, Any]) -> list[str]:
    """Returns the import paths among the values of the spec's `objective`.

    >>> import_paths({"model": "my.models:net", "dataset": "folder:images", "epochs": 3})
    ['my.models:net']
    """
    texts = [value for value in objective.values() if isinstance(value, str)]
    return [text for text in texts if IMPORT_PATH.fullmatch(text) and not text.startswith(FOLDER)]


def digest_code(path: str) -> str | None:
    """Returns the SHA-256 of the source file of an import path's module, None where there is no such file.

    What that module imports in its turn is not looked at.

    >>> len(digest_code("search.environment:observe")), digest_code("nowhere.at.all:f"), digest_code("sys:path")
    (64, None, None)
    """
    source = _find_source(path.partition(":")[0])
    try:
        return None if source is None else sha256(source.read_bytes()).hexdigest()
    except OSError:
        return None


def _find_source(module: str) -> Path | None:
    """Returns the file of a module without importing the packages that it is in, as `find_spec` would."""
    first, *rest = module.split(".")
    top = _find_top(first)
    if not rest:
        return Path(top.origin) if top is not None and top.has_location and top.origin else None
    if top is not None and top.origin:
        folders: list[str] = list(top.submodule_search_locations or ())
    else:  # a package without `__init__.py` lies wherever a folder of its name does
        folders = [str(Path(root) / first) for root in (*sys.path, str(Path.cwd()))]
    bases = [Path(folder).joinpath(*rest) for folder in folders]
    files = [file for base in bases for file in (base / "__init__.py", base.with_name(f"{base.name}.py"))]
    return next((file for file in files if file.is_file()), None)


def _find_top(name: str) -> ModuleSpec | None:
    try:
        found = find_spec(name)
    except (ImportError, ValueError):
        found = None
    return found or PathFinder.find_spec(name, [str(Path.cwd())])  # last, as `objectives.imports` does


def _versions(names: Iterable[str]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _explain(change: Change) -> str:
    if change.kind == "code":
        return (
            f"the code of {change.name} has changed since the study last ran: "
            "trials before and after may not be comparable"
        )
    line = f"{change.name or change.kind} {change.before or 'absent'} then, {change.now or 'absent'} now"
    effect = "costs in time and energy may differ" if change.kind == "host" else EFFECTS.get(change.name)
    return f"{line}: {effect}" if effect else line
