"""What a file looks like once it can be read: a table whose rows come one after the other, each with its place; and how much is read at most."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

from qlora_demo.data.wording import Mistake

SAMPLE_ROWS = 1000


@dataclass(frozen=True)
class Limits:
    """The most that one file may hold. Bytes count the file, and one value, as they lie on disk in UTF-8; what a packed file unpacks to; and the
    memory that reading may take, whatever the file."""

    max_bytes: int = 1_000_000_000
    max_rows: int = 1_000_000
    max_cell_bytes: int = 1_000_000
    max_columns: int = 500
    max_unpacked_bytes: int = 1_000_000_000
    max_memory_bytes: int = 4_000_000_000


@dataclass(frozen=True)
class Entry:
    """One row: `position` is a phrase for people ("line 3" counts lines of the file, "row 3" entries of a list), `values` are by column."""

    position: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """A file's rows. `entries` begins anew at each call and holds one row at a time, so that memory stays flat as files grow; a row that cannot
    be read comes as a Mistake.

    `columns` are those of the first thousand rows; a JSON row may lack one. `kind` is csv, tsv, json, jsonl, parquet, workbook, text, or the name
    of a chat export. `notes` are sentences about how the file was read. `rows_known` is the number of rows where the file tells it, else 0.
    `sheets` are a workbook's, `sheet` the one that was read. `speakers` are the people of a chat between people, those who said most first, and
    `speaker` the one whom the model learns to be.
    """

    name: str
    columns: tuple[str, ...]
    entries: Callable[[], Iterator[Entry | Mistake]] = field(compare=False)
    kind: str
    notes: tuple[str, ...] = ()
    rows_known: int = 0
    sheets: tuple[str, ...] = ()
    sheet: str = ""
    speakers: tuple[str, ...] = ()
    speaker: str = ""

    @cached_property
    def sample(self) -> tuple[Mapping[str, Any], ...]:
        """The values of the first thousand rows that can be read."""
        good = (entry.values for entry in self.entries() if isinstance(entry, Entry))
        return tuple(islice(good, SAMPLE_ROWS))
