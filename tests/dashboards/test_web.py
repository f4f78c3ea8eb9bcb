"""The pages without a browser: their data, their layouts, and each callback as a browser asks for it."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pages import EXAMPLE, HOSTILE, Noting, add_epoch, serving, write_study
from synthetic import DATA, SPEC, attempt_row, summary_of, synthetic_summary, trial

from dashboards.figures import FIGURES
from dashboards.figures.tradeoff import trace_tradeoff
from dashboards.logs import MOST_BYTES, read_log
from dashboards.pages.choosing import AT_LEAST, AT_MOST, answer_wish, choose_tradeoff, wish_range
from dashboards.pages.compare import compare_rows
from dashboards.pages.drawing import DARK_TEXT, draw
from dashboards.pages.parts import gauges
from dashboards.pages.reading import Reader
from dashboards.pages.studies import read_cards, trace_card
from dashboards.pages.study import TABS, study_notes
from dashboards.pages.trial import attempt_table, bill_table, cost_table
from dashboards.pages.trials import table_columns, table_rows
from dashboards.summary import summarize
from dashboards.web import add_pages
from objectives.costs import COSTS
from objectives.prices import default_book, overlay
from storage.database import Database
from storage.faults import StorageFault
from storage.ledger import CostValue

NOT_FOUND = "Nothing to show here"


class Pages:
    """The app, and a client that asks its callbacks as the browser does."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.noting, self.operates = Noting(folder), True
        self.server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        self.server.add_api_route("/api/now", lambda: "now")
        add_pages(self.server, database, self.noting.actions, lambda: self.operates)
        self.client = httpx.Client()

    def ask(self, output: str, changed: str, /, *groups: dict[str, Any], **values: Any) -> Any:
        """Asks the callback of an output that an input triggers; returns what it answers, None for nothing new."""
        answer = self.client.post("/_dash-update-component", json=self.body(output, changed, *groups, **values))
        assert answer.status_code in (200, 204), answer.text
        return answer.json()["response"] if answer.status_code == 200 else None

    def body(self, output: str, changed: str, /, *groups: dict[str, Any], **values: Any) -> dict[str, Any]:
        known = self.client.get("/_dash-dependencies").json()
        [found] = [
            one
            for one in known
            if output in one["output"] and any(f"{own['id']}.{own['property']}" == changed for own in one["inputs"])
        ]
        kind, menu = values.pop("kind", None), values.pop("menu", None)

        def own_id(text: str) -> Any:
            named = json.loads(text) if text.startswith("{") else text
            return {**named, "kind": kind} if "MATCH" in text else named

        outputs = []
        for part in found["output"].strip(".").split("..."):
            name, _, prop = part.rpartition(".")
            outputs.append({"id": own_id(name.split("@")[0]), "property": prop})
        own = {}
        for side in ("inputs", "state"):
            own[side] = []
            for dependency in found[side]:
                name, prop = dependency["id"], dependency["property"]
                if "ALL" in name:
                    own[side].append([{**one, "property": prop} for one in groups])
                else:
                    value = values.get(f"{name}_{prop}".replace("-", "_"))
                    own[side].append({"id": own_id(name), "property": prop, "value": value})
        single = outputs[0] if len(outputs) == 1 and not found["output"].startswith("..") else outputs
        triggers = [
            json.dumps(one["id"], separators=(",", ":")) + f".{changed.rpartition('.')[2]}"
            for one in groups
            if menu in (None, one["id"].get("menu"))
        ]
        wanted = triggers if "ALL" in changed else [changed]
        return {"output": found["output"], "outputs": single, "changedPropIds": wanted, **own}

    def page(self, path: str, search: str = "") -> str:
        return json.dumps(self.ask("page.children", "url.pathname", url_pathname=path, url_search=search))


@pytest.fixture
def pages(tmp_path: Path, database: Database) -> Iterator[Pages]:
    made = Pages(tmp_path, database)
    with serving(made.server) as address, httpx.Client(base_url=address) as made.client:
        yield made


def test_a_figure_is_drawn_with_what_is_chosen_of_its_menus_and_without_them() -> None:
    summary = synthetic_summary(12)
    first = draw("tradeoff", [summary], [], "light")
    other = draw("tradeoff", [summary], ["training FLOPs", "x: linear"], "light")
    assert first.menus == other.menus
    assert [labels[0] for labels in first.menus] == first.choices == ["device time", "x: logarithmic", "y: the best"]
    assert other.choices == ["training FLOPs", "x: linear", "y: the best"]
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


def test_a_study_is_read_anew_only_when_something_of_it_is_new(database: Database) -> None:
    uuid, reader = write_study(database, "a", 4), Reader(database)
    write_study(database, "b", 4)
    first, mark = reader.summary("a"), reader.mark(["a"])
    assert (reader.summary("a") is first, reader.mark(["a"])) == (True, mark)
    add_epoch(database, uuid)
    assert reader.mark(["a"]) != mark
    assert reader.summary("a") is not first
    assert reader.summary("a").num_looks == first.num_looks + 1
    with pytest.raises(StorageFault, match="there is no 'c'"):
        reader.mark(["a", "c"])


def test_the_study_unused_longest_gives_way(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboards.pages.reading.MOST_SUMMARIES", 2)
    reader = Reader(database)
    for number, name in enumerate("abc"):
        write_study(database, name, 2, number)
    first, second = reader.summary("a"), reader.summary("b")
    assert reader.summary("a") is first
    reader.summary("c")
    assert reader.summary("a") is first
    assert reader.summary("b") is not second


def test_a_wish_or_a_cost_that_is_chosen_anew_resets_the_slider_and_what_is_new_does_not(
    pages: Pages, database: Database
) -> None:
    write_study(database, "a", 12)
    menus = [
        {"id": {"part": "choice", "kind": "tradeoff", "menu": number}, "value": choice}
        for number, choice in enumerate([COSTS["train_flops"].title, "x: linear"])
    ]

    def limit(changed: str, value: float, menu: int | None = None) -> dict[str, Any]:
        asked = {"names_data": ["a"], "wish_value": AT_MOST, "limit_value": value}
        return dict(pages.ask("limit.min", changed, *menus, menu=menu, **asked)["limit"])

    by_menu = '{"kind":"tradeoff","menu":["ALL"],"part":"choice"}.value'
    start = limit("mark.data", -100)["value"]
    within = round(start + 0.02, 2)
    assert limit("wish.value", within)["value"] == start
    assert limit(by_menu, within, menu=0)["value"] == start
    assert "value" not in limit(by_menu, within, menu=1)
    assert "value" not in limit("mark.data", within)


def test_the_tradeoffs_are_traced_once_for_what_is_there(
    pages: Pages, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    uuid, traced = write_study(database, "a", 4), []

    def noted(summary: Any) -> Any:
        traced.append(summary)
        return trace_tradeoff(summary)

    monkeypatch.setattr("dashboards.pages.reading.trace_tradeoff", noted)
    asked = {"names_data": ["a"], "wish_value": AT_LEAST}
    for value in (91.0, 92.0, 93.0):
        pages.ask("limit.min", "mark.data", **asked)
        pages.ask("answer.children", "limit.value", **asked, limit_value=value)
    assert len(traced) == 1
    add_epoch(database, uuid)
    limits = pages.ask("limit.min", "mark.data", **asked)
    assert (len(traced), limits["limit"]["max"]) == (2, 99.9)


def test_a_card_tells_how_a_study_stands(database: Database) -> None:
    uuid, reader, kept = write_study(database, "a", 12), Reader(database), {}
    [card], mark = read_cards(reader, kept)
    assert card == trace_card(reader.summary("a"))
    assert (card.name, card.state, card.cost) == ("a", "complete", "device_seconds")
    assert (card.budget[0].name, card.budget[0].spent, card.budget[0].limit) == ("trials", 12, 16)
    assert [line.name for line in card.budget if line.limit is not None] == ["trials", "device_hours"]
    assert len(gauges(card.budget)) == 2
    assert list(card.front) == sorted(card.front)
    assert re.fullmatch(r"9\d\.\d % \(9\d\.\d-9\d\.\d\) for .* s", card.best or "")
    assert read_cards(reader, kept)[0][0] is card
    add_epoch(database, uuid)
    [grown], later = read_cards(reader, kept)
    assert (later != mark, grown is not card) == (True, True)


def test_a_card_of_a_study_without_epochs_tells_no_number() -> None:
    card = trace_card(summary_of(name="empty"))
    assert (card.best, card.front, card.others) == (None, (), ())


def test_the_front_of_a_card_rises_with_its_cost_where_several_are_minimised() -> None:
    spec = {**SPEC, "objective": {**SPEC["objective"], "minimize": ["device_seconds", "train_flops"]}}
    one, dear, other = (trial(number, [(correct, seconds)]) for number, (correct, seconds) in enumerate(
        [(900, 1.0), (880, 2.0), (950, 3.0)]
    ))  # fmt: skip
    [epoch] = dear.epochs
    frugal = {**epoch.costs, "train_flops": CostValue(0.5, "measured", None)}
    study = summary_of(one, replace(dear, epochs=(replace(epoch, costs=frugal),)), other).study
    summary = summarize(replace(study, spec=spec, reference=None))
    assert [point.trial for point in summary.front] == [0, 1, 2]
    card = trace_card(summary)
    assert (card.front, len(card.others)) == (((1.0, 0.9), (3.0, 0.95)), 3)


def test_who_cannot_be_run_has_no_resume(pages: Pages, database: Database) -> None:
    write_study(database, "own", 4)
    write_study(database, "other", 4, 1, data={**DATA, "imported": {"from": "elsewhere"}})
    asked = {"studies_clock_n_intervals": 1, "scheme_data": "light"}
    cards = json.dumps(pages.ask("studies.children", "studies-clock.n_intervals", **asked))
    heads = [json.dumps(pages.ask("head.children", "mark.data", names_data=[name])) for name in ("own", "other")]
    for shown in (cards, "".join(heads)):
        labels = re.findall(r'"aria-label": "((?:resume|delete) \w+)"', shown)
        assert sorted(labels) == ["delete other", "delete own", "resume own"]


def test_the_slider_answers_with_the_cheapest_or_the_best() -> None:
    summary = summary_of(trial(0, [(900, 1.0)]), trial(1, [(960, 2.0)]), trial(2, [(980, 9.0)]))
    found = choose_tradeoff(trace_tradeoff(summary).tradeoffs, [])
    assert found.cost == "device_seconds"
    least, most = wish_range(found, AT_LEAST), wish_range(found, AT_MOST)
    assert (least.low, least.high, least.start) == (90.0, 98.0, 96.0)
    assert (most.low, round(10**most.high, 1)) == (0.0, 9.1)
    told = answer_wish(found, AT_LEAST, 95.0, "USD")
    assert told.found == "Trial 1 after epoch 1: 96.0 % (94.6-97.0) for 2 s"
    assert told.more.startswith("The next 2 percentage points would cost 4.5 times as much (9 s)")
    for kind, wish in ((AT_LEAST, least), (AT_MOST, most)):
        for value in (wish.low, wish.start, wish.high):
            assert answer_wish(found, kind, value, "USD").point is not None
    cheap = answer_wish(found, AT_MOST, most.low, "USD")
    assert (cheap.point and cheap.point.trial, cheap.wish) == (0, "at most 1 s")
    assert answer_wish(found, AT_LEAST, 99.0, "USD").point is None
    flops = choose_tradeoff(trace_tradeoff(summary).tradeoffs, [COSTS["train_flops"].title])
    assert flops.cost == "train_flops"


def test_the_table_has_percents_and_leaves_out_what_no_trial_has() -> None:
    summary = summary_of(trial(0, [(900, 1.0)]), trial(1, []))
    rows = table_rows(summary)
    fields = [column["field"] for column in table_columns(rows, summary.minimize)]
    assert (rows[0]["accuracy"], rows[1]["accuracy"], rows[1]["costs.device_seconds"]) == (90.0, None, None)
    assert rows[1]["open"] == "[open](/study/study/trial/1)"
    assert ("params.lr" in fields, "costs.device_seconds" in fields, "costs.energy_joules" in fields) == (
        True,
        True,
        False,
    )


def test_the_notes_tell_why_a_study_ended_and_what_makes_its_numbers_doubtful() -> None:
    other = {**attempt_row("complete", {}).device, "name": "another CPU"}  # type: ignore[dict-item]
    there = attempt_row("complete", {"training": 1.0}, device=other)
    lines = study_notes(summary_of(trial(0, [(900, 1.0)]), trial(1, [(910, 1.0)], attempts=(there,))))
    assert any("2 devices" in line for line in lines)
    assert study_notes(summary_of(trial(0, [(900, 1.0)]))) == []


def test_a_trial_has_its_bill_line_by_line_and_reasons_for_what_is_absent() -> None:
    cut = attempt_row("killed by SIGKILL", {"training": 1.0, "lost": 0.5}, seconds=1.5)
    rest = attempt_row(None, {"training": 2.0}, attempt=2, seconds=None)
    one = trial(0, [(900, 1.0)], "running", attempts=(cut, rest))
    assert bill_table(one) == [
        ["1", "training", "1 s"], ["1", "lost", "0.5 s"], ["2", "training", "2 s"], ["all", "sum", "3.5 s"]
    ]  # fmt: skip
    assert [row[-2:] for row in attempt_table(one)] == [["1.5 s", "killed by SIGKILL"], ["under way", "under way"]]
    heard = replace(rest, heard_at=rest.started_at + timedelta(seconds=90))
    [_, gone] = attempt_table(replace(one, state="waiting", attempts=(cut, heard)))
    assert gone[-2:] == ["90 s", "cut off, last heard of 2026-01-01 00:01:30 UTC"]
    assert ["energy", "absent", "no meter"] in cost_table(one)
    assert (bill_table(trial(1, [], attempts=(attempt_row(None, {}),))), cost_table(trial(1, []))) == ([], [])


def test_the_end_of_a_log_is_read(database: Database) -> None:
    folder = database.artifacts / "u" / "trial-00003"
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text("begins" + "x" * MOST_BYTES + "ends")
    text = read_log(database, "u", 3)
    assert text is not None
    assert (len(text), text[-4:], "begins" in text) == (MOST_BYTES, "ends", False)
    assert read_log(database, "u", 4) is None


def test_studies_are_compared_at_the_first_ones_cost() -> None:
    rows = compare_rows([summary_of(trial(0, [(900, 2.0)]), name="a"), summary_of(name="b")])
    assert rows[0][:5] == ["a", "complete", "1", "90.0 % (88.0-91.7)", "2 s"]
    assert rows[1] == ["b", "complete", "0", "none", "none", "none", "none", "0 s", "not recorded"]


def test_each_address_has_its_page(pages: Pages, database: Database) -> None:
    write_study(database, "a b", 4)
    assert '"Studies - Paretune"' in pages.page("/")
    assert '"a b - Paretune"' in pages.page("/study/a%20b")
    assert '"value": "spending"' in pages.page("/study/a%20b", "?tab=spending")
    assert '"a b trial 3 - Paretune"' in pages.page("/study/a%20b/trial/3")
    compared = pages.page("/compare", "?study=a%20b&study=gone")
    assert ('"value": ["a b"]' in compared, "there is no study 'gone'" in compared) == (True, True)
    assert "there is no study" not in pages.page("/compare", "?study=a%20b")
    for path in ("/nowhere", "/study/gone", "/study/gone/trial/0", "/study/a%20b/trial/x"):
        assert NOT_FOUND in pages.page(path)
    assert "did you mean" in pages.page("/study/a%20bc")


def test_nothing_is_fetched_from_another_host_and_the_second_way_in_is_shut(pages: Pages) -> None:
    for path in ("/", "/study/any"):
        html = pages.client.get(path).text
        found = re.findall(r"""(?:src|href)=["']([^"']+)""", html)
        assert len(found) > 5
        assert [url for url in found if not url.startswith("/_")] == []
        assert '"websocket"' not in html
        for url in (one for one in found if one.endswith(".js")):
            assert pages.client.get(url).status_code == 200
    assert not any("_dash-ws" in str(getattr(route, "path", "")) for route in pages.server.router.routes)


def test_the_studies_are_shown_and_asked_for_again_only_when_something_is_new(pages: Pages, database: Database) -> None:
    asked = {"studies_clock_n_intervals": 1, "scheme_data": "light"}
    none = pages.ask("studies.children", "studies-clock.n_intervals", **asked)
    assert "There is no study yet" in json.dumps(none)
    uuid = write_study(database, "a", 4)
    some = pages.ask("studies.children", "studies-clock.n_intervals", **asked)
    assert "/study/a" in json.dumps(some)
    mark = some["studies-mark"]["data"]
    again = pages.ask("studies.children", "studies-clock.n_intervals", **asked, studies_mark_data=mark)
    assert "studies" not in again
    add_epoch(database, uuid)
    more = pages.ask("studies.children", "studies-clock.n_intervals", **asked, studies_mark_data=mark)
    assert "children" in more["studies"]


def test_what_is_wrong_with_a_spec_is_told_line_by_line_and_a_good_one_is_launched(
    pages: Pages, database: Database
) -> None:
    assert json.dumps(EXAMPLE)[1:-1] in pages.page("/")
    bad = json.dumps(pages.ask("launched.children", "launch-it.n_clicks", launch_it_n_clicks=1, spec_value="name ="))
    assert "spec: Invalid value" in bad
    assert "spec: a second fault" in bad
    good = pages.ask("launched.children", "launch-it.n_clicks", launch_it_n_clicks=1, spec_value='name = "mine"')
    assert "/study/mine" in json.dumps(good)
    assert '"mine - Paretune"' in pages.page("/study/mine")


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


def test_a_page_that_is_open_asks_cheaply_and_tells_what_is_wrong(pages: Pages, database: Database) -> None:
    uuid = write_study(database, "a", 4)
    first = pages.ask("mark.data", "clock.n_intervals", names_data=["a"])
    mark = first["mark"]["data"]
    assert "mark" not in pages.ask("mark.data", "clock.n_intervals", names_data=["a"], mark_data=mark)
    add_epoch(database, uuid)
    assert pages.ask("mark.data", "clock.n_intervals", names_data=["a"], mark_data=mark)["mark"]["data"] != mark
    gone = pages.ask("mark.data", "clock.n_intervals", names_data=["gone"], mark_data=mark)
    assert "there is no 'gone'" in json.dumps(gone["away"])
    assert "mark" not in gone


def test_a_figure_is_drawn_once_for_what_is_asked(pages: Pages, database: Database) -> None:
    write_study(database, "a", 6)
    asked = {"mark_data": "1", "scheme_data": "dark", "names_data": ["a"], "kind": "tradeoff"}
    drawn = pages.ask('"part":"fresh"', "mark.data", **own(asked))
    [figure] = [value["data"] for name, value in drawn.items() if "fresh" in name]
    [before] = [value["data"] for name, value in drawn.items() if "drawn" in name]
    [menus] = [value["children"] for name, value in drawn.items() if "menus" in name]
    assert figure["layout"]["font"]["color"] == DARK_TEXT
    choices = [{"id": menu["props"]["id"], "value": menu["props"]["value"]} for menu in menus]
    assert [choice["value"] for choice in choices] == ["device time", "x: logarithmic", "y: the best"]
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
        '{"kind":["MATCH"],"part":"graph"}_id': {"part": "graph", "kind": asked["kind"]},
        '{"kind":["MATCH"],"part":"drawn"}_data': drawn,
    }


def test_every_tab_opens(pages: Pages, database: Database) -> None:
    write_study(database, "a", 6)
    for tab in TABS:
        shown = json.dumps(pages.ask("tab.children", "tabs.value", tabs_value=tab, names_data=["a"]))
        mark = {"answers": "Which optimizer?", "trials": "AgGrid"}.get(tab, f'"kind": "{tab}", "part": "graph"')
        assert mark in shown.replace('"part": "graph", "kind": "' + tab + '"', mark)


def test_the_study_and_its_trial_are_shown_and_what_is_hostile_stays_text(pages: Pages, database: Database) -> None:
    write_study(database, "a", 6, hostile=True)
    head = pages.ask("head.children", "mark.data", mark_data="1", names_data=["a"])
    limits = pages.ask("limit.min", "mark.data", names_data=["a"], wish_value=AT_LEAST)
    assert limits["limit"]["min"] < limits["limit"]["value"] <= limits["limit"]["max"]
    answer = pages.ask("answer.children", "limit.value", names_data=["a"], wish_value=AT_LEAST, **{
        "limit_value": limits["limit"]["value"]
    })  # fmt: skip
    assert "Trial " in json.dumps(answer)
    table = pages.ask("tab.children", "tabs.value", tabs_value="trials", names_data=["a"])
    grid = json.dumps(table)
    assert '"dangerously_allow_code": true' not in grid
    assert [one["field"] for one in json.loads(find_columns(table)) if one.get("cellRenderer")] == ["open"]
    shown = pages.ask(
        "trial.children", "mark.data", mark_data="1", scheme_data="light", names_data=["a"], number_data=1
    )
    for answered in (head, table, shown):
        assert json.dumps(HOSTILE)[1:-1] in json.dumps(answered)
        assert "dangerously_allow_html" not in json.dumps(answered)
    lost = pages.ask(
        "trial.children", "mark.data", mark_data="1", scheme_data="light", names_data=["a"], number_data=99
    )
    assert "there is no trial 99" in json.dumps(lost)


def find_columns(answer: Any) -> str:
    match = re.search(r'"columnDefs": (\[.*?\]), "', json.dumps(answer))
    assert match is not None
    return match[1]


def test_compare_shows_what_is_chosen_or_says_what_to_do(pages: Pages, database: Database) -> None:
    write_study(database, "a", 4)
    write_study(database, "b", 4, 1)
    chosen = pages.ask("names.data", "compared.value", compared_value=["a", "b"])
    assert chosen["names"]["data"] == ["a", "b"]
    told = json.dumps(pages.ask("compare-table.children", "mark.data", names_data=["a", "b"]))
    assert ("/study/a" in told, "/study/b" in told) == (True, True)
    nothing = json.dumps(pages.ask("compare-table.children", "mark.data", names_data=[]))
    assert "Choose the studies above" in nothing


def test_a_slow_action_does_not_hold_up_the_rest(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboards.pages.reading.mark_study", lambda *_: str(time.sleep(1.0)))
    body = pages.body("mark.data", "clock.n_intervals", names_data=["a"])
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(pages.client.post, "/_dash-update-component", json=body)
        time.sleep(0.2)
        began = time.monotonic()
        assert pages.client.get("/api/now").json() == "now"
        assert time.monotonic() - began < 0.5
        assert slow.result().json()["response"]["mark"]["data"] == "None"


WORK = {
    "study.show_head": ("head.children", "mark.data", {"names_data": ["a"]}),
    "study.show_answers": ('live":"answers', "mark.data", {"names_data": ["a"]}),
    "studies.show_studies": ("studies.children", "studies-clock.n_intervals", {"scheme_data": "light"}),
    "compare.compare_rows": ("compare-table.children", "mark.data", {"names_data": ["a"]}),
}


@pytest.mark.parametrize("work", WORK)
def test_work_runs_beside_the_event_loop(
    work: str, pages: Pages, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_study(database, "a", 4)
    room, _, name = work.rpartition(".")
    real, loops = getattr(import_module(f"dashboards.pages.{room}"), name), []

    def noted(*arguments: Any, **options: Any) -> Any:
        loops.append(is_on_loop())
        return real(*arguments, **options)

    monkeypatch.setattr(f"dashboards.pages.{work}", noted)
    output, changed, values = WORK[work]
    assert pages.ask(output, changed, **values) is not None
    assert loops == [False]


def is_on_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def test_prices_are_those_of_the_book(database: Database) -> None:
    write_study(database, "a", 4)
    dear = overlay(default_book(), {"price_per_device_hour": 100.0})
    plain, priced = (Reader(database, book).summary("a").prices["money"].value for book in (None, dear))
    assert plain is not None
    assert priced is not None
    assert priced > 100 * plain
