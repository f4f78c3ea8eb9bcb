"""The queue as a page shows it: a link leads to a study that is there."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dashboards.pages.queue import show_queue
from storage.queue import Order, Waiting


@pytest.mark.parametrize(("action", "is_there"), [("launch", False), ("remeasure", False), ("resume", True)])
def test_only_a_study_that_is_there_is_linked(action: str, *, is_there: bool) -> None:
    waiting = Waiting(Order("tiny", action, "ours", 1, 0), "m", "host", datetime.now(UTC), None, 1)
    shown = show_queue([waiting], "", may_operate=False)
    assert shown is not None
    assert ("/study/tiny" in str(shown.to_plotly_json())) == is_there
