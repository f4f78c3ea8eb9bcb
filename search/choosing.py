"""What `pick` reads and tells, on the command line and over REST."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dashboards.choice import Pick
from dashboards.records import checkpoint_json
from dashboards.summary import Summary
from objectives.costs import MINIMIZABLE
from objectives.prices import DERIVED
from search.faults import Faults, suggest
from search.testing import TestAccuracy


def read_limits(min_accuracy: float | None, max_costs: Sequence[str], flag: str = "--max-cost") -> dict[str, float]:
    """Returns the highest value of each cost.

    Args:
        min_accuracy: 0 to 1; None for any.
        max_costs: `COST=VALUE` each, in the cost's unit.
        flag: What they are called where they were given.

    Raises:
        Faults: with every fault, a line each.
    """
    limits: dict[str, float] = {}
    faults = []
    if min_accuracy is not None and not 0 <= min_accuracy <= 1:
        faults.append(f"--min-accuracy: a number with 0 <= x <= 1 is needed, but got {min_accuracy:g}")
    for text in max_costs:
        name, equals, value = text.partition("=")
        if not equals:
            faults.append(f"{flag}: COST=VALUE is needed, such as device_seconds=3, but got {text!r}")
        elif name not in MINIMIZABLE and name not in DERIVED:
            faults.append(f"{flag}: no such cost: {name!r}{suggest(name, [*MINIMIZABLE, *DERIVED])}")
        else:
            try:
                limits[name] = float(value)
            except ValueError:
                faults.append(f"{flag} {name}: a number is needed, but got {value!r}")
    if faults:
        raise Faults(*faults)
    return limits


def pick_json(summary: Summary, picked: Pick, tested: TestAccuracy) -> dict[str, Any]:
    """Returns the object that `paretune pick --json` prints.

    Args:
        summary: Of the study.
        picked: What was picked.
        tested: Its test accuracy.
    """
    return {
        "study": summary.study.name,
        "why": picked.why,
        **checkpoint_json(picked.point, summary.book),
        **tested.as_json(),
        "validation_looks": summary.num_looks,
    }
