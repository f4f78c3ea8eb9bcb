"""A figure as a file: a page that opens offline, an image, or its data."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dashboards.figures import Figure
from dashboards.palette import ICON
from dashboards.plotting import read_part

if TYPE_CHECKING:
    import plotly.graph_objects as go

WIDTH = 1280
"""Of an image, in pixels; a page fits its window."""

STILL_HEADING = 36
"""Height of an image's heading, in pixels, where there were no menus."""


class NoImages(Exception):
    """Images cannot be made here; the text says in a line what is missing."""


def write_figure(figure: Figure, info: Any, path: Path) -> None:
    """Writes a figure in the format that the path's ending names, one of `WRITERS`.

    Args:
        figure: Its kind.
        info: What `figure.trace` returned.
        path: Where to.

    Raises:
        NoImages: where an image is wanted and what draws it is missing.
        OSError: where the file cannot be written.
    """
    WRITERS[path.suffix](figure, info, path)


def as_plain(value: Any) -> Any:
    """Returns a record as what JSON knows: named fields become keys, moments ISO 8601.

    >>> as_plain({"at": datetime(2026, 1, 1), "pair": (1, None)})
    {'at': '2026-01-01T00:00:00', 'pair': [1, None]}
    """
    if isinstance(value, str | int | float | None):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): as_plain(item) for key, item in value.items()}
    if hasattr(value, "_asdict"):
        return {key: as_plain(item) for key, item in value._asdict().items()}
    if is_dataclass(value):
        return {field.name: as_plain(getattr(value, field.name)) for field in fields(value)}
    return [as_plain(item) for item in value]


def _write_html(figure: Figure, info: Any, path: Path) -> None:
    page = figure.draw(info).to_html(include_plotlyjs=False, config={"displaylogo": False})
    icon = f'<link rel="icon" href="{ICON}">'
    head = f"<title>{escape(_heading(figure, info))}</title>{icon}<script>{read_part()}</script></head>"
    path.write_text(page.replace("</head>", head, 1), encoding="utf-8")


def _write_image(figure: Figure, info: Any, path: Path) -> None:
    drawn = as_still(figure.draw(info), _heading(figure, info))
    with path.open("wb") as file:  # found out first: it is quick, an image is not
        try:
            file.write(drawn.to_image(format=path.suffix.removeprefix("."), width=WIDTH))
        except RuntimeError as error:  # plotly's, where it finds no kaleido, and kaleido's, where it finds no browser
            path.unlink()
            raise NoImages(
                f"{path.name}: an image needs kaleido (`pip install paretune[images]`) and a Chrome or Chromium; "
                f".html and .json need neither: {_first_line(str(error))}"
            ) from error


def _heading(figure: Figure, info: Any) -> str:
    return f"{info.study}: {figure.title}" if hasattr(info, "study") else figure.title


def as_still(drawn: go.Figure, heading: str) -> go.Figure:
    """Returns a figure for paper: with a heading in the place of the menus, which nobody can open there."""
    more = 0 if drawn.layout.updatemenus else STILL_HEADING
    notes = drawn.layout.title.text
    return drawn.update_layout(
        title={"text": f"<b>{heading}</b>" + (f"<br>{notes}" if notes else ""), "font": {"size": 16}},
        title_x=0.01,
        title_y=1,
        title_yanchor="top",
        title_pad_t=14,
        height=drawn.layout.height + more,
        margin_t=drawn.layout.margin.t + more,
    ).update_layout(updatemenus=[], overwrite=True)


def _write_json(_figure: Figure, info: Any, path: Path) -> None:
    path.write_text(json.dumps(as_plain(info), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else "no reason was given"


WRITERS: dict[str, Callable[[Figure, Any, Path], None]] = {
    ".html": _write_html,
    ".png": _write_image,
    ".svg": _write_image,
    ".json": _write_json,
}
