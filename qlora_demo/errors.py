"""The only exceptions a person ever reads.

UserError                  a sentence with what is wrong, where, and the way out
├── DataError              the uploaded or pasted data
├── RecipeError            the settings of a run, all problems at once
├── ModelError             a base model that cannot be had or loaded
├── NotFoundError          no such run, data set or model of this owner
├── HubError               a model that cannot be sent to the model hub
├── BusyError              the machine is doing something else; ask again later
└── StorageError           the home: locked, full, or written by a newer release
    └── DiskFullError      nothing more can be written

The page turns them into a message in `ui/guard.py`, the command line into exit code 2 in `cli.py`. Anything else is a bug:
its traceback goes to the log, and people read one general sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class UserError(Exception):
    """A problem that a person can do something about; `str(error)` is the sentence they read."""


@dataclass(frozen=True)
class WayOut:
    """A button beside a problem with the data: its words, and what it changes in the choices about the file (`Choices` fields by name)."""

    label: str
    change: Mapping[str, Any]


class DataError(UserError):
    """The data cannot be used; the text names file and line, or row and column. `ways_out` are buttons; `columns` are a table's, where a person
    can say which is asked and which is the answer."""

    def __init__(self, message: str, ways_out: Sequence[WayOut] = (), columns: Sequence[str] = ()):
        super().__init__(message)
        self.ways_out = tuple(ways_out)
        self.columns = tuple(columns)


class RecipeError(UserError):
    """Settings that do not fit together or lie out of range; the text lists all of them."""


class ModelError(UserError):
    """A base model that is unknown, needs the internet, or does not load."""


class NotFoundError(UserError):
    """Nothing of this owner has that name or id."""


class HubError(UserError):
    """A model could not be sent to the model hub; the text says what is left there, where anything is."""


class BusyError(UserError):
    """The graphics card or the chat is taken; the text says by what and for how long."""


class StorageError(UserError):
    """The home folder is in use by another server, full, or of an unknown schema."""


class DiskFullError(StorageError):
    """Something could not be written: the disk has no room."""
