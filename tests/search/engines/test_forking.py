from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from multiprocessing.connection import Connection

import pytest

from objectives.trial import Placement
from search.engines.forking import begin_loading, fork

FORKS_AFTER_LOADING = """
import objectives.preloaded, os, torch
child = os.fork()
if child == 0:
    os._exit(torch.cuda._is_in_bad_fork())
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

TELLS_WHAT_IS_LOADED = """
from objectives.trial import Placement
from search.engines.forking import begin_loading, fork
begin_loading([Placement(0, "cpu", 1, (0,))])
fork(exec, "import sys; print('torch' in sys.modules, flush=True)").join()
"""


def tell(connection: Connection) -> None:
    connection.send(os.environ.get("PARETUNE_TOLD"))


@pytest.mark.parametrize("told", ["first", "second"])
def test_a_slot_has_the_environment_of_its_start(told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    begin_loading([Placement(0, "cpu", 1, (0,))])
    monkeypatch.setenv("PARETUNE_TOLD", told)
    ours, theirs = multiprocessing.Pipe()
    process = fork(tell, theirs)
    environment = ours.recv()
    process.join()
    assert environment == told


def test_a_gpu_can_be_opened_after_the_fork() -> None:
    assert subprocess.run([sys.executable, "-c", FORKS_AFTER_LOADING], check=False).returncode == 0


def test_slots_are_forked_from_a_process_that_has_torch() -> None:
    """In a process of its own, as any other's may have begun without."""
    answer = subprocess.run([sys.executable, "-c", TELLS_WHAT_IS_LOADED], check=True, capture_output=True, text=True)
    assert answer.stdout == "True\n"


def test_loading_leaves_the_environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    for before in ("7", None):
        if before is None:
            monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        else:
            monkeypatch.setenv("OMP_NUM_THREADS", before)
        begin_loading([Placement(0, "cpu", 1, (0,))])
        assert os.environ.get("OMP_NUM_THREADS") == before
