"""What is asked of a study as it is continued: looked at here, and said to its coordinator as a command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dashboards.summary import Summary
from search import sweeps
from search.faults import Faults
from search.growing import grow
from search.reading import merge_settings
from search.remeasuring import Wish, alone, find_faults, plan
from search.sections import Compute
from search.service.problems import Unfit
from search.service.reach import check_reach, find_imports
from search.service.rules import Rules
from search.service.slots import read_compute
from search.service.toml import write_value
from storage.database import Database
from storage.rows import StudyRow

MOST_CHARACTERS = 2**16
"""Of all changes together: a process takes no command line without end."""

BUDGET = "budget."


@dataclass(frozen=True)
class Change:
    """What a study is continued with.

    Attributes:
        num_more: Trials to add to its target.
        keys: Values of its spec by dotted path, without blanks and `=` in it; None takes a key of the budget away.
        engine: Of this sitting; None for that of the spec.
        slots: Of this sitting; None for those of the spec.
    """

    num_more: int = 0
    keys: Mapping[str, Any] = field(default_factory=dict)
    engine: str | None = None
    slots: int | str | None = None

    @property
    def compute(self) -> dict[str, Any]:
        """What of the `compute` table it changes for this sitting, besides `keys`."""
        return {key: value for key in ("engine", "slots") if (value := getattr(self, key)) is not None}

    def arguments(self) -> tuple[str, ...]:
        """Returns it as arguments of `paretune resume`, all but the trials.

        Raises:
            Unfit: where it cannot be said in them, a line for each key.
        """
        faults = list(self._faults())
        if faults:
            raise Unfit(*faults)
        told = [_argument(key, value) for key, value in self.keys.items()]
        told += [f"--{key}={value}" for key, value in self.compute.items()]
        if sum(map(len, told)) > MOST_CHARACTERS:
            raise Unfit(f"changes: at most {MOST_CHARACTERS} characters are taken")
        return tuple(told)

    def _faults(self) -> Iterator[str]:
        for key, value in self.keys.items():
            if (value is None and not key.startswith(BUDGET)) or _holds_none(value):
                yield f"{key}: null is no value of it; it takes a key of the budget away, and nothing else"
            else:
                try:
                    _argument(key, value).encode()
                except UnicodeEncodeError as error:  # JSON may hold half of a surrogate pair
                    yield f"changes: {key!a} is no text that can be kept: {error.reason}"


def find_compute(study: StudyRow, change: Change, rules: Rules) -> Compute:
    """Returns the `compute` table of a sitting, and makes sure that the change can be.

    Reading the whole spec would import the user's code where it names any, which its coordinator alone does: there only
    that says what is wrong with a change.

    Raises:
        Forbidden: where the change reaches further than the operator allows.
        Faults: where it cannot be, with a line for each reason.
    """
    faults: list[str] = []
    check_reach(merge_settings({}, (), change.keys, faults), rules)
    if faults:
        raise Faults(*faults)
    stored = study.spec.get("compute", {})
    if not change.keys and not change.compute:
        return read_compute(stored)
    if not find_imports(study.spec.get("objective", {})):
        growth = grow(study, (), change.keys, change.num_more)
        grown = replace(study, spec=growth.spec)
        return sweeps.stored_spec(grown, {**growth.compute, **change.compute}, change.num_more).compute
    wanted = merge_settings({"compute": stored}, (), change.keys, [])["compute"]
    try:
        different = {key: value for key, value in wanted.items() if value != stored.get(key)}
        return read_compute(sweeps.change_compute(stored, {**different, **change.compute}))
    except (AttributeError, Faults):
        return read_compute(stored)


def check_wish(summary: Summary, database: Database, wish: Wish) -> Compute:
    """Returns the `compute` table of a study that trains settings again, and makes sure that the wish can be.

    Where the study names the user's code its coordinator alone looks at the budget; see `find_compute`.

    Raises:
        Faults: where it cannot be, with a line for each reason.
    """
    if not find_imports(summary.study.spec.get("objective", {})):
        return plan(summary, database, wish).compute
    faults = list(find_faults(summary, wish))
    if faults:
        raise Faults(*faults)
    return read_compute(alone(summary.study.spec.get("compute", {})))


def remeasuring_arguments(name: str, wish: Wish, *, is_forced: bool) -> tuple[str, ...]:
    """Returns a wish as arguments of `paretune remeasure`, all but the study.

    Args:
        name: Of the new study.
        wish: What is wanted.
        is_forced: Whether other studies may run meanwhile.
    """
    flags = [*(["--knee"] if wish.at_knee else []), *(["--force"] if is_forced else [])]
    budget = {key.removeprefix(BUDGET): "none" if value is None else value for key, value in wish.budget.items()}
    told = [f"--study={name}", f"--repeats={wish.repeats}", *(f"--trial={number}" for number in wish.trials)]
    return (*told, *flags, *(f"--budget={key}={value}" for key, value in budget.items()))


def _argument(key: str, value: Any) -> str:
    return f"--budget={key.removeprefix(BUDGET)}=none" if value is None else f"--set={key}={write_value(value)}"


def _holds_none(value: Any) -> bool:
    """Says whether there is a None within a value: TOML has none."""
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return any(one is None or _holds_none(one) for one in inner)
