"""How much memory a workbook's cells will take, counted from its XML before they are read: a small file can hold very many."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

from qlora_demo.data.archive import LIBRE_OFFICE, Inside, unpacked
from qlora_demo.data.table import Limits
from qlora_demo.errors import DataError

MAX_XML_BYTES = 200_000_000
MAX_WEIGHT = 150_000_000
"""Bytes that the cells may take. Some 400,000 rows of two short texts fit."""
LONGEST_TEXT = 10_000_000
"""Bytes of one text, or one tag. No spreadsheet writes a tenth of it."""
MAX_ROWS, MAX_COLUMNS = 1_048_576, 16_384
COLUMN = re.compile(r"[A-Za-z]{1,3}")
# Measured with calamine 0.37, which holds a list of the filled cells, and then the rectangle around them.
EXCEL_CELL, EXCEL_PLACE, EXCEL_SHARED, EXCEL_LISTED = 40, 32, 32, 200
COUNTED = ("/officeDocument", "/worksheet", "/sharedStrings", "/styles")
LISTED = frozenset({"numFmt", "definedName", "sheet", "Relationship", "mergeCell"})
"""Of these too, calamine keeps a list."""
LIBRE_OFFICE_PLACE, LIBRE_OFFICE_TEXT, LIBRE_OFFICE_ROW, LIBRE_OFFICE_LISTED = 140, 3, 8, 100


def check_weight(path: Path, inside: Inside, name: str, limits: Limits) -> None:
    """Raises DataError for a workbook that would take too much memory, or whose XML is broken."""
    pieces = unpacked(path, inside.members, name, min(MAX_XML_BYTES, limits.max_unpacked_bytes))
    excel = _Excel()
    for member, group in groupby(pieces, key=itemgetter(0)):
        part = _LibreOffice() if member == LIBRE_OFFICE else excel
        part.begin()
        try:
            _parse(part, (piece for _, piece in group), name)
        except (expat.ExpatError, ValueError) as error:
            raise broken_workbook(name) from error


def _parse(part: _Excel | _LibreOffice, pieces: Iterator[bytes], name: str) -> None:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = part.start, part.end, part.text
    parser.StartDoctypeDeclHandler = _refuse_document_type
    fed = 0
    for piece in pieces:
        parser.Parse(piece, not piece)
        fed += len(piece)
        if part.weight() > MAX_WEIGHT or part.longest > LONGEST_TEXT or fed - parser.CurrentByteIndex > LONGEST_TEXT:
            raise DataError(f"{name} is too large to be read as a workbook. Save the sheet as CSV and upload that.")


def _refuse_document_type(*_: object) -> NoReturn:
    raise ValueError("no spreadsheet writes a document type")


def broken_workbook(name: str) -> DataError:
    return DataError(f"{name} is a broken workbook, or has a password. Open it in a spreadsheet program, save it without one and upload that.")


class _Excel:
    """Counts one part after the other; the texts that sheets share come first."""

    def __init__(self) -> None:
        self.lengths = array("L")
        self.shared = 0
        self.begin()

    def begin(self) -> None:
        self.row, self.column = 1, 1
        self.top, self.left, self.bottom, self.right = MAX_ROWS, MAX_COLUMNS, 0, 0
        self.cells, self.texts, self.longest = 0, 0, 0
        self.inside, self.kind = "", ""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "c":
            self.row, self.column = _row_and_column(attributes["r"]) if "r" in attributes else (self.row, self.column)
            self.kind = attributes.get("t", "n")
        elif tag == "v" or tag == "is":
            self._count_cell()
            self.inside = tag
        elif tag == "row":
            self.row = int(attributes.get("r", self.row))
        elif tag == "si":
            self.lengths.append(0)
            self.shared += EXCEL_SHARED
            self.inside = tag
        elif tag in LISTED:
            self.shared += EXCEL_LISTED + sum(map(len, attributes.values()))
            self.inside = tag
            if attributes.get("Type", "").endswith(COUNTED) and not attributes.get("Target", "").lower().endswith(".xml"):
                raise ValueError("a part under a name that is not counted")

    def end(self, tag: str) -> None:
        tag = tag.rpartition(":")[2]
        if tag == self.inside:
            self.inside = ""
        elif tag == "c":
            self.column += 1
        elif tag == "row":
            self.row, self.column = self.row + 1, 1

    def text(self, data: str) -> None:
        if self.inside == "v" and self.kind == "s":
            self.texts += self._length(int(data))
        elif self.inside == "v" or self.inside == "is":
            self.texts += _bytes(data)
        elif self.inside:
            self.shared += _bytes(data)
            if self.inside == "si":
                self.lengths[-1] += _bytes(data)
                self.longest = max(self.longest, self.lengths[-1])

    def _length(self, number: int) -> int:
        if not 0 <= number < len(self.lengths):
            raise ValueError("no such shared text")
        return self.lengths[number]

    def weight(self) -> int:
        """Of the shared texts, and of this part's cells."""
        rectangle = max(0, self.bottom - self.top + 1) * max(0, self.right - self.left + 1)
        return self.shared + self.texts + EXCEL_CELL * self.cells + EXCEL_PLACE * rectangle

    def _count_cell(self) -> None:
        row, column = self.row, self.column
        if not (1 <= row <= MAX_ROWS and column <= MAX_COLUMNS):
            raise ValueError("no spreadsheet has such a cell")
        self.cells += 1
        if row < self.top:
            self.top = row
        if row > self.bottom:
            self.bottom = row
        if column < self.left:
            self.left = column
        if column > self.right:
            self.right = column


class _LibreOffice:
    """Counts all sheets, which stand in one part and are held together. Cells and rows say how often they are repeated."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.sheets, self.texts, self.longest = 0, 0, 0
        self.rows, self.filled_rows, self.width = 0, 0, 0
        self.row_repeats, self.column, self.filled, self.row_text = 1, 0, 0, 0
        self.cell_repeats, self.cell_text, self.in_cell = 1, 0, False

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "table:table":
            self.sheets = self.weight_of_places()
            self.rows, self.filled_rows, self.width = 0, 0, 0
        elif tag == "table:table-row":
            self.row_repeats = min(int(attributes.get("table:number-rows-repeated", 1)), MAX_ROWS)
            self.column, self.filled, self.row_text = 0, 0, 0
            self.texts += LIBRE_OFFICE_ROW
        elif tag in ("table:table-cell", "table:covered-table-cell"):
            self.cell_repeats = min(int(attributes.get("table:number-columns-repeated", 1)), MAX_COLUMNS)
            self.cell_text = sum(_bytes(text) for key, text in attributes.items() if key.startswith("office:") or key == "table:formula")
            self.in_cell = True
        elif tag == "text:s":
            self.cell_text += int(attributes.get("text:c", 1))
        elif tag in ("style:table-properties", "table:named-range", "table:named-expression"):
            self.texts += LIBRE_OFFICE_LISTED + sum(map(len, attributes.values()))

    def end(self, tag: str) -> None:
        if tag in ("table:table-cell", "table:covered-table-cell"):
            self.column += self.cell_repeats
            self.in_cell = False
            self.longest = max(self.longest, self.cell_text)
            self.filled = self.column if self.cell_text else self.filled
            self.row_text += self.cell_text * self.cell_repeats
        elif tag == "table:table-row":
            self.rows += self.row_repeats
            if self.filled:
                self.filled_rows, self.width = self.rows, max(self.width, self.filled)
                self.texts += self.row_text * self.row_repeats

    def text(self, data: str) -> None:
        if self.in_cell:
            self.cell_text += _bytes(data)
            self.longest = max(self.longest, self.cell_text)

    def weight(self) -> int:
        return self.weight_of_places() + LIBRE_OFFICE_TEXT * self.texts

    def weight_of_places(self) -> int:
        return self.sheets + LIBRE_OFFICE_PLACE * self.filled_rows * self.width


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _row_and_column(place: str) -> tuple[int, int]:
    """ "AA7" is (7, 27)."""
    letters = place.rstrip("0123456789")
    return int(place[len(letters) :]), _column_number(letters)


@lru_cache(maxsize=MAX_COLUMNS)
def _column_number(letters: str) -> int:
    """A is 1, AA is 27. Raises ValueError."""
    if not COLUMN.fullmatch(letters):
        raise ValueError(letters)
    number = 0
    for letter in letters.upper():
        number = 26 * number + ord(letter) - ord("A") + 1
    return number
