"""How far a spec that was sent here may reach: into modules and folders of this machine only where the operator let it.

It is looked at before anything else reads it, since reading a spec already imports the model that it names.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from objectives.data import FOLDER, default_root
from search.reading import merge_settings, validate
from search.service.problems import Forbidden, Unfit
from search.service.rules import Rules
from search.spec import SweepSpec

IMPORTING = ("train", "model", "dataset")


def read_sent_spec(text: str, rules: Rules) -> SweepSpec:
    """Returns the spec that a text means.

    Args:
        text: TOML.
        rules: What the operator allows.

    Raises:
        Unfit: where it is not TOML, or no text that a file can hold.
        Forbidden: where it reaches further than is allowed.
        Faults: with every fault, a line each.
    """
    try:
        text.encode()  # a page may send half of a surrogate pair
        raw = merge_settings(tomllib.loads(text), (), {}, [])
    except (UnicodeEncodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise Unfit(f"spec: it is not TOML: {error}") from error
    check_reach(raw, rules)
    return validate(raw)


def check_reach(raw: Mapping[str, Any], rules: Rules) -> None:
    """Makes sure that a spec stays within what the operator allows.

    Args:
        raw: As TOML or JSON gives it.
        rules: What is allowed.

    Raises:
        Forbidden: with a line for each key that does not.
    """
    objective = raw.get("objective")
    if not isinstance(objective, Mapping):
        return
    folders, imports = _find_folders(objective), find_imports(objective)
    lines = []
    if not rules.allow_import:
        law = "import paths are taken only where the service was started with --allow-import, but got"
        lines += [f"objective.{key}: {law} {name!r}" for key, name in imports.items()]
    if not rules.allow_folders:
        law = "folders are taken only where the service was started with --allow-folders, but got"
        lines += [f"objective.{key}: {law} {name!r}" for key, name in folders.items()]
    if lines:
        raise Forbidden(*lines)


def find_imports(objective: Mapping[str, Any]) -> dict[str, str]:
    """Returns what an `objective` table names of the user's own code, by key."""
    names = {key: name for key in IMPORTING if isinstance(name := objective.get(key), str)}
    folders = _find_folders(objective)
    return {key: name for key, name in names.items() if key not in folders and (":" in name or key == "train")}


def _find_folders(objective: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the folders that an `objective` table names, by key, but not the one that is looked in anyway."""
    dataset, root = objective.get("dataset"), objective.get("data_root")
    folders = {"dataset": dataset} if isinstance(dataset, str) and dataset.startswith(FOLDER) else {}
    return folders if root in (None, str(default_root())) else {**folders, "data_root": root}
