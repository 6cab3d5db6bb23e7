"""Which rows are equal, by numbers that stand for their texts."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def first_of(keys: np.ndarray) -> np.ndarray:
    """For each row the number of the first row with the same key, as uint32."""
    order = np.argsort(keys, kind="stable").astype(np.uint32)
    firsts = order[_starts(keys[order])]
    found = np.empty(len(keys), np.uint32)
    found[order] = firsts
    return found


def differing(keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Numbers of the rows that share their key with a row of another value, ascending."""
    first = first_of(keys)
    other = np.flatnonzero(values != values[first])
    return np.flatnonzero(np.isin(first, first[other]))


def joined(first: np.ndarray, pairs: Iterable[tuple[int, int]]) -> np.ndarray:
    """`first_of` with the pairs' rows made one: each row's number of the first row that it is connected with."""
    parents = first.copy()
    for one, other in pairs:
        low, high = sorted((_root(parents, one), _root(parents, other)))
        parents[high] = low
    while not np.array_equal(parents[parents], parents):
        parents = parents[parents]
    return parents


def nearly_repeated(pairs: Iterable[tuple[int, int]]) -> set[int]:
    """The later row of each (earlier, later) whose earlier one stays. Pairs come with ascending later rows."""
    gone: set[int] = set()
    for earlier, later in pairs:
        if earlier not in gone:
            gone.add(later)
    return gone


def most_common(keys: np.ndarray) -> tuple[int, int]:
    """(key, how many rows have it); (0, 0) where there is none."""
    if not len(keys):
        return 0, 0
    found, counts = np.unique(keys, return_counts=True)
    best = int(np.argmax(counts))
    return int(found[best]), int(counts[best])


def _starts(keys: np.ndarray) -> np.ndarray:
    """For each place in sorted keys the place at which its run of equal keys begins."""
    new = np.ones(len(keys), bool)
    new[1:] = keys[1:] != keys[:-1]
    starts = np.where(new, np.arange(len(keys), dtype=np.uint32), np.uint32(0))
    return np.maximum.accumulate(starts)


def _root(parents: np.ndarray, row: int) -> int:
    while parents[row] != row:
        row = int(parents[row])
    return row
