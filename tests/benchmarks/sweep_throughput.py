"""The same settings trained as a user of Optuna writes it today, and by Paretune, in one run.

    python tests/benchmarks/sweep_throughput.py [--settings 20] [--seeds 1] [--epochs 5] [--rounds 5]
        [--device cpu|cuda]

Paretune draws the settings at random from the built-in space, with its command's defaults. Optuna then trains each of
them in one process, by `study.optimize` on an SQLite database, with a fresh DataLoader over PIL images, ToTensor and
Normalize, a network of torch's layers, torch's optimizers as they come, and torch's default threads: the loop of the
tutorials, with nothing of Paretune's own speed. The function that the network computes, images, split, settings and
epochs are the same. Both clocks run from the start of the process's work to the last trial in the database; loading
torch is in both. A shared machine is quicker at one minute than at another, so each round runs both sides, the one
first in every second round that was last before; the ratio is the median over the rounds.

With several seeds for each setting (other ones on each side) the accuracies can be compared: by the 95 % interval of
the difference of the two means, Student's with the variances pooled. The images are the same, so their uncertainty is
not in it. Where both sides train alike, 19 of 20 intervals hold 0.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import fmean, median, variance
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]
COMMAND = Path(sys.executable).with_name("paretune")


def run_paretune(
    folder: Path, num_settings: int, num_seeds: int, epochs: int, device: str
) -> tuple[float, list[dict[str, Any]]]:
    """Returns the seconds of `paretune launch`, and its trials as `paretune show --json` gives them."""
    num_trials = num_settings * num_seeds
    settings = ["search.sampler=random", f"objective.epochs={epochs}", f"compute.device={device}", "name=throughput"]
    settings.append(f"search.repeats={num_seeds}")
    flags = [part for setting in settings for part in ("--set", setting)]
    start = time.perf_counter()
    subprocess.run([COMMAND, "launch", "--quiet", "--trials", str(num_trials), *flags], cwd=folder, check=True)
    seconds = time.perf_counter() - start
    shown = subprocess.run([COMMAND, "show", "throughput", "--json"], cwd=folder, check=True, capture_output=True)
    return seconds, json.loads(shown.stdout)["trials"]


def run_optuna(folder: Path, trials: list[dict[str, Any]], epochs: int, device: str) -> tuple[float, list[float]]:
    """Returns the seconds of the loop in a process of its own, and each trial's validation accuracy."""
    request = folder / "settings.json"
    request.write_text(json.dumps({"settings": [trial["params"] for trial in trials], "epochs": epochs}))
    start = time.perf_counter()
    subprocess.run([sys.executable, __file__, "--as-optuna", request, "--device", device], cwd=folder, check=True)
    seconds = time.perf_counter() - start
    return seconds, json.loads((folder / "accuracies.json").read_text())


def train_as_optuna(request: Path, device: str) -> None:
    """The loop of the tutorials."""
    import optuna
    import torch
    from PIL import Image
    from torch import nn, optim
    from torch.utils.data import DataLoader, Dataset
    from torchvision import transforms

    from objectives.data import Part, open_dataset
    from objectives.optimizers import OPTIMIZERS

    class Images(Dataset[Any]):
        def __init__(self, part: Part, transform: Any) -> None:
            self.images, self.labels, self.transform = part.images_NCHW[:, 0], part.labels_N, transform

        def __len__(self) -> int:
            return len(self.labels)

        def __getitem__(self, index: int) -> tuple[Any, int]:
            return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])

    def build_lenet(width: float) -> nn.Module:
        c1, c2, h1, h2 = (max(1, int(width * units + 0.5)) for units in (6, 16, 120, 84))
        return nn.Sequential(
            nn.Conv2d(1, c1, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(c1, c2, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(c2 * 5 * 5, h1), nn.ReLU(), nn.Linear(h1, h2), nn.ReLU(), nn.Linear(h2, 10),
        )  # fmt: skip

    asked = json.loads(request.read_text())
    data = open_dataset("mnist5k")
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1,), (0.28,))])
    accuracies: list[float] = []

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        params = asked["settings"][trial.number]
        start = time.perf_counter()
        train = DataLoader(Images(data.train, transform), batch_size=params["batch_size"], shuffle=True)
        validation = DataLoader(Images(data.validation, transform), batch_size=256)
        model = build_lenet(params["width"]).to(device)
        named = OPTIMIZERS[params["optimizer"]]
        options = {**named.settings, **{name: params[name] for name in named.options if name in params}}
        optimizer = getattr(optim, named.torch_name)(model.parameters(), lr=params["lr"], **options)
        loss_of = torch.nn.CrossEntropyLoss()
        for _ in range(asked["epochs"]):
            model.train()
            for images, labels in train:
                optimizer.zero_grad()
                loss_of(model(images.to(device)), labels.to(device)).backward()
                optimizer.step()
            model.eval()
            num_correct = 0
            with torch.no_grad():
                for images, labels in validation:
                    num_correct += int((model(images.to(device)).argmax(dim=1) == labels.to(device)).sum().item())
        accuracies.append(num_correct / len(data.validation.labels_N))
        return accuracies[-1], time.perf_counter() - start

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(storage="sqlite:///optuna.db", directions=["maximize", "minimize"])
    study.optimize(objective, n_trials=len(asked["settings"]))
    Path("accuracies.json").write_text(json.dumps(accuracies))


def compare(ours: list[float], theirs: list[float]) -> tuple[float, float]:
    """Returns the 95 % interval of the difference of two means."""
    from objectives.intervals import student_95

    difference = fmean(ours) - fmean(theirs)
    spread = math.sqrt((variance(ours) + variance(theirs)) / len(ours))
    half = student_95(2 * len(ours) - 2) * spread
    return difference - half, difference + half


def compare_accuracies(trials: list[dict[str, Any]], accuracies: list[float], num_seeds: int) -> list[dict[str, Any]]:
    """Prints and returns the accuracies of both sides for each setting."""
    found = []
    for first in range(0, len(trials), num_seeds):
        members = slice(first, first + num_seeds)
        ours, theirs = [trial["accuracy"] for trial in trials[members]], accuracies[members]
        pair = {"params": trials[first]["params"], "paretune": ours, "optuna": theirs}
        told = "infeasible" if None in ours else f"{fmean(ours):.3f}"
        words = f"setting {first // num_seeds:2}  paretune {told}  optuna {fmean(theirs):.3f}"
        if num_seeds > 1 and None not in ours:
            pair["difference"] = low, high = compare(ours, theirs)
            words += f"  difference {low:+.3f} to {high:+.3f}{'' if low <= 0 <= high else '  apart'}"
        found.append(pair)
        print(words)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--as-optuna", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", type=Path, default=None)
    chosen = parser.parse_args()
    if chosen.as_optuna:
        train_as_optuna(chosen.as_optuna, chosen.device)
        return

    from machine import machine_facts

    facts = machine_facts("torch", "torchvision", "optuna")
    num_trials = chosen.settings * chosen.seeds
    ours: list[float] = []
    theirs: list[float] = []
    trials: list[dict[str, Any]] = []
    accuracies: list[float] = []
    for turn in range(chosen.rounds):
        with tempfile.TemporaryDirectory() as folder:
            place, run = Path(folder), (chosen.epochs, chosen.device)
            if turn % 2:
                theirs.append(run_optuna(place, trials, *run)[0])
                ours.append(run_paretune(place, chosen.settings, chosen.seeds, *run)[0])
            else:
                seconds, trials = run_paretune(place, chosen.settings, chosen.seeds, *run)
                ours.append(seconds)
                seconds, accuracies = run_optuna(place, trials, *run)
                theirs.append(seconds)
        print(
            f"round {turn + 1}: {ours[-1]:.1f} s and {theirs[-1]:.1f} s, ratio {theirs[-1] / ours[-1]:.2f}", flush=True
        )
    ratios = sorted(other / one for one, other in zip(ours, theirs, strict=True))
    pairs = compare_accuracies(trials, accuracies, chosen.seeds)
    per_hour = {"paretune": 3600 * num_trials / median(ours), "optuna": 3600 * num_trials / median(theirs)}
    print(
        f"{num_trials} trials of {chosen.epochs} epochs on {chosen.device}, {chosen.rounds} rounds: "
        f"Paretune {median(ours):.1f} s ({per_hour['paretune']:.0f} trials per hour), "
        f"Optuna {median(theirs):.1f} s ({per_hour['optuna']:.0f}): "
        f"ratio {median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    )
    if chosen.seeds > 1:
        compared = [pair["difference"] for pair in pairs if "difference" in pair]
        equal = sum(low <= 0 <= high for low, high in compared)
        print(f"the interval of the difference holds 0 for {equal} of {len(compared)} settings")
    facts |= {
        "device": chosen.device,
        "settings": chosen.settings,
        "seeds": chosen.seeds,
        "epochs": chosen.epochs,
        "seconds": {"paretune": ours, "optuna": theirs},
    }
    facts |= {"trials_per_hour": per_hour, "ratio": median(ratios), "ratios": ratios, "pairs": pairs}
    output = chosen.output or Path(__file__).parent / f"results/sweep_throughput_{chosen.device}.json"
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
