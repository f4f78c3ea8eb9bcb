"""A figure on a page, as a browser asks for it."""

from __future__ import annotations

from typing import Any

from pages import Pages, write_study

from dashboards.pages.drawing import DARK_TEXT
from storage.database import Database


def test_a_figure_is_drawn_once_for_what_is_asked(pages: Pages, database: Database) -> None:
    write_study(database, "a", 6)
    asked = {"mark_data": "1", "scheme_data": "dark", "names_data": ["a"], "kind": "tradeoff"}
    drawn = pages.ask('"part":"fresh"', "mark.data", **own(asked))
    [figure] = [value["data"] for name, value in drawn.items() if "fresh" in name]
    [before] = [value["data"] for name, value in drawn.items() if "drawn" in name]
    [menus] = [value["children"] for name, value in drawn.items() if "menus" in name]
    assert figure["layout"]["font"]["color"] == DARK_TEXT
    choices = [{"id": menu["props"]["id"], "value": menu["props"]["value"]} for menu in menus]
    assert [choice["value"] for choice in choices] == ["device time", "x: logarithmic", "y: the best", "solo cost"]
    again = pages.ask('"part":"fresh"', "mark.data", *choices, **own({**asked, "drawn": before}))
    assert not again
    choices[1]["value"] = "x: linear"
    linear = pages.ask('"part":"fresh"', "mark.data", *choices, **own({**asked, "drawn": before}))
    [figure] = [value["data"] for name, value in linear.items() if "fresh" in name]
    assert figure["layout"]["xaxis"]["type"] == "linear"
    assert not any("menus" in name for name in linear)


def own(asked: dict[str, Any]) -> dict[str, Any]:
    """Names the states of one figure as `Pages.body` looks for them."""
    drawn = asked.pop("drawn", None)
    return {
        **asked,
        '{"kind":["MATCH"],"part":"fresh"}_id': {"part": "fresh", "kind": asked["kind"]},
        '{"kind":["MATCH"],"part":"drawn"}_data': drawn,
    }
