"""Resume, stop and delete, and who may."""

from __future__ import annotations

import json
import re
from typing import Any

from pages import Pages, write_study
from synthetic import DATA

from storage.database import Database


def confirm(pages: Pages, verb: str, more: Any = 0, button: str = "confirm") -> str:
    intent = {"verb": verb, "study": "a"}
    return json.dumps(pages.ask("outcome.children", f"{button}.n_clicks", intent_data=intent, more_value=more))


def test_a_button_asks_once_more_and_only_the_answer_acts(pages: Pages) -> None:
    click = {"id": {"act": "delete", "study": "a"}, "value": 1}
    asked = pages.ask("dialog.opened", '{"act":["ALL"],"study":["ALL"]}.n_clicks', click)
    assert (asked["dialog"]["opened"], asked["intent"]["data"]) == (True, {"verb": "delete", "study": "a"})
    assert pages.ask("dialog.opened", '{"act":["ALL"],"study":["ALL"]}.n_clicks', {**click, "value": None}) in (
        None,
        {},
    )
    assert "outcome" not in confirm(pages, "delete", button="cancel")
    assert pages.noting.asked == []
    assert "'a' is running" in confirm(pages, "delete")
    assert "stop it first" in confirm(pages, "delete")
    assert "goes on" in confirm(pages, "resume", 5)
    assert "asked to stop" in confirm(pages, "stop")
    assert "0 or more" in confirm(pages, "resume", -1)
    assert "0 or more" in confirm(pages, "resume", "")
    assert "is possible" in confirm(pages, "example")
    assert pages.noting.asked == [("delete", "a"), ("delete", "a"), ("resume", "a", 5), ("stop", "a")]


def test_who_may_only_look_sees_no_buttons_and_is_refused(pages: Pages, database: Database) -> None:
    write_study(database, "a", 4)
    asked = {"studies_clock_n_intervals": 1, "scheme_data": "light"}
    allowed = pages.page("/") + json.dumps(pages.ask("studies.children", "studies-clock.n_intervals", **asked))
    pages.operates = False
    refused = pages.page("/") + json.dumps(pages.ask("studies.children", "studies-clock.n_intervals", **asked))
    page = pages.page("/study/a")
    assert '"a - Paretune"' in page
    study = page + json.dumps(pages.ask("head.children", "mark.data", names_data=["a"]))
    for word in ('"act"', "open-launch", "confirm", "launch-it"):
        assert word in allowed
        assert word not in refused + study
    for verb in ("resume", "stop", "delete"):
        assert "may look but not change" in confirm(pages, verb)
    told = pages.ask("launched.children", "launch-it.n_clicks", launch_it_n_clicks=1, spec_value='name = "mine"')
    assert "may look but not change" in json.dumps(told)
    assert pages.noting.asked == []


def test_who_cannot_be_run_has_no_resume(pages: Pages, database: Database) -> None:
    write_study(database, "own", 4)
    write_study(database, "other", 4, 1, data={**DATA, "imported": {"from": "elsewhere"}})
    asked = {"studies_clock_n_intervals": 1, "scheme_data": "light"}
    cards = json.dumps(pages.ask("studies.children", "studies-clock.n_intervals", **asked))
    heads = [json.dumps(pages.ask("head.children", "mark.data", names_data=[name])) for name in ("own", "other")]
    for shown in (cards, "".join(heads)):
        labels = re.findall(r'"aria-label": "((?:resume|delete) \w+)"', shown)
        assert sorted(labels) == ["delete other", "delete own", "resume own"]
