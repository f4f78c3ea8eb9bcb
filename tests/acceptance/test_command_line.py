"""The whole way through, as a person goes it: real commands, real processes, a real kill -9, on both databases."""

from __future__ import annotations

import json
import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from commands import (
    INLINE,
    LONG,
    Run,
    assert_bills_balance,
    has_attempts,
    num_epochs,
    results,
    shown,
    start,
    wait_for,
    workers_of,
)
from typer.main import get_command

from dashboards.figures import FIGURES
from search.cli import app
from storage.database import Database
from storage.projection import optuna_storage


def test_launch_look_pick_report_delete(paretune: Run, quick_spec: Path, home: Database, tmp_path: Path) -> None:
    launched = paretune("launch", str(quick_spec), check=True)
    assert "quick  complete, 4/4 trials" in launched.stdout
    assert "[4/4]" in launched.stderr
    listed = json.loads(paretune("list", "--json").stdout)
    assert (listed[0]["name"], listed[0]["state"], listed[0]["num_ended"]) == ("quick", "complete", 4)
    answer = shown(paretune)
    assert {trial["state"] for trial in answer["trials"]} == {"complete"}
    assert answer["front"]

    log = json.loads(paretune("show", "quick", "1", "--json", check=True).stdout)
    assert [epoch["epoch"] for epoch in log["epochs"]] == [1, 2]
    assert [attempt["outcome"] for attempt in log["attempts"]] == ["complete"]
    assert "validation loss" in paretune("show", "quick", "1", check=True).stdout
    assert "has no trial 9; there are 0 to 3" in paretune("show", "quick", "9").stderr

    picked = json.loads(paretune("pick", "quick", "--min-accuracy", "0.1", "--json", check=True).stdout)
    assert {"trial": picked["trial"], "epoch": picked["epoch"]} in answer["front"]
    assert 0 <= picked["test_accuracy_interval"][0] <= picked["test_accuracy"] <= picked["test_accuracy_interval"][1]
    assert picked["validation_looks"] == sum(trial["epochs"] for trial in answer["trials"])
    paretune("report", "quick", "-o", "r.html", check=True)
    assert "on test images" in (tmp_path / "r.html").read_text()
    for weights in (tmp_path / "paretune.db.artifacts").rglob("*.pt"):
        weights.unlink()  # the test accuracy was computed once and kept
    again = json.loads(paretune("pick", "quick", "--min-accuracy", "0.1", "--json", check=True).stdout)
    assert again == picked
    assert (tmp_path / "r.html").stat().st_size > 1e6

    study = optuna.load_study(study_name="quick", storage=optuna_storage(home))
    told = [[trial.values[0], trial.values[1]] for trial in study.trials]
    assert told == [[trial["accuracy"], trial["costs"]["train_flops"]] for trial in answer["trials"]]

    assert paretune("resume", "quick").returncode == 0
    second = paretune("launch", str(quick_spec))
    assert second.returncode == 2
    assert "`paretune resume quick` continues it" in second.stderr
    paretune("delete", "quick", "--yes", check=True)
    assert json.loads(paretune("list", "--json").stdout) == []
    assert not list((tmp_path / "paretune.db.artifacts").iterdir())


@pytest.mark.slow
def test_accuracy_alone_can_be_searched_for(paretune: Run, quick_spec: Path, home: Database, tmp_path: Path) -> None:
    alone = ("objective.minimize=[]", "search.sampler=cmaes", "space.optimizer=adam")
    settings = [flag for setting in alone for flag in ("--set", setting)]
    paretune("launch", str(quick_spec), *settings, *INLINE, check=True)
    answer = shown(paretune)
    assert answer["objectives"] == [{"name": "accuracy", "direction": "maximize"}]
    assert len(answer["front"]) == 1
    assert 0 <= answer["hypervolume"] <= 1
    assert "%" in paretune("show", "quick", check=True).stdout
    picked = json.loads(paretune("pick", "quick", "--min-accuracy", "0.1", "--json", check=True).stdout)
    assert picked["accuracy"] >= 0.1
    paretune("report", "quick", "-o", "r.html", check=True)
    assert (tmp_path / "r.html").stat().st_size > 1e6
    refused = paretune("report", "quick", "-o", "r.pdf")
    assert (refused.returncode, refused.stderr) == (
        2, "r.pdf: a report's ending says what is written; no such ending: '.pdf' (known: .html)\n"
    )  # fmt: skip
    assert not (tmp_path / "r.pdf").exists()
    study = optuna.load_study(study_name="quick", storage=optuna_storage(home))
    assert len(study.directions) == 1


@pytest.mark.slow
def test_a_grid_is_not_extended_beyond_its_size(paretune: Run, quick_spec: Path, home: Database) -> None:
    grid = ("search.sampler=grid", "space.lr=[0.01, 0.1]", "space.batch_size=64", "space.width=0.25")
    settings = [flag for setting in grid for flag in ("--set", setting)]
    paretune("launch", str(quick_spec), *settings, *INLINE, check=True)
    done = paretune("resume", "quick", "--trials", "2")
    assert done.returncode == 2
    assert "the grid has 4 settings besides the baseline, but 5 are asked for" in " ".join(done.stderr.split())
    paretune("resume", "quick", "--trials", "1", check=True)


@pytest.mark.parametrize("num_before", [pytest.param(1, marks=pytest.mark.slow), 16])
def test_a_sweep_killed_with_its_slots_ends_as_an_undisturbed_one(
    paretune: Run, quick_spec: Path, home: Database, tmp_path: Path, undisturbed: list[Any], num_before: int
) -> None:
    running = start(tmp_path, "launch", str(quick_spec), *LONG)
    wait_for(lambda: num_epochs(home) >= num_before)
    everyone = [psutil.Process(running.pid), *psutil.Process(running.pid).children(recursive=True)]
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    psutil.wait_procs(everyone, timeout=10)
    assert not any(process.is_running() for process in everyone)  # no orphan: slots end with their coordinator
    before = shown(paretune)
    assert before["state"] == "interrupted"
    assert num_before <= sum(trial["epochs"] for trial in before["trials"]) < 48
    paretune("resume", "quick", check=True)
    answer = shown(paretune)
    assert results(answer) == undisturbed
    assert sum(trial["attempts"] for trial in answer["trials"]) >= 4
    assert answer["billed"]["device_seconds"] == pytest.approx(sum(answer["billed"]["lines"].values()))


def test_a_slot_that_is_killed_is_replaced_and_its_trial_continues(
    paretune: Run, quick_spec: Path, home: Database, tmp_path: Path, undisturbed: list[Any]
) -> None:
    running = start(tmp_path, "launch", str(quick_spec), *LONG)
    wait_for(lambda: num_epochs(home) >= 15)
    workers = workers_of(running.pid)
    assert len(workers) == 1
    workers[0].kill()
    assert running.wait(60) == 0
    running.communicate()
    answer = shown(paretune)
    assert results(answer) == undisturbed
    assert max(trial["attempts"] for trial in answer["trials"]) == 2
    assert answer["billed"]["lost"]["device_seconds"] > 0
    assert_bills_balance(home)


@pytest.mark.parametrize(
    ("sent", "to_all"),
    [
        (signal.SIGINT, False),
        pytest.param(signal.SIGTERM, False, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, True, id="as a batch system ends a job"),
    ],
)
def test_an_interrupt_saves_everything_and_says_how_to_go_on(
    paretune: Run,
    quick_spec: Path,
    home: Database,
    tmp_path: Path,
    undisturbed: list[Any],
    sent: signal.Signals,
    *,
    to_all: bool,
) -> None:
    running = start(tmp_path, "launch", str(quick_spec), *LONG)
    wait_for(lambda: num_epochs(home) >= 2)
    for process in psutil.Process(running.pid).children(recursive=True) if to_all else ():
        process.send_signal(sent)
    running.send_signal(sent)
    errors = running.communicate(timeout=20)[1]
    assert running.returncode == 130
    assert "paretune resume quick" in errors
    assert "waiting to be continued" in errors
    assert "Traceback" not in errors
    interrupted = shown(paretune)
    assert interrupted["state"] == "interrupted"
    assert interrupted["billed"]["lost"]["device_seconds"] == 0, "trials saved where they were"
    paretune("resume", "quick", check=True)
    answer = shown(paretune)
    assert results(answer) == undisturbed
    assert_bills_balance(home)


HANGS = """
import time
def train(params, context):
    for epoch in context.epochs():
        with context.training():
            pass
        context.report(epoch, 100)
        time.sleep(600)
        context.save(epoch)
"""


@pytest.mark.parametrize("times", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_an_interrupt_that_could_not_save_all_says_so(times: int, tmp_path: Path) -> None:
    (tmp_path / "hanging.py").write_text(HANGS)
    (tmp_path / "hangs.toml").write_text(
        'name = "hangs"\nobjective = {train = "hanging:train", epochs = 2}\nspace = {lr = 0.1}\n'
        "search = {trials = 1, baseline = false}\ncompute = {slots = 1}\n"
    )
    running = start(tmp_path, "launch", "hangs.toml")
    wait_for(lambda: num_epochs(Database(f"sqlite:///{tmp_path}/paretune.db"), "hangs") == 1)
    for _ in range(times):
        running.send_signal(signal.SIGINT)
        time.sleep(0.5)  # two at once may come as one
    errors = running.communicate(timeout=20)[1]
    assert running.returncode == 130
    assert "what trials did since their last checkpoints is trained again, all else is saved" in errors
    assert "Traceback" not in errors


def test_stop_and_a_second_coordinator(paretune: Run, quick_spec: Path, home: Database, tmp_path: Path) -> None:
    running = start(tmp_path, "launch", str(quick_spec), "--trials", "500")
    wait_for(lambda: num_epochs(home) >= 1)
    second = paretune("resume", "quick")
    assert second.returncode == 2
    assert f"process {running.pid}" in second.stderr
    assert paretune("delete", "quick", "--yes").returncode == 2
    paretune("stop", "quick", check=True)
    running.communicate(timeout=20)
    assert running.returncode == 0
    answer = shown(paretune)
    assert answer["state"] == "stopped"
    assert answer["billed"]["lost"]["device_seconds"] == 0, "trials saved where they were"
    assert not any(trial["state"] == "running" for trial in answer["trials"])


@pytest.mark.slow
def test_a_trial_whose_slot_keeps_dying_has_failed_and_that_is_exit_3(
    paretune: Run, quick_spec: Path, home: Database, tmp_path: Path
) -> None:
    running = start(tmp_path, "launch", str(quick_spec), "--trials", "1", "--set", "objective.epochs=2000")
    for attempt in (1, 2, 3):
        wait_for(partial(has_attempts, home, attempt))
        for worker in workers_of(running.pid):
            worker.kill()
    errors = running.communicate(timeout=30)[1]
    assert running.returncode == 3
    assert "killed by SIGKILL, 3 times" in errors
    (trial,) = shown(paretune)["trials"]
    assert (trial["state"], trial["attempts"]) == ("failed", 3)
    assert shown(paretune)["front"] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["launch", "none.toml"], "there is no such file"),
        (["launch", "--set", "space.lr.low=7", "--set", "search.sampler=tpee"], "did you mean 'tpe'?"),
        (["launch", "--trials", "0"], "search.trials: greater than or equal to 1"),
        (["launch", "--trials", "many"], "a valid integer"),
        (["launch", "--engine", "proces"], "did you mean 'process'?"),
        (["launch", "--slots", "9999"], "compute"),
        (["launch", "--study", "a b"], "name: 1 to 100"),
        (["launch", "--storage", "nonsense"], "storage: a URL"),
        (["launch", "--storage", "sqlite:////nowhere/at/all.db"], "the folder /nowhere/at does not exist"),
        (["resume", "mnist5k"], "there is no Paretune database"),
        (["show", "x"], "there is no Paretune database"),
        (["list"], "there is no Paretune database"),
        (["show", "x", "--figure", "tradeof"], "no such figure: 'tradeof'; did you mean 'tradeoff'?"),
        (["show", "x", "--figure", "curves", "-o", "x.pnf"], "no such ending: '.pnf'; did you mean '.png'?"),
        (
            ["show", "x", "--figure", "curves", "--with", "y"],
            "is shown by --figure compare, attainment, progress, but got --figure curves",
        ),
        (["show", "x", "-o", "x.png"], "--output: it goes with --figure"),
        (["pick", "x", "--max-cost", "device_second=3"], "did you mean 'device_seconds'?"),
        (["pick", "x", "--max-cost", "device_seconds=much"], "a number is needed, but got 'much'"),
        (["pick", "x", "--min-accuracy", "97"], "0 <= x <= 1 is needed, but got 97"),
        (["resume", "x", "--trials", "-3"], "a number of trials to add is needed"),
        (["resume", "x", "--budget", "wall"], "--budget: key=value with one of wall, device_hours, kwh, money"),
        (["launch", "--set", "budget.wall=-2h"], "budget.wall: a time such as 90s, 20m, 2h, 1d"),
        (["launch", "--set", "budget.device_hours=-1"], "budget.device_hours: greater than 0 is needed, but got -1"),
        (["launch", "--set", "budget.kwh=1", "--set", "compute.device=cpu"], "budget.kwh: energy cannot be measured"),
    ],
)
def test_bad_input_gives_clear_lines_and_nothing_is_made(
    paretune: Run, tmp_path: Path, arguments: list[str], words: str
) -> None:
    done = paretune(*arguments)
    assert done.returncode == 2
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not list(tmp_path.glob("*.db*"))


@pytest.mark.slow
def test_pick_when_nothing_fits(paretune: Run, quick_spec: Path, home: Database) -> None:
    paretune("launch", str(quick_spec), "--trials", "1", *INLINE, check=True)
    done = paretune("pick", "quick", "--min-accuracy", "1.0")
    assert done.returncode == 2
    assert "the closest is trial 0" in done.stderr


@pytest.mark.slow
def test_figures_are_shown_and_written(paretune: Run, quick_spec: Path, home: Database, tmp_path: Path) -> None:
    for name in ("quick", "other"):
        paretune("launch", str(quick_spec), "--study", name, *INLINE, check=True)
    assert (
        "validation accuracy (%) over training FLOPs"
        in paretune("show", "quick", "--figure", "tradeoff", check=True).stdout
    )
    assert paretune("show", "quick", "--figure", "timeline", check=True).stdout == "wrote quick-timeline.html\n"
    assert (tmp_path / "quick-timeline.html").stat().st_size > 1e6
    printed = json.loads(paretune("show", "quick", "--figure", "spending", "--json", check=True).stdout)
    assert sum(printed["lines"].values()) == pytest.approx(shown(paretune)["billed"]["device_seconds"])
    paretune("show", "quick", "--figure", "compare", "--with", "other", "-o", "both.json", check=True)
    both = json.loads((tmp_path / "both.json").read_text())
    assert [study["study"] for study in both["studies"]] == ["quick", "other"]
    unwritable = paretune("show", "quick", "--figure", "curves", "-o", "nowhere/curves.html")
    assert unwritable.returncode == 2
    assert "nowhere/curves.html: it cannot be written: No such file or directory" in unwritable.stderr


def test_help_names_every_figure(paretune: Run) -> None:
    told = paretune("show", "--help", check=True).stdout
    assert [name for name in FIGURES if name not in told] == []


WITHOUT_DATABASE = {"doctor", "infer", "profile", "token"}  # the commands of `token` have it


def test_help_and_example(paretune: Run) -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert set(commands) == {
        *("launch", "resume", "stop", "list", "show", "pick", "report", "delete", "gc", "serve"),
        *("import", "export", "prices", "remeasure"),
        *WITHOUT_DATABASE,
    }
    for command in commands:
        told = paretune(command, "--help", check=True).stdout
        assert ("--storage" in told) != (command in WITHOUT_DATABASE)
        assert f"paretune {command}" in told.partition("Example")[2]
    assert "[objective]" in paretune("launch", "--example", check=True).stdout


def test_a_folder_that_cannot_be_written_is_named(paretune: Run) -> None:
    done = paretune("launch", "--storage", "sqlite:////proc/paretune.db")
    assert done.returncode == 2
    assert "cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_doctor_tells_what_can_be_measured(paretune: Run) -> None:
    told = json.loads(paretune("doctor", "--json", check=True).stdout)
    assert told["time"]["values"]["training_gflop_per_second"] > 0
    assert {finding["grade"] for finding in told.values()} <= {"good", "poor", "absent"}
    assert "waiting for cores" in paretune("doctor", check=True).stdout


def test_each_trial_is_told_of_once_as_it_ends(paretune: Run, quick_spec: Path) -> None:
    done = paretune("launch", str(quick_spec), check=True)
    told = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("[")]
    assert len(told) == len(shown(paretune)["trials"])
    assert [line for line in told if "running" in line] == []
