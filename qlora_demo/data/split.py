"""Which rows are set aside for testing. The same in every process for the same rows, number and seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

FEWEST_ROWS = 20
"""With fewer rows, each is worth more for learning than a test on two or three would tell."""


def default_held_out(rows_count: int, kind: str) -> int:
    """How many rows to set aside: a tenth of conversations, five to ten; of sorted texts 15 %, at most 200."""
    if rows_count < FEWEST_ROWS:
        return 0
    if kind == "labels":
        return min(200, round(0.15 * rows_count))
    return min(10, max(5, rows_count // 10))


def split(groups: Sequence[int], labels: Sequence[int], held_out: int, seed: int) -> tuple[list[int], list[int]]:
    """(rows to learn from, rows set aside), each ascending; at most `held_out` are set aside, none of fewer than 20 rows.

    `groups` and `labels` have a number for each row. Rows of one group are never on both sides. Each label keeps its share on both sides, and at
    least one row to learn from; where nothing is labelled, all labels are equal.
    """
    if len(groups) < FEWEST_ROWS or held_out <= 0:
        return list(range(len(groups))), []
    labels = np.asarray(labels, np.int64)
    _, first, group_of, sizes = np.unique(np.asarray(groups, np.int64), return_index=True, return_inverse=True, return_counts=True)
    members = np.argsort(group_of, kind="stable")
    begins = np.cumsum(sizes) - sizes
    strata = labels[first]
    left = Counter(dict(zip(*(found.tolist() for found in np.unique(labels, return_counts=True)), strict=True)))
    # RandomState, since its numbers are promised to stay the same in every release of numpy.
    order = np.random.RandomState(seed % 2**32).permutation(len(sizes))
    chosen: list[int] = []
    for label, share in _shares(strata, sizes, held_out).items():
        for group in order[strata[order] == label].tolist():
            if share == 0:
                break
            # A group that is too big for what is left of the share is passed over.
            size = int(sizes[group])
            if size > share:
                continue
            rows = members[begins[group] : begins[group] + size]
            taken = Counter(labels[rows].tolist())
            if all(count < left[one] for one, count in taken.items()):
                left -= taken
                chosen += rows.tolist()
                share -= size
    learned = np.ones(len(labels), bool)
    learned[chosen] = False
    return np.flatnonzero(learned).tolist(), sorted(chosen)


def _shares(strata: np.ndarray, sizes: np.ndarray, total: int) -> dict[int, int]:
    """`total` divided over the strata in proportion to their rows; what rounding leaves goes to the largest remainders."""
    found, stratum = np.unique(strata, return_inverse=True)
    rows = dict(zip(found.tolist(), np.bincount(stratum, weights=sizes).astype(int).tolist(), strict=True))
    everything = sum(rows.values())
    total = min(total, everything)
    shares = {label: total * size // everything for label, size in rows.items()}
    by_remainder = sorted(rows, key=lambda label: -(total * rows[label] % everything))
    for label in by_remainder[: total - sum(shares.values())]:
        shares[label] += 1
    return shares
