"""Energy of a real sitting, by a copy of Linux's folder of the CPU's counters, which goes on and comes round.

What trials meter by themselves is played in `test_replayed`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import num_epochs, wait_for

from dashboards.budget import budget_lines
from dashboards.energy import HELD, bill_energy
from dashboards.summary import summarize
from storage.database import Database
from storage.reading import load_study
from storage.rows import SittingRow

HERE = Path(__file__).parent
CORES = len(os.sched_getaffinity(0))
MOST = 3_000_000
"""After which the counter begins at 0 again, in microjoules: every 3 s at the power of this one."""
STEP, STEP_SECONDS = 20_000, 0.02

pytestmark = pytest.mark.skipif((os.cpu_count() or 1) != CORES, reason="this process has not all cores")

COMMAND = """
import sys
from pathlib import Path
import objectives.meters.held as held
import objectives.meters.rapl as rapl
held.open_rapl = lambda cores, _root, has: rapl.open_rapl(cores, Path(sys.argv.pop()), has) if cores else "no cores"
rapl.MOST_WATTS = 0.1  # so that one second between two reads is no fault of this small counter
if __name__ == "__main__":
    from search.cli import main
    main()
"""


class Counter:
    """One package's counter, which goes on at 1 W from when it is made.

    Attributes:
        microjoules: All that it moved.
    """

    def __init__(self, root: Path) -> None:
        self._folder = root / "intel-rapl:0"
        self._folder.mkdir(parents=True)
        (self._folder / "name").write_text("package-0\n")
        (self._folder / "max_energy_range_uj").write_text(f"{MOST}\n")
        self.microjoules = 0
        self._is_over = threading.Event()
        self._show()
        self._mover = threading.Thread(target=self._move)
        self._mover.start()

    def close(self) -> None:
        """Lets it stand still."""
        self._is_over.set()
        self._mover.join()

    def _move(self) -> None:
        while not self._is_over.wait(STEP_SECONDS):
            self.microjoules += STEP
            self._show()

    def _show(self) -> None:
        fresh = self._folder / "fresh"
        fresh.write_text(f"{self.microjoules % (MOST + 1)}\n")
        fresh.replace(self._folder / "energy_uj")  # a reader sees it whole


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    made = Counter(tmp_path / "powercap")
    yield made
    made.close()


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    script = folder / "metered.py"
    script.write_text(COMMAND.replace("sys.argv.pop()", repr(str(folder / "powercap"))))
    path = os.pathsep.join([str(HERE), str(HERE.parent.parent)])
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as told:
        return subprocess.Popen(
            [sys.executable, script, *arguments], cwd=folder, env={**os.environ, "PYTHONPATH": path},
            stdout=out, stderr=told,
        )  # fmt: skip


def write_spec(folder: Path) -> str:
    path = folder / "slow.toml"
    path.write_text(
        'name = "quick"\n[objective]\ntrain = "sleepers:sleep"\nepochs = 3\n[space]\npause = 0.2\n'
        f"[search]\ntrials = {3 * CORES}\nbaseline = false\n"
        f'[compute]\ndevice = "cpu"\nslots = {CORES}\nthreads = 1\n[budget]\nkwh = 1\n'
    )
    return str(path)


def sittings(home: Database) -> tuple[SittingRow, ...]:
    return load_study(home, "quick").sittings


def test_a_kill_keeps_what_was_last_read_and_all_sittings_together_are_what_the_counter_moved(
    tmp_path: Path, counter: Counter
) -> None:
    home = Database(f"sqlite:///{tmp_path}/paretune.db")
    first = start(tmp_path, "launch", write_spec(tmp_path))
    wait_for(lambda: num_epochs(home) >= CORES)
    (read,) = sittings(home)
    first.kill()
    first.wait()
    moved = counter.microjoules / 1e6
    (killed,) = sittings(home)
    assert killed.joules is not None
    assert 0 < (read.joules or 0.0) <= killed.joules <= moved
    assert killed.joules == pytest.approx(killed.seconds, rel=0.3, abs=0.1)  # of 1 W; two packages would be twice that

    assert start(tmp_path, "resume", "quick").wait(120) == 0
    study = load_study(home, "quick")
    before, after = study.sittings
    assert before.joules == killed.joules
    assert before.seconds >= killed.seconds
    assert after.joules == pytest.approx(after.seconds, rel=0.3, abs=0.1)
    bill = bill_energy(study)
    assert (bill.method, bill.joules) == ("measured", before.joules + (after.joules or 0.0))
    assert bill.lines == {HELD: bill.joules}  # no slot can tell its own energy, all together can
    spent = {line.name: line.spent for line in budget_lines(study, summarize(study).book)}
    assert (spent["kwh"] or 0.0) * 3.6e6 == pytest.approx(bill.joules)
    assert counter.microjoules > MOST  # it came round meanwhile


def test_without_a_counter_a_sitting_claims_no_energy_and_says_why(tmp_path: Path) -> None:
    home = Database(f"sqlite:///{tmp_path}/paretune.db")
    spec = write_spec(tmp_path)
    assert start(tmp_path, "launch", spec).wait(60) == 2
    reason = "this machine shows no energy counter of its CPU"
    assert (tmp_path / "stderr").read_text() == f"budget.kwh: energy cannot be measured here: {reason}\n"
    Path(spec).write_text(Path(spec).read_text().replace("kwh = 1", 'wall = "1h"'))
    assert start(tmp_path, "launch", spec).wait(120) == 0
    (sitting,) = sittings(home)
    assert (sitting.joules, sitting.reason) == (None, reason)
    assert sitting.seconds > 0
    assert start(tmp_path, "show", "quick", "--json").wait(60) == 0
    energy = json.loads((tmp_path / "stdout").read_text())["billed"]["energy"]
    assert (energy["method"], energy["joules"], energy["lines"]) == ("absent", None, {})
    assert energy["reason"]
