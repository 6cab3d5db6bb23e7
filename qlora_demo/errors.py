"""The only exceptions a person ever reads.

UserError                  a sentence with what is wrong, where, and the way out
├── DataError              the uploaded or pasted data
├── RecipeError            the settings of a run, all problems at once
├── ModelError             a base model that cannot be had or loaded
├── NotFoundError          no such run, data set or model of this owner
├── BusyError              the machine is doing something else; ask again later
└── StorageError           the home: locked, full, or written by a newer release

The page turns them into a message in `ui/guard.py`, the command line into exit code 2 in `cli.py`. Anything else is a bug:
its traceback goes to the log, and people read one general sentence.
"""


class UserError(Exception):
    """A problem that a person can do something about; `str(error)` is the sentence they read."""


class DataError(UserError):
    """The data cannot be used; the text names file and line, or row and column."""


class RecipeError(UserError):
    """Settings that do not fit together or lie out of range; the text lists all of them."""


class ModelError(UserError):
    """A base model that is unknown, needs the internet, or does not load."""


class NotFoundError(UserError):
    """Nothing of this owner has that name or id."""


class BusyError(UserError):
    """The graphics card or the chat is taken; the text says by what and for how long."""


class StorageError(UserError):
    """The home folder is in use by another server, full, or of an unknown schema."""
