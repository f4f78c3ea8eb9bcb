"""What several pages are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias
from urllib.parse import quote

import dash_mantine_components as dmc
from dash import dcc, html

from dashboards.budget import Line

STATES = {"running": "green", "complete": "blue", "stopped": "cyan", "interrupted": "orange"}
FULL = 100.0
GRAPH_CONFIG: Any = {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": ["sendChartToCloud"]}

Component: TypeAlias = Any
"""A part of a page; most of their makers tell no types."""


def study_path(name: str) -> str:
    """Returns the address of a study's page.

    >>> study_path("a b/c")
    '/study/a%20b%2Fc'
    """
    return f"/study/{quote(name, safe='')}"


def trial_path(name: str, number: int) -> str:
    """Returns the address of a trial's page."""
    return f"{study_path(name)}/trial/{number}"


def frame(title: str, *content: Component, study: str | None = None, unseen: Sequence[Component] = ()) -> Component:
    """Returns a whole page: the bar above, where it stands, and its content.

    Args:
        title: Of the window.
        content: What it shows.
        study: The study that it is about, to compare it with others.
        unseen: What takes no room unless there is something to tell.
    """
    compare = "/compare" if study is None else f"/compare?study={quote(study, safe='')}"
    toggle = dmc.ColorSchemeToggle(
        lightIcon="\N{BLACK SUN WITH RAYS}", darkIcon="\N{FIRST QUARTER MOON}", variant="default",
        size="lg", **aria(label="dark or light"),
    )  # fmt: skip
    links = dmc.Group([link("Studies", "/"), link("Compare", compare), link("Machines", "/machines")], gap="lg")
    brand = dmc.Anchor("Paretune", href="/", fw=700, fz="xl", underline="never")
    plain = {"background": "none", "border": "none", "color": "inherit", "cursor": "pointer", "font": "inherit"}
    leave = html.Form(html.Button("Log out", type="submit", style=plain), action="/logout", method="post")
    right = dmc.Group([leave, toggle], gap="xs")
    bar = html.Header(dmc.Group([dmc.Group([brand, links], gap="xl"), right], justify="space-between", py="sm"))
    main = html.Main([*unseen, dmc.Stack(list(content), gap="lg")])
    known = [dcc.Store(id="title", data=title), dcc.Store(id="scheme")]
    return dmc.Container([*known, bar, dmc.Divider(mb="md"), main], size=1320, px="md", pb="xl")


def link(words: str, address: str) -> Component:
    """Returns a link to another page."""
    return dmc.Anchor(words, href=address)


def aria(**told: str) -> dict[str, Any]:
    """Returns what a screen reader is told of a part: `label`, `live`.

    >>> aria(label="dark or light")
    {'aria-label': 'dark or light'}
    """
    return {f"aria-{name}": words for name, words in told.items()}


def state_badge(state: str) -> Component:
    """Returns a state in its colour, and in words, since not all see the colour."""
    return dmc.Badge(state, color=STATES.get(state, "gray"), variant="light")


def gauges(lines: Iterable[Line]) -> list[Component]:
    """Returns how much of each item of a budget that has a limit is spent; what cannot be told has no bar."""
    return [_gauge(line, line.limit) for line in lines if line.limit is not None]


def _gauge(line: Line, limit: float) -> Component:
    spent = "unknown" if line.spent is None else line.words(line.spent)
    share = None if line.spent is None or not limit else min(FULL, FULL * line.spent / limit)
    words = f"{line.title} {spent} of {line.words(limit)}"
    is_spent = (share or 0.0) >= FULL and line.name != "trials"
    bar = dmc.Progress(value=share or 0.0, size="md", color="orange" if is_spent else "blue", **aria(label=words))
    return dmc.Stack([dmc.Text(words, size="sm"), *([bar] if share is not None else [])], gap=2)


def faults(title: str, lines: Iterable[str]) -> Component:
    """Returns what is wrong, a line for each fault."""
    return dmc.Alert([dmc.Text(line, size="sm") for line in lines], title=title, color="red", variant="light")


def note(*lines: str) -> Component:
    """Returns what a reader should know."""
    return dmc.Alert([dmc.Text(line, size="sm") for line in lines], color="yellow", variant="light")


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Component:
    """Returns a small table, which scrolls where it is wider than the window."""
    own = dmc.Table(
        [
            dmc.TableThead(dmc.TableTr([dmc.TableTh(words) for words in head])),
            dmc.TableTbody([dmc.TableTr([dmc.TableTd(cell) for cell in row]) for row in rows]),
        ],
        striped=True,
        verticalSpacing=4,
    )
    return html.Div(own, style={"overflowX": "auto"})


def section(title: str, *content: Component, quiet: str | None = None) -> Component:
    """Returns a part of a page under its heading, with a line on how it is read."""
    told = [dmc.Text(quiet, size="sm", c="dimmed")] if quiet else []
    return html.Section(dmc.Stack([dmc.Title(title, order=2, size="h3"), *told, *content], gap="xs"))


def waiting(height: int) -> Component:
    """Returns what stands where something is being read."""
    return dmc.Skeleton(height=height)
