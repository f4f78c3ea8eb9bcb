"""The command that tells what can be measured here."""

from __future__ import annotations

from dataclasses import asdict

import typer

from search.commands.console import print_json, standard_output
from search.commands.options import AsJson

app = typer.Typer()


@app.command(epilog="Examples: [cyan]paretune doctor[/]   [cyan]paretune doctor --json[/]")
def doctor(as_json: AsJson = False) -> None:
    """Tell what can be measured on this machine, how well, and what to do about the rest; it takes a few seconds."""
    from objectives.doctor import CHECKS

    findings = {name: check() for name, check in CHECKS.items()}
    if as_json:
        print_json({name: asdict(finding) for name, finding in findings.items()})
        return
    from search.tables import print_findings

    print_findings(findings, standard_output())
