"""Budgets of a study, over all its sittings and slots."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from commands import COMMAND, Run

from dashboards.energy import Metered
from objectives.costs import absent, measured
from objectives.trial import EpochEnded, Event
from search import sweeps
from search.budget import Account
from search.faults import Faults
from search.gain import LEAST, WINDOW, Gain
from search.reading import read_spec, validate
from search.sections import Budget
from search.spec import SweepSpec
from search.tariff import Tariff
from search.trials import Trial, Trials
from storage.database import Database
from storage.faults import StorageFault
from storage.projection import optuna_storage
from storage.reading import load_study
from storage.rows import StudyRow

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _find_sleepers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]))


def sleepers(function: str = "sleep", **tables: dict[str, Any]) -> SweepSpec:
    raw: dict[str, Any] = {
        "name": "quick",
        "objective": {"train": f"sleepers:{function}", "epochs": 10, "minimize": ["device_seconds"]},
        "space": {"pause": {"low": 0.1, "high": 0.11}},
        "search": {"trials": 50, "sampler": "random"},
        "compute": {"slots": 2, "threads": 1, "device": "cpu"},
    }
    return validate({name: {**raw.get(name, {}), **tables.get(name, {})} for name in raw | tables if name != "name"} | {
        "name": "quick"
    })  # fmt: skip


def silent(_trial: Trial, _event: Event) -> None:
    pass


def billed(study: StudyRow) -> float:
    return sum(seconds for trial in study.trials for attempt in trial.attempts for seconds in attempt.bill.values())


def overshoot(study: StudyRow) -> float:
    """The longest epoch that was trained, for each of two slots, and the coordinator's delay, in seconds."""
    return 2 * max(row.costs["wall_seconds"].value or 0.0 for trial in study.trials for row in trial.epochs) + 0.05


def test_the_overshoot_is_at_most_an_epoch_of_each_slot_and_stopped_trials_are_results(database: Database) -> None:
    """Each trial takes about 4 s: nothing is known when the first ones begin, and the budget ends in mid-trial."""
    limit_seconds = 2.4
    spec = sleepers(objective={"epochs": 40}, budget={"device_hours": limit_seconds / 3600})
    study = sweeps.launch(spec, database, silent)
    assert study.state == "stopped"
    assert study.reason is not None
    assert study.reason.startswith("budget: device time")
    assert limit_seconds <= billed(study) <= limit_seconds + overshoot(study)
    stopped = [trial for trial in study.trials if trial.state == "stopped"]
    assert stopped
    assert all(1 <= len(trial.epochs) < 40 for trial in stopped)
    assert all(trial.reason == study.reason or "is spent" in str(trial.reason) for trial in stopped)

    from dashboards.summary import summarize

    assert {point.trial for point in summarize(study).front} <= {trial.number for trial in stopped}
    assert summarize(study).front

    import optuna

    told = optuna.load_study(study_name="quick", storage=optuna_storage(database)).trials
    for trial in stopped:
        own = told[trial.number]
        assert own.values == pytest.approx([len(trial.epochs) / 100, trial.costs["device_seconds"].value])
        assert own.system_attrs == {"constraints:infeasible": 0.0}


def test_a_trial_that_cannot_end_within_the_budget_is_not_begun(database: Database) -> None:
    """Once two trials have told what one takes, no trial is begun that would be cut off."""
    spec = sleepers(objective={"epochs": 4}, budget={"device_hours": 2.1 / 3600})
    study = sweeps.launch(spec, database, silent)
    assert billed(study) <= 2.1
    states = [trial.state for trial in study.trials]
    assert states == ["complete"] * (len(states) - 1) + ["waiting"]
    assert study.reason is not None
    assert "would take about" in study.reason


def test_the_budget_holds_over_all_sittings_and_is_extended(database: Database) -> None:
    sweeps.launch(sleepers(objective={"epochs": 2}, budget={"device_hours": 1.0 / 3600}), database, silent)
    before = load_study(database, "quick")
    again = sweeps.resume("quick", database, silent)
    assert (again.state, again.reason) == ("stopped", before.reason)
    assert billed(again) == billed(before)
    assert again.wall_seconds >= before.wall_seconds
    more = sweeps.resume("quick", database, silent, flags={"budget.device_hours": 2.0 / 3600})
    assert billed(before) < billed(more) <= 2.0 + overshoot(more)
    assert more.spec["budget"]["device_hours"] == 2.0 / 3600
    assert len(more.trials) > len(before.trials)
    with pytest.raises(Faults, match=r"budget.wall: a time such as 90s, 20m, 2h, 1d or a number of seconds, above 0"):
        sweeps.resume("quick", database, silent, flags={"budget.wall": "never"})


def has_epochs(database: Database) -> bool:
    with suppress(StorageFault):
        return any(trial.epochs for trial in load_study(database, "quick").trials)
    return False


@pytest.mark.slow
def test_wall_time_counts_all_sittings_one_that_was_killed_too(tmp_path: Path, paretune: Run) -> None:
    spec = tmp_path / "slow.toml"
    spec.write_text(
        'name = "quick"\n[objective]\ntrain = "sleepers:sleep"\n[space]\npause = 0.1\n[search]\ntrials = 90\n'
        '[compute]\nslots = 1\n[budget]\nwall = "9s"\n'
    )
    running = subprocess.Popen([COMMAND, "launch", str(spec)], cwd=tmp_path, stderr=subprocess.DEVNULL)
    database = Database(f"sqlite:///{tmp_path}/paretune.db")
    deadline = time.monotonic() + 60
    while not has_epochs(database):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    time.sleep(1.5)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    killed = load_study(database, "quick").wall_seconds
    assert killed >= 1.0
    killed_at = datetime.now(UTC)
    done = paretune("resume", "quick", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["state"] == "stopped"
    assert answer["reason"].startswith("budget: ")
    assert answer["budget"]["wall"]["limit"] == 9.0
    attempts = [attempt for trial in load_study(database, "quick").trials for attempt in trial.attempts]
    begun = min(attempt.started_at for attempt in attempts if attempt.started_at > killed_at)
    resumed = (max(attempt.ended_at for attempt in attempts if attempt.ended_at is not None) - begun).total_seconds()
    assert killed + resumed <= answer["budget"]["wall"]["spent"] <= 9.5
    shown = paretune("show", "quick").stdout
    assert "budget: wall time" in shown
    assert "`paretune resume quick --budget KEY=VALUE` extends it" in shown
    paretune("report", "quick", "-o", "r.html", check=True)
    assert "Ended before its target: budget: " in (tmp_path / "r.html").read_text()


def test_a_trial_in_set_up_when_the_budget_ends_waits_to_be_begun_again(database: Database) -> None:
    """Its slot is not even told of it when the wall time ends, so it has no epoch that would be a result."""
    study = sweeps.launch(sleepers(compute={"engine": "inline", "slots": 1}, budget={"wall": 0.001}), database, silent)
    assert study.state == "stopped"
    assert not any(trial.epochs for trial in study.trials)
    assert all(trial.state == "waiting" for trial in study.trials)


class Shown:
    def __init__(self) -> None:
        self.spent: list[float] = []

    def __call__(self, lines: list[Any]) -> None:
        self.spent += [line.spent for line in lines if line.name == "money"]


def test_money_is_device_hours_at_their_price_and_shown_live(database: Database) -> None:
    spec = sleepers(objective={"epochs": 2}, budget={"money": 0.5}, prices={"price_per_device_hour": 3600.0})
    shown = Shown()
    study = sweeps.launch(spec, database, silent, show_budget=shown)
    assert billed(study) <= 0.5 + overshoot(study)
    steps = [after - before for before, after in zip(shown.spent, shown.spent[1:], strict=False)]
    assert min(steps) > -0.05  # what is under way is guessed by the clock, a bill is exact
    assert shown.spent[-1] == pytest.approx(billed(study), rel=0.02)


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("budget.wall=-1", "budget.wall: a time such as 90s, 20m, 2h, 1d or a number of seconds, above 0, is needed"),
        ("budget.wall=0", "but got 0"),
        ("budget.wall=soon", "but got 'soon'"),
        ("budget.wall=true", "but got True"),
        ("budget.wall=inf", "but got inf"),
        ("budget.device_hours=-2", "budget.device_hours: greater than 0 is needed, but got -2"),
        ("budget.device_hours=nan", "budget.device_hours: "),
        ("budget.device_hours=2h", "budget.device_hours: number is needed, but got '2h'"),
        ("budget.kwh=0", "budget.kwh: greater than 0"),
        ("budget.price_per_device_hour=5", "budget.price_per_device_hour: no such key"),
        ("prices.price_per_device_hour=-1", "prices.price_per_device_hour: a finite number of 0 or more is needed"),
        ("prices.pue.ratio=0.9", "prices.pue.ratio: a finite number of 1 or more is needed, but got 0.9"),
        ("prices.money=love", "prices.money: 'rent' or 'electricity' is needed, but got 'love'"),
        ("prices.tariff=1", "prices.tariff: no such key (known: title, date, currency"),
        ("budget.min_gain_per_device_hour=-0.1", "budget.min_gain_per_device_hour: greater than 0"),
        ("budget.walls=1", "budget.walls: no such key; did you mean 'wall'?"),
        ("limits.epoch_seconds=0", "limits.epoch_seconds: greater than 0"),
        ("limits.peak_memory_bytes=-1", "limits.peak_memory_bytes: greater than 0"),
    ],
)
def test_a_budget_that_cannot_be_gives_one_line(setting: str, line: str) -> None:
    with pytest.raises(Faults) as caught:
        read_spec(None, [setting])
    (fault,) = caught.value.lines
    assert line in fault


@pytest.mark.parametrize("text", ["90s", "1.5m", "90", "0.025h"])
def test_times_in_words(text: str) -> None:
    assert read_spec(None, [f"budget.wall={text}"]).budget.wall == pytest.approx(90)


@pytest.mark.parametrize("setting", ["budget.kwh=1", "limits.energy_joules=5"])
def test_energy_that_is_not_measured_is_no_budget(quick_spec: Path, database: Database, setting: str) -> None:
    spec = read_spec(quick_spec, [setting, "compute.device=cpu"])
    with pytest.raises(Faults, match="cannot be measured here: this machine shows no energy counter of its CPU"):
        sweeps.launch(spec, database, silent)


def made_trials(num: int, accuracy: float = 0.5, seconds: float = 10.0, energy: float | None = 100.0) -> Trials:
    costs = {
        "device_seconds": measured(seconds),
        "energy_joules": absent("no counter") if energy is None else measured(energy),
    }
    by_number = {
        number: Trial(number, {"width": 1.0}, 0, "complete", 1, accuracies=[accuracy], costs=[dict(costs)],
                      bill={"training": seconds, "setup": 2.0})
        for number in range(num)
    }  # fmt: skip
    return Trials(1, ["device_seconds"], by_number)


def test_energy_counts_set_up_at_the_power_of_the_training() -> None:
    lines = {line.name: line for line in Account(Budget(kwh=1.0), 1, made_trials(3), now=0.0).lines(0.0)}
    assert lines["kwh"].spent == pytest.approx(3 * 100.0 * 12 / 10 / 3.6e6)
    assert Account(Budget(kwh=0.0001), 1, made_trials(3), now=0.0).find_spent(0.0) == (
        "budget: energy 360 J of 360 J is spent"
    )
    lacking = Account(Budget(kwh=1.0), 1, made_trials(3, energy=None), now=0.0)
    assert lacking.find_spent(0.0) == "budget: kwh cannot be held, since energy is not measured here"
    assert Metered().over(10.0) == 0.0


def test_energy_that_is_metered_counts_as_it_is_and_what_a_trial_will_take_by_its_mean_power() -> None:
    """Trained with 10 W; 900 J in the sittings before, and now 90 J in 30 s, of which most was idle."""

    def account(
        kwh: float, before: float | None = 900.0, now: float | None = 90.0, energy: float | None = 100.0
    ) -> Any:
        known = absent("no counter") if before is None else measured(before)
        made = Account(Budget(kwh=kwh / 3.6e6), 1, made_trials(3, energy=energy), now=0.0, energy_before=known)
        made.meter(absent("no counter") if now is None else measured(now), held_seconds=30.0)
        return made

    waiting = Trial(3, {"width": 1.0}, 0, "waiting")
    assert account(980.0).find_spent(0.0) == "budget: energy 990 J of 980 J is spent"
    assert account(990.0 + 12 * 10 - 1).refuse(waiting, 0.0) == (
        "budget: trial 3 would take about 120 J of energy, and 119 J of 1.11 kJ is left"
    )
    assert account(990.0 + 12 * 10 + 1).refuse(waiting, 0.0) is None
    by_held = account(990.0 + 12 * 3 - 1, energy=None)  # no slot can tell its own
    assert "trial 3 would take about 36 J of energy" in by_held.refuse(waiting, 0.0)
    assert account(990.0 + 12 * 3 + 1, energy=None).refuse(waiting, 0.0) is None
    for lacking in ({"before": None}, {"now": None}):
        [line] = [line for line in account(980.0, **lacking).lines(0.0) if line.name == "kwh"]
        assert line.spent == pytest.approx(3 * 100.0 * 12 / 10 / 3.6e6)
        assert account(980.0, energy=None, **lacking).find_spent(0.0) == (
            "budget: kwh cannot be held, since energy is not measured here"
        )


def test_what_is_under_way_is_reserved() -> None:
    """An epoch takes 10 s, set-up 2 s. Two trials of five epochs run, heard of 4 s ago: a new one, one after two."""
    trials = made_trials(3)
    for number in (3, 4):
        trials.add(Trial(number, {"width": 1.0}, 0, "running", 1, billed_until=96.0))
    trials[4].costs = [trials[0].costs[0]] * 2
    trials[4].bill = {"training": 20.0, "setup": 2.0}
    spent = 3 * 12 + 22 + 2 * 4
    reserved = (2 + 5 * 10 - 4) + (3 * 10 - 4)
    waiting = Trial(5, {"width": 1.0}, 0, "waiting")

    def refuse(limit_seconds: float) -> str | None:
        return Account(Budget(device_hours=limit_seconds / 3600), 5, trials, now=100.0).refuse(waiting, 100.0)

    assert refuse(spent + reserved + 51) == (
        "budget: trial 5 would take about 52 s of device time, and 51 s of 3.18 min is left"
    )
    assert refuse(spent + reserved + 53) is None
    assert Account(Budget(wall=51.0), 5, trials, now=100.0).refuse(waiting, 100.0) is not None
    assert Account(Budget(wall=53.0), 5, trials, now=100.0).refuse(waiting, 100.0) is None
    assert Account(Budget(device_hours=200 / 3600), 5, trials, now=100.0).seconds_left(100.0) == pytest.approx(
        (200 - spent) / 2
    )


def test_a_second_of_each_device_has_its_own_price_where_devices_are_searched() -> None:
    """A GPU costs 1 a second, the CPU a tenth; an epoch takes 10 s."""
    trials = Trials(1, ["device_seconds"])
    costs = {"device_seconds": measured(10.0), "energy_joules": absent("no meter")}
    for number, device in enumerate(["cuda", "cpu"]):
        bill = {"training": 10.0}
        trials.add(Trial(number, {"device": device}, 0, "complete", 1, accuracies=[0.5], costs=[costs], bill=bill))
    tariff = Tariff("USD", 11.0, 20.0, 1.0, shares={"cuda": 1.0, "cpu": 0.1})

    def money(account: Account) -> float | None:
        return next(line.spent for line in account.lines(100.0) if line.name == "money")

    def account_of(limit: float | None) -> Account:
        return Account(Budget(money=limit), 1, trials, now=100.0, tariff=tariff)

    account = account_of(None)
    assert money(account) == 11.0, "what the sittings before cost"
    account.charge(trials[1], {"lost": 10.0})
    assert money(account) == 12.0
    account.charge(trials[0], {"lost": 10.0})
    assert money(account) == 22.0
    assert next(line.spent for line in account.lines(100.0) if line.name == "device_hours") == 40 / 3600
    waiting = [Trial(2, {"device": device}, 0, "waiting") for device in ("cuda", "cpu")]
    assert [account_of(13.0).refuse(trial, 100.0) is None for trial in waiting] == [False, True]
    trials.add(Trial(2, {"device": "cpu"}, 0, "running", 1, billed_until=90.0))
    assert money(account_of(None)) == 12.0, "what is under way"
    assert account_of(13.0).seconds_left(100.0) == pytest.approx(10.0)


def test_the_gain_is_counted_over_the_settings_that_ended_last() -> None:
    reference = {"chance": 0.0, "worst": [100.0]}
    trials = made_trials(LEAST)
    assert Gain(0.01, made_trials(LEAST - 1)).find_lack(reference) is None
    lack = Gain(0.01, trials).find_lack(reference)
    assert lack == (
        "budget: the front gained 0 per device hour over the last 10 settings, less than "
        "min_gain_per_device_hour = 0.01"
    )
    trials[LEAST - 1].accuracies = [0.8]
    gained = (0.8 - 0.5) * (1 / 3) * 3600 / (WINDOW * 12)
    assert Gain(gained * 0.99, trials).find_lack(reference) is None
    assert Gain(gained * 1.01, trials).find_lack(reference) is not None
    trials[LEAST - WINDOW - 1].accuracies = [0.8]  # the same, but before the window
    assert Gain(gained * 0.99, trials).find_lack(reference) is not None
    assert Gain(None, trials).find_lack(reference) is None


def test_a_study_stops_when_the_front_gains_too_little(database: Database) -> None:
    spec = sleepers(
        objective={"epochs": 1}, space={"pause": 0.001}, compute={"engine": "inline", "slots": 1},
        search={"trials": 40, "sampler": "random"}, budget={"min_gain_per_device_hour": 1e6},
    )  # fmt: skip
    study = sweeps.launch(spec, database, silent)
    assert (study.state, len(study.trials)) == ("stopped", LEAST)
    assert "min_gain_per_device_hour" in str(study.reason)
    more = sweeps.resume("quick", database, silent, flags={"budget.min_gain_per_device_hour": None})
    assert (more.state, len(more.trials)) == ("complete", 40)


def test_epochs_of_stopped_trials_are_not_trained_again(database: Database) -> None:
    seen: list[tuple[int, int]] = []

    def watch(trial: Trial, event: Event) -> None:
        if isinstance(event, EpochEnded):
            seen.append((trial.number, event.record.epoch))

    sweeps.launch(sleepers(budget={"device_hours": 0.5 / 3600}), database, watch)
    sweeps.resume("quick", database, watch, flags={"budget.device_hours": 2.0 / 3600})
    assert len(seen) == len(set(seen))


def test_seeds_of_a_setting_that_were_stopped_count_as_far_as_all_came() -> None:
    trials = made_trials(2)
    trials.repeats = 2
    trials[0].accuracies, trials[0].costs = [0.1, 0.2, 0.3], trials[0].costs * 3
    trials[1].accuracies, trials[1].costs, trials[1].state = [0.5, 0.6], trials[1].costs * 2, "stopped"
    assert trials.depth(0) == 2
    assert trials.means(0, trials.depth(0)) == pytest.approx([0.4, 20.0])
    trials[0].state = "infeasible"
    assert trials.depth(0) == 0
