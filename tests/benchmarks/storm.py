"""A long storm of kills over one sweep, compared with the undisturbed sweep.

    python tests/benchmarks/storm.py [--kills 1000] [--trials 400] [--seed 0] [--postgresql]

The sweep trains the scikit-learn model of the examples, whose slots start in a second, so that most of the time goes
into kills: of a slot, of the coordinator, of all at once, a third of them while processes start, the others within
0.4 s of an epoch's record. A supervisor resumes it each time. What is printed must be none, but for the kills.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(Path(__file__).parent)]

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
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("-o", "--output", type=Path, default=None)
    chosen = parser.parse_args()

    from chaos import Storm, assess
    from commands import COMMAND
    from machine import machine_facts
    from postgresql import new_database, running_postgresql

    from storage.database import Database
    from storage.studies import load_study

    facts = machine_facts("torch", "optuna", "sqlalchemy", "scikit-learn")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        shutil.copy(ROOT / "tests/examples/linear.py", folder)
        (folder / "spec.toml").write_text(SPEC.replace("TRIALS", str(chosen.trials)))
        still = f"sqlite:///{folder}/undisturbed.db"
        subprocess.run([COMMAND, "launch", "spec.toml", "--quiet", "--storage", still], cwd=folder, check=True)
        url = f"sqlite:///{folder}/storm.db"
        if chosen.postgresql:
            url = new_database(stack.enter_context(running_postgresql()))
        storm, begun = Storm(folder, url, chosen.seed), time.perf_counter()
        storm.run(folder / "spec.toml", "storm", chosen.kills)
        seconds = time.perf_counter() - begun
        damage = assess(storm, "storm", load_study(Database(still), "storm"))
        study = load_study(Database(url), "storm")
    attempts = [attempt for trial in study.trials for attempt in trial.attempts]
    facts |= {
        "database": "postgresql" if chosen.postgresql else "sqlite",
        "trials": chosen.trials,
        "epochs": sum(len(trial.epochs) for trial in study.trials),
        "attempts": len(attempts),
        "kills": dict(storm.kills),
        "seconds": seconds,
        "billed_seconds": sum(sum(attempt.bill.values()) for attempt in attempts),
        "lost_seconds": sum(attempt.bill.get("lost", 0.0) for attempt in attempts),
        "damage": {name: len(found) for name, found in vars(damage).items()},
    }
    for name in ("database", "trials", "epochs", "attempts", "kills", "seconds", "lost_seconds"):
        print(f"{name:18} {facts[name]}")
    for name, found in vars(damage).items():
        print(f"{name:18} {len(found)}  {found[:3] if found else ''}")
    output = chosen.output or Path(__file__).parent / f"results/storm_{facts['database']}.json"
    output.write_text(json.dumps(facts, indent=1) + "\n")
    sys.exit(bool(damage))


if __name__ == "__main__":
    main()
