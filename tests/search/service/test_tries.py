"""The back-off: who waits for how long."""

from __future__ import annotations

from search.service import tries
from search.service.tries import Tries


def test_the_wait_doubles_and_a_long_time_without_a_wrong_token_ends_it() -> None:
    now = [0.0]
    count = Tries(lambda: now[0])
    waits = []
    for _ in range(tries.FREE + 12):
        count.fail("10.0.0.1")
        waits.append(count.wait_seconds("10.0.0.1"))
        now[0] += waits[-1]
    assert waits[: tries.FREE + 2] == [0.0] * (tries.FREE - 1) + [1.0, 2.0, 4.0]
    assert waits[-1] == tries.LONGEST_SECONDS
    count.fail("10.0.0.1")
    assert count.wait_seconds("10.0.0.2") == 0
    now[0] += 2 * tries.LONGEST_SECONDS
    count.fail("10.0.0.1")
    assert count.wait_seconds("10.0.0.1") == 0


def test_many_addresses_together_wait_too() -> None:
    now = [0.0]
    count = Tries(lambda: now[0])
    for number in range(tries.MOST_A_MINUTE):
        count.fail(f"2001:db8:0:{number:x}::1")
    assert count.wait_seconds("10.0.0.3") == 60
    now[0] += 61
    assert count.wait_seconds("10.0.0.3") == 0
    for number in range(tries.FREE):
        count.fail(f"2001:db8:1:1::{number}")
    assert count.wait_seconds("2001:db8:1:1:ffff::") == 1  # one network is one sender
