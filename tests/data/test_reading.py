"""A file becomes a table, or a sentence that says what is wrong, where, and what to do."""

from __future__ import annotations

import gzip
import os
import sys
from pathlib import Path

import pytest

from qlora_demo.data.reading import read_table
from qlora_demo.data.table import Limits, Table
from qlora_demo.errors import DataError

EXPECTED = 'Expected a list of objects, such as [{"question": "...", "answer": "..."}].'


def read(folder: Path, name: str, content: str | bytes, limits: Limits | None = None) -> Table:
    path = folder / "upload"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(path, name, limits or Limits())


def refusal(folder: Path, name: str, content: str | bytes, limits: Limits | None = None) -> str:
    with pytest.raises(DataError) as error:
        read(folder, name, content, limits)
    return str(error.value)


# Tables


def test_a_plain_csv_keeps_every_value_as_text(tmp_path: Path) -> None:
    table = read(tmp_path, "a.csv", "question,answer\n007,NA\n1e5,null\nTRUE,\n")
    assert table == Table(
        "a.csv",
        ("question", "answer"),
        ({"question": "007", "answer": "NA"}, {"question": "1e5", "answer": "null"}, {"question": "TRUE", "answer": ""}),
        ("line 2", "line 3", "line 4"),
        "csv",
    )


def test_semicolons_are_found_and_said(tmp_path: Path) -> None:
    table = read(tmp_path, "kunden.csv", "Frage;Antwort\nWann, bitte?;Um zehn, in der Stadt\nWo?;Hier\n")
    assert table.rows[0] == {"Frage": "Wann, bitte?", "Antwort": "Um zehn, in der Stadt"}
    assert table.notes == ("The file was read with ; between the columns.",)


@pytest.mark.parametrize(
    ("name", "kind", "notes"),
    [("a.tsv", "tsv", ()), ("a.csv", "tsv", ("The file was read with tabs between the columns.",))],
)
def test_tabs(tmp_path: Path, name: str, kind: str, notes: tuple[str, ...]) -> None:
    table = read(tmp_path, name, "q\ta\nx, y\tz\n")
    assert (table.kind, table.rows, table.notes) == (kind, ({"q": "x, y", "a": "z"},), notes)


def test_bars_and_a_declared_separator(tmp_path: Path) -> None:
    assert read(tmp_path, "a.csv", "q|a\nx|y\n").rows == ({"q": "x", "a": "y"},)
    table = read(tmp_path, "a.csv", "sep=;\nq;a\nx;y\n")
    assert (table.rows, table.positions) == (({"q": "x", "a": "y"},), ("line 3",))


def test_a_line_break_inside_quotes_still_counts_as_a_line_of_the_file(tmp_path: Path) -> None:
    table = read(tmp_path, "a.csv", 'q,a\n"one\ntwo",x\n\ny,"say ""hi"""\n')
    assert table.rows == ({"q": "one\ntwo", "a": "x"}, {"q": "y", "a": 'say "hi"'})
    assert table.positions == ("line 2", "line 5")
    expected = "We could not read a.csv: line 4 has 3 values, the first line has 2. Fix line 4 and upload it again."
    assert refusal(tmp_path, "a.csv", 'q,a\n"one\ntwo",x\ny,z,w\n') == expected


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_break(tmp_path: Path, newline: str) -> None:
    table = read(tmp_path, "a.csv", newline.join(["q,a", "x,y", '"1', '2",z', ""]))
    assert table.rows == ({"q": "x", "a": "y"}, {"q": "1\n2", "a": "z"})


def test_one_column_of_prose_is_one_column(tmp_path: Path) -> None:
    assert read(tmp_path, "a.csv", "text\nHello, world\nNice to see you\n").rows[0] == {"text": "Hello, world"}


def test_columns_without_a_name(tmp_path: Path) -> None:
    assert read(tmp_path, "a.csv", "q,a,,\nx,y,,\n").columns == ("q", "a")
    assert read(tmp_path, "a.csv", ",q,a\n0,x,y\n").columns == ("column 1", "q", "a")


def test_a_first_row_that_is_data_is_kept_as_data(tmp_path: Path) -> None:
    table = read(tmp_path, "a.csv", "What do you sell?,We sell bread and rolls.\nAnd when?,At six\n")
    assert table.rows[0] == {"A": "What do you sell?", "B": "We sell bread and rolls."}
    assert table.positions == ("line 1", "line 2")
    assert table.notes == ("Your file has no column names. We called them A, B.",)


def test_a_broken_line_three(tmp_path: Path) -> None:
    expected = "We could not read orders.csv: line 3 has 5 values, the first line has 2. Fix line 3 and upload it again."
    assert refusal(tmp_path, "orders.csv", "q,a\nx,y\n1,2,3,4,5\n") == expected


def test_several_mistakes_at_once_and_no_more_than_six_in_full(tmp_path: Path) -> None:
    three = refusal(tmp_path, "orders.csv", "q,a\nx,y\nx\nx,y\n1,2,3\n1,2,3,4\n")
    assert three == (
        "orders.csv has 3 mistakes. Line 3: 1 value, the first line has 2. Line 5: 3 values, the first line has 2. "
        "Line 6: 4 values, the first line has 2. Fix them and upload it again."
    )
    ten = refusal(tmp_path, "orders.csv", "q,a\n" + "x,y\n" * 20 + "1,2,3\n" * 10)
    assert ten.startswith("orders.csv has 10 mistakes. Line 22: ")
    assert ten.endswith("Line 27: 3 values, the first line has 2. And 4 more. Fix them and upload it again.")


def test_quotes_that_do_not_close(tmp_path: Path) -> None:
    never = "We could not read a.csv: line 2: the quote opened on line 2 is never closed. Fix line 2 and upload it again."
    assert refusal(tmp_path, "a.csv", 'q,a\nx,"y\nz,w\n') == never
    later = refusal(tmp_path, "a.csv", 'q,a\n"x\ny",z\n"b\nc","d ""e"" \nf,g\n')
    assert later == "We could not read a.csv: line 5: the quote opened on line 5 is never closed. Fix line 5 and upload it again."
    after = 'after a closing quote comes more text; write each quote inside a text twice, as ""'
    assert refusal(tmp_path, "a.csv", 'q,a\n"x" y,z\n') == f"We could not read a.csv: line 2: {after}. Fix line 2 and upload it again."


def test_a_column_name_that_stands_twice(tmp_path: Path) -> None:
    assert refusal(tmp_path, "a.csv", "text,text\n1,2\n") == "a.csv has two columns called 'text'. Rename one and upload it again."


def test_nothing_in_it(tmp_path: Path) -> None:
    for content in (b"", b"\n\n  \n", b"\xef\xbb\xbf"):
        assert refusal(tmp_path, "a.csv", content) == "a.csv is empty. Upload a file with column names and rows."
    assert refusal(tmp_path, "a.csv", "question,answer\n") == "The file has column names but no rows."


def test_limits(tmp_path: Path) -> None:
    rows = refusal(tmp_path, "a.csv", "q,a\n" + "x,y\n" * 1240, Limits(max_rows=500))
    assert rows == "This demo takes up to 500 rows; yours has 1,240. Upload a shorter file."
    assert refusal(tmp_path, "a.jsonl", '{"q": "x"}\n' * 3, Limits(max_rows=2)).startswith("This demo takes up to 2 rows; yours has 3.")
    size = refusal(tmp_path, "a.csv", "x" * 2_500_000, Limits(max_bytes=1_000_000))
    assert size == "a.csv has 2.5 MB; up to 1 MB are read. Upload a smaller file."
    cell = refusal(tmp_path, "a.csv", "q,a\nx," + "é" * 600_000 + "\n")
    assert cell == "We could not read a.csv: line 2: column 'a' holds 1.2 MB; one value may have 1 MB. Fix line 2 and upload it again."
    assert refusal(tmp_path, "a.csv", ",".join(f"c{i}" for i in range(600)) + "\n").startswith("a.csv has 600 columns; up to 500 are read.")


# Bytes


def test_encodings(tmp_path: Path) -> None:
    text = "q,a\nü,y\n"
    assert read(tmp_path, "a.csv", text.encode("utf-8-sig")).columns == ("q", "a")
    for encoding in ("utf-16", "utf-16-be"):
        table = read(tmp_path, "a.csv", (b"\xfe\xff" if encoding == "utf-16-be" else b"") + text.encode(encoding))
        assert (table.rows, table.notes) == (({"q": "ü", "a": "y"},), ("The file was read as UTF-16 text.",))
    assert refusal(tmp_path, "a.csv", text.encode("utf-16-le")) == (
        "a.csv seems to be UTF-16 text without its mark: it is full of NUL bytes. Save it as UTF-8 and upload it again."
    )
    assert refusal(tmp_path, "a.csv", text.encode("latin-1")) == (
        "a.csv is not UTF-8 text: line 2 holds a byte that does not belong there (byte 5 of the file). "
        "Save it as UTF-8, in a spreadsheet as 'CSV UTF-8', and upload it again."
    )
    assert refusal(tmp_path, "a.csv", b"q,a\nx\0y,z\n") == (
        "We could not read a.csv: line 2 holds a NUL byte (byte 6 of the file), which no text has. Fix line 2 and upload it again."
    )


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("photo.csv", b"\x89PNG\r\n\x1a\n\0\0", "photo.csv is an image. Upload a table, JSON, or text."),
        ("a.csv", b"%PDF-1.7\n", "a.csv is a PDF. Copy its text into a table and upload that."),
        ("a.csv", b"PK\x03\x04....hello.txt", "a.csv is an archive (ZIP). Unpack it and upload the file inside."),
        ("a.csv", b"PK\x03\x04....xl/workbook.xml", "a.csv is an Excel workbook. Save it as CSV and upload that."),
        ("a.jsonl", gzip.compress(b"{}\n" * 100), "a.jsonl is a compressed file (gzip). Unpack it and upload the file inside."),
        ("a.csv", b"PAR1\x15\x04", "a.csv is a Parquet file. Save it as CSV and upload that."),
        ("a.csv", b"\x80\x04\x95", "a.csv is a Python pickle. Save it as CSV and upload that."),
        ("a.csv", b"\x7fELF\x02", "a.csv is a program. Upload a table, JSON, or text."),
        ("a.csv", b" " * 257 + b"ustar", "a.csv is an archive (tar). Unpack it and upload the file inside."),
        ("train.py", b"import os\n", "train.py is a program. Upload a table, JSON, or text."),
        ("a.csv", bytes(range(1, 256)) * 3, "a.csv is not a text file. Upload a table, JSON, or text."),
    ],
)
def test_what_is_no_text_is_named(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    assert refusal(tmp_path, name, content) == expected


def test_the_name_is_only_shown(tmp_path: Path) -> None:
    for name, shown in (("../../x.csv", "x.csv"), ("C:\\a\\y.csv", "y.csv"), ("a\0b\u202ec.csv", "abc.csv"), ("/", "your file")):
        assert read(tmp_path, name, "q,a\nx,y\n").name == shown
    assert len(read(tmp_path, "n" * 400 + ".csv", "q,a\nx,y\n").name) == 80


@pytest.mark.skipif(sys.platform == "win32", reason="no links and no named pipes")
def test_only_a_regular_file_is_opened(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("q,a\nx,y\n")
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    cases = {
        "link.csv": "link.csv is a link to another file. Give the file itself.",
        "pipe.csv": "pipe.csv is not a file. Upload a table, JSON, or text.",
        ".": "your file is not a file. Upload a table, JSON, or text.",
        "gone.csv": "gone.csv cannot be opened (No such file or directory). Upload it again.",
    }
    for name, expected in cases.items():
        with pytest.raises(DataError) as error:
            read_table(tmp_path / name, name if name != "." else "/", Limits())
        assert str(error.value) == expected


# JSON


def test_json_lines_and_json_are_read_as_what_they_are(tmp_path: Path) -> None:
    lines, array = '{"q": "x"}\n\n{"q": "y", "n": 2}\n', '[{"q": "x"},\n {"q": "y", "n": 2}]'
    rows = ({"q": "x"}, {"q": "y", "n": 2})
    for name in ("a.jsonl", "a.json", "a.ndjson", "a.csv", "a.txt"):
        assert read(tmp_path, name, lines) == Table(name, ("q", "n"), rows, ("line 1", "line 3"), "jsonl")
        assert read(tmp_path, name, array) == Table(name, ("q", "n"), rows, ("row 1", "row 2"), "json")
    assert read(tmp_path, "a.json", '{"data": [{"q": "x"}]}').rows == ({"q": "x"},)
    assert read(tmp_path, "a.json", '{\n "q": "x",\n "a": "y"\n}').rows == ({"q": "x", "a": "y"},)
    assert read(tmp_path, "a.jsonl", '{"q": "x", "a": "y"}').kind == "jsonl"


def test_a_bare_list_of_messages_is_one_row(tmp_path: Path) -> None:
    bare = '[{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]'
    row = {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}
    assert read(tmp_path, "a.jsonl", f"{bare}\n{bare}\n").rows == (row, row)
    assert read(tmp_path, "a.jsonl", bare).rows == (row,)
    assert read(tmp_path, "a.json", bare).rows == (row,)
    assert read(tmp_path, "a.json", f"[{bare}, {bare}]").rows == (row, row)


def test_a_broken_json_line_is_told_with_its_character(tmp_path: Path) -> None:
    one = refusal(tmp_path, "a.jsonl", '{"q": "x"}\n{"q": "y"}\n{"q": "x", "a" "y"}\n')
    assert one == "We could not read a.jsonl: line 3, character 16: a colon is missing. Fix line 3 and upload it again."
    two = refusal(tmp_path, "a.jsonl", '{"q" "x"}\n{"q": "y"}\n{"q": "cut o')
    assert two == (
        "a.jsonl has 2 mistakes. Line 1, character 6: a colon is missing. "
        "Line 3, character 7: the text that begins here is never closed; the file may be cut off here. Fix them and upload it again."
    )
    document = refusal(tmp_path, "a.json", '[\n {"q": "x"}\n {"q": "y"}\n]')
    assert document == "We could not read a.json: line 3, character 2: a comma is missing. Fix line 3 and upload it again."


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("42", f"a.json holds nothing but a number. {EXPECTED}"),
        ("null", f"a.json holds nothing but null. {EXPECTED}"),
        ('"x"', f"a.json holds nothing but a text. {EXPECTED}"),
        ("[]", f"a.json holds an empty list. {EXPECTED}"),
        ("[{}]", f"a.json holds only empty objects. {EXPECTED}"),
        ('{"q": ["x"], "a": ["y"]}', f"a.json holds one object and no list of rows. {EXPECTED}"),
        ("[" * 100_000, f"We could not read a.json: lists and objects stand more than 20 deep inside each other. {EXPECTED}"),
        ('[{"q": "x"}, 3]', "We could not read a.json: row 2: a number stands where an object was expected. Fix row 2 and upload it again."),
        ("[[1, 2]]", "We could not read a.json: row 1: a list stands where an object was expected. Fix row 1 and upload it again."),
    ],
)
def test_json_that_is_no_list_of_rows(tmp_path: Path, content: str, expected: str) -> None:
    assert refusal(tmp_path, "a.json", content) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("NaN", "row 2, field 'q': NaN is not a value that JSON allows"),
        ("-Infinity", "row 2, field 'q': -Infinity is not a value that JSON allows"),
        ("1e999", "row 2, field 'q': the number 1e999 is too large"),
        ("1" * 5000, "row 2, field 'q': a number has 5,000 digits"),
        ('"\\ud800"', "row 2, field 'q': the text holds half of a character (a lone surrogate)"),
        ('"a\\u0000b"', "row 2, field 'q': a NUL character stands in the text"),
        ('{"x": 1, "x": 2}', "row 2, field 'q': the name 'x' stands twice"),
        ("[" * 30 + "]" * 30, "row 2, field 'q': lists and objects stand more than 20 deep inside each other"),
        ('"' + "x" * 1_200_000 + '"', "row 2, field 'q': the text has 1.2 MB; one value may have 1 MB"),
    ],
)
def test_values_that_python_accepts_and_json_does_not(tmp_path: Path, value: str, expected: str) -> None:
    message = f"We could not read a.json: {expected}. Fix row 2 and upload it again."
    assert refusal(tmp_path, "a.json", f'[{{"q": "x"}}, {{"q": {value}}}]') == message


def test_a_name_that_stands_twice_in_a_line(tmp_path: Path) -> None:
    expected = "We could not read a.jsonl: line 2: the name 'q' stands twice. Fix line 2 and upload it again."
    assert refusal(tmp_path, "a.jsonl", '{"q": "x"}\n{"q": "y", "q": "z"}\n') == expected
