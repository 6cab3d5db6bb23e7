"""Workbooks (.xlsx, .xlsm, .ods): one sheet -> rows of text, with the number that a spreadsheet program shows beside each. Runs no macro."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import date, time, timedelta
from itertools import islice
from pathlib import Path
from typing import TypeVar

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetMetadata, SheetTypeEnum, SheetVisibleEnum

from qlora_demo.data.archive import look_inside
from qlora_demo.data.delimited import named_columns
from qlora_demo.data.header import find_header
from qlora_demo.data.table import SAMPLE_ROWS, Entry, Limits, Table
from qlora_demo.data.wording import Mistake, column_list, megabytes, mistakes_error, shown
from qlora_demo.data.workbook_weight import broken_workbook, check_weight
from qlora_demo.errors import DataError, WayOut

HEADER_ROWS = 30
OFFERED_SHEETS = 3
OLD_OR_PROTECTED = b"\xd0\xcf\x11\xe0"
PANIC = "PanicException"

T = TypeVar("T")
Value = str | int | float | bool | date | time | timedelta
Record = tuple[int, list[str]]


def read_workbook(path: Path, name: str, sheet: str, limits: Limits) -> Table:
    """`sheet` "" reads the first one with two rows or more, hidden ones last. A title above the table is skipped. A formula is what it came to when
    the workbook was saved. Raises DataError."""
    _refuse_protected(path, name)
    check_weight(path, look_inside(path, name, limits), name, limits)
    workbook = _careful(lambda: CalamineWorkbook.from_path(path), name)
    sheets = [s for s in workbook.sheets_metadata if s.typ == SheetTypeEnum.WorkSheet]
    chosen, first = _choose(workbook, sheets, sheet, name)
    if isinstance(first[0], Mistake):
        raise mistakes_error(name, [first[0]])
    header = find_header([record[1] for record in first[:HEADER_ROWS] if not isinstance(record, Mistake)])
    skipped = header.title_rows + (not header.is_data)
    columns = named_columns(header.names, [record[1] for record in first[skipped:] if not isinstance(record, Mistake)], name)
    if len(columns) > limits.max_columns:
        raise DataError(f"{name} has {len(columns):,} columns; up to {limits.max_columns:,} are read. Leave some out and upload it again.")
    if len(first) == skipped:
        raise DataError(f"The sheet '{shown(chosen)}' of {name} has column names but no rows. Upload a workbook with rows.")

    def entries() -> Iterator[Entry | Mistake]:
        again = _careful(lambda: CalamineWorkbook.from_path(path), name)
        for record in islice(_records(_open(again, chosen, name)), skipped, None):
            yield record if isinstance(record, Mistake) else _entry(record, columns, limits)

    names = tuple(column for _, column in columns)
    return Table(name, names, entries, "workbook", header.notes, sheets=tuple(s.name for s in sheets), sheet=chosen)


def _refuse_protected(path: Path, name: str) -> None:
    """Excel wraps a workbook with a password into the same kind of file as it wrote before 2007."""
    with path.open("rb") as file:
        if file.read(4) == OLD_OR_PROTECTED:
            raise DataError(f"{name} is an old Office document, or it has a password. Save it as .xlsx without a password and upload that.")


def _careful(read: Callable[[], T], name: str) -> T:
    """What calamine reads. Broken files become a DataError, those too that make it panic: a Rust library's panic reaches Python as a BaseException
    of a class that cannot be imported."""
    try:
        return read()
    except CalamineError as error:
        raise broken_workbook(name) from error
    except BaseException as error:
        if type(error).__name__ == PANIC:
            raise broken_workbook(name) from error
        raise


def _open(workbook: CalamineWorkbook, sheet: str, name: str) -> CalamineSheet:
    return _careful(lambda: workbook.get_sheet_by_name(sheet), name)


def _choose(workbook: CalamineWorkbook, sheets: Sequence[SheetMetadata], wanted: str, name: str) -> tuple[str, list[Record | Mistake]]:
    """(name, first thousand rows) of the sheet to read, which has at least one. Raises DataError."""
    if not sheets:
        raise DataError(f"{name} has no sheet with cells, only charts or macros. Upload a workbook with a table.")
    names = [s.name for s in sorted(sheets, key=lambda s: s.visible != SheetVisibleEnum.Visible)]
    others = [WayOut(f"Read '{shown(other, 40)}'", {"sheet": other}) for other in names if other != wanted][:OFFERED_SHEETS]
    if wanted and wanted not in names:
        raise DataError(f"{name} has no sheet called '{shown(wanted)}'. It has: {column_list(names)}.", others)
    cover: tuple[str, list[Record | Mistake]] | None = None  # notes before the tables are read only where there is no table
    for sheet in [wanted] if wanted else names:
        first = list(islice(_records(_open(workbook, sheet, name)), SAMPLE_ROWS))
        if _is_table(first):
            return sheet, first
        cover = cover or ((sheet, first) if first else None)
    if cover:
        return cover
    if wanted:
        raise DataError(f"The sheet '{shown(wanted)}' of {name} is empty. Choose another sheet.", others)
    raise DataError(f"{name} is empty. Upload a workbook with column names and rows.")


def _is_table(rows: Sequence[Record | Mistake]) -> bool:
    """Two rows with two filled cells each."""
    return sum(isinstance(row, Mistake) or sum(map(bool, row[1])) > 1 for row in rows) > 1


def _records(sheet: CalamineSheet) -> Iterator[Record | Mistake]:
    """(row number, cells) of every row that is not blank."""
    if sheet.start is None:
        return
    number = 0
    rows = sheet.iter_rows()  # begins with the sheet's first row, though the table may begin below it
    while True:
        number += 1
        try:
            cells = [_text(cell) for cell in next(rows)]
        except StopIteration:
            return
        except OverflowError:
            yield Mistake(f"row {number}", "a date or time that no calendar has", "holds")
            continue
        if any(map(str.strip, cells)):
            yield number, cells


def _text(cell: Value) -> str:
    """A cell as a person reads it. A number has up to 15 digits, as in a spreadsheet program."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, (int, float)):
        return f"{cell:.15g}" if math.isfinite(cell) else ""
    if isinstance(cell, timedelta):
        return _duration(cell)
    return cell.isoformat()


def _duration(length: timedelta) -> str:
    """Hours, minutes, seconds: "36:00:00"."""
    seconds = round(abs(length.total_seconds()))
    sign = "-" if length < timedelta(0) else ""
    return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _entry(record: Record, columns: Sequence[tuple[int, str]], limits: Limits) -> Entry | Mistake:
    number, cells = record
    for i, column in columns:
        if 4 * len(cells[i]) > limits.max_cell_bytes and (size := len(cells[i].encode())) > limits.max_cell_bytes:
            what = f"column '{shown(column)}' holds {megabytes(size)}; one value may have {megabytes(limits.max_cell_bytes)}"
            return Mistake(f"row {number}", what)
    return Entry(f"row {number}", {column: cells[i] for i, column in columns})
