"""Rows that differ in a word or two are found; rows that ask something else are not."""

from __future__ import annotations

import random

import numpy as np

from qlora_demo.data.near import MOST_ROWS, NearSearch, changed_words, number

LONG = "you can bring your bread back to us within two days and we will give you a new one without asking".split()


def pairs(*rows: tuple[list[str], list[str]]) -> list[tuple[int, int]]:
    search = NearSearch()
    for asked, answered in rows:
        search.add(asked, answered)
    return search.pairs(np.arange(len(rows)))


def changed(words: list[str], **at: str) -> list[str]:
    return [at.get(f"w{i}", word) for i, word in enumerate(words)]


def test_a_word_or_two_of_many() -> None:
    asked = ["may", "i", "return", "it"]
    assert pairs((asked, LONG), (asked, changed(LONG, w3="loaf"))) == [(0, 1)]
    assert pairs((asked, LONG), (asked, changed(LONG, w3="loaf", w19="questions"))) == [(0, 1)]
    assert pairs((asked, LONG), (asked, [*LONG, "anything"]), (asked, LONG[1:])) == [(0, 1), (0, 2), (1, 2)]
    assert pairs((asked, LONG), (asked, changed(LONG, w0="they", w3="loaf", w19="questions"))) == []


def test_another_question_is_no_repeat() -> None:
    assert pairs((["what", "colour", "is", "the", "car"], LONG), (["what", "colour", "is", "the", "bike"], LONG)) == []
    assert pairs((LONG, ["happy"]), (LONG[:-1] + ["twice"], ["unhappy"])) == []
    assert pairs((LONG, ["happy"]), (LONG[:-1] + ["twice"], ["happy"])) == [(0, 1)]
    assert pairs((["it", "is", "good"], ["happy"]), (["it", "is", "fine"], ["happy"])) == []


def test_numbers_are_never_the_word_that_differs() -> None:
    asked = "could you please tell me when order 4711 will come to my house in town".split()
    assert pairs((asked, ["soon"]), (changed(asked, w7="4712"), ["soon"])) == []


def test_order_matters() -> None:
    one = "is the old town of paris larger than the old town of rome today".split()
    other = "is the old town of rome larger than the old town of paris today".split()
    assert pairs((one, ["yes"]), (other, ["yes"])) == []
    assert pairs((one, ["yes"]), ([*one[5:], *one[:5]], ["yes"])) == []


def test_every_pair_is_found_among_unlike_rows() -> None:
    rng = random.Random(0)
    words = [f"w{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(500)]
    rows = [rng.choices(words, k=rng.randint(10, 40)) for _ in range(300)]
    for row in list(rows):
        again = list(row)
        for _ in range(1 + (len(row) >= 20)):
            again[rng.randrange(len(again))] = rng.choice(words)
        rows.append(again)
    found = pairs(*(([], row) for row in rows))
    assert {(i, i + 300) for i in range(300)} <= set(found)


def test_too_many_rows_are_not_compared() -> None:
    search = NearSearch()
    for _ in range(MOST_ROWS + 1):
        search.add([], LONG)
    assert search.off
    assert search.pairs(np.arange(MOST_ROWS + 1)) == []


def test_counting_changes() -> None:
    a, b, c, four = map(number, ("a", "b", "c", "4"))
    assert four % 2 == 1
    assert a % 2 == 0
    assert changed_words([a, b, c], [a, b, c], 2) == 0
    assert changed_words([a, b, c], [a, c], 2) == 1
    assert changed_words([a, b, c], [b, c, a], 2) == 2
    assert changed_words([a, b, c], [c, a, b], 1) > 2
    assert changed_words([a, four], [a, b], 2) > 2
