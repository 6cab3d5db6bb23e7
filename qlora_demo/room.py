"""Room on the disk: how much is free, what a folder takes, and whether an error says that there is none left."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from qlora_demo.errors import DiskFullError

MAKE_ROOM = "Delete a model or a data set that is no longer needed"
DISK_FULL = f"The disk is full. {MAKE_ROOM}, then try again."
FULL_CODES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FULL_WORDS = re.compile(
    r"No space left on device|os error (28|112|122)\b|database or disk is full|^\d+ requested and \d+ written$"
    r"|PytorchStreamWriter failed writing|inline_container\.cc.*unexpected pos"
)
"""Of libraries that do not pass on the system's number: safetensors, SQLite, numpy, torch."""
RESERVE, RESERVE_BYTES = "reserve", 4_000_000
"""A file that is given up when the disk is full, so that what happened can still be written down."""
ROOM_FOR_RESERVE = 100_000_000
FULL_BYTES = 20_000_000
"""Free, and less than this: nothing that is begun now would end well."""


def is_full(error: BaseException) -> bool:
    """Whether an error, or one that it came from, says that the disk has no room."""
    found: BaseException | None = error
    while found is not None:
        if (isinstance(found, OSError) and found.errno in FULL_CODES) or FULL_WORDS.search(str(found)):
            return True
        found = found.__cause__ or found.__context__
    return False


@contextmanager
def told_when_full() -> Iterator[None]:
    """Turns an error of a full disk into a DiskFullError, the sentence for people. Others pass."""
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise DiskFullError(DISK_FULL) from error
        raise


def free_bytes(folder: Path) -> int:
    """On the disk of the nearest folder above that is there."""
    return shutil.disk_usage(next(place for place in (folder, *folder.parents) if place.exists())).free


def size_of(folder: Path, seen: set[int]) -> int:
    """Bytes of all files in a folder, 0 where it is missing. Links are not followed; a file with several names counts once, by `seen`."""
    total = 0
    with suppress(FileNotFoundError, NotADirectoryError):  # it may go while it is looked at
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    total += size_of(Path(entry.path), seen)
                    continue
                about = os.lstat(entry.path)
                total += 0 if about.st_ino in seen else about.st_size
                seen.add(about.st_ino)
    return total


def keep_reserve(home: Path) -> None:
    """Sets some bytes aside while there are plenty."""
    reserve = home / RESERVE
    if free_bytes(home) < ROOM_FOR_RESERVE or (reserve.exists() and reserve.stat().st_size == RESERVE_BYTES):
        return
    with suppress(OSError):
        reserve.write_bytes(os.urandom(RESERVE_BYTES))  # a disk may keep zeros for nothing


def give_reserve(home: Path) -> None:
    """Gives them up."""
    (home / RESERVE).unlink(missing_ok=True)
