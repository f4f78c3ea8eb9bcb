"""The page of all studies, and its form."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from pages import EXAMPLE, Pages, add_epoch, write_study
from synthetic import SPEC, summary_of, trial

from dashboards.crowd import Crowd
from dashboards.pages.parts import gauges
from dashboards.pages.reading import Reader
from dashboards.pages.studies import read_cards, trace_card
from dashboards.summary import summarize
from storage.database import Database
from storage.ledger import CostValue


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


def test_a_large_study_that_gave_way_is_not_taken_for_a_new_one(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboards.pages.reading.LARGE", 4)
    monkeypatch.setattr("dashboards.pages.reading.MOST_KEPT", 2)
    for seed, name in enumerate("abcd"):
        write_study(database, name, 6, seed)
    reader, kept, read = Reader(database), {}, list[Crowd]()
    for _ in range(2):
        read_cards(reader, kept)
    for name in "abcd":
        reader.chosen(name)
    refresh = Crowd.refresh
    monkeypatch.setattr(Crowd, "refresh", lambda crowd: read.append(crowd) or refresh(crowd))  # type: ignore[func-returns-value]
    for _ in range(3):
        read_cards(reader, kept)
    assert read == []


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
