"""The command line in this process."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from search.cli import main


class Line:
    """The command line in this process: exit code, standard output, standard error."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys, self._monkeypatch = capsys, monkeypatch

    def __call__(self, *words: str) -> tuple[Any, str, str]:
        self._monkeypatch.setattr(sys, "argv", ["paretune", *words])
        with pytest.raises(SystemExit) as end:
            main()
        told = self._capsys.readouterr()
        return end.value.code or 0, told.out, told.err
