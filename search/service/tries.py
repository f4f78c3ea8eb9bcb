"""Back-off: who gives wrong tokens waits before the next one counts, longer each time; a right one never waits."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from threading import Lock

FREE = 5
"""Wrong tokens of an address before it has to wait."""

LONGEST_SECONDS = 900.0
"""The longest wait. After so long without a wrong one behind its last wait, an address begins anew."""

MOST_A_MINUTE = 60
"""Wrong tokens of all addresses together in a minute; beyond that every address waits."""

MOST_ADDRESSES = 10_000


@dataclass
class Tries:
    """Failed tries by address, and overall. May be asked from several threads.

    Attributes:
        clock: Seconds that never run backwards.
    """

    clock: Callable[[], float] = time.monotonic
    _failures: OrderedDict[str, tuple[int, float]] = field(default_factory=OrderedDict)
    _recent: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_A_MINUTE))
    _lock: Lock = field(default_factory=Lock)

    def wait_seconds(self, address: str) -> float:
        """Returns for how long an address must still wait before its next try, 0 where it need not."""
        now, place = self.clock(), _network(address)
        with self._lock:
            wait = self._failures.get(place, (0, now))[1] - now
            if len(self._recent) == MOST_A_MINUTE:
                wait = max(wait, self._recent[0] + 60 - now)
        return max(0.0, wait)

    def fail(self, address: str) -> None:
        """Counts a wrong token."""
        now, place = self.clock(), _network(address)
        with self._lock:
            before, until = self._failures.pop(place, (0, now))
            count = before + 1 if now - until < LONGEST_SECONDS else 1
            pause = 0.0 if count < FREE else min(LONGEST_SECONDS, 2.0 ** min(count - FREE, 20))
            self._failures[place] = (count, now + pause)
            self._recent.append(now)
            if len(self._failures) > MOST_ADDRESSES:
                self._failures.popitem(last=False)


def _network(address: str) -> str:
    """Returns what counts as one address: of IPv6 the first 64 bits, since whoever has one has them all.

    >>> _network("2001:db8::1:2"), _network("10.0.0.1")
    ('2001:db8::', '10.0.0.1')
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and not parsed.ipv4_mapped:
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return address
