from __future__ import annotations

import itertools

import moocore
import numpy as np
import pytest

from objectives.front import Reference, front, front_ranks, hypervolume, hypervolume_gain, knee


@pytest.mark.parametrize(("num_points", "num_losses", "seed"), list(itertools.product([1, 7, 200], [2, 3, 4], [0, 1])))
def test_front_is_that_of_moocore(num_points: int, num_losses: int, seed: int) -> None:
    losses = np.random.default_rng(seed).integers(0, 12, (num_points, num_losses)).astype(float)
    kept = np.flatnonzero(moocore.is_nondominated(losses, keep_weakly=False))
    found = front(losses.tolist())
    assert {tuple(losses[index]) for index in found} == {tuple(losses[index]) for index in kept}
    assert len(found) == len(kept)


def test_of_equal_points_the_first_is_kept() -> None:
    assert front([(2.0, 2.0), (1.0, 3.0), (1.0, 3.0)]) == [0, 1]


def test_no_points_have_no_front() -> None:
    assert front([]) == []


@pytest.mark.parametrize(
    ("num_points", "num_scores", "seed"), list(itertools.product([1, 5, 40], [1, 2, 3, 4], [0, 1]))
)
def test_hypervolume_is_that_of_moocore(num_points: int, num_scores: int, seed: int) -> None:
    scores = np.random.default_rng(seed).random((num_points, num_scores))
    found = hypervolume(scores.tolist())
    assert found == pytest.approx(moocore.hypervolume(scores, ref=np.zeros(num_scores), maximise=True))


def test_knee_is_where_accuracy_gets_expensive() -> None:
    assert knee([0.5, 0.9, 0.96, 0.97], [1.0, 2.0, 3.0, 30.0]) == 2


@pytest.mark.parametrize("num_points", [0, 1, 2])
def test_a_front_of_fewer_than_three_points_has_no_knee(num_points: int) -> None:
    assert knee([0.5, 0.9][:num_points], [1.0, 2.0][:num_points]) is None


def test_a_front_that_does_not_bend_upwards_has_no_knee() -> None:
    assert knee([0.5, 0.51, 0.9], [1.0, 2.0, 3.0]) is None


def test_scores_stay_within_the_unit_cube() -> None:
    reference = Reference(0.1, (10.0,))
    assert reference.scores(0.05, (11.0,)) == (0.0, 0.0)
    assert reference.scores(1.0, (0.001,)) == (1.0, 1.0)
    assert reference.scores(0.5, (0.0,))[1] == 1.0


@pytest.mark.parametrize(
    ("num_points", "num_losses", "seed"), list(itertools.product([1, 7, 200], [1, 2, 3, 4], [0, 1]))
)
def test_ranks_are_those_of_moocore(num_points: int, num_losses: int, seed: int) -> None:
    losses = np.random.default_rng(seed).integers(0, 12, (num_points, num_losses)).astype(float)
    assert front_ranks(losses.tolist()) == moocore.pareto_rank(losses).tolist()


def test_no_points_have_no_ranks() -> None:
    assert front_ranks([]) == []


@pytest.mark.parametrize(("num_scores", "seed"), list(itertools.product([1, 2, 3, 4], [0, 1])))
def test_gains_add_up_to_the_hypervolume(num_scores: int, seed: int) -> None:
    scores = np.random.default_rng(seed).random((30, num_scores)).tolist()
    gains = [hypervolume_gain(score, scores[:index]) for index, score in enumerate(scores)]
    assert sum(gains) == pytest.approx(hypervolume(scores))
