"""What `paretune show --figure` does: draws in the terminal, or writes a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from dashboards.exports import WRITERS, NoImages, as_plain, write_figure
from dashboards.figures import FIGURES
from dashboards.summary import Summary
from search.faults import Faults, check_ending, suggest

MOST_COLUMNS = 100


def check_figure(name: str | None, others: Sequence[str], output: Path | None) -> None:
    """Checks the flags about a figure, before anything is read.

    Raises:
        Faults: for each that does not fit.
    """
    faults = []
    if name is None:
        flags = (("--with", others, "--figure"), ("--output", output, "--figure or --table"))
        faults += [f"{flag}: it goes with {partner}" for flag, got, partner in flags if got]
    elif name not in FIGURES:
        faults.append(f"--figure: no such figure: {name!r}{suggest(name, FIGURES)}")
    elif others and not FIGURES[name].takes_several:
        several = ", ".join(known for known, figure in FIGURES.items() if figure.takes_several)
        faults.append(f"--with: more than one study is shown by --figure {several}, but got --figure {name}")
    if output is not None:
        faults += check_ending(output, "a figure's ending says what is written", WRITERS)
    if faults:
        raise Faults(*faults)


def show_figure(name: str, summaries: Sequence[Summary], output: Path | None, width: int, *, as_json: bool) -> str:
    """Draws or writes a figure and returns what is to be printed.

    Args:
        name: Of the figure, one that `check_figure` let pass.
        summaries: The study, then those that it is compared with.
        output: Where to; None prints the drawing in characters, or writes a page where there is none.
        width: Of the terminal, in characters.
        as_json: Whether to print the figure's data.

    Raises:
        Faults: where the file cannot be written.
    """
    figure = FIGURES[name]
    info = figure.trace(summaries)
    if output is None and as_json:
        return json.dumps(as_plain(info), indent=1, allow_nan=False)
    if output is None and figure.tell is not None:
        return figure.tell(info, min(width, MOST_COLUMNS))
    path = output or Path(f"{summaries[0].study.name}-{name}.html")
    try:
        write_figure(figure, info, path)
    except NoImages as error:
        raise Faults(str(error)) from error
    except OSError as error:
        raise Faults(f"{path}: it cannot be written: {error.strerror or error}") from error
    if as_json:
        return json.dumps({"study": summaries[0].study.name, "figure": name, "file": str(path.absolute())}, indent=1)
    return f"wrote {path}"
