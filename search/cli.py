"""The command line. Heavy packages are imported by the command that needs them."""

from __future__ import annotations

import gc
import os
import sys
from typing import Annotated

import typer

from search.commands import (
    choosing,
    clearing,
    examining,
    exporting,
    importing,
    looking,
    pricing,
    remeasuring,
    running,
    serving,
    sources,
)
from search.commands.completion import mend_bash_words
from search.commands.console import tell
from search.faults import Faults
from storage.faults import StorageFault

USAGE, INTERRUPTED = 2, 130

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def main_options(
    ctx: typer.Context,
    server: Annotated[
        str | None,
        typer.Option(
            "--server",
            envvar="PARETUNE_SERVER",
            metavar="URL",
            help="Ask a service (`paretune serve`) in the place of a database. The token is read from PARETUNE_TOKEN, "
            "or the file PARETUNE_TOKEN_FILE, or ~/.config/paretune/token.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Hyperparameter search that measures what each trial costs and shows the trade-off with accuracy."""
    sources.server.set(server)
    ctx.call_on_close(sources.close)
    if ctx.invoked_subcommand is not None:
        sources.check_remote(ctx.invoked_subcommand)


for room in (running, looking, choosing, remeasuring, exporting, pricing, clearing, importing, examining, serving):
    app.add_typer(room.app)


def main() -> None:
    """Runs the command line: exit 0 done, 2 the user's mistake, 3 some trials failed, 130 interrupted."""
    gc.set_threshold(100_000)  # imports make many objects and no garbage: a third less time to the first line
    if os.environ.get("_PARETUNE_COMPLETE") == "complete_bash":
        mend_bash_words(os.environ)
    try:
        sys.exit(app(standalone_mode=False))
    except typer.TyperException as error:  # what typer finds wrong with the flags
        tell(error.format_message() if hasattr(error, "format_message") else str(error))
        sys.exit(USAGE)
    except typer.Abort:
        sys.exit(INTERRUPTED)
    except Faults as faults:
        tell(*faults.lines)
        sys.exit(USAGE)
    except StorageFault as fault:
        tell(str(fault))
        sys.exit(USAGE)
    finally:
        gc.freeze()  # else the interpreter looks for garbage in all of it once more, a tenth of a second
