"""What a call must look like."""

from __future__ import annotations

import json

import pytest

from qlora_demo.web.calls import BROKEN, BY_ADDRESS, OLD_PAGE, Function, mistake, mistake_of_cancel

TEXT_AND_ANY = {3: Function(((str, type(None)), ()), True)}
GOOD = {"data": ["x", {"a": [1]}], "fn_index": 3, "session_hash": "abc", "trigger_id": 7, "event_data": None}
FILE = {"meta": {"_type": "gradio.FileData"}}


def said(**changed: object) -> str:
    return mistake(json.dumps({**GOOD, **changed}).encode(), TEXT_AND_ANY)


def deep(levels: int) -> list:
    value: list = []
    for _ in range(levels):
        value = [value]
    return value


def test_what_the_page_sends_is_fine() -> None:
    assert said() == ""
    assert said(data=[None, None], trigger_id=None) == ""
    assert said(data=["\u00e9\U0001f600", {**FILE, "path": "/tmp/x/a.csv", "url": "http://localhost/gradio_api/file=/tmp/x/a.csv"}]) == ""  # noqa: S108
    assert said(data=["x", [{**FILE, "path": "C:\\Temp\\a.csv"}]]) == ""


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"data": NaN}', b'{"data": ' + b"9" * 5000 + b"}"])
def test_junk(body: bytes) -> None:
    assert mistake(body, TEXT_AND_ANY) == BROKEN
    assert mistake_of_cancel(body) == BROKEN


@pytest.mark.parametrize(
    "changed",
    [
        {"session_hash": None},
        {"session_hash": ""},
        {"session_hash": "../x"},
        {"session_hash": "a" * 65},
        {"session_hash": ["a"]},
        {"fn_index": None},
        {"fn_index": "3"},
        {"fn_index": True},
        {"fn_index": -1},
        {"fn_index": 3.0},
        {"data": None},
        {"data": {}},
        {"data": [1, 2]},
        {"data": [["x"], 2]},
        {"trigger_id": "x"},
        {"batched": True},
        {"simple_format": True},
        {"event_id": "x"},
        {"request": {}},
        {"data": ["x", deep(100)]},
        {"event_data": deep(100)},
        {"data": ["\ud800", 1]},
        {"data": ["x", {"\udfff": 1}]},
    ],
)
def test_broken(changed: dict) -> None:
    assert said(**changed) == BROKEN


def test_a_page_of_before() -> None:
    assert [said(fn_index=4), said(data=[]), said(data=["x"]), said(data=["x", 1, 2])] == [OLD_PAGE] * 4


ADDRESSES = ["http://169.254.169.254/", "HTTP://x", " https://x", "file:///etc/passwd", "//host/x", "\\\\host\\share"]


@pytest.mark.parametrize("path", [*ADDRESSES, None, 3, ["x"]])
def test_a_file_by_its_address(path: object) -> None:
    for value in ({**FILE, "path": path}, [{**FILE, "path": path}], {"deep": [{"x": {**FILE, "path": path}}]}):
        assert said(data=["x", value]) == BY_ADDRESS
    assert said(data=["x", FILE]) == BY_ADDRESS


def test_stopping_a_call() -> None:
    good = {"session_hash": "abc", "fn_index": 3, "event_id": "e"}
    assert mistake_of_cancel(json.dumps(good).encode()) == ""
    for changed in ({"session_hash": 3}, {"fn_index": "x"}, {"event_id": None}, {"more": 1}):
        assert mistake_of_cancel(json.dumps({**good, **changed}).encode()) == BROKEN
