"""Which words of two answers differ, and the answers with those words marked for a chat box."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

MOST_WORDS = 2000
"""Of one answer that are compared; what comes after them stays unmarked. Three times what a model may answer here."""
ALONE = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Scripts that put no spaces between words, where each letter counts as one: Thai, Lao, Myanmar, Khmer, kana, Chinese."""
ON_TOP = "\u0e31\u0e33-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb3-\u0ebc\u0ec8-\u0ecd\u102b-\u103e\u1056-\u1059\u105e-\u1060\u17b4-\u17d3\u3099\u309a"
"""What belongs to the letter before it."""
SIGNS = "!-/:-@\\[-`{-~\u00a1-\u00bf\u2010-\u2027\u2030-\u205e\u3000-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
TOKEN = re.compile(rf"\s+|[{ALONE}][{ON_TOP}]*|[^\s{ALONE}{SIGNS}]+|.", re.DOTALL)
"""White space, a word or a sign. A word is all that is none of the others, so letters keep their accents and vowel signs."""


@dataclass(frozen=True)
class Word:
    """A word or sign of a text, and where it stands."""

    text: str
    start: int
    end: int


def words(text: str) -> list[Word]:
    """All but white space, in order; MOST_WORDS at most."""
    return list(islice((Word(found[0], *found.span()) for found in TOKEN.finditer(text) if not found[0].isspace()), MOST_WORDS))


def shared(first: Sequence[str], second: Sequence[str]) -> tuple[set[int], set[int]]:
    """Places in both of a longest common subsequence.

    Bit-parallel (Hyyrö 2004): a row of the table is one whole number, so that two thousand words against two thousand take a few milliseconds,
    whatever they are. Zeros of a row stand where the subsequence grows by one.
    """
    places: dict[str, int] = {}
    for place, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << place
    ones = (1 << len(first)) - 1
    rows = [ones]
    for word in second:
        row = rows[-1]
        met = row & places.get(word, 0)
        rows.append((row + met | row - met) & ones)
    i, j, kept = len(first), len(second), (set(), set())
    while i and j:
        if rows[j] >> i - 1 & 1:
            i -= 1
        elif not rows[j - 1] >> i - 1 & 1:
            j -= 1
        else:
            i, j = i - 1, j - 1
            kept[0].add(i)
            kept[1].add(j)
    return kept


def marked(base: str, yours: str) -> tuple[str, str]:
    """Both answers as html, with `<mark>` around what the other has not; everything else is escaped."""
    found = words(base), words(yours)
    kept = shared([word.text for word in found[0]], [word.text for word in found[1]])
    return _with_marks(base, found[0], kept[0]), _with_marks(yours, found[1], kept[1])


def _with_marks(text: str, found: Sequence[Word], kept: set[int]) -> str:
    """Marks of neighbours are one, with the white space between them."""
    parts, done = [], 0
    for place, word in enumerate(found):
        if place in kept:
            continue
        opens, closes = place == 0 or place - 1 in kept, place + 1 == len(found) or place + 1 in kept
        if opens:
            parts += [_escaped(text[done : word.start]), "<mark>"]
            done = word.start
        if closes:
            parts += [_escaped(text[done : word.end]), "</mark>"]
            done = word.end
    return "".join([*parts, _escaped(text[done:])])


def _escaped(text: str) -> str:
    return html.escape(text, quote=False)
