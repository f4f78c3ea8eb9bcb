from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from objectives.pulse import beating, forget_pulse, read_pulse

BEAT = """
import sys, time
from pathlib import Path
from objectives.pulse import beating
with beating(Path(sys.argv[1])):
    print("running", flush=True)
    time.sleep(60)
"""


def test_a_trial_that_ends_leaves_no_note(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="diverged"), beating(tmp_path / "trial"):
        raise ValueError("diverged")
    assert read_pulse(tmp_path / "trial") is None
    assert list((tmp_path / "trial").iterdir()) == []


def test_a_process_that_is_killed_leaves_the_time_that_it_had(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", BEAT, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    start = time.perf_counter()
    time.sleep(1.5)
    held_seconds = time.perf_counter() - start
    process.kill()
    process.communicate()
    assert read_pulse(tmp_path) == pytest.approx(held_seconds, abs=0.3)
    forget_pulse(tmp_path)
    assert read_pulse(tmp_path) is None
