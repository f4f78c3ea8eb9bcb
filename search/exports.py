"""What `paretune show --table` does: prints rows, or writes a file."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from dashboards.rows import TABLES, Row
from dashboards.summary import Summary
from search.faults import Faults, check_ending, suggest

ENDINGS = (".csv", ".json", ".parquet")


def check_table(name: str, output: Path | None) -> None:
    """Checks the flags about a table, before anything is read.

    Raises:
        Faults: for each that does not fit.
    """
    faults = []
    if name not in TABLES:
        faults.append(f"--table: no such table: {name!r}{suggest(name, TABLES)}")
    if output is not None:
        faults += check_ending(output, "a table's ending says what is written", ENDINGS)
    if faults:
        raise Faults(*faults)


def show_table(name: str, summary: Summary, output: Path | None, *, as_json: bool) -> str:
    """Writes a table and returns what is to be printed: without a file the table itself.

    Args:
        name: One of `TABLES`.
        summary: The study.
        output: Where to.
        as_json: Whether to print JSON rather than CSV.

    Raises:
        Faults: where the file cannot be written.
    """
    rows = TABLES[name](summary)
    if output is None:
        return json.dumps(rows, indent=1, allow_nan=False) if as_json else _as_csv(rows).removesuffix("\n")
    try:
        if output.suffix == ".parquet":
            _write_parquet(rows, output)
        else:
            text = _as_csv(rows) if output.suffix == ".csv" else json.dumps(rows, indent=1, allow_nan=False) + "\n"
            output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Faults(f"{output}: it cannot be written: {error.strerror or error}") from error
    told = {"study": summary.study.name, "table": name, "rows": len(rows), "file": str(output.absolute())}
    return json.dumps(told, indent=1) if as_json else f"wrote {len(rows)} rows to {output}"


def _as_csv(rows: list[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, _columns(rows), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _write_parquet(rows: list[Row], output: Path) -> None:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise Faults(f"{output}: Parquet needs pyarrow: pip install 'paretune[dataframes]'") from error
    columns = {name: [row.get(name) for row in rows] for name in _columns(rows)}
    for name, values in columns.items():
        if _is_mixed(values):
            columns[name] = [None if value is None else str(value) for value in values]
    parquet.write_table(pa.table(columns), output)


def _is_mixed(values: list[object]) -> bool:
    """Says whether a column has words among its numbers: a batch size may be `full`."""
    kinds = {type(value) for value in values if value is not None}
    return len(kinds) > 1 and not kinds <= {int, float}


def _columns(rows: list[Row]) -> list[str]:
    """Returns the columns of all rows: a trial may have parameters that the first lacks."""
    return list(dict.fromkeys(name for row in rows for name in row))
