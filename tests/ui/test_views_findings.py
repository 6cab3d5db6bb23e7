"""What is said of a finding, and what its button does."""

from __future__ import annotations

import pytest
from ui.ui_examples import HOSTILE

from qlora_demo.data.choices import Choices
from qlora_demo.data.finding import Finding
from qlora_demo.ui.data_findings import after_click
from qlora_demo.ui.views_findings import finding_text, more_remarks

REPEATS = Finding("duplicates", 2, ("line 3", "line 9"), "2 rows appear twice.", "They count twice.", "Remove 2 repeats")
DONE = Finding("emails", 1, (), "Hid e-mail addresses in 1 row.", button="Undo", done=True)


def test_a_finding_says_what_why_and_where() -> None:
    text = finding_text(REPEATS)
    assert "Note" in text and "2 rows appear twice." in text and "They count twice." in text
    assert "<summary>Show</summary>line 3, line 9</details>" in text
    assert "Done" in finding_text(DONE) and "<details>" not in finding_text(DONE)


def test_texts_of_the_data_stay_text() -> None:
    assert "<img" not in finding_text(Finding("x", 1, (HOSTILE,), HOSTILE, HOSTILE))


def test_many_rows_are_not_all_listed() -> None:
    text = finding_text(Finding("x", 1000, tuple(f"line {i}" for i in range(100)), "1,000 rows."))
    assert "line 49 and 950 more" in text and "line 50" not in text


@pytest.mark.parametrize(("count", "expected"), [(1, "1 more remark"), (4, "4 more remarks")])
def test_more_remarks(count: int, expected: str) -> None:
    assert more_remarks(count) == expected


def test_a_click_mends_and_takes_back() -> None:
    found = [DONE, REPEATS]
    mended = after_click(Choices(fixes=("emails",)), found, 1, "Remove 2 repeats")
    assert mended.fixes == ("emails", "duplicates")
    assert after_click(mended, found, 0, "Undo").fixes == ("duplicates",)


def test_a_second_click_on_what_is_gone_does_nothing() -> None:
    choices = Choices(fixes=("emails",))
    assert after_click(choices, [DONE], 1, "Remove 2 repeats") == choices
    assert after_click(choices, [DONE], 0, "Remove 2 repeats") == choices
