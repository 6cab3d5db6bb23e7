"""Files that strangers may bring, as hypothesis strategies: any bytes, tables and JSON, and good files of every reader with one slip."""

from __future__ import annotations

import io
import json
import random
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from data.made import made
from data.sheets import workbook
from hypothesis import strategies as st

from qlora_demo.data.choices import Choices
from qlora_demo.data.conversation import Passage
from qlora_demo.data.fixes import DONE
from qlora_demo.errors import DataError

Case = tuple[str, bytes, Choices]
"""A file's name, its bytes, and what the person decided about it."""

NAMES = st.sampled_from(["a.csv", "a.tsv", "a.json", "a.jsonl", "a.txt", "a.xlsx", "a.parquet", "a.zip", "a"])
PLACE = re.compile(r"\b(line|row|chat|message|column|columns|sheet)\b", re.IGNORECASE)
WAY_OUT = re.compile(r"\b(Upload|upload|Save|Fix|Rename|Choose|Unpack|Copy|Expected|Leave|Teach|Fill|Open|Put|Export|Use)\b")


def _chatgpt(answer: str = "At nine") -> dict[str, Any]:
    said = {"q": ("user", "When?", "r"), "a": ("assistant", answer, "q")}
    mapping: dict[str, Any] = {"r": {"message": None, "parent": None}}
    for node, (role, text, parent) in said.items():
        message = {"author": {"role": role}, "content": {"content_type": "text", "parts": [text]}}
        mapping[node] = {"message": message, "parent": parent}
    return {"title": "x", "mapping": mapping, "current_node": "a"}


def _telegram() -> dict[str, Any]:
    messages = [
        {"id": i, "type": "message", "date": f"2024-03-12T21:0{i}:00", "from": who, "text": text}
        for i, (who, text) in enumerate([("Anna", "Are you home?"), ("Ben", ["Yes, ", {"type": "bold", "text": "since six"}]), ("Anna", "Good")])
    ]
    return {"name": "Anna", "type": "personal_chat", "id": 7, "messages": messages}


def _claude() -> dict[str, Any]:
    messages = [{"uuid": str(i), "sender": who, "text": text} for i, (who, text) in enumerate([("human", "When?"), ("assistant", "At nine")])]
    return {"uuid": "c", "name": "x", "chat_messages": messages}


def _parquet(compression: str) -> bytes:
    made_file = io.BytesIO()
    columns: Mapping[str, Any] = {
        "question": ["When?", "Where?", None],
        "answer": ["At nine", "Here", "x"],
        "messages": [[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]] * 3,
        "n": [1, 2, 3],
    }
    pq.write_table(pa.table(columns), made_file, compression=compression)
    return made_file.getvalue()


def packed(files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    made_file = io.BytesIO()
    with zipfile.ZipFile(made_file, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made_file.getvalue()


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


WHATSAPP = (
    b"12/03/2024, 21:05 - Messages and calls are end-to-end encrypted.\n12/03/2024, 21:06 - Anna: Are you home?\n"
    b"12/03/2024, 21:07 - Ben: Yes, since six\n12/03/2024, 21:09 - Anna: <Media omitted>\n12/03/2024, 21:10 - Anna: On my way\n"
    b"13/03/2024, 09:00 - Anna: A fine\nevening\n"
)
SHEET = workbook({"Cover": [["Our customers"]], "FAQ": [["Question", "Answer"], ["When?", "At nine"], ["Where?", 7], ["Why?", ""]]})
GOOD: Mapping[str, tuple[tuple[str, bytes], ...]] = {
    "csv": (
        ("a.csv", b'question,answer\n"x ""y""\nz",b\nc,d\n'),
        ("a.csv", "Frage;Antwort\nä;ö\nü;ß\n".encode("utf-16")),
        ("a.csv", "Frage;Antwort\nFür wen?;Für Müller\n".encode("cp1252")),
        ("a.tsv", b"text\tlabel\nfine\tgood\nbad\tpoor\nok\tgood\nno\tpoor\nhm\tgood\n"),
        ("a.csv", b"What do you sell?|We sell bread and rolls.\nAnd when?|At six\n"),
    ),
    "json": (
        ("a.json", b'[{"question": "x", "answer": 1.5e3}, {"question": "y", "answer": null}]'),
        ("a.json", b'{"data": [{"prompt": "x", "chosen": "y", "rejected": "z"}]}'),
        ("a.json", b'[\n {"translation": {"en": "x", "fr": "y"}},\n {"translation": {"en": "z", "fr": "w"}}\n]'),
    ),
    "jsonl": (
        ("a.jsonl", b'{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": [{"type": "text", "text": "y"}]}]}\n' * 2),
        ("a.jsonl", b'{"conversations": [{"from": "human", "value": "\\u00e9"}, {"from": "gpt", "value": "y"}]}\n'),
        ("a.jsonl", b'{"text": "<|im_start|>user\\nx<|im_end|>\\n<|im_start|>assistant\\ny<|im_end|>"}\n'),
        (
            "a.jsonl",
            b'{"message_id": "1", "parent_id": null, "role": "prompter", "text": "x"}\n'
            b'{"message_id": "2", "parent_id": "1", "role": "assistant", "text": "y"}\n',
        ),
    ),
    "text": (("a.txt", b"A harbour lies there.\n\nIt is old, and it is quiet. Boats come in.\n" * 3),),
    "workbook": (("a.xlsx", SHEET),),
    "parquet": (("a.parquet", _parquet("snappy")), ("a.parquet", _parquet("none"))),
    "whatsapp": (("chat.txt", WHATSAPP), ("chat.txt", WHATSAPP.replace(b"12/03/2024, ", b"[12.03.24, ").replace(b" - ", b":00] "))),
    "export": (
        ("conversations.json", _json([_chatgpt(), _chatgpt("\ue200cite\ue202x\ue201 Here")])),
        ("conversations.json", _json([_claude()])),
        ("result.json", _json(_telegram())),
    ),
    "zip": (
        ("a.zip", packed({"conversations.json": _json([_chatgpt()]), "user.json": b"{}"})),
        ("a.zip", packed({"_chat.txt": WHATSAPP})),
        ("a.zip", packed({"export/result.json": _json(_telegram())}, zipfile.ZIP_STORED)),
    ),
}
"""Files that can be read, by reader."""

VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
KEYS = st.sampled_from(["messages", "role", "content", "from", "value", "q", "a", "text", "label", "weight", "prompt", "chosen", "mapping"])
JSON = st.recursive(VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12)
DECIDED = st.builds(
    Choices,
    columns=st.sampled_from([{}, {}, {"user": "question", "assistant": "answer"}, {"user": "B", "label": "A"}, {"text": "text"}, {"user": "x"}]),
    sheet=st.sampled_from(["", "", "FAQ", "Cover", "gone"]),
    speaker=st.sampled_from(["", "", "Anna", "Nobody"]),
    leave_out_broken=st.booleans(),
    first_rows=st.sampled_from([0, 0, 1]),
    fixes=st.lists(st.sampled_from(sorted(DONE)), max_size=2).map(tuple),
)

CHOICES = st.sampled_from([True, True, False]).flatmap(lambda none: st.just(Choices()) if none else DECIDED)


def _slipped(good: bytes, seed: int, slips: int, put: bytes) -> bytes:
    """`good` with some bytes replaced, left out, doubled or moved, or cut off. A seed gives even places; hypothesis prefers the first ones."""
    chance = random.Random(seed)
    data = bytearray(good)
    for _ in range(slips):
        at = chance.randrange(len(data) + 1)
        length = chance.choice([0, 1, 1, 4, 20])
        kind = chance.choice(("put", "drop", "double", "noise") * 2 + ("cut",))
        if kind == "put":
            data[at : at + length] = put
        elif kind == "drop":
            data[at : at + length] = b""
        elif kind == "double":
            data[at:at] = data[at : at + length]
        elif kind == "noise":
            data[at : at + length] = chance.randbytes(length)
        else:
            del data[max(at, 1) :]
    return bytes(data)


PIECES = [b'"', b"\n", b",", b"{", b"]", b"\0", b"\\u0000", b"\\ud800", b"null", b"1e999", b"\xff\xfe", b"PK\x03\x04"]
PUT = st.binary(max_size=4) | st.sampled_from(PIECES)
SEEDS, SLIPS = st.integers(0, 2**32), st.integers(1, 3)


def slips(reader: str) -> st.SearchStrategy[Case]:
    """Good files of a reader with up to three slips, under their own name or another."""

    def build(good: tuple[str, bytes], other: str, keep: bool, slip: tuple[int, int, bytes], choices: Choices) -> Case:
        return good[0] if keep else other, _slipped(good[1], *slip), choices

    keep = st.sampled_from([True, True, True, False])
    return st.builds(build, st.sampled_from(GOOD[reader]), NAMES, keep, st.tuples(SEEDS, SLIPS, PUT), CHOICES)


def repacked() -> st.SearchStrategy[Case]:
    """ZIP files that are whole, with a slip in a file inside: chat exports and workbooks."""

    def build(good: tuple[str, bytes], seed: int, slips_made: int, put: bytes, choices: Choices) -> Case:
        with zipfile.ZipFile(io.BytesIO(good[1])) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        name = random.Random(seed).choice(sorted(files))
        return good[0], packed({**files, name: _slipped(files[name], seed, slips_made, put)}), choices

    return st.builds(build, st.sampled_from(GOOD["zip"] + GOOD["workbook"] * 2), SEEDS, SLIPS, PUT, CHOICES)


def _of_json(lines: bool, values: list[Any], choices: Choices) -> Case:
    if lines:
        return "a.jsonl", "\n".join(map(json.dumps, values)).encode(), choices
    return "a.json", json.dumps(values).encode(), choices


BEGINNINGS = st.sampled_from([b"PK\x03\x04", b"PAR1", b"\xff\xfe", b"[{", b'{"', b"sep=;\n"])
STRATEGIES: Mapping[str, st.SearchStrategy[Case]] = {
    "any bytes": st.tuples(NAMES, st.binary(max_size=300), CHOICES),
    "any bytes after a known beginning": st.tuples(NAMES, st.builds(bytes.__add__, BEGINNINGS, st.binary(max_size=300)), CHOICES),
    "any table": st.tuples(NAMES, st.text(alphabet='ab",;\t|\n\r? .1é', max_size=80).map(str.encode), CHOICES),
    "any json": st.builds(_of_json, st.booleans(), st.lists(JSON, max_size=4), CHOICES),
    **{f"{reader} with a slip": slips(reader) for reader in GOOD},
    "zip with a slip inside": repacked(),
}


def outcome(folder: Path, case: Case) -> str:
    """ "read" or "refused". AssertionError where what was read cannot be learned from, or a refusal is no sentence with a place or a way out."""
    name, content, choices = case
    try:
        dataset = made(folder, content, name, choices)
    except DataError as error:
        assert_helpful(error, name)
        return "refused"
    assert len(dataset.rows) == dataset.report.kept > 0
    for row in dataset.rows:
        assert row.text.strip() if isinstance(row, Passage) else row.messages[-1].role == "assistant" and row.answer().strip()
    json.dumps([row.to_json() for row in dataset.rows], ensure_ascii=False).encode()
    return "read"


def assert_helpful(error: DataError, name: str) -> None:
    """Says where (the file, a line, a row, a column) and what to do."""
    sentence = str(error)
    assert sentence.endswith((".", "messages.", "}].")) and "\n" not in sentence and len(sentence) < 2000, sentence
    assert name in sentence or PLACE.search(sentence) or error.ways_out, sentence
    assert WAY_OUT.search(sentence) or error.ways_out or error.columns, sentence
