"""What can be wrong with a database, as its user can mend it."""

from __future__ import annotations


class StorageFault(Exception):
    """Something about the database or a study in it that the user can mend; the text is one clear line."""


class NoStudy(StorageFault):
    """There is no study of that name."""


class NameTaken(StorageFault):
    """There is a study of that name already."""


class NoTrial(StorageFault):
    """There is no trial of that number."""


class DatabaseFault(StorageFault):
    """The database cannot be read or written at this moment, whatever is asked; the text names where it is."""


class DiskFull(DatabaseFault):
    """The database has no room for what was to be written; nothing of it is there."""
