"""What a page may do: passed in by whoever serves it, since `dashboards` itself starts and stops nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


class Refused(Exception):
    """What was asked for is not possible; `lines` say why, one for each fault."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


@dataclass(frozen=True)
class Begun:
    """What became of a wish to run a study.

    Attributes:
        study: Its name.
        place: From 1, where it waits in the queue for free slots; None where it runs.
    """

    study: str
    place: int | None = None


@dataclass(frozen=True)
class Actions:
    """What a page may ask the service to do; each raises `Refused`.

    Attributes:
        launch: Given a spec as TOML text, checks it, and starts its sweep or queues it.
        resume: Given a study's name and a number of more trials, continues it or queues that.
        stop: Given a study's name, asks its coordinator to stop after the epochs under way.
        delete: Given a study's name, removes it and its weights.
        cancel: Given a study's name, takes what is asked of it out of the queue.
        templates: Returns the names of the texts that a launch form may begin with, the first of which it does.
        template: Given such a name, returns its TOML text.
        clone: Given a study's name, returns the TOML text of its spec under a new name.
    """

    launch: Callable[[str], Begun]
    resume: Callable[[str, int], Begun]
    stop: Callable[[str], None]
    delete: Callable[[str], None]
    cancel: Callable[[str], None]
    templates: Callable[[], Sequence[str]]
    template: Callable[[str], str]
    clone: Callable[[str], str]
