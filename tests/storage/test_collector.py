from __future__ import annotations

import gc

import pytest

from storage.collector import collector_rests


def test_the_collector_goes_on_after_a_fault_and_only_where_it_was_on() -> None:
    with pytest.raises(ValueError, match="fault"), collector_rests():
        assert not gc.isenabled()
        with collector_rests():
            pass
        assert not gc.isenabled()
        raise ValueError("fault")
    assert gc.isenabled()
