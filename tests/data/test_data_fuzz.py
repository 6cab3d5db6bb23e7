"""Whatever the bytes are: a data set, or a DataError that a person can read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qlora_demo.data.conversation import Passage
from qlora_demo.data.dataset import prepare
from qlora_demo.data.table import Limits
from qlora_demo.errors import DataError

NAMES = st.sampled_from(["a.csv", "a.tsv", "a.json", "a.jsonl", "a.txt", "a"])
GOOD = (
    b'question,answer\n"x ""y""\nz",b\nc,d\n',
    "Frage;Antwort\nä;ö\nü;ß\n".encode("utf-16"),
    b'[{"question": "x", "answer": 1.5e3}, {"question": "y", "answer": null}]',
    b'{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": [{"type": "text", "text": "y"}]}]}\n' * 2,
    b'{"conversations": [{"from": "human", "value": "\\u00e9"}, {"from": "gpt", "value": "y"}]}\n',
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["messages", "role", "content", "from", "value", "q", "a", "text", "label", "weight"]), inner, max_size=4)
    ),
    max_leaves=12,
)
FEW = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(folder: Path, name: str, content: bytes) -> None:
    (folder / "upload").write_bytes(content)
    try:
        dataset = prepare(folder / "upload", name, None, Limits())
    except DataError as error:
        assert str(error).endswith((".", "messages."))
        return
    assert dataset.rows
    for row in dataset.rows:
        assert row.text.strip() if isinstance(row, Passage) else row.messages[-1].role == "assistant" and row.answer().strip()
    json.dumps([row.to_json() for row in dataset.rows]).encode()


@FEW
@given(name=NAMES, content=st.binary(max_size=300))
def test_any_bytes(tmp_path: Path, name: str, content: bytes) -> None:
    read(tmp_path, name, content)


@FEW
@given(
    name=NAMES,
    good=st.sampled_from(GOOD),
    at=st.integers(0, 200),
    cut=st.integers(0, 5),
    put=st.binary(max_size=4) | st.sampled_from([b'"', b"\n", b",", b"{", b"]"]),
)
def test_good_files_with_one_slip(tmp_path: Path, name: str, good: bytes, at: int, cut: int, put: bytes) -> None:
    read(tmp_path, name, good[:at] + put + good[at + cut :])


@FEW
@given(name=NAMES, text=st.text(alphabet='ab",;\t|\n\r? .1é', max_size=80))
def test_any_table(tmp_path: Path, name: str, text: str) -> None:
    read(tmp_path, name, text.encode())


@FEW
@given(name=st.sampled_from(["a.json", "a.jsonl"]), values=st.lists(JSON, max_size=4))
def test_any_json(tmp_path: Path, name: str, values: list[object]) -> None:
    text = json.dumps(values) if name == "a.json" else "\n".join(json.dumps(value) for value in values)
    read(tmp_path, name, text.encode())


@pytest.mark.parametrize("content", [b'{"q": ' * 3000, b"[" * 50_000 + b"]" * 50_000, b'q,a\n"' * 2000, b"a" * 2_000_000, b'{"a":' + b"9" * 100_000])
def test_awkward_shapes(tmp_path: Path, content: bytes) -> None:
    for name in ("a.csv", "a.json", "a.jsonl"):
        read(tmp_path, name, content)
