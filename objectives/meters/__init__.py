"""The meters: each reads one thing, in SI units, absent with a reason where it cannot be read."""
