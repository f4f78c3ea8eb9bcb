"""Several seeds of each setting: proposed once, told once as their mean, on the front as one."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from synthetic import SPEC, summary_of, trial

from dashboards.summary import summarize
from objectives.costs import COSTS
from objectives.intervals import seeds_interval
from objectives.trial import EpochEnded, Event
from search import sweeps
from search.cleanup import needed_weights
from search.faults import Faults
from search.reading import read_spec
from search.spec import SweepSpec
from search.testing import test_accuracy as find_test_accuracy
from search.trials import Trial
from storage.database import Database
from storage.projection import optuna_storage
from storage.reading import load_study

SEVERAL = {**SPEC, "search": {"sampler": "tpe", "repeats": 2}}


def spec_of(path: Path, *settings: str) -> SweepSpec:
    return read_spec(path, ["compute.engine=inline", "search.repeats=2", "search.trials=6", *settings])


def silent(_trial: Trial, _event: Event) -> None:
    pass


def test_a_setting_is_trained_with_several_seeds_and_told_as_their_mean(quick_spec: Path, database: Database) -> None:
    study = sweeps.launch(spec_of(quick_spec), database, silent)
    pairs = [study.trials[first : first + 2] for first in (0, 2, 4)]
    assert all(one.params == two.params for one, two in pairs)
    assert len({trial.seed for trial in study.trials}) == 6
    assert [trial.is_baseline for trial in study.trials] == [True, True, False, False, False, False]
    assert len({str(one.params) for one, _ in pairs}) == 3
    told = optuna.load_study(study_name="quick", storage=optuna_storage(database)).trials
    assert len(told) == 3
    for own, (one, two) in zip(told, pairs, strict=True):
        shares = [row.epochs[-1].num_correct / row.epochs[-1].num_images for row in (one, two)]
        flops = [row.costs["train_flops"].value or 0.0 for row in (one, two)]
        assert own.values == pytest.approx([sum(shares) / 2, sum(flops) / 2])


def test_the_weights_of_all_seeds_of_the_front_are_kept_and_tested(quick_spec: Path, database: Database) -> None:
    study = sweeps.launch(spec_of(quick_spec, "objective.epochs=4"), database, silent)
    summary = summarize(study)
    wanted = needed_weights(study)
    assert {(number, point.epoch) for point in summary.front for number in point.seeds} <= wanted
    assert {(number, 4) for number in range(6)} <= wanted
    kept = {str(path.relative_to(database.artifacts / study.uuid)) for path in database.artifacts.rglob("*.pt")}
    assert kept == {f"trial-{trial:05}/epoch-{epoch:04}.pt" for trial, epoch in wanted}
    assert summary.best is not None
    tested = find_test_accuracy(database, study, summary.best)
    counts = [load_study(database, "quick").tests[number, summary.best.epoch] for number in summary.best.seeds]
    assert len(counts) == 2
    assert (tested.accuracy, tested.interval) == seeds_interval(counts)


class Interruption:
    def __init__(self, num_epochs: int) -> None:
        self.left = num_epochs

    def __call__(self, _trial: Trial, event: Event) -> None:
        self.left -= isinstance(event, EpochEnded)
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("num_epochs", [1, 2, *(pytest.param(later, marks=pytest.mark.slow) for later in (3, 7))])
def test_a_sweep_cut_off_within_a_setting_goes_on_as_if_it_had_not_been(
    quick_spec: Path, database: Database, tmp_path: Path, num_epochs: int
) -> None:
    undisturbed = sweeps.launch(spec_of(quick_spec), Database(f"sqlite:///{tmp_path}/other.db"), silent)
    with pytest.raises(KeyboardInterrupt):
        sweeps.launch(spec_of(quick_spec), database, Interruption(num_epochs))
    resumed = sweeps.resume("quick", database, silent)
    for one, other in zip(resumed.trials, undisturbed.trials, strict=True):
        assert (one.params, one.seed, one.state) == (other.params, other.seed, other.state)
        assert [row.train_loss for row in one.epochs] == [row.train_loss for row in other.epochs]
    assert summarize(resumed).front[0].accuracy == summarize(undisturbed).front[0].accuracy


@pytest.mark.parametrize("more", [1, 3])
def test_a_setting_is_never_left_with_some_of_its_seeds(quick_spec: Path, database: Database, more: int) -> None:
    with pytest.raises(
        Faults, match=r"search[.]trials: a multiple of search[.]repeats is needed, .* got 5 and 2; 6 would"
    ):
        spec_of(quick_spec, "search.trials=5")
    sweeps.launch(spec_of(quick_spec, "search.trials=2"), database, silent)
    with pytest.raises(Faults, match=r"a multiple of search[.]repeats is needed"):
        sweeps.resume("quick", database, silent, num_more=more)
    assert load_study(database, "quick").num_trials == 2


def test_a_checkpoint_is_the_mean_over_its_seeds() -> None:
    summary = summary_of(trial(0, [(900, 1), (960, 1)]), trial(1, [(940, 3), (980, 3), (990, 1)]), spec=SEVERAL)
    first, last = summary.curves[0]
    assert (first.accuracy, last.accuracy) == pytest.approx((0.92, 0.97))
    assert (last.epoch, last.seeds, last.numbers, last.is_last) == (2, (0, 1), "0-1", True)
    assert [last.value(name) for name in ("device_seconds", "energy_joules")] == [4.0, None]
    assert last.costs["energy_joules"].reason == "no meter"
    assert set(last.costs) == set(COSTS)
    assert last.interval == seeds_interval([(960, 1000), (980, 1000)])[1]
    assert summary.lasts[1].accuracy == 0.99  # the trial's own, which nothing else is on a par with
    assert summary.baseline == last


def test_a_setting_counts_once_all_its_seeds_do() -> None:
    lucky = [(990, 1)]
    alone = summary_of(trial(0, lucky), spec=SEVERAL)
    assert not alone.front
    waiting = summary_of(trial(0, lucky), trial(1, [], state="waiting"), spec=SEVERAL)
    assert not waiting.front
    assert needed_weights(waiting.study) == {(0, 1)}
    one_diverged = summary_of(trial(0, lucky), trial(1, [(500, 1)], state="infeasible"), spec=SEVERAL)
    assert not one_diverged.front
    one_failed = summary_of(trial(0, lucky, state="failed"), trial(1, [(500, 1)]), spec=SEVERAL)
    assert [point.seeds for point in one_failed.front] == [(1,)]


def test_more_seeds_narrow_the_interval_of_the_seeds_only() -> None:
    shares = (950, 960, 970)
    widths = [high - low for low, high in (seeds_interval([(n, 1000) for n in shares * k])[1] for k in (1, 2, 8))]
    assert widths == sorted(widths, reverse=True)
    low, high = seeds_interval([(960, 1000)] * 8)[1]
    assert (low, high) == pytest.approx(seeds_interval([(960, 1000)])[1])  # the images are the same for all seeds


def test_students_quantiles() -> None:
    from scipy.stats import t

    from objectives.intervals import student_95

    for degrees in (1, 2, 5, 10, 11, 15, 30, 200):
        assert student_95(degrees) == pytest.approx(t.ppf(0.975, degrees), abs=5e-4)


def test_rows_tell_each_trial_by_itself() -> None:
    from dashboards.rows import trial_rows

    rows = trial_rows(summary_of(trial(0, [(900, 1)]), trial(1, [(800, 1)]), spec=SEVERAL))
    assert [(row["accuracy"], row["is_on_front"]) for row in rows] == [(0.9, True), (0.8, True)]
