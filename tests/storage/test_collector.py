from __future__ import annotations

import gc

import pytest

from storage.collector import collector_rests


def test_the_collector_goes_on_where_it_was_on() -> None:
    with collector_rests():
        with collector_rests():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_the_collector_goes_on_after_a_fault() -> None:
    with pytest.raises(ValueError, match="fault"), collector_rests():
        raise ValueError("fault")
    assert gc.isenabled()
