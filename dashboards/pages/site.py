"""What all pages share: what they read, what they may do, and whether they may."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dashboards.actions import Actions, Refused
from dashboards.brushing import Brush
from dashboards.machine import Machine
from dashboards.pages.easel import Easel
from dashboards.pages.reading import Reader
from dashboards.summary import Summary
from storage.faults import StorageFault

NOT_ALLOWED = "this token may look but not change anything: sign in with one of the role `operate`"


@dataclass(frozen=True)
class Site:
    """What all pages share.

    Attributes:
        reader: Of the database.
        actions: What may be asked of the service.
        may_operate: Whether the request under way may ask for it.
        look: Looks at the machine of the service.
        easel: Draws their figures.
    """

    reader: Reader
    actions: Actions
    may_operate: Callable[[], bool]
    look: Callable[[], Machine]
    easel: Easel

    async def read(self, names: Sequence[str], brush: Brush | None = None) -> Summary | None:
        """Returns what is shown of the first study, of all trials or of those that are chosen.

        It is None where the study cannot be read, which the page says elsewhere.
        """
        try:
            return await asyncio.to_thread(self.reader.chosen, names[0], brush)
        except StorageFault:
            return None

    async def act(self, action: Callable[..., Any], *arguments: Any) -> Any:
        """Returns what an action does, which takes its time in a thread of its own.

        Raises:
            Refused: where it may not be asked for, or is not possible.
        """
        if not self.may_operate():
            raise Refused(NOT_ALLOWED)
        try:
            return await asyncio.to_thread(action, *arguments)
        except StorageFault as fault:
            raise Refused(str(fault)) from fault
