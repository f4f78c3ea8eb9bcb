"""The command that tells what can be measured here."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from search.commands.console import print_json, standard_output
from search.commands.options import AsJson
from search.commands.sources import find_client

SLOW = ("cores", "time", "matrix products", "GPU at work")
"""Checks that are of a machine which rests."""

app = typer.Typer()


@app.command(epilog="Examples: [cyan]paretune doctor[/]   [cyan]paretune doctor --quick --json[/]")
def doctor(
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out what computes, or watches other work, for a while.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tell what can be measured on this machine, how well, and what to do about the rest; it takes a few seconds.

    With --server, on the service's machine, as --quick does, since others may measure there.
    """
    from objectives.doctor import CHECKS
    from objectives.findings import Finding

    if (client := find_client()) is not None:
        findings = {name: Finding(**found) for name, found in client.ask("GET", "machine")["measures"].items()}
    else:
        findings = {name: check() for name, check in CHECKS.items() if not (quick and name in SLOW)}
    if as_json:
        print_json({name: asdict(finding) for name, finding in findings.items()})
        return
    from search.tables import print_findings

    print_findings(findings, standard_output())
