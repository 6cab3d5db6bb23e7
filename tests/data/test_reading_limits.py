"""Five megabytes of any shape are read or refused, and take less than 300 MB of memory."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data.asking import measured
from data.fuzzing import assert_helpful
from data.sheets import workbook

from qlora_demo.data.table import Limits
from qlora_demo.settings import Settings

SIZE = 5_000_000
MOST = 300_000_000
Q = "question,answer\n"
LIMITS = Limits(max_rows=Settings().max_rows)


def repeated(text: str, between: str = "") -> str:
    """`text` again and again, up to SIZE bytes."""
    return between.join([text] * (SIZE // len((text + between).encode())))


def many(line: str) -> str:
    """`line` with a number in it, again and again."""
    return "".join(line.format(i) for i in range(SIZE // len(line.format(100_000))))


def _workbook() -> bytes:
    words = random.Random(1)
    rows = [[f"What is {i}?", words.randbytes(150).hex()] for i in range(24_000)]
    return workbook({"S": [["question", "answer"], *rows]})


def _parquet() -> bytes:
    words = random.Random(1)
    file = io.BytesIO()
    pq.write_table(
        pa.table({"question": [f"What is {i}?" for i in range(24_000)], "answer": [words.randbytes(100).hex() for _ in range(24_000)]}), file
    )
    return file.getvalue()


ROW = '{"question": "What is it?", "answer": "A thing."}'
SAID = '{"id": 1, "type": "message", "date": "2024-01-01T10:00:00", "from": "A", "text": "x"}, '
SHAPES: dict[str, tuple[str, Callable[[], str | bytes]]] = {
    "one line": ("a.csv", lambda: "x" * SIZE),
    "one line of words": ("a.txt", lambda: repeated("word ")),
    "one value in quotes": ("a.csv", lambda: Q + '"' + repeated("x,\n")),
    "tiny rows": ("a.csv", lambda: Q + many("{0},{0}\n")),
    "very many columns": ("a.csv", lambda: many("c{0},") + "\n1\n"),
    "as many columns as are read": ("a.csv", lambda: ",".join(f"c{i}" for i in range(499)) + "\n" + repeated(",".join(["x"] * 499) + "\n")),
    "only commas": ("a.csv", lambda: "," * SIZE),
    "signs of four bytes": ("a.csv", lambda: Q + repeated("👩🏽‍🚀🎉,𝔘𝔫𝔦\n")),
    "UTF-16": ("a.csv", lambda: (Q + "What is it?,A thing.\n" * 120_000).encode("utf-16")),
    "only quotes": ("a.csv", lambda: Q + '"' * SIZE),
    "quotes inside quotes": ("a.csv", lambda: Q + repeated('"a ""b"" c","d"\n')),
    "deep lists": ("a.json", lambda: "[" * (SIZE // 2) + "]" * (SIZE // 2)),
    "deep objects": ("a.jsonl", lambda: '{"a":' * (SIZE // 6) + "1" + "}" * (SIZE // 6)),
    "a list, a row a line": ("a.json", lambda: f"[{repeated(ROW, ',' + chr(10))}]"),
    "a list on one line": ("a.json", lambda: f"[{repeated(ROW, ',')}]"),
    "a document of small objects": ("a.json", lambda: f'{{"data": [{repeated(chr(123) + chr(34) + "a" + chr(34) + ":1}", ",")}]}}'),
    "a document of empty lists": ("a.json", lambda: f"[{repeated('[[]]', ',')}]"),
    "lines of small objects": ("a.jsonl", lambda: repeated('{"q":"a","a":"b"}\n')),
    "one row of very many messages": ("a.jsonl", lambda: f'{{"messages": [{repeated("{}", ",")}]}}'),
    "one text as a list of messages": ("a.csv", lambda: 'messages,x\n"[' + "{}," * 300_000 + '{}]",x\n'),
    "a Telegram chat": (
        "a.json",
        lambda: f'{{"type": "p", "id": 1, "messages": [{repeated(SAID + SAID.replace("A", "B"))}{SAID.removesuffix(", ")}]}}',
    ),
    "a WhatsApp chat": ("a.txt", lambda: repeated("12/03/2024, 21:06 - Anna: hi\n12/03/2024, 21:06 - Ben: yo\n")),
    "a workbook": ("a.xlsx", _workbook),
    "Parquet": ("a.parquet", _parquet),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_five_megabytes(tmp_path: Path, shape: str) -> None:
    name, content = SHAPES[shape][0], SHAPES[shape][1]()
    data = content if isinstance(content, bytes) else content.encode()
    refused, peak = measured(tmp_path, name, data, LIMITS)
    assert peak < MOST
    if refused:
        assert_helpful(refused, name)
