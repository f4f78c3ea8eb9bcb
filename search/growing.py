"""Changing a study that has begun: what may grow, and what may not, with the reason and the way out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from search.faults import Faults
from search.laws import COMPUTING
from search.reading import merge_settings, validate
from search.space import Choice, Entry, Fixed, Range, lies_on_steps
from search.spec import SweepSpec
from storage.rows import StudyRow

Key = tuple[str, ...]

FREE = (("objective", "data_root"), ("budget",), ("prices",), ("artifacts",))
"""Keys of the spec that may take any value: no result depends on them."""

NOT_ONE_SEARCH = "proposals before and after would not belong to one search"
NOT_COMPARABLE = "trials before and after could not be compared"
BOUND: Mapping[Key, str] = {
    ("name",): "it is what the study is found by",
    ("objective", "minimize"): "the samplers and the front go by the same costs from the first trial on",
    ("objective",): NOT_COMPARABLE,
    ("search", "repeats"): "the settings before have their number of seeds",
    ("search", "baseline"): "the first trial was the baseline",
    ("search", "settings"): "the first trials were those that the study began with",
    ("search", "remeasures"): "it says whose settings the trials are",
    ("search",): NOT_ONE_SEARCH,
    ("limits",): "settings before and after would not be judged alike",
}
"""Why other keys may not change; the longest that fits counts."""

COMPARABLE = {
    ("name",), ("objective", "minimize"), ("search",), ("space",), ("limits",), ("search", "baseline"),
    ("search", "settings"),
}  # fmt: skip
"""Changes with which a new study may take over finished trials of this one."""


@dataclass(frozen=True)
class Growth:
    """What is to change of a study.

    Attributes:
        spec: All of its spec, as plain values.
        compute: What of the `compute` table is to hold for this sitting alone.
        change: The record of what changes in the stored spec; None where nothing does.
    """

    spec: Mapping[str, Any]
    compute: Mapping[str, Any]
    change: Mapping[str, Any] | None


def grow(study: StudyRow, settings: Sequence[str], flags: Mapping[str, Any] | None = None, num_more: int = 0) -> Growth:
    """Returns what flags `key=value` change of a study.

    Args:
        study: One that has begun.
        settings: The flags, as `launch` takes them.
        flags: More values by dotted path; None takes a key away.
        num_more: Trials that are added to its target at the same time.

    Raises:
        Faults: with a line for each change that cannot be, saying why and what would do.
    """
    faults: list[str] = []
    merged = merge_settings(study.spec, settings, flags or {}, faults)
    stored = study.spec.get("compute", {})
    wanted = merged.get("compute", {})
    if not isinstance(wanted, Mapping):
        faults.append(f"compute: a table is needed, but got {wanted!r}")
        wanted = stored
    compute = {key: value for key, value in wanted.items() if value != stored.get(key)}
    merged["compute"] = stored
    search = {**merged["search"], "trials": study.num_trials + num_more}
    old = validate({**study.spec, "search": {**study.spec["search"], "trials": study.num_trials}})
    try:
        new = validate({**merged, "search": search})
    except Faults as found:
        faults += found.lines
    else:
        merged = _as_stored(merged, new)
        faults += _space_faults(study, old, new)
    changes = list(_changes((), study.spec, merged))
    faults += [line for key, *_ in changes if (line := _fault(study, key))]
    if num_more and study.spec["search"].get("remeasures"):
        faults.append(
            f"--trials: {study.name} trains settings of another study again; `paretune remeasure` does so anew"
        )
    for name in COMPUTING:
        before, now = stored.get(name), compute.get(name)
        if name in compute and (name == "precision" or isinstance(before, list) or isinstance(now, list)):
            faults.append(f"compute.{name}: it is part of each setting; {_way_out(study, ('space',))}")
    if faults:
        raise Faults(*faults)
    records = [{"key": ".".join(key), "before": before, "now": now} for key, before, now in changes]
    at = {"since": datetime.now(UTC).isoformat(), "from_trial": len(study.trials)}
    return Growth(merged, compute, {**at, "keys": records} if records else None)


def _as_stored(merged: Mapping[str, Any], spec: SweepSpec) -> dict[str, Any]:
    """Returns plain tables whose free keys have the values that a spec stores: seconds in the place of `2h`."""
    plain = spec.model_dump(mode="json")
    tables = {
        table: {
            key: plain[table][key] if (table, key) in FREE or (table,) in FREE else value for key, value in own.items()
        }
        for table in ("objective", "budget")
        if isinstance(own := merged.get(table), Mapping)
    }
    return {**merged, **tables}


def _changes(where: Key, before: Any, now: Any) -> Iterator[tuple[Key, Any, Any]]:
    """Yields the keys that differ, as deep as both are tables, with both values."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in {**before, **now}:
            yield from _changes((*where, key), before.get(key), now.get(key))
    elif before != now:
        yield where, before, now


def _fault(study: StudyRow, key: Key) -> str | None:
    """Returns why a key outside the space may not change, None where it may."""
    if key[0] == "space" or any(key[: len(free)] == free for free in FREE):
        return None
    if key == ("search", "trials"):
        return "search.trials: it is the number that the study began with; `--trials N` adds N"
    bound = max((place for place in BOUND if key[: len(place)] == place), key=len, default=())
    return f"{'.'.join(key)}: {BOUND.get(bound, 'it is fixed when a study begins')}; {_way_out(study, bound)}"


def _way_out(study: StudyRow, bound: Key) -> str:
    if bound in COMPARABLE:
        return f"`paretune launch --from {study.name} --study NEW --set ...` takes over the finished trials that fit"
    return "`paretune launch` a new study"


def _space_faults(study: StudyRow, old: SweepSpec, new: SweepSpec) -> Iterator[str]:
    before, now = old.entries, new.entries
    for name in {**before, **now}:
        for key, reason in _entry_faults(before.get(name), now.get(name)):
            where = f"space.{name}.{key}" if key else f"space.{name}"
            yield f"{where}: {reason}; {_way_out(study, ('space',))}"


def _entry_faults(before: Entry | None, now: Entry | None) -> Iterator[tuple[str, str]]:
    """Yields what of a parameter's change Optuna cannot express, by key."""
    if before == now:
        return
    if before is None or now is None:
        law = "no trial so far has a value of it" if before is None else "every trial so far has a value of it"
        yield "", f"{law}, and Optuna's models need the same parameters in all"
    elif isinstance(before, Range) and isinstance(now, Range):
        yield from _range_faults(before, now)
    elif before.when != now.when:
        yield "when", "trials so far kept to other conditions"
    elif isinstance(before, Choice) and isinstance(now, Choice):
        yield "", "Optuna knows the values of a choice by their places, so they cannot change"
    elif isinstance(before, Fixed) and isinstance(now, Fixed):
        yield "", f"all trials so far have {before.value!r}, and Optuna does not know it from another fixed value"
    else:
        yield "", f"{_kind(before)} cannot become {_kind(now)} in Optuna"


def _range_faults(before: Range, now: Range) -> Iterator[tuple[str, str]]:
    same: tuple[tuple[str, Callable[[Range], object], str], ...] = (
        ("log", lambda entry: entry.log, "Optuna cannot turn log on or off between trials"),
        ("", lambda entry: entry.whole, "Optuna cannot turn whole numbers into others between trials"),
        ("step", lambda entry: entry.step, "values so far lie on other steps"),
        ("when", lambda entry: entry.when, "trials so far kept to other conditions"),
    )
    yield from ((key, reason) for key, read, reason in same if read(before) != read(now))
    narrower = "a range may widen, but not narrow: trials that lie outside would be taken for good ones to go on from"
    if now.low > before.low:
        yield "low", f"{narrower} ({before.low:g} to {now.low:g})"
    if now.high < before.high:
        yield "high", f"{narrower} ({before.high:g} to {now.high:g})"
    if now.step == before.step and not lies_on_steps(now, before.low):
        yield "low", f"values so far are {before.low:g} and whole steps of {before.step:g} from there"


def _kind(entry: Entry) -> str:
    return {Fixed: "a fixed value", Choice: "a choice", Range: "a range"}[type(entry)]
