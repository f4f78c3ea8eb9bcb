"""The command as a person runs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., "subprocess.CompletedProcess[str]"]
COMMAND = str(Path(sys.executable).with_name("paretune"))

QUICK = """
name = "quick"
[objective]
dataset = "digits"
epochs = 2
minimize = ["train_flops"]
[space]
lr = { low = 1e-3, high = 0.1, log = true }
optimizer = ["sgd", "adam"]
batch_size = { low = 32, high = 128, log = true }
width = { low = 0.25, high = 0.5 }
[search]
trials = 4
[compute]
slots = 1
threads = 1
"""


def run_paretune(folder: Path, *arguments: str, check: bool = False) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([COMMAND, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    if check and done.returncode:
        raise AssertionError(f"exit {done.returncode}: {done.stderr}")
    return done


def write_quick_spec(folder: Path) -> Path:
    path = folder / "quick.toml"
    path.write_text(QUICK)
    return path
