"""The table of all trials."""

from __future__ import annotations

from synthetic import summary_of, trial

from dashboards.pages.trials import table_columns, table_rows


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
