"""CSV and its relatives: text -> rows, with the line of the file on which each row begins. Every value stays the text it is."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from string import ascii_uppercase

from qlora_demo.data.table import Limits, Table
from qlora_demo.data.wording import Mistake, counted, megabytes, mistakes_error, shown, too_many_rows
from qlora_demo.errors import DataError

DELIMITERS = {",": "commas", ";": ";", "\t": "tabs", "|": "|"}
TAB_SUFFIXES = ("tsv", "tab")
SAMPLE_ROWS = 200
LONG_NAME = 80

Record = tuple[int, list[str]]


def read_delimited(text: str, name: str, suffix: str, limits: Limits) -> Table:
    """The first row gives the column names unless it is plainly data. Raises DataError that lists all ragged rows, or the first broken quote."""
    csv.field_size_limit(2**31 - 1)  # what is too long is found below, with its line
    declared = re.match(r"sep=([,;\t|])\n", text)
    delimiter = declared[1] if declared else choose_delimiter(text, suffix)
    records = _records(text, delimiter, skip_lines=1 if declared else 0)
    first = next(records, None)
    if first is None:
        raise DataError(f"{name} is empty. Upload a file with column names and rows.")
    if isinstance(first, Mistake):
        raise mistakes_error(name, [first])
    names, notes = _names(first[1])
    rest = _chain_first(first, records) if notes else records
    if len(names) > limits.max_columns:
        raise DataError(f"{name} has {len(names):,} columns; up to {limits.max_columns:,} are read. Leave some out and upload it again.")
    rows = _checked(rest, names, name, limits)
    columns = _columns(names, rows, name)
    if not rows:
        raise DataError("The file has column names but no rows.")
    expected = "\t" if suffix in TAB_SUFFIXES else ","
    if delimiter != expected:
        notes = (f"The file was read with {DELIMITERS[delimiter]} between the columns.", *notes)
    return Table(
        name,
        tuple(column for _, column in columns),
        tuple({column: cells[i] for i, column in columns} for _, cells in rows),
        tuple(f"line {line}" for line, _ in rows),
        "tsv" if delimiter == "\t" else "csv",
        notes,
    )


def choose_delimiter(text: str, suffix: str) -> str:
    """The one that gives the first rows the same number of columns, two or more; a comma where none does."""
    order = ("\t", ",", ";", "|") if suffix in TAB_SUFFIXES else tuple(DELIMITERS)
    widths = {delimiter: _sample_widths(text, delimiter) for delimiter in order}

    def merit(delimiter: str) -> tuple[bool, float, int]:
        common, times = Counter(widths[delimiter]).most_common(1)[0]
        return widths[delimiter][0] == common, times / len(widths[delimiter]), common

    several = [d for d in order if merit(d)[2] >= 2]
    if several:
        return max(several, key=merit)
    return next((d for d in order if set(widths[d]) == {1}), ",")


def _sample_widths(text: str, delimiter: str) -> list[int]:
    records = islice(_records(text, delimiter), SAMPLE_ROWS)
    return [len(record[1]) for record in records if not isinstance(record, Mistake)] or [1]


def _records(text: str, delimiter: str, skip_lines: int = 0) -> Iterator[Record | Mistake]:
    """(line on which it begins, values) of every row that is not blank. A broken quote ends the rows: what follows it cannot be told apart."""
    lines = io.StringIO(text, newline="\n")
    for _ in range(skip_lines):
        next(lines)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    begins = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield begins + skip_lines, cells
            begins = reader.line_num + 1
    except csv.Error:
        yield _broken_quote(text, delimiter, begins + skip_lines, reader.line_num + skip_lines)


def _broken_quote(text: str, delimiter: str, begins: int, reached: int) -> Mistake:
    """Either a quote that is never closed, or one that other text follows."""
    start = 0
    for _ in range(begins - 1):
        start = text.index("\n", start) + 1
    separator = re.escape(delimiter)
    opening = re.compile(rf'(?:^|(?<={separator}))"', re.MULTILINE)
    closed = re.compile(rf'"[^"]*(?:""[^"]*)*"(?={separator}|$)', re.MULTILINE)
    ended = re.compile(r'"[^"]*(?:""[^"]*)*"(?!")')
    while (quote := opening.search(text, start)) and (whole := closed.match(text, quote.start())):
        start = whole.end()
    if quote is None or ended.match(text, quote.start()):
        return Mistake(f"line {reached}", 'after a closing quote comes more text; write each quote inside a text twice, as ""')
    line = text.count("\n", 0, quote.start()) + 1
    return Mistake(f"line {line}", f"the quote opened on line {line} is never closed")


def _names(cells: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Column names from the first row. Where it is a row of data, letters, and a note that says so."""
    names = [cell.strip() for cell in cells]
    if not any(_is_sentence(name) for name in names):
        return names, ()
    letters = [_letter(i) for i in range(len(names))]
    return letters, (f"Your file has no column names. We called them {', '.join(letters)}.",)


def _is_sentence(name: str) -> bool:
    return len(name) > LONG_NAME or (len(name.split()) >= 3 and name.endswith((".", "?", "!")))


def _letter(index: int) -> str:
    """A, B, ... Z, AA, AB, as spreadsheets count."""
    before, place = divmod(index, 26)
    return (_letter(before - 1) if before else "") + ascii_uppercase[place]


def _chain_first(first: Record, records: Iterator[Record | Mistake]) -> Iterator[Record | Mistake]:
    yield first
    yield from records


def _checked(records: Iterator[Record | Mistake], names: Sequence[str], name: str, limits: Limits) -> list[Record]:
    rows: list[Record] = []
    mistakes: list[Mistake] = []
    count = 0
    for record in records:
        if isinstance(record, Mistake):
            mistakes.append(record)
            break
        count += 1
        line, cells = record
        wrong = _row_mistake(line, cells, names, limits)
        if wrong:
            mistakes.append(wrong)
        elif count <= limits.max_rows:
            rows.append(record)
    if mistakes:
        raise mistakes_error(name, mistakes)
    if count > limits.max_rows:
        raise too_many_rows(limits.max_rows, count)
    return rows


def _row_mistake(line: int, cells: Sequence[str], names: Sequence[str], limits: Limits) -> Mistake | None:
    if len(cells) != len(names):
        return Mistake(f"line {line}", f"{counted(len(cells), 'value')}, the first line has {len(names)}", "has")
    for column, cell in zip(names, cells, strict=True):
        if 4 * len(cell) > limits.max_cell_bytes and len(cell.encode()) > limits.max_cell_bytes:
            size, most = megabytes(len(cell.encode())), megabytes(limits.max_cell_bytes)
            return Mistake(f"line {line}", f"column '{shown(column)}' holds {size}; one value may have {most}")
    return None


def _columns(names: Sequence[str], rows: Sequence[Record], name: str) -> list[tuple[int, str]]:
    """(index, name) of each column. One without a name is left out where it is empty, else called by its number."""
    columns = []
    for i, column in enumerate(names):
        if column:
            columns.append((i, column))
        elif any(cells[i].strip() for _, cells in rows):
            columns.append((i, f"column {i + 1}"))
    twice = [column for column, times in Counter(column for _, column in columns).items() if times > 1]
    if twice:
        raise DataError(f"{name} has two columns called '{shown(twice[0])}'. Rename one and upload it again.")
    return columns
