"""Parquet files become rows of plain values; what cannot be read is named with its row, and a bomb takes little memory."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow.parquet import write_table

from qlora_demo.data.parquet import read_parquet
from qlora_demo.data.table import Entry, Limits, Table
from qlora_demo.data.wording import Mistake
from qlora_demo.errors import DataError

BROKEN = "chats.parquet is a broken Parquet file, is cut off, or is encrypted. Save or download it again and upload that."
MOST_MEMORY = 300_000_000
CHILD = """
import sys
from pathlib import Path
from qlora_demo.data.parquet import read_parquet
from qlora_demo.data.table import Limits
from qlora_demo.errors import DataError
from qlora_demo.systems import limit_memory, peak_memory
limit_memory(280_000_000)  # as the child that reads a small file
try:
    print(sum(1 for _ in read_parquet(Path(sys.argv[1]), "chats.parquet", Limits(max_unpacked_bytes=int(sys.argv[2]))).entries()), "rows")
except DataError as error:
    print(error)
except MemoryError:
    print("too much memory")
print(peak_memory())
"""


def written(columns: Mapping[str, Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    write_table(pa.table(dict(columns)), buffer, **options)
    return buffer.getvalue()


def read(folder: Path, content: bytes, limits: Limits | None = None) -> Table:
    (folder / "upload").write_bytes(content)
    return read_parquet(folder / "upload", "chats.parquet", limits or Limits())


def refusal(folder: Path, content: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(DataError) as error:
        list(read(folder, content, limits).entries())
    return str(error.value)


def values(table: Table, column: str) -> list[Any]:
    return [entry.values[column] for entry in table.entries() if isinstance(entry, Entry)]


def test_rows_come_in_order_across_portions_and_groups(tmp_path: Path) -> None:
    table = read(tmp_path, written({"question": [f"q{i}" for i in range(350)], "answer": ["a"] * 350}, row_group_size=120))
    assert (table.kind, table.columns, table.rows_known, table.notes) == ("parquet", ("question", "answer"), 350, ())
    entries = list(table.entries())
    assert entries == list(table.entries())
    assert entries[249] == Entry("row 250", {"question": "q249", "answer": "a"})


def test_nested_messages_are_lists_of_objects(tmp_path: Path) -> None:
    messages = [[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}], [], None]
    tags = pa.array([[("lang", "en")], [], None], pa.map_(pa.string(), pa.string()))
    table = read(tmp_path, written({"messages": pa.array(messages), "tags": tags}))
    assert values(table, "messages") == messages
    assert values(table, "tags") == [{"lang": "en"}, {}, None]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
        (pa.array(["ä", None], pa.large_string()), ["ä", None]),
        (pa.array(["ä"], pa.string_view()), ["ä"]),
        (pa.array([1, None]), [1, None]),
        (pa.array([1.5, 2.0]), [1.5, 2.0]),
        (pa.array([True]), [True]),
        (pa.array([Decimal("1.50"), Decimal("-1000")]), ["1.50", "-1000.00"]),
        (pa.array([date(2024, 1, 2)]), ["2024-01-02"]),
        (pa.array([time(3, 4, 5)], pa.time64("ns")), ["03:04:05"]),
        (pa.array([datetime(2024, 1, 2, 3, 4, 5)], pa.timestamp("ns")), ["2024-01-02T03:04:05"]),
        (pa.array([1_000_000_001], pa.timestamp("ns")), ["1970-01-01T00:00:01"]),
        (pa.array([0], pa.timestamp("s", tz="Nowhere/Land")), ["1970-01-01T00:00:00+00:00"]),
        (pa.array([90], pa.duration("s")), ["0:01:30"]),
        (pa.array([{"at": datetime(2024, 1, 2), "of": [1, 2]}]), [{"at": "2024-01-02T00:00:00", "of": [1, 2]}]),
        (pa.array([[1, 2]], pa.list_(pa.int8(), 2)), [[1, 2]]),
        (pa.nulls(2), [None, None]),
    ],
)
def test_every_kind_of_value(tmp_path: Path, column: pa.Array, expected: list[Any]) -> None:
    assert values(read(tmp_path, written({"x": column})), "x") == expected


def test_columns_of_bytes_are_left_out_and_said(tmp_path: Path) -> None:
    images = pa.array([{"bytes": b"x", "path": "a.png"}])
    table = read(tmp_path, written({"text": ["x"], "raw": [b"x"], "image": images}))
    assert table.columns == ("text",)
    assert table.notes == ("We left out 2 columns that cannot be read as text: raw (binary), image (structure).",)
    only = "chats.parquet has no column of text or numbers, only: raw (binary). Upload a file with texts."
    assert refusal(tmp_path, written({"raw": [b"x"]})) == only


def test_rows_that_cannot_be_used_are_mistakes_and_the_others_come(tmp_path: Path) -> None:
    text = pa.Array.from_buffers(pa.string(), 1, [None, *pa.array([b"\xff"]).buffers()[1:]])
    texts = pa.chunked_array([pa.array(["x", "\0", "y" * 30, "x", "x"]), text, pa.array(["x"])])
    scores = [1.0, 1.0, 1.0, float("nan"), float("-inf"), 1.0, 2.0]
    when = pa.array([0, 0, 0, 0, 0, 0, 2**40], pa.timestamp("s"))
    content = written({"text": texts, "score": scores, "when": when})
    assert list(read(tmp_path, content, Limits(max_cell_bytes=20)).entries()) == [
        Entry("row 1", {"text": "x", "score": 1.0, "when": "1970-01-01T00:00:00"}),
        Mistake("row 2, column 'text'", "a NUL character stands in the text"),
        Mistake("row 3, column 'text'", "the text has 0 MB; one value may have 0 MB"),
        Mistake("row 4, column 'score'", "nan is not a number that can be used"),
        Mistake("row 5, column 'score'", "-inf is not a number that can be used"),
        Mistake("row 6, column 'text'", "the text is not UTF-8"),
        Mistake("row 7, column 'when'", "a date or time that no calendar has"),
    ]


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    good = written({"q": ["x"] * 1000})
    assert refusal(tmp_path, good[:-10]) == BROKEN
    assert refusal(tmp_path, b"PAR1") == BROKEN
    assert refusal(tmp_path, good[:-8] + (2**31 - 1).to_bytes(4, "little") + b"PAR1") == BROKEN
    assert refusal(tmp_path, good[:4] + b"\xff" * 40 + good[44:]) == BROKEN
    encrypted = "chats.parquet is an encrypted Parquet file. Save it without encryption and upload that."
    assert refusal(tmp_path, b"PARE" + good[4:-4] + b"PARE") == encrypted
    assert refusal(tmp_path, written({"q": pa.array([], pa.string())})) == "chats.parquet has column names but no rows. Upload a file with rows."
    wide = "chats.parquet has 3 columns; up to 2 are read. Leave some out and upload it again."
    assert refusal(tmp_path, written(dict.fromkeys("abc", ["x"])), Limits(max_columns=2)) == wide
    buffer = io.BytesIO()
    write_table(pa.Table.from_arrays([pa.array(["x"]), pa.array(["y"])], ["q", "q"]), buffer)
    assert refusal(tmp_path, buffer.getvalue()) == "chats.parquet has two columns called 'q'. Rename one and upload it again."


def test_a_column_nested_too_deeply_is_left_out(tmp_path: Path) -> None:
    deep = pa.array(["x"])
    for _ in range(40):
        deep = pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), deep)
    assert read(tmp_path, written({"q": ["x"], "deep": deep})).columns == ("q",)


def in_a_child(file: Path, most: int) -> str:
    command = [sys.executable, "-c", CHILD, str(file), str(most)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    said, _, peak = done.stdout.strip().rpartition("\n")
    assert int(peak) < MOST_MEMORY
    return said


def test_half_a_megabyte_that_decodes_to_five_gigabytes(tmp_path: Path) -> None:
    text = pa.DictionaryArray.from_arrays(pa.array(bytes(5_000_000), pa.int8()), pa.array(["x" * 1000]))
    (tmp_path / "bomb").write_bytes(written({"text": text}))
    assert (tmp_path / "bomb").stat().st_size < 1_000_000
    assert in_a_child(tmp_path / "bomb", 200_000_000) == "chats.parquet decodes to more than 200 MB. Upload a smaller file."


def test_bombs_inside_structures_and_in_repeated_values(tmp_path: Path) -> None:
    messages = pa.array([[{"role": "user", "content": "x" * 1000}] * 1000] * 200)
    (tmp_path / "nested").write_bytes(written({"messages": messages}, compression="zstd"))
    assert in_a_child(tmp_path / "nested", 50_000_000) == "chats.parquet decodes to more than 50 MB. Upload a smaller file."
    one = pa.DictionaryArray.from_arrays(pa.array([0] * 50), pa.array(["x" * 60_000_000]))
    (tmp_path / "one").write_bytes(written({"text": one}, compression="zstd"))
    assert in_a_child(tmp_path / "one", 1_000_000_000) == "too much memory"


def test_rows_that_are_too_large_at_once(tmp_path: Path) -> None:
    said = "chats.parquet holds 1 row with 60 MB, more than can be read at once (after row 0). Upload a file with shorter texts."
    assert refusal(tmp_path, written({"text": ["x" * 60_000_000]}, use_dictionary=False)) == said


def test_memory_is_flat_for_a_large_group_of_rows(tmp_path: Path) -> None:
    texts = [f"{i} " * 300 for i in range(100_000)]
    (tmp_path / "large").write_bytes(written({"text": texts}, row_group_size=100_000, use_dictionary=False))
    assert in_a_child(tmp_path / "large", 1_000_000_000) == "100000 rows"


GOOD = (
    written({"messages": pa.array([[{"role": "user", "content": "xyz"}] * 2] * 5), "when": pa.array(range(5), pa.timestamp("ns"))}),
    written({"text": ["hello " * 20, "b"] * 50, "number": list(range(100))}, compression="zstd", data_page_version="2.0", row_group_size=30),
)


# Always the same examples: should native code ever crash, the reader's child ends, but a test would take all others with it.
@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(good=st.sampled_from(GOOD), at=st.integers(0, 3000), cut=st.integers(0, 8), put=st.binary(max_size=4))
def test_good_files_with_one_slip(tmp_path: Path, good: bytes, at: int, cut: int, put: bytes) -> None:
    try:
        list(read(tmp_path, good[:at] + put + good[at + cut :]).entries())
    except DataError as error:
        assert str(error).endswith(".")
