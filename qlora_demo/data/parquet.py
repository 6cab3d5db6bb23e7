"""Parquet files: rows of plain values, decoded a few at a time, so that a small file that decodes to gigabytes takes little memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds
from pyarrow.parquet import FileMetaData, ParquetFile

from qlora_demo.data.json_rows import MAX_DEPTH, Unreadable, find_unreadable
from qlora_demo.data.table import Entry, Limits, Table
from qlora_demo.data.wording import Mistake, column_list, counted, megabytes, shown
from qlora_demo.errors import DataError

BATCH_ROWS, BATCH_BYTES = 100, 1_000_000
"""Rows are decoded in portions of about this size, by the file's own account of itself."""
MAX_BATCH_BYTES, MAX_HELD_BYTES = 48_000_000, 32_000_000
READ_BUFFER = 1 << 16
ENCRYPTED = b"PARE"
PLAIN = (
    kinds.is_string,
    kinds.is_large_string,
    kinds.is_string_view,
    kinds.is_integer,
    kinds.is_floating,
    kinds.is_boolean,
    kinds.is_date,
    kinds.is_time,
    kinds.is_timestamp,
    kinds.is_duration,
    kinds.is_decimal,
    kinds.is_null,
)
LISTS = {kinds.is_list: pa.list_, kinds.is_large_list: pa.large_list}


def read_parquet(path: Path, name: str, limits: Limits) -> Table:
    """Columns of bytes are left out, with a note. `rows_known` is what the file says, whether too many or not. Raises DataError."""
    schema, about = _look(path, name)
    if len(schema) > limits.max_columns:
        raise DataError(f"{name} has {len(schema):,} columns; up to {limits.max_columns:,} are read. Leave some out and upload it again.")
    twice = next((column for i, column in enumerate(schema.names) if column in schema.names[:i]), None)
    if twice is not None:
        raise DataError(f"{name} has two columns called '{shown(twice)}'. Rename one and upload it again.")
    columns = tuple(field.name for field in schema if _is_readable(field.type))
    left_out = [f"{shown(field.name, 25)} ({_called(field.type)})" for field in schema if not _is_readable(field.type)]
    if not columns:
        raise DataError(f"{name} has no column of text or numbers, only: {column_list(left_out)}. Upload a file with texts.")
    if about.num_rows <= 0:
        raise DataError(f"{name} has column names but no rows. Upload a file with rows.")
    notes = (f"We left out {counted(len(left_out), 'column')} that cannot be read as text: {column_list(left_out)}.",) if left_out else ()

    def entries() -> Iterator[Entry | Mistake]:
        return _entries(path, columns, name, limits)

    return Table(name, columns, entries, "parquet", notes, rows_known=about.num_rows)


def _look(path: Path, name: str) -> tuple[pa.Schema, FileMetaData]:
    with path.open("rb") as file:
        if file.read(4) == ENCRYPTED:
            raise DataError(f"{name} is an encrypted Parquet file. Save it without encryption and upload that.")
    try:
        with ParquetFile(path) as file:
            return file.schema_arrow, file.metadata
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _broken(name) from error


def _broken(name: str) -> DataError:
    return DataError(f"{name} is a broken Parquet file, is cut off, or is encrypted. Save or download it again and upload that.")


def _is_readable(kind: pa.DataType, depth: int = 0) -> bool:
    """Whether its values have a plain form: text, numbers, times, and lists and structures of these."""
    if depth > MAX_DEPTH:
        return False
    if kinds.is_dictionary(kind) or kinds.is_fixed_size_list(kind) or any(is_list(kind) for is_list in LISTS):
        return _is_readable(kind.value_type, depth + 1)
    if kinds.is_map(kind):
        return _is_readable(kind.key_type, depth + 1) and _is_readable(kind.item_type, depth + 1)
    if kinds.is_struct(kind):
        return all(_is_readable(field.type, depth + 1) for field in kind.fields)
    return any(is_plain(kind) for is_plain in PLAIN)


def _called(kind: pa.DataType) -> str:
    return "structure" if kinds.is_nested(kind) else str(kind)


def _entries(path: Path, columns: Sequence[str], name: str, limits: Limits) -> Iterator[Entry | Mistake]:
    """Raises DataError where the rest cannot be read, or where the rows decode to more than `limits.max_unpacked_bytes`."""
    number = decoded = 0
    for batch in _batches(path, columns, name):
        if batch.nbytes > MAX_BATCH_BYTES:
            what = f"{counted(len(batch), 'row')} with {megabytes(batch.nbytes)}, more than can be read at once"
            raise DataError(f"{name} holds {what} (after row {number:,}). Upload a file with shorter texts.")
        arrays = [(column, batch.column(column)) for column in columns]
        arrays = [(column, array.cast(_simpler(array.type), safe=False)) for column, array in arrays]
        for i in range(len(batch)):
            number += 1
            values = {column: _value(array[i]) for column, array in arrays}
            decoded += _size(values)
            if decoded > limits.max_unpacked_bytes:
                raise DataError(f"{name} decodes to more than {megabytes(limits.max_unpacked_bytes)}. Upload a smaller file.")
            yield _entry(f"row {number}", values, limits)


def _batches(path: Path, columns: Sequence[str], name: str) -> Iterator[pa.RecordBatch]:
    try:
        with ParquetFile(path) as file:
            repetitive = _repetitive(file.metadata)
        with ParquetFile(path, pre_buffer=False, buffer_size=READ_BUFFER, read_dictionary=repetitive) as file:
            for group in range(file.metadata.num_row_groups):
                rows = _batch_rows(file.metadata, group)
                yield from file.iter_batches(rows, row_groups=[group], columns=list(columns), use_threads=False)
    except MemoryError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise _broken(name) from error


def _repetitive(about: FileMetaData) -> list[str]:
    """Columns of text, inside structures too, of whose repeated values only one shall be held: those that are small in the file. What is held
    grows with all that the column has, so that large ones are decoded as they are."""
    schema = about.schema
    leaves = [i for i in range(len(schema)) if schema.column(i).physical_type == "BYTE_ARRAY" and schema.column(i).logical_type.type == "STRING"]
    groups = [about.row_group(i) for i in range(about.num_row_groups)]
    sizes = {i: max((group.column(i).total_uncompressed_size for group in groups), default=0) for i in leaves}
    chosen, held = [], 0
    for i in sorted(leaves, key=sizes.__getitem__):
        held += sizes[i]
        if held <= MAX_HELD_BYTES:
            chosen.append(schema.column(i).path)
    return chosen


def _batch_rows(about: FileMetaData, group: int) -> int:
    group_of_rows = about.row_group(group)
    a_row = group_of_rows.total_byte_size // max(1, group_of_rows.num_rows)
    return min(BATCH_ROWS, max(1, BATCH_BYTES // max(1, a_row)))


def _simpler(kind: pa.DataType) -> pa.DataType:
    """The same with times that Python has: microseconds at the finest, and UTC in place of zones that this machine may not know."""
    if kinds.is_timestamp(kind):
        return pa.timestamp("us" if kind.unit == "ns" else kind.unit, "UTC" if kind.tz else None)
    if kinds.is_duration(kind) and kind.unit == "ns":
        return pa.duration("us")
    if kinds.is_time64(kind):
        return pa.time64("us")
    for is_list, list_of in LISTS.items():
        if is_list(kind):
            return list_of(kind.value_field.with_type(_simpler(kind.value_type)))
    if kinds.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(_simpler(kind.value_type)), kind.list_size)
    if kinds.is_struct(kind):
        return pa.struct([field.with_type(_simpler(field.type)) for field in kind.fields])
    if kinds.is_map(kind):
        return pa.map_(kind.key_field.with_type(_simpler(kind.key_type)), kind.item_field.with_type(_simpler(kind.item_type)))
    return kind


def _value(cell: pa.Scalar) -> Any:
    try:
        return _plain(cell.as_py(maps_as_pydicts="lossy"))
    except UnicodeDecodeError:
        return Unreadable("the text is not UTF-8")
    except IndexError:  # of a table of repeated texts, which Arrow checks only now
        return Unreadable("the value is damaged")
    except (OverflowError, ValueError):
        return Unreadable("a date or time that no calendar has")


def _plain(value: Any) -> Any:
    """As JSON would have it: dates and decimals as text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else Unreadable(f"{value} is not a number that can be used")
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value) if isinstance(value, timedelta) else value


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode())
    if isinstance(value, dict):
        return sum(_size(key) + _size(item) for key, item in value.items())
    return sum(map(_size, value)) if isinstance(value, list) else 8


def _entry(place: str, values: dict[str, Any], limits: Limits) -> Entry | Mistake:
    for column, value in values.items():
        found = find_unreadable(value, limits.max_cell_bytes, f"column '{shown(column)}'")
        if found:
            return Mistake(f"{place}, {found[0]}", found[1])
    return Entry(place, values)
