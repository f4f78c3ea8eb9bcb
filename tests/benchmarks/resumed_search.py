"""Whether a search that was cut off ends as one that was not: every sampler, a clean stop and a kill -9.

    python tests/benchmarks/resumed_search.py --trials 50 --seeds 0,1,2

Each sampler searches four times, with one slot and a deterministic cost (made-up FLOPs; two of the trials or more
diverge): undisturbed; in two halves; with a SIGKILL of the coordinator and its slot in the first half, at a random
instant of a proposal or a result, and a second one after the first resume. Equal means: the same settings in the same
order, with the same results.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import resumed  # noqa: E402
from machine import machine_facts  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from search.samplers import SAMPLERS  # noqa: E402


def compare(sampler: str, num_trials: int, seed: int) -> dict[str, Any]:
    """Returns how many of the trials are equal, and where the kills fell."""
    with tempfile.TemporaryDirectory() as name:
        whole, halves, killed = (Path(name) / part for part in ("whole", "halves", "killed"))
        for folder in (whole, halves, killed):
            folder.mkdir()
        spec = resumed.write_spec(whole, sampler, num_trials, seed)
        resumed.run(whole, "launch", str(spec), *resumed.URL)
        undisturbed = resumed.results(resumed.shown(whole))
        first = num_trials // 2
        spec = resumed.write_spec(halves, sampler, first, seed)
        resumed.run(halves, "launch", str(spec), *resumed.URL)
        resumed.run(halves, "resume", "searched", "--trials", str(num_trials - first), *resumed.URL)
        spec, dice = resumed.write_spec(killed, sampler, num_trials, seed), random.Random(seed)
        counts = range(1, num_trials * 2 // 5 + 1)
        resumed.run_and_kill_somewhere(killed, counts, dice, "launch", str(spec), *resumed.URL)
        resumed.run_and_kill_somewhere(killed, counts, dice, "resume", "searched", *resumed.URL)
        resumed.run(killed, "resume", "searched", *resumed.URL)
        return {
            "seed": seed,
            "num_trials": len(undisturbed),
            "num_different_settings": len({str(result[1]) for result in undisturbed}),
            "equal_after_a_stop": _num_equal(undisturbed, resumed.results(resumed.shown(halves))),
            "equal_after_two_kills": _num_equal(undisturbed, resumed.results(resumed.shown(killed))),
        }


def _num_equal(undisturbed: list[list[Any]], others: list[list[Any]]) -> int:
    return sum(one == other for one, other in zip(undisturbed, others, strict=True))


def print_table(rows: dict[str, list[dict[str, Any]]], num_trials: int) -> None:
    first = num_trials // 2
    table = Table(box=None, pad_edge=False)
    for name in ("sampler", f"{num_trials} = {first} + {num_trials - first}", f"{num_trials} = two kill -9"):
        table.add_column(name, justify="left" if name == "sampler" else "right", no_wrap=True)
    for sampler, runs in rows.items():
        table.add_row(sampler, *(_words(runs, key) for key in ("equal_after_a_stop", "equal_after_two_kills")))
    Console(width=120).print(table)


def _words(runs: list[dict[str, Any]], key: str) -> str:
    return ", ".join(f"{run[key]}/{run['num_trials']}" for run in runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--samplers", default=",".join(SAMPLERS))
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "results/resumed_search.json")
    chosen = parser.parse_args()
    rows: dict[str, list[dict[str, Any]]] = {}
    for sampler in chosen.samplers.split(","):
        rows[sampler] = [compare(sampler, chosen.trials, int(seed)) for seed in chosen.seeds.split(",")]
        print(sampler, *rows[sampler], file=sys.stderr)
    print_table(rows, chosen.trials)
    facts = {**machine_facts("optuna", "numpy", "scipy", "torch", "cmaes"), "trials": chosen.trials, "samplers": rows}
    chosen.output.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
