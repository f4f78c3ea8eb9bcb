"""Where the commands read studies: a database, or a service that has it."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from search.faults import Faults

if TYPE_CHECKING:
    from dashboards.summary import Checkpoint, Summary
    from objectives.prices import PriceBook
    from search.client import Client
    from search.records import Record
    from search.testing import TestAccuracy
    from storage.rows import StudyLine, StudyRow

server: ContextVar[str | None] = ContextVar("server", default=None)
"""The `--server` of this command line."""

_client: ContextVar[Client | None] = ContextVar("client", default=None)

REMOTE = {
    "list",
    "show",
    "pick",
    "report",
    "launch",
    "resume",
    "stop",
    "delete",
    "gc",
    "import",
    "export",
    "remeasure",
    "prices",
    "doctor",
}
"""Commands that a service can be asked for."""

OF_FILES = {"infer", "profile"}
"""Commands about files of this machine alone, for which nobody is asked."""


class Source(Protocol):
    """Where studies are read."""

    def list_studies(self) -> list[StudyLine]:
        """Returns all studies, the newest first."""

    def load_study(self, name: str) -> StudyRow:
        """Returns a study."""

    def load_summary(self, name: str, prices: Path | None = None) -> Summary:
        """Returns what a study has come to, at a book's prices or those in force."""

    def test_accuracy(self, summary: Summary, point: Checkpoint) -> TestAccuracy:
        """Returns the test accuracy of a checkpoint, or why it is not known."""

    def with_tests(self, summary: Summary) -> Summary:
        """Returns a summary with the test accuracies that are known by now."""

    def read_log(self, summary: Summary, trial: int) -> str | None:
        """Returns what a trial's code printed, as far as it is kept."""


class OwnDatabase:
    """A database that this process opens itself.

    Args:
        url: Of it.
    """

    def __init__(self, url: str) -> None:
        from storage.database import Database

        self.database = Database(url)

    def list_studies(self) -> list[StudyLine]:
        """Returns all studies, the newest first."""
        from storage.studies import list_studies

        return list_studies(self.database)

    def load_study(self, name: str) -> StudyRow:
        """Returns a study."""
        from storage.reading import load_study

        return load_study(self.database, name)

    def load_summary(self, name: str, prices: Path | None = None) -> Summary:
        """Returns what a study has come to, at a book's prices or those in force."""
        from search.pricing import load_summary

        return load_summary(self.database, name, prices)

    def test_accuracy(self, summary: Summary, point: Checkpoint) -> TestAccuracy:
        """Returns the test accuracy of a checkpoint: computed where it was not before."""
        from search.testing import test_accuracy

        return test_accuracy(self.database, summary.study, point)

    def with_tests(self, summary: Summary) -> Summary:
        """Returns a summary with the test accuracies that are known by now."""
        from storage.reading import load_tests

        return replace(summary, study=replace(summary.study, tests=load_tests(self.database, summary.study.uuid)))

    def read_log(self, summary: Summary, trial: int) -> str | None:
        """Returns what a trial's code printed, as far as it is kept."""
        from dashboards.logs import read_log

        return read_log(self.database, summary.study.uuid, trial)


class Service:
    """A service that has the database.

    Args:
        client: Asks it.
    """

    def __init__(self, client: Client) -> None:
        self.client = client

    def list_studies(self) -> list[StudyLine]:
        """Returns all studies, the newest first."""
        from pydantic import TypeAdapter

        from storage.rows import StudyLine

        return TypeAdapter(list[StudyLine]).validate_python(self.client.ask("GET", "studies")["studies"])

    def load_study(self, name: str) -> StudyRow:
        """Returns a study."""
        return self._load(name).study

    def load_summary(self, name: str, prices: Path | None = None) -> Summary:
        """Returns what a study has come to, at a book's prices or those in force where it is kept."""
        from dashboards.remeasured import compare
        from dashboards.summary import summarize
        from search.pricing import find_book

        record = self._load(name)
        book = record.book if prices is None else find_book(None, prices)
        summary = summarize(record.study, book)
        return replace(summary, remeasurement=compare(summary, record.again)) if record.again else summary

    def test_accuracy(self, summary: Summary, point: Checkpoint) -> TestAccuracy:
        """Returns the test accuracy of a checkpoint where it is kept: the weights and the images are there."""
        from search.testing import kept_accuracy

        return kept_accuracy(summary.study, point)

    def with_tests(self, summary: Summary) -> Summary:
        """Returns the summary, which has all test accuracies that are known."""
        return summary

    def read_log(self, summary: Summary, trial: int) -> str | None:
        """Returns what a trial's code printed, as far as it is kept."""
        log: str | None = self.client.ask("GET", "studies", summary.study.name, "trials", str(trial))["log"]
        return log

    def load_book(self, name: str | None) -> PriceBook:
        """Returns the prices in force where it is kept: of a study, or of the service."""
        from search.records import read_book

        if name is not None:
            return self._load(name).book
        try:
            return read_book(self.client.ask("GET", "prices")["book"])
        except (KeyError, TypeError, ValueError) as error:
            raise self._of_another_version("prices") from error

    def _of_another_version(self, what: str) -> Faults:
        return Faults(f"--server: {self.client.url} has another version, whose {what} cannot be read here")

    def _load(self, name: str) -> Record:
        from search.records import Record

        try:
            return Record.read(self.client.ask("GET", "studies", name, "record"))
        except ValueError as error:
            raise self._of_another_version("studies") from error


def find_source(storage: str) -> Source:
    """Returns where studies are read: the service of `--server`, else the database.

    Raises:
        Faults: where the service's address or token is none.
        StorageFault: where the database's URL is none.
    """
    client = find_client()
    return OwnDatabase(storage) if client is None else Service(client)


def find_client() -> Client | None:
    """Returns what asks the service of `--server`, None without it; `close` ends it.

    Raises:
        Faults: where its address or the token is none, or the extra is not installed.
    """
    url = server.get()
    if url is None or _client.get() is not None:
        return _client.get()
    try:
        from search.client import Client, check_url, find_token
    except ModuleNotFoundError as error:
        raise Faults(f"--server: {error.name} not installed: pip install 'paretune[client]'") from error
    from search.commands.console import tell

    if (note := check_url(url)) is not None:
        tell(note)
    _client.set(Client(url, find_token()))
    return _client.get()


def close() -> None:
    """Ends what asked the service."""
    if (client := _client.get()) is not None:
        client.close()
    _client.set(None)
    server.set(None)


def check_remote(command: str) -> None:
    """Makes sure that a service can be asked for a command.

    Raises:
        Faults: where it cannot.
    """
    if server.get() is not None and command not in REMOTE | OF_FILES:
        known = ", ".join(sorted(REMOTE))
        raise Faults(
            f"--server: `{command}` works on its own machine alone; leave --server out, or run it there; a service "
            f"takes {known}"
        )
