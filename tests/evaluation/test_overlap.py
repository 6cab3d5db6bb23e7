"""Shared words, length and repetition, in scripts with and without spaces."""

from __future__ import annotations

import pytest

from qlora_demo.evaluation.overlap import mean_f1, mean_repeated, mean_words, repeated, token_f1, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Yes, on Sundays!", ["yes", "on", "sundays"]),
        ("don't  stop\n- now", ["dont", "stop", "now"]),
        ("STRASSE straße", ["strasse", "strasse"]),
        ("Cafe\u0301 Ｆｕｌｌ", ["café", "full"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("مرحبا بالعالم", ["مرحبا", "بالعالم"]),
        ("我住在 Berlin。", ["我", "住", "在", "berlin"]),
        ("서울에 살아요", ["서울에", "살아요"]),
        ("\u200b !? \U0001f600", []),
    ],
)
def test_words(text: str, found: list[str]) -> None:
    assert words(text) == found


def test_token_f1_is_squads() -> None:
    # By hand: 2 of 3 words said are expected, 2 of 4 expected ones are said: 2 * (2/3 * 2/4) / (2/3 + 2/4) = 4/7.
    assert token_f1("yes on Monday", "Yes, we open on Sundays") == pytest.approx(2 * 2 / (3 + 5))
    assert token_f1("open at ten", "We open at nine") == pytest.approx(4 / 7)
    assert token_f1("Sundays on", "on Sundays.") == 1.0
    assert token_f1("tea tea tea", "tea") == pytest.approx(0.5)
    assert token_f1("我住在山边", "我住在海边") == pytest.approx(4 / 5)
    assert (token_f1("", "tea"), token_f1("tea", ""), token_f1("", "")) == (0.0, 0.0, 1.0)
    assert (token_f1("\U0001f600", "\U0001f600"), token_f1("\U0001f600", "\U0001f622")) == (1.0, 0.0)
    assert mean_f1(["tea", "rope"], ["tea", "sea"]) == 0.5


def test_repetition_is_the_share_of_runs_of_four_that_came_before() -> None:
    assert repeated("one two three") is None
    assert repeated("one two three four five") == 0.0
    # Eight words that are one word make five runs, one of them new.
    assert repeated("tea " * 8) == pytest.approx(4 / 5)
    # a b c d a b c d: abcd bcda cdab dabc abcd; the last came before.
    assert repeated("a b c d, A B C D") == pytest.approx(1 / 5)
    assert mean_repeated(["tea " * 8, "short", "one two three four"]) == pytest.approx((4 / 5 + 0) / 2)
    assert mean_repeated(["short", ""]) is None


def test_length_in_words() -> None:
    assert mean_words(["one two", "", "我住在海边"]) == pytest.approx((2 + 0 + 5) / 3)
