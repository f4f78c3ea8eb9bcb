from __future__ import annotations

import math

import pytest

from objectives.parameters import BATCH_SIZE, FLAG, FRACTION, LR, Value


@pytest.mark.parametrize("value", [1, 64, "full", 10**6])
def test_batch_sizes(value: Value) -> None:
    assert BATCH_SIZE.allows(value)


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "half", math.nan, math.inf, None, [1]])
def test_no_batch_sizes(value: object) -> None:
    assert not BATCH_SIZE.allows(value)


@pytest.mark.parametrize("value", [0, -0.1, math.inf, math.nan, "0.1", False])
def test_no_learning_rates(value: object) -> None:
    assert not LR.allows(value)


def test_ends_and_types() -> None:
    assert FRACTION.allows(0)
    assert not FRACTION.allows(1)
    assert FRACTION.convert(0) == 0.0
    assert isinstance(FRACTION.convert(0), float)
    assert FLAG.allows(True)
    assert not FLAG.allows(1)
