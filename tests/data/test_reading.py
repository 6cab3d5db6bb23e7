"""A file becomes a table, or a sentence that says what is wrong, where, and what to do."""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from qlora_demo.data.choices import Choices
from qlora_demo.data.decoding import decode
from qlora_demo.data.reading import read_table
from qlora_demo.data.table import Limits
from qlora_demo.data.taking import take_copy
from qlora_demo.data.wording import Mistake, mistakes_error
from qlora_demo.errors import DataError

EXPECTED = 'Expected a list of objects, such as [{"question": "...", "answer": "..."}].'


@dataclass(frozen=True)
class Read:
    """A table with all its rows."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    positions: tuple[str, ...]
    kind: str
    notes: tuple[str, ...] = ()


def read(folder: Path, name: str, content: str | bytes, limits: Limits | None = None) -> Read:
    """Raises DataError, for mistakes in single rows too. Read twice: a table begins anew each time."""
    path = folder / "upload"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    table = read_table(path, name, Choices(), limits or Limits())
    found = list(table.entries())
    assert list(table.entries()) == found
    mistakes = [item for item in found if isinstance(item, Mistake)]
    if mistakes:
        raise mistakes_error(table.name, mistakes)
    return Read(table.name, table.columns, tuple(e.values for e in found), tuple(e.position for e in found), table.kind, table.notes)


def refusal(folder: Path, name: str, content: str | bytes, limits: Limits | None = None) -> str:
    with pytest.raises(DataError) as error:
        read(folder, name, content, limits)
    return str(error.value)


# Tables


def test_a_plain_csv_keeps_every_value_as_text(tmp_path: Path) -> None:
    table = read(tmp_path, "a.csv", "question,answer\n007,NA\n1e5,null\nTRUE,\n")
    assert table == Read(
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
    assert refusal(tmp_path, "a.csv", "question,answer\n") == "a.csv has column names but no rows. Upload a file with rows."


def test_limits(tmp_path: Path) -> None:
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
    assert refusal(tmp_path, "a.csv", b"q,a\nx\0y,z\n") == (
        "We could not read a.csv: line 2 holds a NUL byte (byte 6 of the file), which no text has. Fix line 2 and upload it again."
    )


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("photo.csv", b"\x89PNG\r\n\x1a\n\0\0", "photo.csv is an image. Upload a table, JSON, or text."),
        ("a.csv", b"%PDF-1.7\n", "a.csv is a PDF. Copy its text into a table and upload that."),
        ("a.jsonl", gzip.compress(b"{}\n" * 100), "a.jsonl is a compressed file (gzip). Unpack it and upload the file inside."),
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
            take_copy(tmp_path / name, name if name != "." else "/", Limits(), tmp_path / "copy")
        assert str(error.value) == expected
    assert not (tmp_path / "copy").exists()


def test_a_file_that_is_too_large_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"x" * 2_500_000)
    with pytest.raises(DataError, match="^a.csv has 2.5 MB; up to 1 MB are read. Upload a smaller file.$"):
        take_copy(tmp_path / "a.csv", "a.csv", Limits(max_bytes=1_000_000), tmp_path / "copy")
    take_copy(tmp_path / "a.csv", "a.csv", Limits(), tmp_path / "copy")
    assert (tmp_path / "copy").stat().st_size == 2_500_000


@pytest.mark.parametrize(
    "text",
    [
        "Frage;Antwort\nWann öffnen Sie?;Um zehn – täglich außer sonntags\nGrüße;„Tschüß“ für 5 €\n",
        "question,réponse\nOù êtes-vous ?,À l’hôtel ; ça coûte 5 €\n",
        "pregunta,respuesta\n¿Dónde está?,En la esquina del niño\n",
        "pergunta,resposta\nOnde fica?,Não sei; é ali à direita\n",
        "spørsmål,svar\nHva gjør du?,Jeg går på skøyter\n",
    ],
)
def test_windows_1252_is_read_where_it_can_be_nothing_else(tmp_path: Path, text: str) -> None:
    assert decode_whole(tmp_path, text.encode("cp1252")) == (
        text,
        ("The file is not in UTF-8. It was read as Windows-1252 text; check that its accents look right.",),
    )


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("otázka,odpověď\nKde jste?,Příliš žluťoučký kůň\n", "cp1250"),
        ("pytanie,odpowiedź\nGdzie jesteś?,Zażółć gęślą jaźń\n", "cp1250"),
        ("вопрос,ответ\nГде вы?,Мы здесь\n", "cp1251"),
        ("soru,cevap\nNeredesiniz?,Şişli ışığı\n", "cp1254"),
        ("Frage,Antwort\nWo?,Für Müller über Straße\n", "cp850"),
        ("Frage,Antwort\nWo?,Für Müller\n", "mac_roman"),
        ("質問,答え\nどこ,ここ\n", "shift_jis"),
    ],
)
def test_other_encodings_are_not_guessed(tmp_path: Path, text: str, encoding: str) -> None:
    with pytest.raises(DataError, match="is not UTF-8 text: line [12] holds a byte that does not belong there"):
        decode_whole(tmp_path, text.encode(encoding))


def decode_whole(folder: Path, content: bytes) -> tuple[str, tuple[str, ...]]:
    (folder / "upload").write_bytes(content)
    file = decode(folder / "upload", "a.csv", "csv")
    return file.text(), file.notes


def test_the_byte_that_does_not_belong_is_told_with_its_line(tmp_path: Path) -> None:
    expected = "a.csv is not UTF-8 text: line 3 holds a byte that does not belong there (byte 8 of the file)."
    assert refusal(tmp_path, "a.csv", b"q,a\r\nx\r\x81y,z\n").startswith(expected)
    far = b"q,a\n" + b"x,y\n" * 300_000 + b"\x81,y\n"
    assert refusal(tmp_path, "a.csv", far).startswith("a.csv is not UTF-8 text: line 300002 holds a byte")


# JSON


def test_json_lines_and_json_are_read_as_what_they_are(tmp_path: Path) -> None:
    lines, array = '{"q": "x"}\n\n{"q": "y", "n": 2}\n', '[{"q": "x"},\n {"q": "y", "n": 2}]'
    rows = ({"q": "x"}, {"q": "y", "n": 2})
    for name in ("a.jsonl", "a.json", "a.ndjson", "a.csv", "a.txt"):
        assert read(tmp_path, name, lines) == Read(name, ("q", "n"), rows, ("line 1", "line 3"), "jsonl")
        assert read(tmp_path, name, array) == Read(name, ("q", "n"), rows, ("row 1", "row 2"), "json")
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


def test_a_long_list_comes_a_row_at_a_time(tmp_path: Path) -> None:
    """Rows that lie across the pieces in which a file is read, and a mistake far behind the first piece."""
    rows = [{"q": "ü" * (i % 977), "a": i} for i in range(3000)]
    text = json.dumps(rows, indent=1, ensure_ascii=False)
    assert read(tmp_path, "a.json", text).rows == tuple(rows)
    line = text[: text.rindex('"a"')].count("\n") + 1
    expected = f"We could not read a.json: line {line}, character 8: a colon is missing. Fix line {line} and upload it again."
    assert refusal(tmp_path, "a.json", text[: text.rindex('"a"')] + '"a"  2999\n }\n]') == expected
    assert "the file may be cut off here" in refusal(tmp_path, "a.json", text[:-40])
    assert refusal(tmp_path, "a.json", text + "x") == (
        f"We could not read a.json: line {text.count(chr(10)) + 1}, character 2: more follows after the end of the value. "
        f"Fix line {text.count(chr(10)) + 1} and upload it again."
    )


def test_empty_cells_beside_a_table_are_no_mistake(tmp_path: Path) -> None:
    assert read(tmp_path, "a.csv", "q,a\nx,y,,\nz,w\n").rows == ({"q": "x", "a": "y"}, {"q": "z", "a": "w"})


def test_a_stray_quote_in_a_large_file_is_found_within_bounds(tmp_path: Path) -> None:
    text = 'q,a\n"x,y\n' + "what is it?,it is a thing\n" * 200_000
    assert refusal(tmp_path, "a.csv", text).startswith("We could not read a.csv: line 2: the quote opened on line 2 is never closed")


def test_a_comma_too_many_is_told_where_it_stands(tmp_path: Path) -> None:
    expected = "We could not read a.json: line 3, character 1: before this bracket there is one comma too many. Fix line 3 and upload it again."
    assert refusal(tmp_path, "a.json", '[{"q": "x"},\n {"q": "y"},\n]') == expected


def test_the_only_list_of_objects_is_the_rows(tmp_path: Path) -> None:
    assert read(tmp_path, "a.json", '{"version": 2, "faqs": [{"q": "x", "a": "y"}]}').rows == ({"q": "x", "a": "y"},)


def test_a_markdown_table(tmp_path: Path) -> None:
    table = read(tmp_path, "a.csv", "| question | answer |\n|---|:---|\n| x | y |\n")
    assert [set(row.values()) for row in table.rows] == [{" x ", " y "}]
