"""Resume, stop, delete, cancel: buttons, a dialog that asks once more, and what came of it."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update

from dashboards.actions import Begun, Refused
from dashboards.pages.launching import clone_path
from dashboards.pages.parts import Component, aria, faults
from dashboards.pages.site import Site
from dashboards.queue import place_words

TOLD = {
    "stop": "Its trials end after the epochs under way, and keep what they have. Its slots are free then; "
    "Resume continues it where it was.",
    "resume": "What was cut off is continued, and so many trials are added.",
    "delete": "Its trials, its bills and its weights are removed. This cannot be undone.",
    "cancel": "It is taken out of the queue, and does not begin.",
}
DONE = {
    "stop": "{} was asked to stop after the epochs under way.",
    "resume": "{} goes on.",
    "delete": "{} was deleted.",
    "cancel": "{} is not queued any more.",
}
TAKE_OUT = "Take it out of the queue"
COLOURS = {"stop": "orange", "resume": "blue", "delete": "red", "cancel": "orange"}


def possible(state: str, *, is_imported: bool) -> list[str]:
    """Returns what may be asked for of a study in a state; one that came from elsewhere whole cannot be run.

    >>> possible("running", is_imported=False), possible("complete", is_imported=False)
    (['stop'], ['resume', 'delete'])
    >>> possible("complete", is_imported=True)
    ['delete']
    """
    if state == "running":
        return ["stop"]
    return ["delete"] if is_imported else ["resume", "delete"]


def buttons(name: str, state: str, *, is_imported: bool) -> Component:
    """Returns the buttons of a study."""
    made = [button(verb, name) for verb in possible(state, is_imported=is_imported)]
    clone = dmc.Anchor("Clone", href=clone_path(name), size="sm", **aria(label=f"clone {name}"))
    return dmc.Group([*made, *([] if is_imported else [clone])], gap="xs")


def button(verb: str, name: str) -> Component:
    """Returns the button that asks for one thing."""
    return dmc.Button(
        verb.capitalize(),
        id={"act": verb, "study": name},
        size="compact-sm",
        variant="light",
        color=COLOURS[verb],
        **aria(label=f"{verb} {name}"),
    )


def dialog() -> list[Component]:
    """Returns the dialog that asks once more, hidden, and the place for what came of it."""
    more = dmc.NumberInput(id="more", label="more trials", value=0, min=0, step=1, allowDecimal=False)
    answer = dmc.Group([dmc.Button("Cancel", id="cancel", variant="default"), dmc.Button("Do it", id="confirm")])
    asked = dmc.Stack([dmc.Text(id="told"), html.Div(more, id="more-box"), answer])
    return [
        html.Div(id="outcome", role="status"),
        dcc.Store(id="intent"),
        dmc.Modal(asked, id="dialog", title="", opened=False),
    ]


def register(app: Dash, site: Site) -> None:
    """Makes the buttons and the dialog work."""

    @app.callback(
        Output("dialog", "opened"),
        Output("dialog", "title"),
        Output("told", "children"),
        Output("more-box", "style"),
        Output("confirm", "children"),
        Output("confirm", "color"),
        Output("intent", "data"),
        Input({"act": ALL, "study": ALL}, "n_clicks"),
        prevent_initial_call=True,
    )
    async def _(_clicks: list[int | None]) -> Any:
        # Buttons that come into the page are told of as well, with no click.
        if not ctx.triggered_id or not any(item["value"] for item in ctx.triggered):
            return (no_update,) * 7
        verb, name = ctx.triggered_id["act"], ctx.triggered_id["study"]
        shown = {} if verb == "resume" else {"display": "none"}
        title = f"{verb.capitalize()} {name}?"
        answer = TAKE_OUT if verb == "cancel" else verb.capitalize()  # else two buttons would say `Cancel`
        return True, title, TOLD[verb], shown, answer, COLOURS[verb], {"verb": verb, "study": name}

    @app.callback(
        Output("dialog", "opened", allow_duplicate=True),
        Output("outcome", "children"),
        Input("confirm", "n_clicks"),
        Input("cancel", "n_clicks"),
        State("intent", "data"),
        State("more", "value"),
        prevent_initial_call=True,
    )
    async def _(_yes: int | None, _no: int | None, intent: dict[str, str] | None, more: Any) -> Any:
        if ctx.triggered_id != "confirm" or not intent:
            return False, no_update
        return False, await operate(site, intent["verb"], intent["study"], more)


async def operate(site: Site, verb: str, name: str, more: Any) -> Component:
    """Does what was confirmed, and returns what came of it.

    Args:
        site: What the pages share.
        verb: resume, stop, delete or cancel.
        name: The study.
        more: Trials to add, of a resume.
    """
    try:
        if verb == "resume":
            begun: Begun = await site.act(site.actions.resume, name, _count(more))
            if begun.place is not None:
                return _done(f"{name} is {place_words(begun.place)}: it goes on once its slots are free.")
        elif verb in ("stop", "delete", "cancel"):
            await site.act(getattr(site.actions, verb), name)
        else:
            raise Refused(f"resume, stop, delete or cancel is possible, but got {verb!r}")
    except Refused as refused:
        return faults(f"{name}: not possible", refused.lines)
    return _done(DONE[verb].format(name))


def _done(words: str) -> Component:
    return dmc.Alert(words, color="green", variant="light", withCloseButton=True)


def _count(more: Any) -> int:
    if not isinstance(more, int) or more < 0:
        raise Refused(f"the number of more trials must be 0 or more, but got {more!r}")
    return more
