"""A search that is cut off and resumed, beside one that is not: real commands, a real kill -9.

    python tests/resumed.py INSTANT COUNT SECONDS paretune's arguments

runs the command line and kills its own process group with SIGKILL when it is at an instant for that many times, or so
many seconds later.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent
sys.path.append(str(TESTS.parent))

from objectives.trial import Event  # noqa: E402
from search import sweeps  # noqa: E402
from search.reading import read_spec  # noqa: E402
from search.trials import Trial  # noqa: E402
from storage.database import Database  # noqa: E402
from storage.rows import StudyRow  # noqa: E402

URL = ("--storage", "sqlite:///paretune.db")
COMMAND = (sys.executable, "-c", "from search.cli import main; main()")

INSTANTS: dict[str, tuple[str, str, bool]] = {
    "between two parameters": ("search.proposals", "_suggest", False),
    "between ask and write": ("search.proposals", "Proposals.take_steps", False),
    "before the ledger has it": ("storage.ledger", "Page.add_trial", False),
    "when the ledger alone has it": ("storage.projection", "Projection.add", False),
    "inside the transaction": ("storage.projection", "Projection.add", True),
    "before the slot gets it": ("storage.ledger", "Page.start_attempt", False),
    "between result and tell": ("storage.ledger", "Page.end_trial", True),
}
"""Where a coordinator can be killed: a function, and whether after its call rather than before."""

SPACES = {
    "grid": """
lr = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.6]
optimizer = ["sgd", "adam", "adamw"]
batch_size = { low = 32, high = 64, step = 32 }
width = { low = 0.5, high = 1.5, step = 0.5 }
""",
    "cmaes": """
lr = { low = 1e-4, high = 1.0, log = true }
batch_size = { low = 16, high = 512, log = true }
width = { low = 0.25, high = 4.0, log = true }
""",
}
SPACE = """
lr = { low = 1e-4, high = 1.0, log = true }
optimizer = ["sgd", "adam", "adamw"]
batch_size = { low = 16, high = 512, log = true }
width = { low = 0.25, high = 4.0, log = true }
"""
OPTIONS = {
    "tpe": "{ n_startup_trials = 5 }",
    "gp": "{ n_startup_trials = 5 }",
    "nsga2": "{ population_size = 6 }",
    "nsga3": "{ population_size = 6 }",
    "cmaes": "{ population_size = 5 }",
}


def write_spec(folder: Path, sampler: str, num_trials: int, seed: int = 0, slots: int = 1) -> Path:
    """Writes the spec of a search over made-up results, and the function beside it."""
    shutil.copy(TESTS / "instant.py", folder)
    path = folder / "spec.toml"
    path.write_text(f"""
name = "searched"
[objective]
train = "instant:train"
epochs = 1
minimize = {"[]" if sampler == "cmaes" else '["train_flops"]'}
[space]{SPACES.get(sampler, SPACE)}
[search]
sampler = "{sampler}"
sampler_options = {OPTIONS.get(sampler, "{}")}
seed = {seed}
trials = {num_trials}
baseline = {{ lr = 0.001, batch_size = 64, width = 1.0{"" if sampler == "cmaes" else ', optimizer = "sgd"'} }}
[compute]
slots = {slots}
threads = 1
""")
    return path


def silent(_trial: Trial, _event: Event) -> None:
    """Watches and says nothing."""


def launch_here(folder: Path, sampler: str, num_trials: int, seed: int = 0) -> Database:
    """Launches in this process, which is faster."""
    folder.mkdir(exist_ok=True)
    database = Database(f"sqlite:///{folder}/paretune.db")
    spec = read_spec(write_spec(folder, sampler, num_trials, seed), ["compute.engine=inline"])
    sweeps.launch(spec, database, silent)
    return database


def resume_here(
    database: Database, num_more: int = 0, settings: Sequence[str] = (), name: str = "searched"
) -> StudyRow:
    """Resumes in this process."""
    compute: dict[str, object] = {"engine": "inline"}
    return sweeps.resume(name, database, silent, num_more, compute, settings=settings)


def outcome(study: StudyRow) -> list[Any]:
    """Returns all of a study that must be equal."""
    return [
        [
            (trial.number, trial.params, trial.state, trial.seed),
            [(epoch.num_correct, epoch.costs["train_flops"].value) for epoch in trial.epochs],
        ]
        for trial in study.trials
    ]


def run(folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs the command line in a folder."""
    command = [*COMMAND, *arguments]
    done = subprocess.run(command, cwd=folder, env=_env(), capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise AssertionError(f"exit {done.returncode}: {done.stderr}")
    return done


def run_and_kill(folder: Path, instant: str, count: int, *arguments: str, seconds: float = 0.0) -> None:
    """Runs the command line, which kills itself and its slots at an instant or so many seconds later."""
    command = [sys.executable, str(TESTS / "resumed.py"), instant, str(count), str(seconds), *arguments]
    done = subprocess.run(command, cwd=folder, env=_env(), capture_output=True, text=True, check=False)
    if done.returncode != -signal.SIGKILL:
        raise AssertionError(f"it was not killed: exit {done.returncode}: {done.stderr}")


def run_and_kill_somewhere(folder: Path, counts: range, dice: random.Random, *arguments: str) -> None:
    """Runs the command line, which is killed at a random instant: one of the named ones, or whenever."""
    instant, count = dice.choice(list(INSTANTS)), dice.choice(counts)
    run_and_kill(folder, instant, count, *arguments, seconds=dice.choice([0.0, dice.uniform(0, 0.1)]))


def shown(folder: Path) -> list[dict[str, Any]]:
    """Returns the trials as `paretune show --json` prints them."""
    trials: list[dict[str, Any]] = json.loads(run(folder, "show", "searched", "--json", *URL).stdout)["trials"]
    return trials


def results(trials: list[dict[str, Any]]) -> list[list[Any]]:
    """Returns of each trial what must be equal: number, setting, state, accuracy, cost."""
    return [
        [trial["number"], trial["params"], trial["state"], trial["accuracy"], trial["costs"].get("train_flops")]
        for trial in trials
    ]


def _env() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(TESTS.parent), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def _kill_at(instant: str, count: int, seconds: float) -> None:
    """Puts a kill of this process group before or after the call of that number of a function."""
    module, path, is_after = INSTANTS[instant]
    *owners, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for part in owners:
        owner = getattr(owner, part)
    original, left = getattr(owner, name), [count]

    def killed(*arguments: Any, **named: Any) -> Any:
        left[0] -= 1
        if left[0] == 0 and not is_after:
            _kill(seconds)
        answer = original(*arguments, **named)
        if left[0] == 0 and is_after:
            _kill(seconds)
        return answer

    setattr(owner, name, killed)


def _kill(seconds: float) -> None:
    if seconds:
        threading.Timer(seconds, _kill, [0.0]).start()
    else:
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    os.setsid()
    from search.cli import main

    _kill_at(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
    sys.argv = ["paretune", *sys.argv[4:]]
    main()
