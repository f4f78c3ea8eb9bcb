"""Samplers as parameters of tests."""

from __future__ import annotations

import pytest

from search.samplers import SAMPLERS

QUICK = ("tpe", "gp", "random")
"""Those that `make test` tries: one that learns, one that is made fresh for each setting, one that draws."""

MOST_SLOWLY = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow, id=name) for name in SAMPLERS]
"""All samplers, most of them only among the slow tests."""
