"""CSV and its relatives: text -> rows, with the line of the file on which each row begins. Every value stays the text it is."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice

from qlora_demo.data.decoding import HEAD, TextFile
from qlora_demo.data.header import find_header
from qlora_demo.data.passages import PASTED
from qlora_demo.data.table import SAMPLE_ROWS, Entry, Limits, Table
from qlora_demo.data.wording import Mistake, counted, megabytes, mistakes_error, shown
from qlora_demo.errors import DataError

DELIMITERS = {",": "commas", ";": ";", "\t": "tabs", "|": "|"}
TAB_SUFFIXES = ("tsv", "tab")
WIDTH_ROWS = 200
HEADER_ROWS = 30
RULE = re.compile(r"\s*(:?-+:?)?\s*")
"""A cell of the line that a Markdown table draws below its names."""

Record = tuple[int, list[str]]


def read_delimited(file: TextFile, name: str, suffix: str, limits: Limits) -> Table:
    """The first row gives the column names unless it is plainly data; a title above the table is skipped. Raises DataError."""
    csv.field_size_limit(
        4 * limits.max_cell_bytes
    )  # what is longer than a value may be is found below, with its line; this ends a quote never closed
    head = file.head()
    declared = re.match(r"sep=([,;\t|])\n", head)
    delimiter = declared[1] if declared else choose_delimiter(head, suffix)
    lines_skipped = 1 if declared else 0
    first = list(islice(_records(file, delimiter, lines_skipped), SAMPLE_ROWS))
    if not first:
        raise DataError(f"{name} is empty. Upload a file with column names and rows.")
    if isinstance(first[0], Mistake):
        raise mistakes_error(name, [first[0]])
    records = [record[1] for record in first[:HEADER_ROWS] if not isinstance(record, Mistake)]
    # Of half a million columns, one too many is enough to look at.
    header = find_header([cells[: limits.max_columns + 1] for cells in records], suffix == PASTED.lower())
    skipped = header.title_rows + (not header.is_data)
    if len(header.names) > limits.max_columns:
        width = len(records[header.title_rows])
        raise DataError(f"{name} has {width:,} columns; up to {limits.max_columns:,} are read. Leave some out and upload it again.")
    below = [record[1] for record in first[skipped:] if not isinstance(record, Mistake)]
    columns = named_columns(header.names, below, name)
    if len(first) == skipped:
        raise DataError(f"{name} has column names but no rows. Upload a file with rows.")
    expected = "\t" if suffix in TAB_SUFFIXES else ","
    between = () if delimiter == expected else (f"The file was read with {DELIMITERS[delimiter]} between the columns.",)

    def entries() -> Iterator[Entry | Mistake]:
        for record in islice(_records(file, delimiter, lines_skipped), skipped, None):
            yield record if isinstance(record, Mistake) else _entry(record, header.names, columns, limits)

    names = tuple(column for _, column in columns)
    return Table(name, names, entries, "tsv" if delimiter == "\t" else "csv", (*between, *header.notes))


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
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    widths: list[int] = []
    with suppress(csv.Error):
        widths.extend(len(cells) for cells in islice(reader, WIDTH_ROWS) if any(cell.strip() for cell in cells))
    return widths or [1]


def _records(file: TextFile, delimiter: str, skip: int) -> Iterator[Record | Mistake]:
    """(line on which it begins, values) of every row that is not blank, after `skip` lines. A broken quote ends the rows: what follows it cannot be
    told apart."""
    before = skip
    with file.open() as lines:
        for _ in range(skip):
            next(lines)
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            for cells in reader:
                if any(map(str.strip, cells)) and not (delimiter == "|" and all(map(RULE.fullmatch, cells))):
                    yield before + 1, cells
                before = skip + reader.line_num
        except csv.Error as error:
            yield _broken(file, delimiter, (before, skip + reader.line_num), "field larger" in str(error))


def _broken(file: TextFile, delimiter: str, lines: tuple[int, int], too_long: bool) -> Mistake:
    """`lines` are how many lie before the row, and the one that was reached."""
    with file.open() as text:
        for _ in range(lines[0]):
            next(text)
        return _broken_quote(text.read(64 * HEAD), delimiter, lines, too_long)


def _broken_quote(text: str, delimiter: str, lines: tuple[int, int], too_long: bool) -> Mistake:
    """Either a quote that is never closed, or one that other text follows, or a value that is too long."""
    before, reached = lines
    start = 0
    separator = re.escape(delimiter)
    opening = re.compile(rf'(?:^|(?<={separator}))"', re.MULTILINE)
    closed = re.compile(rf'"[^"]*(?:""[^"]*)*"(?={separator}|$)', re.MULTILINE)
    ended = re.compile(r'"[^"]*(?:""[^"]*)*"(?!")')
    while (quote := opening.search(text, start)) and (whole := closed.match(text, quote.start())):
        start = whole.end()
    if too_long and (quote is None or ended.match(text, quote.start())):
        return Mistake(f"line {before + 1}", "a value is too long to be read", fatal=True)
    if quote is None or ended.match(text, quote.start()):
        return Mistake(f"line {reached}", 'after a closing quote comes more text; write each quote inside a text twice, as ""', fatal=True)
    line = before + text.count("\n", 0, quote.start()) + 1
    return Mistake(f"line {line}", f"the quote opened on line {line} is never closed", fatal=True)


def _entry(record: Record, names: Sequence[str], columns: Sequence[tuple[int, str]], limits: Limits) -> Entry | Mistake:
    line, cells = record
    if len(cells) != len(names):
        # A spreadsheet writes the empty cells beside a table too, and may leave out those at the end of a row.
        while len(cells) > len(names) and not cells[-1].strip():
            cells.pop()
        if len(cells) != len(names):
            return Mistake(f"line {line}", f"{counted(len(cells), 'value')}, the first line has {len(names)}", "has")
    if 4 * max(map(len, cells)) > limits.max_cell_bytes:
        wrong = _too_long(line, dict(zip(names, cells, strict=True)), limits)
        if wrong:
            return wrong
    return Entry(f"line {line}", {column: cells[i] for i, column in columns})


def _too_long(line: int, values: Mapping[str, str], limits: Limits) -> Mistake | None:
    for column, cell in values.items():
        if 4 * len(cell) > limits.max_cell_bytes and len(cell.encode()) > limits.max_cell_bytes:
            size, most = megabytes(len(cell.encode())), megabytes(limits.max_cell_bytes)
            return Mistake(f"line {line}", f"column '{shown(column)}' holds {size}; one value may have {most}")
    return None


def named_columns(names: Sequence[str], below: Sequence[Sequence[str]], name: str) -> list[tuple[int, str]]:
    """(index, name) of each column. One without a name is left out where the rows `below` leave it empty, else called by its number."""
    columns = []
    for i, column in enumerate(names):
        if column:
            columns.append((i, column))
        elif any(cells[i].strip() for cells in below if i < len(cells)):
            columns.append((i, f"column {i + 1}"))
    twice = [column for column, times in Counter(column for _, column in columns).items() if times > 1]
    if twice:
        raise DataError(f"{name} has two columns called '{shown(twice[0])}'. Rename one and upload it again.")
    return columns
