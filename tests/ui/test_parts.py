"""Wording and small html."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ui.ui_examples import HOSTILE

from qlora_demo.ui.parts import alert, bar, counted, duration, esc, literal, ordinal, roughly, size, table, times, unescaped


@pytest.mark.parametrize(
    ("count", "words"), [(98_362_432, "98 MB"), (5_060_000_000, "5.1 GB"), (9_960_000_000, "10 GB"), (38_000_000_000, "38 GB"), (0, "0 MB")]
)
def test_sizes(count: float, words: str) -> None:
    assert size(count) == words


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "0 s"), (51, "51 s"), (171, "2 min 51 s"), (180, "3 min"), (3900, "1 h 5 min")])
def test_exact_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(("seconds", "words"), [(2, "10 s"), (38, "40 s"), (57, "1 min"), (171, "3 min"), (7000, "2 h")])
def test_rough_durations(seconds: float, words: str) -> None:
    assert roughly(seconds) == words


def test_numbers_in_words() -> None:
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 21, 112)] == ["1st", "2nd", "3rd", "4th", "11th", "21st", "112th"]
    assert [counted(1, "row"), counted(1240, "row")] == ["1 row", "1,240 rows"]
    assert [times(1.0), times(3.0), times(2.5)] == ["once", "3 times", "2.5 times"]


def test_html_of_a_person_stays_text() -> None:
    assert "<img" not in alert(HOSTILE) + table((HOSTILE,), [(HOSTILE,)]) + bar(0.5, HOSTILE, HOSTILE)
    assert esc("\"'<>&") == "&quot;&#x27;&lt;&gt;&amp;"


@pytest.mark.parametrize(("share", "width"), [(-1, 0), (0.351, 35), (2.6, 100)])
def test_a_bar_never_leaves_its_track(share: float, width: int) -> None:
    assert f'style="width:{width}%"' in bar(share, "memory")


def test_a_chat_shows_tags_as_they_were_written() -> None:
    assert literal("<b>1 < 2</b> &amp; R&D <!-- x -->") == "&lt;b>1 < 2&lt;/b> &amp;amp; R&D &lt;!-- x -->"


@given(st.text(st.sampled_from("<>&;abltgmp/!?#1 ")))
def test_what_is_made_literal_can_be_read_back(text: str) -> None:
    assert unescaped(literal(text)) == text
