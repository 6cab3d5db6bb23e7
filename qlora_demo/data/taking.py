"""Takes a copy of what a person gave, once it is certain that it is a file and not too large."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path

from qlora_demo.data.table import Limits
from qlora_demo.data.wording import megabytes, shown_name
from qlora_demo.errors import DataError
from qlora_demo.systems import open_file


def take_copy(path: Path, display_name: str, limits: Limits, to: Path) -> None:
    """A link, a folder or a named pipe is refused; the checks are on the file that was opened. Raises DataError."""
    name = shown_name(display_name)
    try:
        descriptor = open_file(path)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise DataError(f"{name} is a link to another file. Give the file itself.") from error
        raise DataError(f"{name} cannot be opened ({error.strerror}). Upload it again.") from error
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise DataError(f"{name} is not a file. Upload a table, JSON, or text.")
        if about.st_size > limits.max_bytes:
            size, most = megabytes(about.st_size), megabytes(limits.max_bytes)
            raise DataError(f"{name} has {size}; up to {most} are read. Upload a smaller file.")
        with os.fdopen(descriptor, "rb", closefd=False) as file, to.open("wb") as copy:
            shutil.copyfileobj(file, copy, 1 << 20)
    finally:
        os.close(descriptor)
