"""The form that launches a sweep: from a template, from the spec of a study, or from what is typed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, html, no_update

from dashboards.actions import Begun, Refused
from dashboards.pages.parts import Component, faults, link, study_path
from dashboards.pages.site import Site
from dashboards.queue import place_words
from storage.faults import StorageFault
from storage.studies import list_studies

KINDS = {"template": "Templates", "clone": "Clone a study"}
"""What a form may begin with, as the address has it, and as the menu calls it."""


@dataclass(frozen=True)
class Draft:
    """What the form begins with.

    Attributes:
        text: TOML.
        choice: Of the menu, `template:NAME` or `clone:NAME`.
        is_asked: Whether the address asks for it, so that the form is open.
        faults: Why there is nothing to begin with.
    """

    text: str
    choice: str
    is_asked: bool
    faults: tuple[str, ...] = ()


def clone_path(name: str) -> str:
    """Returns the address of a form that begins with a study's spec.

    >>> clone_path("a b")
    '/?clone=a%20b'
    """
    return f"/?clone={quote(name, safe='')}"


async def find_draft(site: Site, choice: str, *, is_asked: bool = False) -> Draft:
    """Returns what the form begins with.

    Args:
        site: What the pages share.
        choice: `template:NAME` or `clone:NAME`.
        is_asked: Whether the address asks for it.
    """
    kind, _, name = choice.partition(":")
    try:
        if kind not in KINDS:
            raise Refused(f"{' or '.join(KINDS)} is needed, but got {kind!r}")
        return Draft(await site.act(getattr(site.actions, kind), name), choice, is_asked)
    except Refused as refused:
        return Draft("", choice, is_asked, refused.lines)


async def find_form(site: Site, search: str) -> Component:
    """Returns the form.

    Args:
        site: What the pages share.
        search: Of the address, with its question mark; `clone=NAME` or `template=NAME` opens the form.
    """
    asked = parse_qs(search.removeprefix("?"))
    wishes = [f"{kind}:{asked[kind][0]}" for kind in KINDS if kind in asked]
    templates, names = [], []
    with suppress(Refused, StorageFault):  # the page around it says so
        templates = list(await site.act(site.actions.templates))
        names = [line.name for line in await asyncio.to_thread(list_studies, site.reader.database)]
    first = (wishes or [f"template:{name}" for name in templates] or [""])[0]
    draft = await find_draft(site, first, is_asked=bool(wishes))
    return _form(draft, {"template": templates, "clone": names})


async def launch(site: Site, spec: str) -> Component:
    """Launches a sweep, and returns a link to its study, or what is wrong with its spec, a line for each fault."""
    try:
        begun: Begun = await site.act(site.actions.launch, spec)
    except Refused as refused:
        return faults("Not launched", refused.lines)
    if begun.place is not None:
        told = f"{begun.study} is {place_words(begun.place)}: it begins once the slots that it needs are free."
        return dmc.Alert(told, color="yellow", variant="light")
    return dmc.Alert([link(begun.study, study_path(begun.study)), " is running."], color="green", variant="light")


def register(app: Dash, site: Site) -> None:
    """Makes the form work."""

    @app.callback(
        Output("launch", "opened"),
        Input("open-launch", "n_clicks"),
        prevent_initial_call=True,
    )
    async def _(clicks: int | None) -> Any:
        return True if clicks else no_update

    @app.callback(
        Output("spec", "value"),
        Output("draft-fault", "children"),
        Input("draft", "value"),
        prevent_initial_call=True,
    )
    async def _(choice: str | None) -> Any:
        if not choice:
            return no_update, no_update
        draft = await find_draft(site, choice)
        return draft.text if not draft.faults else no_update, _told(draft)

    @app.callback(
        Output("launched", "children"),
        Input("launch-it", "n_clicks"),
        State("spec", "value"),
        prevent_initial_call=True,
    )
    async def _(clicks: int | None, spec: str | None) -> Any:
        return await launch(site, spec or "") if clicks else no_update


def _told(draft: Draft) -> Component | None:
    return faults("Not to begin with", draft.faults) if draft.faults else None


def _form(draft: Draft, known: dict[str, list[str]]) -> Component:
    groups = [
        {"group": title, "items": [{"value": f"{kind}:{name}", "label": name} for name in known[kind]]}
        for kind, title in KINDS.items()
        if known[kind]
    ]
    choice = dmc.Select(
        id="draft", label="begin with", data=groups, value=draft.choice, searchable=True, allowDeselect=False,
        nothingFoundMessage="there is no such template or study", maxDropdownHeight=320,
    )  # fmt: skip
    text = dmc.Textarea(
        id="spec",
        value=draft.text,
        label="the sweep, as TOML",
        autosize=True,
        minRows=12,
        maxRows=24,
        spellCheck=False,
        styles={"input": {"fontFamily": "monospace", "fontSize": "13px", "whiteSpace": "pre", "overflowX": "auto"}},
    )
    told = html.Div(_told(draft), id="draft-fault", role="status")
    answer = [html.Div(id="launched", role="status"), dmc.Button("Launch", id="launch-it")]
    return dmc.Modal(
        dmc.Stack([choice, told, text, *answer]), id="launch", title="Launch a sweep", size="xl", opened=draft.is_asked
    )
