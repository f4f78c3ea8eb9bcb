"""What is kept of what was asked for last, by many threads."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Recent(Generic[Item]):
    """Items that are made when they are first asked for; the one unused longest gives way.

    Args:
        make: Makes an item.
        most: Items that are kept.

    >>> kept = Recent(list, 2)
    >>> first = kept.find("a")
    >>> kept.find("b"), kept.find("a") is first, kept.find("c")
    ([], True, [])
    >>> kept.get("b") is None, kept.get("a") is first
    (True, True)
    """

    def __init__(self, make: Callable[[], Item], most: int) -> None:
        self._make, self._most = make, most
        self._items: OrderedDict[Hashable, Item] = OrderedDict()
        self._lock = Lock()

    def find(self, key: Hashable) -> Item:
        """Returns the item of a key, which becomes the one used last."""
        with self._lock:
            if key not in self._items:
                self._items[key] = self._make()
            self._items.move_to_end(key)
            while len(self._items) > self._most:
                self._items.popitem(last=False)
            return self._items[key]

    def get(self, key: Hashable) -> Item | None:
        """Returns the item of a key that is kept, without using it; None where it is not."""
        return self._items.get(key)
