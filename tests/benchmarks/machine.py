"""What a benchmark's result is worth nothing without: where and with what it was measured."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any


def machine_facts(*packages: str) -> dict[str, Any]:
    """Returns commit, processor, cores, load before, and versions."""
    return {
        "commit": _commit(),
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
    }


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _commit() -> str:
    """Returns the commit, marked where anything but earlier results differs from it."""
    here = Path(__file__).parent
    asked = (["git", "describe", "--always"], ["git", "status", "--porcelain", ":/", ":!:results"])
    commit, changed = (
        subprocess.run(command, cwd=here, capture_output=True, text=True, check=False).stdout.strip()
        for command in asked
    )
    return f"{commit}-dirty" if changed else commit
