"""The command that tells what can be measured here."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from search.commands.console import print_json, standard_output
from search.commands.options import AsJson

SLOW = ("cores", "time", "matrix products")
"""Checks that are of a machine which rests."""

app = typer.Typer()


@app.command(epilog="Examples: [cyan]paretune doctor[/]   [cyan]paretune doctor --quick --json[/]")
def doctor(
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out what computes, or watches other work, for a while.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tell what can be measured on this machine, how well, and what to do about the rest; it takes a few seconds."""
    from objectives.doctor import CHECKS

    findings = {name: check() for name, check in CHECKS.items() if not (quick and name in SLOW)}
    if as_json:
        print_json({name: asdict(finding) for name, finding in findings.items()})
        return
    from search.tables import print_findings

    print_findings(findings, standard_output())
