"""What a person can mend about a data set."""

from __future__ import annotations


class DataFault(Exception):
    """A data set cannot be used as it is; the text is one line that says why, and what would do."""
