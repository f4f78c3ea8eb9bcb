"""A figure made fit for a page: its menus, its colours, its zoom."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from synthetic import summary_of, synthetic_summary

from dashboards.figures import FIGURES
from dashboards.pages.drawing import DARK_TEXT, draw


def test_a_figure_is_drawn_with_what_is_chosen_of_its_menus_and_without_them() -> None:
    summary = synthetic_summary(12)
    first = draw("tradeoff", [summary], [], "light")
    other = draw("tradeoff", [summary], ["training FLOPs", "x: linear"], "light")
    assert first.menus == other.menus
    assert (
        [labels[0] for labels in first.menus]
        == first.choices
        == ["device time", "x: logarithmic", "y: the best", "solo cost"]
    )
    assert other.choices == ["training FLOPs", "x: linear", "y: the best", "solo cost"]
    axes = [drawn.figure["layout"]["xaxis"] for drawn in (first, other)]
    assert [axis["type"] for axis in axes] == ["log", "linear"]
    assert [axis["title"]["text"] for axis in axes] == ["device time (s), solo", "training FLOPs (FLOP), solo"]
    fronts = [[trace["x"][0] for trace in drawn.figure["data"] if "front" in trace["name"]] for drawn in (first, other)]
    assert [len(front) for front in fronts] == [1, 1]
    assert fronts[0] != fronts[1]
    assert not first.figure["layout"].get("updatemenus")
    assert first.figure["layout"]["uirevision"] != other.figure["layout"]["uirevision"]
    assert draw("tradeoff", [summary], ["no such cost"], "dark").choices == first.choices


@pytest.mark.parametrize("kind", FIGURES)
@pytest.mark.parametrize("summary", [synthetic_summary(8), summary_of(name="empty")], ids=["some", "none"])
def test_every_figure_can_be_drawn_dark_and_keeps_a_zoom(kind: str, summary: Any) -> None:
    drawn = [draw(kind, [summary], [], scheme) for scheme in ("light", "dark")]
    assert drawn[0].figure["layout"]["font"]["color"] != drawn[1].figure["layout"]["font"]["color"] == DARK_TEXT
    assert "#222222" not in json.dumps(drawn[1].figure)
    assert drawn[0].figure["layout"]["uirevision"] == drawn[1].figure["layout"]["uirevision"]


@pytest.mark.parametrize("kind", [kind for kind, figure in FIGURES.items() if figure.narrow])
def test_a_figure_of_one_choice_is_what_a_click_at_it_would_show(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = synthetic_summary(12)
    labels = draw(kind, [summary], [], "light").menus[0]
    assert len(labels) > 2
    of_one = [draw(kind, [summary], [label], "light") for label in labels]
    monkeypatch.setitem(FIGURES, kind, replace(FIGURES[kind], narrow=None))
    assert of_one == [draw(kind, [summary], [label], "light") for label in labels]
