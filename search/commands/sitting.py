"""How a sitting is run from the command line, and what is told when it has ended."""

from __future__ import annotations

import sys
from collections.abc import Callable

from search.commands.console import print_json, standard_output, tell
from search.commands.options import DEFAULT_URL
from search.commands.sources import find_source
from search.faults import Abandoned, Hasty, Unsaved
from storage.faults import DiskFull

USAGE, SOME_FAILED, INTERRUPTED = 2, 3, 130


def sit(
    name: str, storage: str, run: Callable[[], object], *, as_json: bool, show: Callable[[], None] | None = None
) -> None:
    """Runs a sitting of a study and ends the process as its outcome says.

    Args:
        name: The study.
        storage: Database URL.
        run: The sitting.
        as_json: Whether to print the study as JSON after it.
        show: Prints what came of it in the place of the study.
    """
    try:
        run()
    except Abandoned:
        tell("interrupted before it began; nothing was changed")
        sys.exit(INTERRUPTED)
    except KeyboardInterrupt as interrupt:
        tell(f"interrupted; {_kept_words(interrupt)}. Continue with: {_resume_line(name, storage)}")
        sys.exit(INTERRUPTED)
    except DiskFull as fault:
        tell(f"{fault}; free some space, then continue with: {_resume_line(name, storage)}")
        sys.exit(USAGE)
    end(name, storage, as_json=as_json, show=show)


def _kept_words(interrupt: KeyboardInterrupt) -> str:
    match interrupt:
        case Unsaved():
            return "the database is away, checkpoints hold what it lacks"
        case Hasty():
            return "what trials did since their last checkpoints is trained again, all else is saved"
    return "everything is saved"


def _resume_line(name: str, storage: str) -> str:
    """Returns the command that continues a study; a password in the URL is not shown."""
    from storage.database import Database

    return f"paretune resume {name}" + ("" if storage == DEFAULT_URL else f" --storage {Database(storage)}")


def end(name: str, storage: str, *, as_json: bool, show: Callable[[], None] | None = None) -> None:
    """Prints what came of a study, and ends the process as its trials say.

    Args:
        name: The study.
        storage: Database URL.
        as_json: Whether to print it as JSON.
        show: Prints what came of it in the place of the study.
    """
    from dashboards.records import as_json as summary_json

    summary = find_source(storage).load_summary(name)
    if show is not None:
        show()
    elif as_json:
        print_json(summary_json(summary))
    else:
        from search.tables import print_study

        print_study(summary, standard_output(), every_trial=False)
    if any(trial.state == "failed" for trial in summary.study.trials):
        sys.exit(SOME_FAILED)
