"""Figures that several open pages show are drawn once, and kept until there is something new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

from dashboards.brushing import Brush
from dashboards.pages.drawing import Drawn, draw, draw_large
from dashboards.pages.reading import Reader
from dashboards.pages.recent import Recent

MOST_DRAWN = 32
"""Figures that are kept as they were asked for last: some hundred kilobytes each."""


@dataclass
class _Sheet:
    """A figure, and the lock that it is drawn under."""

    lock: Lock = field(default_factory=Lock)
    drawn: Drawn | None = None


class Easel:
    """Draws the figures of the pages.

    Args:
        reader: Of the database.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._sheets = Recent(_Sheet, MOST_DRAWN)

    def draw(
        self, kind: str, names: Sequence[str], choices: Sequence[str | None], scheme: str, brush: Brush | None = None
    ) -> Drawn:
        """Returns a figure of `FIGURES` as it is now, with what is chosen of its menus.

        Args:
            kind: Its name.
            names: The studies that it is of.
            choices: A label for each menu, or fewer.
            scheme: dark or light.
            brush: The trials that it is of, or that stand out in the trade-off; None for all.

        Raises:
            StorageFault: where a study cannot be read.
        """
        sheet = self._sheets.find((kind, *names, self._reader.mark(names), *choices, scheme, brush))
        with sheet.lock:
            if sheet.drawn is None:
                sheet.drawn = self._draw(kind, names, choices, scheme, brush)
            return sheet.drawn

    def _draw(
        self, kind: str, names: Sequence[str], choices: Sequence[str | None], scheme: str, brush: Brush | None
    ) -> Drawn:
        if kind == "tradeoff":
            with self._reader.crowd(names[0]) as crowd:
                if crowd is not None:
                    return draw_large(crowd, choices, scheme, brush)
            return draw(kind, [self._reader.chosen(names[0])], choices, scheme, None if brush is None else brush.trials)
        shown = None if brush is None or brush.origin == kind else brush
        return draw(kind, [self._reader.chosen(name, shown) for name in names], choices, scheme)
