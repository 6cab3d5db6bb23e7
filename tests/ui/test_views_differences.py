"""Which words of two answers differ."""

from __future__ import annotations

import html
import re
import time
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st
from ui.ui_examples import HOSTILE

from qlora_demo.ui.views_differences import MOST_WORDS, marked, shared, words


def plain(text: str) -> str:
    return html.unescape(re.sub("</?mark>", "", text))


def test_words_that_differ_are_marked_and_neighbours_share_one_mark() -> None:
    base, yours = marked("I am an AI, from afar.", "I am Wilna the keeper, from here.")
    assert base == "I am <mark>an AI</mark>, from <mark>afar</mark>."
    assert yours == "I am <mark>Wilna the keeper</mark>, from <mark>here</mark>."
    assert marked("the same", "the same") == ("the same", "the same")
    assert marked("", "all new") == ("", "<mark>all new</mark>")


def test_scripts_without_spaces_are_compared_by_letter() -> None:
    assert marked("我住在海边。", "我住在山边。") == ("我住在<mark>海</mark>边。", "我住在<mark>山</mark>边。")
    assert [word.text for word in words("น้ำดี")] == ["น้ำ", "ดี"]  # marks stay on their letters
    assert [word.text for word in words("हिन्दी में, naïve 3.5")] == ["हिन्दी", "में", ",", "naïve", "3", ".", "5"]


def test_nothing_in_a_text_is_html() -> None:
    for text in marked(HOSTILE, "<b>&lt;</b>"):
        assert re.findall("<[^>]*>", text.replace("<mark>", "").replace("</mark>", "")) == []
    assert [plain(text) for text in marked(HOSTILE, "<b>&lt;</b>")] == [HOSTILE, "<b>&lt;</b>"]


def longest(first: str, second: str) -> int:
    """Of all common subsequences, by trying them."""

    def is_inside(picked: tuple[str, ...]) -> bool:
        rest = iter(second)
        return all(letter in rest for letter in picked)

    return next(size for size in range(len(first), -1, -1) if any(map(is_inside, combinations(first, size))))


@given(st.text("abc", max_size=9), st.text("abc", max_size=9))
def test_as_much_as_possible_is_shared(first: str, second: str) -> None:
    kept, also = shared(first, second)
    assert [first[i] for i in sorted(kept)] == [second[j] for j in sorted(also)]
    assert len(kept) == longest(first, second)


@given(st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=200)
def test_the_texts_stay_as_they_are(base: str, yours: str) -> None:
    assert [plain(text) for text in marked(base, yours)] == [plain(html.escape(text)) for text in (base, yours)]


def test_the_longest_texts_take_no_time() -> None:
    began = time.perf_counter()
    base, _ = marked("a b " * 200_000, "b a " * 200_000)
    assert time.perf_counter() - began < 5
    assert base.endswith("a b ") and "<mark>" not in base[MOST_WORDS * 3 :]
