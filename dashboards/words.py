"""Numbers and settings in words, with units that a person reads easily."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from objectives.costs import COSTS
from objectives.parameters import Value
from objectives.prices import DERIVED

_STEPS = {
    "FLOP": ((1e15, "PFLOP"), (1e12, "TFLOP"), (1e9, "GFLOP"), (1e6, "MFLOP")),
    "B": ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")),
    "J": ((3.6e6, "kWh"), (1e3, "kJ")),
    "s": ((3600.0, "h"), (120.0, "min"), (0.01, "s"), (1e-3, "ms"), (1e-7, "µs"), (1e-10, "ns")),
    "g CO2e": ((1e6, "t CO2e"), (1e3, "kg CO2e")),
}
_SECONDS_OF = {"h": 3600.0, "min": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}


def cost_words(name: str, value: float | None, currency: str = "") -> str:
    """Returns a cost with its unit, three digits.

    Args:
        name: In `COSTS`, or in `DERIVED`.
        value: In its unit.
        currency: Of money.

    >>> cost_words("device_seconds", 3.14159), cost_words("train_flops", 6.8e10), cost_words("device_seconds", 300)
    ('3.14 s', '68 GFLOP', '5 min')
    >>> cost_words("inference_latency_seconds", 0.000235)
    '235 µs'
    >>> cost_words("money", 0.0004, "USD"), cost_words("gco2e", 1500.0)
    ('0.0004 USD', '1.5 kg CO2e')
    """
    return "absent" if value is None else quantity_words(value, _unit(name) or currency).rstrip()


def cost_title(name: str) -> str:
    """Returns the title of a cost or of what is derived.

    >>> cost_title("device_seconds"), cost_title("money")
    ('device time', 'money')
    """
    return (COSTS[name] if name in COSTS else DERIVED[name]).title


def _unit(name: str) -> str:
    return COSTS[name].unit if name in COSTS else DERIVED[name].unit


def quantity_words(value: float, unit: str) -> str:
    """Returns a quantity with its unit, three digits.

    >>> quantity_words(1_234_567, "B"), quantity_words(999, "B"), quantity_words(0, "B")
    ('1.23 MB', '999 B', '0 B')
    >>> quantity_words(0.0009999, "s"), quantity_words(2e-9, "s")
    ('1 ms', '2 ns')
    """
    for least, word in _STEPS.get(unit, ()):
        if float(f"{value:.3g}") >= least:
            return f"{value / _SECONDS_OF.get(word, least):.3g} {word}"
    return f"{value:.3g} {unit}" if value < 1000 else f"{value:,.0f} {unit}"  # noqa: PLR2004


def accuracy_words(accuracy: float, interval: tuple[float, float]) -> str:
    """Returns an accuracy with its interval, in percent.

    >>> accuracy_words(0.978, (0.9669, 0.9854))
    '97.8 % (96.7-98.5)'
    """
    low, high = interval
    return f"{100 * accuracy:.1f} % ({100 * low:.1f}-{100 * high:.1f})"


def share_words(share: float) -> str:
    """Returns a share, 0 to 1, in percent with about two digits.

    >>> share_words(1.0), share_words(0.237), share_words(0.0038), share_words(0.0)
    ('100 %', '24 %', '0.38 %', '0 %')
    """
    percent = 100 * share
    return f"{percent:.0f} %" if percent >= 9.5 else f"{percent:.2g} %"  # noqa: PLR2004


def value_words(value: Value) -> str:
    """Returns a parameter's value in at most four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def params_words(params: Mapping[str, Any]) -> str:
    """Returns a setting on one line.

    >>> params_words({"optimizer": "adam", "lr": 0.00123456, "batch_size": 64})
    'optimizer=adam lr=0.001235 batch_size=64'
    """
    return " ".join(f"{name}={value_words(value)}" for name, value in params.items())


def task_words(objective: Mapping[str, Any]) -> str:
    """Returns what a study trains, by the spec's `objective`.

    >>> task_words({"model": "cnn", "dataset": "digits"}), task_words({"train": "mine:train", "model": None})
    ('cnn on digits', 'mine:train')
    """
    return str(objective.get("train") or f"{objective.get('model')} on {objective.get('dataset')}")


def threads_words(num_threads: int) -> str:
    """Returns a number of CPU threads.

    >>> threads_words(1), threads_words(4)
    ('1 CPU thread', '4 CPU threads')
    """
    return f"{num_threads} CPU thread{'' if num_threads == 1 else 's'}"


def range_words(numbers: Iterable[int], separator: str = ", ") -> str:
    """Returns whole numbers as ranges, in ascending order.

    >>> range_words([8, 0, 1, 2, 5, 7])
    '0-2, 5, 7-8'
    """
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1] = [ranges[-1][0], number]
        else:
            ranges.append([number])
    return separator.join("-".join(map(str, each)) for each in ranges)
