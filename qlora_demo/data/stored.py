"""Rows on disk: one JSON object a line, and an index of a few numbers a row, so that any row is at hand and none is held in memory."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np

from qlora_demo.data.conversation import Conversation, Passage, Row, row_from_json
from qlora_demo.errors import StorageError

ROWS, INDEX = "rows.jsonl", "index.npy"
ENTRY = np.dtype([("offset", "u8"), ("tokens", "u4"), ("group", "u4"), ("label", "i4")])
"""`tokens` is a guess without a tokenizer; rows of one `group` teach the same or nearly so; `label` is a number for each label, -1 for none."""


class StoredRows(Sequence[Row]):
    """Rows of a file by number. `index` has one ENTRY a row."""

    def __init__(self, path: Path, index: np.ndarray):
        self._path, self.index = path, index

    @classmethod
    def load(cls, folder: Path) -> StoredRows:
        """Raises StorageError where the index is missing or damaged."""
        try:
            index = np.load(folder / INDEX, allow_pickle=False)
        except (OSError, EOFError, ValueError) as error:
            raise StorageError("What was read of this file is damaged. Upload the file again.") from error
        return cls(folder / ROWS, index)

    def __len__(self) -> int:
        return len(self.index)

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> StoredRows: ...
    def __getitem__(self, at: int | slice) -> Row | StoredRows:
        if isinstance(at, slice):
            return StoredRows(self._path, self.index[at])
        with self._path.open("rb") as file:
            file.seek(int(self.index["offset"][at]))
            return row_from_json(json.loads(file.readline()))

    def __iter__(self) -> Iterator[Row]:
        with self._path.open("rb") as file:
            for offset in self.index["offset"]:
                file.seek(int(offset))
                yield row_from_json(json.loads(file.readline()))

    def at(self, numbers: Sequence[int]) -> StoredRows:
        """Only these rows, in this order."""
        return StoredRows(self._path, self.index[np.asarray(numbers, dtype=np.int64)])


class RowWriter:
    """Writes rows one after the other, and then the index beside them."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._file = (folder / ROWS).open("wb")
        self._at = 0
        self._offsets, self._tokens, self._labels = array("Q"), array("I"), array("i")
        self._numbers: dict[str, int] = {}
        self.labels: dict[str, int] = {}

    def add(self, row: Row) -> None:
        line = json.dumps(row.to_json(), ensure_ascii=True).encode() + b"\n"
        self._file.write(line)
        self._offsets.append(self._at)
        self._at += len(line)
        self._tokens.append(tokens_guess(row))
        self._labels.append(self._number(row))

    def _number(self, row: Row) -> int:
        if not isinstance(row, Conversation) or row.label is None:
            return -1
        self.labels[row.label] = self.labels.get(row.label, 0) + 1
        return self._numbers.setdefault(row.label, len(self._numbers))

    def __len__(self) -> int:
        return len(self._offsets)

    def close(self, groups: np.ndarray) -> StoredRows:
        """`groups` is one number a row."""
        self._file.close()
        index = np.zeros(len(self), ENTRY)
        index["offset"], index["tokens"], index["label"] = self._offsets, self._tokens, self._labels
        index["group"] = groups
        np.save(self._folder / INDEX, index, allow_pickle=False)
        return StoredRows(self._folder / ROWS, index)


def tokens_guess(row: Row) -> int:
    """About how many tokens a row has, without a tokenizer: four bytes each, and six for each turn's marks."""
    if isinstance(row, Passage):
        return 6 + len(row.text.encode()) // 4
    return sum(6 + len(message.content.encode()) // 4 for message in row.messages)
