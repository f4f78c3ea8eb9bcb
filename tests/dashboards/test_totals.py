from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
from synthetic import epoch_row

from dashboards.totals import NOT_RECORDED, CostsSoFar, Totals
from objectives.costs import COSTS, absent, counted, measured
from storage.ledger import CostValue
from storage.rows import EpochRow


def row(epoch: int, **costs: CostValue) -> EpochRow:
    return replace(epoch_row(epoch, 900, 0.0), costs=costs)


class OneReader(Mapping[str, CostValue]):
    """Costs of which each can be read once."""

    def __init__(self) -> None:
        self.left = {name: CostValue(1.0, "measured", None) for name in COSTS}

    def __getitem__(self, name: str) -> CostValue:
        return self.left.pop(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.left)

    def __len__(self) -> int:
        return len(self.left)


def test_a_cost_is_added_up_as_its_kind_says() -> None:
    totals = Totals([epoch_row(1, 900, 2.0), epoch_row(2, 900, 1.0), epoch_row(3, 900, 3.0)], {})
    assert totals["device_seconds"] == [2.0, 3.0, 6.0]
    assert totals["peak_memory_bytes"] == [2.0, 2.0, 3.0]
    assert totals.measurement("device_seconds", 1) == measured(3.0)


def test_one_absent_value_makes_the_later_ones_absent_with_its_reason() -> None:
    gone = CostValue(None, "absent", "the counter went away")
    totals = Totals([row(n, samples=gone if n == 2 else CostValue(5.0, "counted", None)) for n in (1, 2, 3)], {})
    assert totals["samples"] == [5.0, None, None]
    assert [totals.measurement("samples", index) for index in range(3)] == [
        counted(5.0), absent("the counter went away"), absent("the counter went away"),
    ]  # fmt: skip


def test_what_no_epoch_recorded_is_absent_and_what_is_no_cost_an_error() -> None:
    costs = CostsSoFar(Totals([row(1, samples=CostValue(5.0, "counted", None))], {}), 0)
    assert costs.value("wall_seconds") is None
    assert costs["wall_seconds"] == absent(NOT_RECORDED)
    assert list(costs) == list(COSTS)
    assert "seconds" not in costs
    with pytest.raises(KeyError):
        costs.value("seconds")


@pytest.mark.parametrize("name", COSTS)
def test_the_value_alone_is_that_of_the_measurement(name: str) -> None:
    totals = Totals([epoch_row(n, 900, 0.1 * n) for n in range(1, 9)], {})
    assert [CostsSoFar(totals, index)[name].value for index in range(8)] == totals[name]


def test_a_cost_is_read_when_it_is_asked_for_and_once() -> None:
    costs = [OneReader(), OneReader()]
    totals = Totals([replace(epoch_row(1, 900, 0.0), costs=own) for own in costs], {})
    assert [len(own) for own in costs] == [len(COSTS)] * 2
    assert [totals["wall_seconds"] for _ in range(2)] == [[1.0, 2.0], [1.0, 2.0]]
    assert [len(own) for own in costs] == [len(COSTS) - 1] * 2


def test_what_the_model_itself_costs_is_the_same_after_each_epoch() -> None:
    latency = CostValue(0.002, "measured", None, 0.0001)
    totals = Totals([epoch_row(n, 900, 1.0) for n in (1, 2)], {"inference_latency_seconds": latency})
    assert totals["inference_latency_seconds"] == [0.002, 0.002]
    assert totals.measurement("inference_latency_seconds", 1) == measured(0.002, error=0.0001)
    assert totals["parameters"] == [None, None]
    assert totals.measurement("parameters", 0) == absent(NOT_RECORDED)
