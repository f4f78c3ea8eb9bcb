"""What is read before anybody asks for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from dashboards.pages import reading
from dashboards.pages.site import Site
from storage.faults import StorageFault
from storage.studies import list_running_here, list_studies


def read_ahead(site: Site, is_over: Callable[[], bool]) -> None:
    """Reads the large studies, as many as are kept, so that who opens one need not wait for seconds: the newest first.

    It ends where a sweep runs on this machine, whose cores it would take.

    Args:
        site: What the pages share.
        is_over: Asked before each study; nothing more is read then.
    """
    database = site.reader.database
    with suppress(StorageFault):  # who asks is told
        large = [study.name for study in list_studies(database) if study.num_ended >= reading.LARGE]
        for name in large[: reading.MOST_KEPT]:
            if is_over() or list_running_here(database):
                return
            site.easel.draw("tradeoff", [name], [], "light")
