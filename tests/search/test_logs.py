"""What a trial prints is kept with it, and never mixed with what the command prints."""

from __future__ import annotations

import json
from pathlib import Path

from commands import Run

from objectives.slot import open_device, run_bundle
from objectives.trial import LOG, Finished, Placement, Started, TrialConfig

CHATTY = """
import os
def train(params, context):
    print("hello from", params)
    for epoch in context.epochs():
        with context.training():
            pass
        os.system("echo a child in epoch %d" % epoch)
        if params["x"] == 2 and epoch == 2:
            raise ValueError("no luck")
        if params["x"] == 3:
            os.abort()
        context.report(epoch, 10)
"""


def test_what_a_trial_prints_is_in_its_log(paretune: Run, tmp_path: Path) -> None:
    (tmp_path / "chatty.py").write_text(CHATTY)
    settings = ("objective.train=chatty:train", "objective.epochs=2", "space.x=[1, 2, 3]", "search.sampler=grid")
    flags = [text for setting in settings for text in ("--set", setting)]
    done = paretune("launch", *flags, "--trials", "3", "--slots", "1", "--study", "chatty", "--json")
    assert done.returncode == 3
    trials = {trial["params"]["x"]: trial for trial in json.loads(done.stdout)["trials"]}
    assert {x: trial["state"] for x, trial in trials.items()} == {1: "complete", 2: "failed", 3: "failed"}
    logs = {
        x: json.loads(paretune("show", "chatty", str(trial["number"]), "--json", check=True).stdout)["log"]
        for x, trial in trials.items()
    }
    assert logs[1] == "hello from {'x': 1}\na child in epoch 1\na child in epoch 2\n"
    assert 'chatty.py", line 10, in train' in logs[2]
    assert logs[2].endswith("ValueError: no luck\n")
    assert logs[3].count("hello from {'x': 3}") == 3  # the attempts of a trial whose slot keeps dying
    assert "Fatal Python error: Aborted" in logs[3]
    shown = paretune("show", "chatty", str(trials[2]["number"]), check=True).stdout
    assert "ValueError: no luck (chatty.py:10)" in shown
    assert "printed\nhello from {'x': 2}\n" in shown
    assert "hello" not in done.stderr


KEEPING = """
import gc
def train(params, context):
    print("kept" if gc.get_freeze_count() > 1000 else "looked through", flush=True)
    for epoch in context.epochs():
        with context.training():
            pass
        context.report(epoch, 10)
"""


def test_a_slot_looks_for_no_garbage_in_what_it_has_loaded(paretune: Run, tmp_path: Path) -> None:
    (tmp_path / "keeping.py").write_text(KEEPING)
    settings = ("objective.train=keeping:train", "objective.epochs=1", "space.x=1", "search.baseline=false")
    flags = [text for setting in settings for text in ("--set", setting)]
    paretune("launch", *flags, "--trials", "1", "--study", "keeping", "--quiet", check=True)
    assert json.loads(paretune("show", "keeping", "0", "--json", check=True).stdout)["log"] == "kept\n"


def test_a_trial_that_prints_nothing_has_no_log(paretune: Run, quick_spec: Path, tmp_path: Path) -> None:
    assert paretune("launch", str(quick_spec), "--trials", "1", "--quiet", check=True).stderr == ""
    assert not list(tmp_path.rglob("log.txt"))
    assert json.loads(paretune("show", "quick", "0", "--json", check=True).stdout)["log"] is None


def test_whoever_hears_that_a_trial_has_ended_finds_its_log_closed(tmp_path: Path) -> None:
    config = TrialConfig(0, "cnn", "digits", 1, 0, 0.01, "sgd", 512, {"width": 0.25}, {}, folder=tmp_path)
    seen = [
        (type(event), (tmp_path / LOG).exists())
        for event in run_bundle([config], open_device(Placement(0, "cpu", 1)), writes_logs=True)
    ]
    assert seen[0] == (Started, True)
    assert seen[-1] == (Finished, False)
