"""Finds rows that differ from each other in a word or two."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from itertools import combinations
from zlib import crc32

import numpy as np

MOST_ROWS = 20_000
MOST_WORDS = 2_000_000
"""Above either, the search is not made: it holds four bytes for each word."""
MOST_CHANGES = 2
WORDS_PER_CHANGE = 10
"""In a text of nine words one changed word is another question; in one of ten it may be the same, put differently."""
CLASSES, SHARED_CLASSES = 8, 4
"""Two changed words touch at most four classes of words, so that two rows which differ in two words agree in four of eight classes at least."""
BUCKETS = 32
COMPARED_BACK = 2
MOST_COMPARED = 6
"""Earlier rows that one row is compared with, those that share most words: where thousands look alike, a few of them tell."""
DIGIT = re.compile(r"\d")


class NearSearch:
    """Holds the words of all rows as numbers: four bytes each. Past 20,000 rows or two million words it lets go of them and finds nothing."""

    def __init__(self) -> None:
        self.off = False
        self._words = array("I")
        self._asked = array("I")
        self._ends = array("I")

    def add(self, asked: Sequence[str], answered: Sequence[str]) -> None:
        """The next row: the words of its question ([] for a passage) and of its answer."""
        if self.off:
            return
        self._words.extend(map(number, asked))
        self._words.extend(map(number, answered))
        self._asked.append(len(asked))
        self._ends.append(len(self._words))
        if len(self._ends) > MOST_ROWS or len(self._words) > MOST_WORDS:
            self.off = True
            self._words, self._asked, self._ends = array("I"), array("I"), array("I")

    def pairs(self, rows: np.ndarray) -> list[tuple[int, int]]:
        """(earlier, later) of the given ascending row numbers that differ in at most two words, where question and answer each have ten words
        for every changed one. A word with a digit in it is never the one that differs: order 4711 is not order 4712."""
        if self.off or len(rows) < 2:
            return []
        rows = rows[np.maximum(*self._lengths(rows)) >= WORDS_PER_CHANGE]
        return [(earlier, later) for earlier, later in self._candidates(rows) if self._near(earlier, later)]

    def _lengths(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How many words each row's question and answer have."""
        asked = np.frombuffer(self._asked, np.uint32).astype(np.int64)
        return asked[rows], np.diff(np.frombuffer(self._ends, np.uint32).astype(np.int64), prepend=0)[rows] - asked[rows]

    def _candidates(self, rows: np.ndarray) -> list[tuple[int, int]]:
        """(earlier, later) that agree in half of the classes of words and in all words with digits, ascending by the later."""
        sums = self._class_sums()[:, rows]
        lengths = self._lengths(rows)
        found = [np.empty(0, np.int64)]
        for chosen in combinations(range(CLASSES), SHARED_CLASSES):
            key = sums[CLASSES] * np.uint64(0x9E3779B97F4A7C15)
            for position, one in enumerate(chosen):
                key += sums[one] * np.uint64(2 * position + 3)
            later, earlier = _alike(key)
            close = np.all([np.abs(length[later] - length[earlier]) <= MOST_CHANGES for length in lengths], axis=0)
            found.append(later[close] << 32 | earlier[close])
        both = np.unique(np.concatenate(found))
        later, earlier = both >> 32, both & 0xFFFFFFFF
        shared = sum((one[later] == one[earlier]).astype(np.uint8) for one in sums[:CLASSES])
        order = np.lexsort((-shared.astype(np.int8), later))
        later, earlier = later[order], earlier[order]
        best = np.arange(len(later)) - np.searchsorted(later, later) < MOST_COMPARED
        later, earlier = later[best], earlier[best]
        counts = self._bucket_counts()[rows]
        best = np.abs(counts[later] - counts[earlier]).sum(axis=1) <= 2 * MOST_CHANGES
        return list(zip(rows[earlier[best]].tolist(), rows[later[best]].tolist(), strict=True))

    def _class_sums(self) -> np.ndarray:
        """uint64 of shape (classes + 1, rows): for each class the sum of its words, mixed; last the words with digits, which belong to no class."""
        words = np.frombuffer(self._words, np.uint32).astype(np.uint64)
        ends = np.frombuffer(self._ends, np.uint32).astype(np.int64)
        mixed = words * np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0x94D049BB133111EB)
        kinds = np.where(words & np.uint64(1), np.uint64(CLASSES), (words >> np.uint64(3)) % np.uint64(CLASSES))
        sums = np.empty((CLASSES + 1, len(ends)), np.uint64)
        for kind in range(CLASSES + 1):
            running = np.concatenate((np.zeros(1, np.uint64), np.cumsum(np.where(kinds == kind, mixed, np.uint64(0)), dtype=np.uint64)))
            sums[kind] = np.diff(running[np.concatenate(([0], ends))])
        return sums

    def _bucket_counts(self) -> np.ndarray:
        """int16 of shape (rows, buckets): how many words each row has in each. Every changed word changes two counts by one at most."""
        lengths = np.diff(np.frombuffer(self._ends, np.uint32).astype(np.int64), prepend=0)
        bucket = (np.frombuffer(self._words, np.uint32) >> 16) % BUCKETS
        place = np.repeat(np.arange(len(lengths)) * BUCKETS, lengths) + bucket
        counts = np.bincount(place, minlength=len(lengths) * BUCKETS)
        return np.minimum(counts, 10_000).astype(np.int16).reshape(-1, BUCKETS)

    def _near(self, one: int, other: int) -> bool:
        asked = self._changes(self._question(one), self._question(other))
        return asked <= MOST_CHANGES and asked + self._changes(self._answer(one), self._answer(other)) <= MOST_CHANGES

    def _changes(self, one: array[int], other: array[int]) -> int:
        return changed_words(one, other, min(MOST_CHANGES, min(len(one), len(other)) // WORDS_PER_CHANGE))

    def _question(self, row: int) -> array[int]:
        start = self._ends[row - 1] if row else 0
        return self._words[start : start + self._asked[row]]

    def _answer(self, row: int) -> array[int]:
        start = self._ends[row - 1] if row else 0
        return self._words[start + self._asked[row] : self._ends[row]]


def _alike(key: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(later, earlier) places with equal keys: each with the few before it and with the first."""
    order = np.argsort(key, kind="stable")
    key = key[order]
    same = np.flatnonzero(np.append(key[1:] == key[:-1], [False]) | np.append([False], key[1:] == key[:-1]))
    order, key = order[same], key[same]
    places = np.arange(len(key))
    first = np.maximum.accumulate(np.where(np.append([True], key[1:] != key[:-1]), places, 0)) if len(key) else places
    later, earlier = [], []
    for other in (first, *(places - back for back in range(1, COMPARED_BACK + 1))):
        good = (other >= first) & (other < places)
        later.append(order[good])
        earlier.append(order[other[good]])
    return np.concatenate(later), np.concatenate(earlier)


def number(word: str) -> int:
    """32 bits of a word, the same in every process; odd if the word holds a digit."""
    return crc32(word.encode("utf-8", "replace")) & ~1 | (DIGIT.search(word) is not None)


def changed_words(one: Sequence[int], other: Sequence[int], most: int) -> int:
    """How many words must be replaced, added or left out to make one text of the other. More than MOST_CHANGES where that takes more than `most`,
    or where a word with a digit would have to change."""
    start = 0
    for first, second in zip(one, other, strict=False):
        if first != second:
            break
        start += 1
    end = 0
    for first, second in zip(reversed(one[start:]), reversed(other[start:]), strict=False):
        if first != second:
            break
        end += 1
    one, other = one[start : len(one) - end], other[start : len(other) - end]
    if not one and not other:
        return 0
    if most == 0 or abs(len(one) - len(other)) > most:
        return MOST_CHANGES + 1
    ways = [MOST_CHANGES]
    if one and other and not (one[0] | other[0]) & 1:
        ways.append(changed_words(one[1:], other[1:], most - 1))
    if one and not one[0] & 1:
        ways.append(changed_words(one[1:], other, most - 1))
    if other and not other[0] & 1:
        ways.append(changed_words(one, other[1:], most - 1))
    return 1 + min(ways)
