"""Seeds that are functions of what they are for, so that any draw can be redone alone. Torch-free."""

from __future__ import annotations

from hashlib import sha256


def derive_seed(seed: int, number: int, purpose: str) -> int:
    """Returns a seed below 2**31: a function of another seed, a number (of a trial, of an epoch), and a purpose."""
    return int.from_bytes(sha256(f"{seed}/{number}/{purpose}".encode()).digest()[:4]) % 2**31
