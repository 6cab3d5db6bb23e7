"""Which rows are set aside for testing. The same in every process for the same rows, number and seed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from qlora_demo.data.conversation import Conversation, Row

FEWEST_ROWS = 20
"""With fewer rows, each is worth more for learning than a test on two or three would tell."""


def default_held_out(rows_count: int, kind: str) -> int:
    """How many rows to set aside: a tenth of conversations, five to ten; of sorted texts 15 %, at most 200."""
    if rows_count < FEWEST_ROWS:
        return 0
    if kind == "labels":
        return min(200, round(0.15 * rows_count))
    return min(10, max(5, rows_count // 10))


def split(rows: Sequence[Row], held_out: int, seed: int) -> tuple[list[int], list[int]]:
    """(indices to learn from, indices set aside), each ascending; at most `held_out` are set aside, none of fewer than 20 rows.

    Rows that teach the same are never on both sides. Each label keeps its share on both, and always one row to learn from.
    """
    if len(rows) < FEWEST_ROWS or held_out <= 0:
        return list(range(len(rows))), []
    strata = _strata(rows)
    chosen: list[int] = []
    rng = random.Random(seed)  # noqa: S311 - shuffles rows, keeps no secret
    for label, share in _shares({label: sum(map(len, groups)) for label, groups in strata.items()}, held_out).items():
        groups = strata[label]
        rng.shuffle(groups)
        # The last group stays to learn from. One that is too big for what is left of the share is passed over.
        for group in groups[:-1]:
            if len(group) <= share:
                chosen += group
                share -= len(group)
    aside = set(chosen)
    return [i for i in range(len(rows)) if i not in aside], sorted(chosen)


def _strata(rows: Sequence[Row]) -> dict[str, list[list[int]]]:
    """label -> groups of rows that teach the same; one stratum where nothing is labelled."""
    groups: dict[tuple, list[int]] = {}
    for i, row in enumerate(rows):
        groups.setdefault(row.key(), []).append(i)
    strata: dict[str, list[list[int]]] = {}
    for group in groups.values():
        first = rows[group[0]]
        label = first.label or "" if isinstance(first, Conversation) else ""
        strata.setdefault(label, []).append(group)
    return strata


def _shares(sizes: Mapping[str, int], total: int) -> dict[str, int]:
    """`total` divided in proportion to the sizes; what rounding leaves goes to the largest remainders."""
    everything = sum(sizes.values())
    total = min(total, everything)
    shares = {label: total * size // everything for label, size in sizes.items()}
    by_remainder = sorted(sizes, key=lambda label: -(total * sizes[label] % everything))
    for label in by_remainder[: total - sum(shares.values())]:
        shares[label] += 1
    return shares
