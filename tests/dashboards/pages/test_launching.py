"""The form: what it begins with, and what it tells."""

from __future__ import annotations

import json

from pages import EXAMPLE, Pages, write_study

from storage.database import Database


def test_the_form_begins_with_what_the_address_asks_for(pages: Pages, database: Database) -> None:
    write_study(database, "a", 4)
    plain, clone, gone = pages.page("/"), pages.page("/", "?clone=a"), pages.page("/", "?clone=gone")
    assert '"opened": true' not in plain
    assert json.dumps(EXAMPLE)[1:-1] in plain
    assert json.dumps('name = "a-2"') in clone
    assert '"opened": true' in clone
    assert "study: there is no 'gone'" in gone
    for choice in ("template:example", "template:ours", "clone:a"):
        assert f'"value": "{choice}"' in plain
    assert "/?clone=a" in json.dumps(
        pages.ask("studies.children", "studies-clock.n_intervals", studies_clock_n_intervals=1, scheme_data="light")
    )


def test_another_draft_takes_the_place_of_the_text(pages: Pages) -> None:
    def choose(choice: str) -> str:
        return json.dumps(pages.ask("spec.value", "draft.value", draft_value=choice))

    assert json.dumps('name = "ours"') in choose("template:ours")
    assert json.dumps('name = "a-2"') in choose("clone:a")
    refused = choose("clone:gone")
    assert ("there is no 'gone'" in refused, '"spec"' in refused) == (True, False)
    assert "template or clone is needed" in choose("launch:gone")
    pages.operates = False
    assert "may look but not change" in choose("template:ours")
