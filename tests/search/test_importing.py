"""A plain Optuna study is brought in, looked at, and taken over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from commands import Run
from plain_optuna import MEANING, make_optuna
from resumed import run, write_spec

from dashboards.figures import FIGURES
from dashboards.report import render_report
from dashboards.summary import summarize
from objectives.intervals import wilson_interval
from search.importing import _hidden
from storage.database import Database
from storage.reading import load_study


def test_it_is_looked_at(paretune: Run, tmp_path: Path) -> None:
    url = make_optuna(tmp_path)
    before = (tmp_path / "optuna.db").read_bytes()
    done = paretune("import", url, "plain", "--name", "old", *MEANING, check=True)
    assert "imported 9 of 10 trials of plain as old; left there: 1 running" in done.stderr
    assert "by Optuna's clock" in done.stderr
    assert (tmp_path / "optuna.db").read_bytes() == before
    study = load_study(Database(f"sqlite:///{tmp_path}/paretune.db"), "old")
    assert [trial.state for trial in study.trials] == ["complete"] * 6 + ["failed", "stopped", "infeasible"]
    assert study.state == "complete"
    answer: dict[str, Any] = json.loads(paretune("show", "old", "--json", check=True).stdout)
    (own,) = [trial for trial in answer["trials"] if trial["number"] == 3]
    assert own["accuracy"] == 0.93
    assert own["accuracy_interval"] == list(wilson_interval(930, 1000))
    assert own["costs"]["wall_seconds"] > 0.009
    assert {name for name, value in own["costs"].items() if value is not None} == {"wall_seconds"}
    assert own["absent"]["device_seconds"] == "Optuna does not record it"
    assert answer["objectives"][1]["name"] == "wall_seconds"
    assert answer["front"]
    assert answer["billed"]["device_seconds"] == 0
    assert "plain" in paretune("show", "old", check=True).stdout
    summary = summarize(study)
    for figure in FIGURES.values():
        figure.draw(figure.trace([summary]))
    assert "Optuna&#39;s study plain" in render_report(summary)
    assert json.loads(paretune("pick", "old", "--min-accuracy", "0.91", "--json", check=True).stdout)["test_absent"]
    paretune("delete", "old", "--yes", check=True)
    assert optuna.load_study(study_name="plain", storage=url).trials[0].values == [0.9]


def test_it_cannot_be_resumed(paretune: Run, tmp_path: Path) -> None:
    paretune("import", make_optuna(tmp_path), "plain", *MEANING, check=True)
    for more in ((), ("--trials", "3"), ("--set", "space.lr.high=2")):
        done = paretune("resume", "plain", *more)
        assert (done.returncode, done.stdout) == (2, "")
        assert "was imported and has no training to continue; `paretune launch SPEC --from plain" in done.stderr


def test_its_trials_that_fit_are_taken_over(tmp_path: Path) -> None:
    run(tmp_path, "import", make_optuna(tmp_path), "plain", *MEANING, *("--storage", "sqlite:///paretune.db"))
    spec = write_spec(tmp_path, "tpe", 3)
    settings = ("--set", 'objective.minimize=["wall_seconds"]', "--set", "compute.engine=inline")
    done = run(tmp_path, "launch", str(spec), "--from", "plain", *settings, "--storage", "sqlite:///paretune.db")
    assert "took over 7 of 9 trials of plain" in done.stderr
    assert "1 failed, 1 not finished" in done.stderr
    assert "whether its trials trained what this study trains is not known here" in done.stderr
    study = load_study(Database(f"sqlite:///{tmp_path}/paretune.db"), "searched")
    assert (study.state, len(study.trials)) == ("complete", 10)
    assert study.trials[7].is_baseline
    bare = run(tmp_path, "launch", "--from", "plain", "--study", "b", "--storage", "sqlite:///paretune.db", check=False)
    assert bare.returncode == 2
    assert "it was imported and has no spec to begin with" in bare.stderr


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((), ["--accuracy-index: say which objective of plain is the accuracy: 0 (maximize), 1 (minimize)",
              "--num-images: say how many validation images"]),
        (("--accuracy-index", "1", "--num-images", "0"), [
            "objective 1 of plain is minimised: a loss is no accuracy", "at least 1, is needed, but got 0"]),
        (("--accuracy-index", "2", "--num-images", "9"), ["1 (minimize), but got 2"]),
        (MEANING, ["an accuracy from 0 to 1 is needed, but trial 0 has 90; --percent reads 0 to 100"]),
        ((*MEANING, "--percent", "--name", "a b"), ["--name: 1 to 100 of"]),
        ((*MEANING, "--percent", "--storage", "sqlite:///optuna.db"), ["--name: another name is needed"]),
    ],
)  # fmt: skip
def test_numbers_that_are_no_accuracies_are_refused(
    paretune: Run, tmp_path: Path, flags: tuple[str, ...], words: list[str]
) -> None:
    url = make_optuna(tmp_path, scale=100, directions=("maximize", "minimize"))
    done = paretune("import", url, "plain", *flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.strip().splitlines()) == len(words)
    assert all(word in done.stderr for word in words)
    assert not list(tmp_path.glob("paretune.db*"))


def test_what_is_no_optuna_study_is_refused_and_left_alone(paretune: Run, tmp_path: Path) -> None:
    url = make_optuna(tmp_path)
    (tmp_path / "text.db").write_text("no database at all, but long enough to be told from an empty one" * 9)
    (tmp_path / "empty.db").touch()
    for arguments, words in (
        (("sqlite:///none.db", "plain"), "sqlite:///none.db: there is no such file"),
        (("sqlite:///text.db", "plain"), "it is no database of this Optuna's: file is not a database"),
        (("sqlite:///empty.db", "plain"), "it is no database of this Optuna's: no such table"),
        (("nonsense", "plain"), "nonsense: a URL such as sqlite:///optuna.db is needed"),
        ((url, "plan"), "there is no study 'plan'; did you mean 'plain'?"),
    ):
        done = paretune("import", *arguments, *MEANING)
        assert (done.returncode, done.stdout) == (2, "")
        assert words in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    assert (tmp_path / "empty.db").read_bytes() == b""
    assert not (tmp_path / "none.db").exists()
    assert not (tmp_path / "paretune.db").exists()


def test_what_optuna_lets_through_and_we_do_not_is_told(paretune: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    study = optuna.create_study(study_name="plain", storage=url, direction="maximize")
    trial = study.ask()
    trial.suggest_float("a\nb", 0, 1)
    study.tell(trial, 0.5)
    done = paretune("import", url, "plain", *MEANING)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("plain: params.a\\nb.")
    assert len(done.stderr.splitlines()) == 1


def test_a_study_without_a_feasible_trial_and_with_odd_choices_is_looked_at(paretune: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    study = optuna.create_study(study_name="plain", storage=url, direction="maximize")
    trial = study.ask()
    trial.suggest_categorical("clip", [float("nan"), None, 1.5])
    trial.set_constraint("memory", 1.0)
    study.tell(trial, 0.5)
    paretune("import", url, "plain", *MEANING, check=True)
    study_row = load_study(Database(f"sqlite:///{tmp_path}/paretune.db"), "plain")
    assert (study_row.spec["space"], study_row.trials[0].state) == ({"clip": ["nan", "None", 1.5]}, "infeasible")


def test_a_password_stays_here() -> None:
    assert _hidden("postgresql://u:one@h/db?password=two&passfile=three") == "postgresql://u:***@h/db"


def test_an_accuracy_that_is_no_share_of_the_images_is_told(paretune: Run, tmp_path: Path) -> None:
    done = paretune(
        "import", make_optuna(tmp_path, scale=0.9137), "plain", "--accuracy-index", "0", "--num-images", "50"
    )
    assert done.returncode == 0
    assert "accuracies are no whole number of 50 images; they are kept as the nearest, which is off by 1 points" in (
        done.stderr
    )


def test_the_accuracy_may_be_any_objective_and_a_trial_without_a_duration_has_no_time(
    paretune: Run, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    study = optuna.create_study(study_name="added", storage=url, directions=["minimize", "maximize"])
    lr = {"lr": optuna.distributions.FloatDistribution(1e-4, 1.0, log=True)}
    for number in range(2):
        values = [3.0 + number, 91.0 + number]
        study.add_trial(optuna.trial.create_trial(params={"lr": 0.1}, distributions=lr, values=values))
    flags = ("--accuracy-index", "1", "--num-images", "1000", "--percent")
    paretune("import", url, "added", *flags, check=True)
    answer: dict[str, Any] = json.loads(paretune("show", "added", "--json", check=True).stdout)
    assert [trial["accuracy"] for trial in answer["trials"]] == [0.91, 0.92]
    assert [trial["costs"]["wall_seconds"] for trial in answer["trials"]] == [None, None]
    assert answer["trials"][0]["absent"]["wall_seconds"] == "Optuna does not record it"
