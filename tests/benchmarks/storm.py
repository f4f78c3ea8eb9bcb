"""Long storms of kills over a sweep, each compared with the undisturbed sweep.

    python tests/benchmarks/storm.py [--kills 1000] [--storms 3] [--trials 3500] [--seed 0] [--postgresql]

The sweep trains the scikit-learn model of the examples, whose slots start in a second, so that most of the time goes
into kills: of a slot, of the coordinator, of all at once, a third of them while processes start, the others within
0.4 s of an epoch's record. A supervisor resumes it each time. Storms rage side by side, each over a sweep of its own
with its share of the kills; trials must be many enough to last for it. No damage must be printed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(Path(__file__).parent)]

if TYPE_CHECKING:
    from storage.rows import StudyRow

SPEC = """
name = "storm"
[objective]
train = "linear:train"
epochs = 5
minimize = ["samples"]
[space]
loss = ["hinge", "log_loss", "modified_huber"]
alpha = { low = 1e-6, high = 1e-1, log = true }
[search]
sampler = "random"
trials = TRIALS
[compute]
slots = 2
threads = 1
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000, help="of all storms together")
    parser.add_argument("--storms", type=int, default=3, help="side by side")
    parser.add_argument("--trials", type=int, default=3500, help="of each sweep")
    parser.add_argument("--seed", type=int, default=0, help="of the first storm")
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("-o", "--output", type=Path, default=None)
    chosen = parser.parse_args()

    from commands import COMMAND
    from machine import machine_facts
    from postgresql import new_database, running_postgresql

    from storage.database import Database
    from storage.reading import load_study

    facts = machine_facts("torch", "optuna", "sqlalchemy", "scikit-learn")
    kind = "postgresql" if chosen.postgresql else "sqlite"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(running_postgresql()) if chosen.postgresql else None
        homes = [folder / f"storm-{number}" for number in range(chosen.storms)]
        for home in (still := folder / "undisturbed", *homes):
            home.mkdir()
            shutil.copy(ROOT / "tests/examples/linear.py", home)
            (home / "spec.toml").write_text(SPEC.replace("TRIALS", str(chosen.trials)))
        subprocess.run([COMMAND, "launch", "spec.toml", "--quiet"], cwd=still, check=True)
        undisturbed = load_study(Database(f"sqlite:///{still}/paretune.db"), "storm")
        urls = [new_database(server) if server else f"sqlite:///{home}/storm.db" for home in homes]
        kills = [
            chosen.kills // chosen.storms + (number < chosen.kills % chosen.storms) for number in range(len(homes))
        ]
        with ThreadPoolExecutor(chosen.storms) as pool:
            seeds = range(chosen.seed, chosen.seed + chosen.storms)
            found = list(pool.map(rage, homes, urls, seeds, kills, [undisturbed] * chosen.storms))
    facts |= {"database": kind, "trials": chosen.trials, "kills": sum(sum(each["kills"].values()) for each in found)}
    facts |= {"damage": sum(sum(each["damage"].values()) for each in found), "storms": found}
    output = chosen.output or Path(__file__).parent / f"results/storm_{kind}.json"
    output.write_text(json.dumps(facts, indent=1) + "\n")
    for each in found:
        for name, value in each.items():
            print(f"{name:18} {value}")
    print(f"{facts['kills']} kills in {chosen.storms} storms on {kind}, damage {facts['damage']}")
    sys.exit(bool(facts["damage"]))


def rage(home: Path, url: str, seed: int, num_kills: int, undisturbed: StudyRow) -> dict[str, Any]:
    """Lets a storm rage over a sweep, and returns what it did to it."""
    from chaos import Storm, assess

    from storage.database import Database
    from storage.reading import load_study

    storm, begun = Storm(home, url, seed), time.perf_counter()
    storm.run(home / "spec.toml", "storm", num_kills)
    seconds = time.perf_counter() - begun
    damage = assess(storm, "storm", undisturbed)
    study = load_study(Database(url), "storm")
    attempts = [attempt for trial in study.trials for attempt in trial.attempts]
    for name, what in vars(damage).items():
        if what:
            print(f"seed {seed}: {name}: {what[:3]}")
    return {
        "seed": seed,
        "kills": dict(storm.kills),
        "epochs": sum(len(trial.epochs) for trial in study.trials),
        "attempts": len(attempts),
        "sittings": len(study.sittings),
        "seconds": seconds,
        "billed_seconds": sum(sum(attempt.bill.values()) for attempt in attempts),
        "lost_seconds": sum(attempt.bill.get("lost", 0.0) for attempt in attempts),
        "damage": {name: len(what) for name, what in vars(damage).items()},
    }


if __name__ == "__main__":
    main()
