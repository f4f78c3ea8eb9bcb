"""How the scripts of a page come: each once, kept by browsers, and none before what can be seen without it."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from types import ModuleType

import dash
import plotly
from dash import Dash
from dash.fingerprint import build_fingerprint

AWAIT = """(() => {
  let come;
  const awaited = new Promise(done => { come = done; });
  const put = own => {
    Object.defineProperty(window, 'Plotly', {value: own, writable: true, configurable: true});
    come();
  };
  Object.defineProperty(window, 'Plotly', {get: () => awaited, set: put, configurable: true});
  let isAgain = false;
  const again = fault => {
    if (isAgain || fault.target.tagName !== 'SCRIPT' || !fault.target.src.includes('/plotly/')) return;
    isAgain = true;
    const script = document.createElement('script');
    script.src = window._dashPlotlyJSURL;
    document.body.append(script);
  };
  window.addEventListener('error', again, true);
})()"""
"""Lets a figure that is there before plotly wait for it: Dash, which finds none, would fetch and run it once more.
Where it does not come it is asked for again, once, where Dash would ask."""

BEGIN = """(() => {
  let isBegun = false;
  const begin = () => {
    if (isBegun) return;
    isBegun = true;
    const place = document.getElementById('later');
    const all = [...place.content.querySelectorAll('script')];
    const add = (old, after) => {
      const own = document.createElement('script');
      for (const {name, value} of old.attributes) own.setAttribute(name, value);
      own.text = old.text;
      own.async = false;
      own.onload = own.onerror = after;
      document.body.append(own);
    };
    const isCode = old => old.type !== 'application/json';
    const files = all.filter(old => old.src && !old.defer);
    const rest = all.filter(old => !old.src && isCode(old)).concat(all.filter(old => old.src && old.defer));
    all.filter(old => !isCode(old)).forEach(old => document.body.append(old));
    files.forEach((old, at) => add(old, at + 1 === files.length ? () => rest.forEach(one => add(one)) : null));
  };
  requestAnimationFrame(() => setTimeout(begin));
  setTimeout(begin, 200);
})()"""
"""Begins the page's scripts once a picture has been painted, or soon in a tab that nobody sees.

Scripts that the browser keeps would else run before it paints anything: first the files, in their order, then what
stands in the document, then the files that can wait."""

INDEX = f"""<!DOCTYPE html>
<html lang="en">
  <head>{{%metas%}}<title>{{%title%}}</title>{{%favicon%}}{{%css%}}</head>
  <body>{{%app_entry%}}<footer>{{%config%}}<script>{AWAIT}</script>{{%scripts%}}{{%renderer%}}</footer></body>
</html>"""
"""The document of every page, as Dash fills it in."""


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


def list_drawing() -> list[dict[str, str]]:
    """Returns what draws figures: it can wait, and lies where Dash serves it to be kept by browsers.

    Dash itself asks for it only once a figure is there, by addresses whose answers are asked for anew each time.
    """
    addresses = [_find_address(dash, "dcc/async-graph.js"), _find_address(plotly, "package_data/plotly.min.js")]
    return [{"src": address, "defer": "defer"} for address in addresses]


def _find_address(package: ModuleType, name: str) -> str:
    modified = int((Path(str(package.__file__)).parent / name).stat().st_mtime)
    kept = build_fingerprint(name, package.__version__, modified)  # type: ignore[no-untyped-call]
    return f"/_dash-component-suites/{package.__name__}/{kept}"
