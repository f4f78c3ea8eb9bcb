"""The queue in words."""

from __future__ import annotations

from storage.queue import Order

ENDINGS = {1: "st", 2: "nd", 3: "rd"}


def place_words(place: int | None) -> str:
    """Returns how an order stands in the queue.

    >>> place_words(2), place_words(11), place_words(23), place_words(None)
    ('queued, 2nd in line', 'queued, 11th in line', 'queued, 23rd in line', 'could not begin')
    """
    if place is None:
        return "could not begin"
    ending = "th" if place % 100 in (11, 12, 13) else ENDINGS.get(place % 10, "th")
    return f"queued, {place}{ending} in line"


def need_words(order: Order) -> str:
    """Returns what an order needs.

    >>> need_words(Order("a", "launch", "t", 1, 0)), need_words(Order("a", "launch", "t", 8, 2))
    ('1 core', '2 GPUs and 8 cores')
    """
    cores = _count(order.num_cores, "core")
    return f"{_count(order.num_gpus, 'GPU')} and {cores}" if order.num_gpus else cores


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
