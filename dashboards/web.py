"""The pages."""

from __future__ import annotations

from collections.abc import Callable

from dash import Dash, html
from fastapi import FastAPI

from dashboards.actions import Actions
from storage.database import Database


def add_pages(server: FastAPI, database: Database, actions: Actions, may_operate: Callable[[], bool]) -> Dash:  # noqa: ARG001
    """Puts the pages on a server, whose other routes must be there already, and returns them.

    Args:
        server: What serves them.
        database: Where the studies are.
        actions: What may be done.
        may_operate: Says whether the request under way may do it.
    """
    pages = Dash(__name__, server=server, title="Paretune")  # type: ignore[arg-type]  # its stub knows Flask alone
    pages.layout = html.Div("Paretune")
    return pages
