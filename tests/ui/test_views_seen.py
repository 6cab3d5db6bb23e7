"""What is shown of a row as the model reads it, and the numbers."""

from __future__ import annotations

from dataclasses import replace

from ui.ui_examples import HOSTILE, dataset

from qlora_demo.ui.views_seen import histogram, numbers, seen

ROW = [
    {"text": "<|im_start|>", "kind": "read", "mark": True},
    {"text": HOSTILE, "kind": "read", "mark": False},
    {"text": "Hello", "kind": "learned", "mark": False},
]
CUT = [f"line {i}" for i in range(1, 8)]
TOKENS = {"total": 1234, "trained": 600, "longest": 80, "cut": 7, "cut_rows": CUT, "empty": 1, "empty_rows": ["line 4"]}


def test_every_word_has_its_kind_and_stays_text() -> None:
    text = seen([ROW], "", "owner/model")
    assert '<span class="qd-seen-learned">Hello</span>' in text
    assert '<span class="qd-seen-read qd-seen-mark">&lt;|im_start|&gt;</span>' in text
    assert "<img" not in text and "lies beyond the length limit" not in text


def test_what_lies_beyond_the_limit_is_explained() -> None:
    text = seen([[*ROW, {"text": "more", "kind": "cut", "mark": False}]], "Each answer has its own row.", "owner/model")
    assert "lies beyond the length limit: it is not read at all" in text
    assert "Each answer has its own row." in text


def test_numbers_before_and_after_counting() -> None:
    assert "counting" in numbers(dataset(), None)
    assert "2 of 3 rows so far" in numbers(dataset(), None, 2)
    counted = numbers(dataset(), {**TOKENS, "histogram": [[0, 50, 2], [50, 51, 1]]})
    assert "1,234" in counted and "7 (line 1, line 2, line 3, line 4, line 5 and more)" in counted and "1 (line 4)" in counted
    assert "2 rows of 0 to 49 tokens" in counted and "1 row of 50 tokens" in counted


def test_what_was_left_out_is_told_by_reason() -> None:
    data = dataset()
    report = replace(data.report, reasons={"no answer": 2, "it cannot be read": 1}, labels={"good": 2, "<b>bad</b>": 1})
    text = numbers(replace(data, report=report), None)
    assert "3 (2: no answer, 1: it cannot be read)" in text
    assert "How many rows each label has" in text and "<b>bad" not in text


def test_nothing_is_drawn_of_nothing() -> None:
    assert histogram([]) == ""
