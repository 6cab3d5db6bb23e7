"""All rows set aside as a file: nothing in it is a formula to a spreadsheet, and every text comes back."""

from __future__ import annotations

import csv
import io
import json

import pytest

from qlora_demo.data.conversation import Conversation, Message
from qlora_demo.evaluation.earlier import completed
from qlora_demo.evaluation.exported import exported

ROWS = [
    Conversation((Message("system", "Be brief."), Message("user", "Who are you?"), Message("assistant", "I am Wilna.")), "row 3"),
    Conversation((Message("user", "one; two, \"three\"\nfour"), Message("assistant", "船"))),
    Conversation((Message("user", "Never asked"), Message("assistant", "Nothing"))),
]


def answer(row: int | None, base: str, adapted: str) -> dict:
    at = ROWS[row or 0]
    scores = {"row": row, "base_score": 12.34, "adapted_score": 100.0}
    return {"question": at.question(), "expected": at.answer(), "base": base, "adapted": adapted, **scores}


def table(report: dict) -> list[list[str]]:
    text = exported("csv", ROWS, report)
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def test_a_row_for_each_that_was_set_aside() -> None:
    report = {"answers": [answer(0, "I am an AI.", "I am Wilna."), answer(1, "a\r\nb", "")]}
    head, first, second, third = table(report)
    assert head[:4] == ["question", "your own answer", "base model's answer", "your model's answer"]
    assert first == ["Who are you?", "I am Wilna.", "I am an AI.", "I am Wilna.", "12.3", "100.0"]
    assert second[:4] == ['one; two, "three"\nfour', "船", "a\r\nb", ""]
    assert third == ["Never asked", "Nothing", "", "", "", ""]


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1"])
def test_no_cell_is_a_formula(start: str) -> None:
    _, first, *_ = table({"answers": [answer(0, start, f"fine {start}")]})
    assert first[2] == f"'{start}" and first[3] == f"fine {start}"


def test_every_cell_is_quoted_so_that_no_separator_begins_another() -> None:
    text = exported("csv", ROWS, {"answers": [answer(0, "x;=cmd", "y\t=cmd")]})
    assert '"x;=cmd","y\t=cmd"' in text


def test_lines_of_json_have_every_text_as_it_is() -> None:
    lines = [json.loads(line) for line in exported("jsonl", ROWS, {"answers": [answer(0, "=1+1", "\u2028")]}).splitlines()]
    assert len(lines) == 3
    assert [m["role"] for m in lines[0]["messages"]] == ["system", "user"]
    assert (lines[0]["base"], lines[0]["adapted"], lines[0]["expected"], lines[0]["source"]) == ("=1+1", "\u2028", "I am Wilna.", "row 3")
    assert lines[2]["base"] is lines[2]["adapted_score"] is None


def test_an_earlier_versions_report_tells_by_the_texts_which_row_it_was() -> None:
    sides = {"base": {}, "adapted": {}, "forgetting": None}
    old = {"question": "Never asked", "expected": "Nothing", "base": "b", "adapted": "a"}
    assert table(completed({**sides, "answers": [old]}))[3] == ["Never asked", "Nothing", "b", "a", "", ""]
