"""How the scripts of a page come: each once, kept by browsers, and none before what can be seen without it."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from types import ModuleType

import dash
import dash_ag_grid
import plotly
from dash import Dash, dash_table
from dash.fingerprint import build_fingerprint
from fastapi import FastAPI, Request, Response

from dashboards.pages.shared import BROTLI, OWN, SUITES, takes_brotli
from dashboards.palette import ICON
from dashboards.plotting import PART, find_version, read_part

SCRIPTS = Path(__file__).parent / "browser"
"""Where the scripts of ours are."""

KEPT = {"cache-control": "public, max-age=31536000"}
"""What tells browsers to keep an answer, as Dash tells them of scripts whose address has their version."""


def read_script(name: str) -> str:
    """Returns a script of ours, with the addresses of what it fetches, without the lines that say what it does."""
    text = (SCRIPTS / f"{name}.js").read_text(encoding="utf-8")
    text = re.sub(r"^ *//.*\n", "", text, flags=re.MULTILINE).strip()
    return text.replace("$PART", PART_ADDRESS).replace("$WHOLE", WHOLE_ADDRESS).replace("$GRID", GRID_ADDRESS)


def put_before(picture: bytes, document: bytes) -> bytes:
    """Returns a document that begins with a picture, and with its own scripts once that has been painted."""
    later = b'<template id="later"><footer>'
    begin = b"</footer></template><script>%b</script>" % BEGIN.encode()
    document = document.replace(b"<body>", b"<body>" + picture, 1)
    return document.replace(b"<footer>", later, 1).replace(b"</footer>", begin, 1)


def list_hashes(app: Dash) -> list[str]:
    """Returns what a Content-Security-Policy allows the scripts by that stand in a document itself."""
    own = [f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in (AWAIT, BEGIN)]
    return [*app.csp_hashes(), *own]


def add_part(server: FastAPI) -> None:
    """Adds where browsers get the part of plotly from."""

    @server.get(OWN + "{name}", include_in_schema=False)
    def _(name: str, request: Request) -> Response:
        if OWN + name != PART_ADDRESS:
            return Response(status_code=404)
        is_packed = takes_brotli(request.headers)
        part = PART.read_bytes() if is_packed else read_part()
        headers = {**KEPT, "content-encoding": BROTLI, "vary": "Accept-Encoding"} if is_packed else KEPT
        return Response(part, media_type="text/javascript", headers=headers)


def list_drawing() -> list[dict[str, str]]:
    """Returns what draws figures: it can wait, and lies where Dash serves it to be kept by browsers.

    Dash itself asks for it only once a figure is there, by addresses whose answers are asked for anew each time.
    """
    return [{"src": address, "defer": "defer"} for address in (GRAPH_ADDRESS, PART_ADDRESS)]


def leave_tables() -> None:
    """Takes the scripts of tables out of what each page begins with: they come once somebody opens one.

    Dash has tables of its own as well, which no page shows.
    """
    for resource in [*dash_ag_grid._js_dist, *dash_table._js_dist]:  # type: ignore[attr-defined]
        if "dynamic" not in resource:
            resource["async"] = "lazy"


def _find_address(package: ModuleType, name: str) -> str:
    modified = int((Path(str(package.__file__)).parent / name).stat().st_mtime)
    kept = build_fingerprint(name, package.__version__, modified)  # type: ignore[no-untyped-call]
    return f"{SUITES}{package.__name__}/{kept}"


def _find_part_address() -> str:
    return OWN + str(build_fingerprint(PART.stem, find_version(), int(PART.stat().st_mtime)))  # type: ignore[no-untyped-call]


GRAPH_ADDRESS = _find_address(dash, "dcc/async-graph.js")
WHOLE_ADDRESS = _find_address(plotly, "package_data/plotly.min.js")
GRID_ADDRESS = _find_address(dash_ag_grid, "dash_ag_grid.min.js")
PART_ADDRESS = _find_part_address()

AWAIT = read_script("await_plotly")
BEGIN = read_script("begin")
INDEX = f"""<!DOCTYPE html>
<html lang="en">
  <head>{{%metas%}}<title>{{%title%}}</title><link rel="icon" href="{ICON}">{{%css%}}</head>
  <body><script>{AWAIT}</script>{{%app_entry%}}<footer>{{%config%}}{{%scripts%}}{{%renderer%}}</footer></body>
</html>"""
"""The document of every page, as Dash fills it in."""
