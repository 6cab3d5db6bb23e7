"""From an uploaded file to a table: opens it safely, decodes it, and reads it as what its content is."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path

from qlora_demo.data.decoding import decode
from qlora_demo.data.delimited import read_delimited
from qlora_demo.data.json_rows import read_json_text
from qlora_demo.data.passages import is_prose, read_passages
from qlora_demo.data.table import Limits, Table
from qlora_demo.data.wording import megabytes, shown_name
from qlora_demo.errors import DataError
from qlora_demo.systems import open_file

JSON_SUFFIXES = ("json", "jsonl", "ndjson")
JSON_START = re.compile(r'\s*(\{\s*"|\[\s*[\[{])')
"""No table of ours begins like this, so that JSON under any other name is read as JSON."""


def read_table(path: Path, display_name: str, limits: Limits) -> Table:
    """`display_name` is what the person calls the file: it gives the suffix and stands in sentences, and is never opened. Raises DataError."""
    name = shown_name(display_name)
    suffix = display_name.rpartition(".")[2].strip().lower()
    text, notes = decode(_read_bytes(path, name, limits), name, suffix)
    if suffix in JSON_SUFFIXES or JSON_START.match(text):
        table = read_json_text(text, name, suffix, limits)
    elif is_prose(text, suffix):
        table = read_passages(text, name, limits)
    else:
        table = read_delimited(text, name, suffix, limits)
    return Table(table.name, table.columns, table.rows, table.positions, table.kind, (*notes, *table.notes))


def _read_bytes(path: Path, name: str, limits: Limits) -> bytes:
    """A regular file's bytes. A link, a folder or a named pipe is refused; the checks are on the file that was opened."""
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
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(limits.max_bytes)
    finally:
        os.close(descriptor)
