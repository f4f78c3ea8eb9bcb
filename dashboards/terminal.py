"""Drawings made of characters, for a terminal."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from typing import NamedTuple

HEIGHT = 18
_EIGHTHS = " ▏▎▍▌▋▊▉"


class Marks(NamedTuple):
    """Points that are drawn by the same character."""

    mark: str
    name: str
    points: Sequence[tuple[float, float]]


class Bar(NamedTuple):
    """A bar: its label, its length and what is written behind it."""

    label: str
    value: float
    note: str


def plot(marks: Sequence[Marks], width: int, tell_x: Callable[[float], str], least_y: float = -math.inf) -> str:
    """Draws points over a logarithmic x, or a linear one where an x is not positive; later marks lie on top.

    Args:
        marks: What to draw; `y` in percent.
        width: Characters in a line.
        tell_x: Writes an x with its unit.
        least_y: Points below it are left out.
    """
    points = [point for group in marks for point in group.points if point[1] >= least_y]
    if not points:
        return "nothing to draw yet"
    scale: Callable[[float], float] = math.log if min(x for x, _ in points) > 0 else float
    left, right = scale(min(x for x, _ in points)), scale(max(x for x, _ in points))
    bottom, top = min(y for _, y in points), max(y for _, y in points)
    columns = width - 9
    grid = [[" "] * columns for _ in range(HEIGHT)]
    for group in marks:
        for x, y in group.points:
            if y >= least_y:
                column = round((columns - 1) * (scale(x) - left) / (right - left or 1.0))
                row = round((HEIGHT - 1) * (top - y) / (top - bottom or 1.0))
                grid[row][column] = group.mark
    labels = [top - (top - bottom) * row / (HEIGHT - 1) for row in range(HEIGHT)]
    lines = [
        (f"{label:5.1f} % ┤" if row % 4 == 0 or row == HEIGHT - 1 else " " * 8 + "│") + "".join(cells)
        for row, (label, cells) in enumerate(zip(labels, grid, strict=True))
    ]
    low, high = tell_x(min(x for x, _ in points)), tell_x(max(x for x, _ in points))
    lines.append(" " * 8 + "└" + "─" * columns)
    lines.append(" " * 9 + low + high.rjust(columns - len(low)))
    lines += _legend(marks, width)
    return "\n".join(line.rstrip() for line in lines)


def draw_bars(bars: Sequence[Bar], width: int) -> str:
    """Draws horizontal bars, the longest as long as the space between the widest label and the widest note.

    >>> print(draw_bars([Bar("a", 1.0, "1 s"), Bar("bb", 2.0, "2 s")], 14))
    a  ███▌    1 s
    bb ███████ 2 s
    """
    labels = max((len(bar.label) for bar in bars), default=0)
    space = max(5, width - labels - 2 - max((len(bar.note) for bar in bars), default=0))
    most = max((bar.value for bar in bars), default=0.0) or 1.0
    return "\n".join(
        f"{bar.label:{labels}} {_blocks(space * bar.value / most):{space}} {bar.note}".rstrip() for bar in bars
    )


def _legend(marks: Sequence[Marks], width: int) -> list[str]:
    indent, unbreakable = " " * 9, "\N{NO-BREAK SPACE}"
    entries = [f"{group.mark} {group.name}".replace(" ", unbreakable) for group in marks if group.points]
    lines = textwrap.wrap("   ".join(entries), width, initial_indent=indent, subsequent_indent=indent)
    return [line.replace(unbreakable, " ") for line in lines]


def _blocks(length: float) -> str:
    whole, part = divmod(round(8 * length), 8)
    return "█" * whole + (_EIGHTHS[part] if part else "")
