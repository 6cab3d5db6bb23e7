"""What a file looks like once it is read: a table of rows, each with its place in the file; and how much is read at most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Limits:
    """The most that one file may hold. Bytes count the file and one value as they lie on disk, in UTF-8."""

    max_bytes: int = 1_000_000_000
    max_rows: int = 1_000_000
    max_cell_bytes: int = 1_000_000
    max_columns: int = 500


@dataclass(frozen=True)
class Table:
    """Rows by column name. `positions` are phrases for people: "line 3" counts lines of the file, "row 3" entries of a list.

    `kind` is csv, tsv, json, jsonl or text. `notes` are sentences about how the file was read. A JSON row may lack a column.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]
    positions: tuple[str, ...]
    kind: str
    notes: tuple[str, ...] = ()
