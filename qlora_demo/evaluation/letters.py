"""chrF as sums over answers: counted once for each, so that the score of thousands of resamples costs next to nothing. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

LONGEST = 6
"""Characters of the longest runs that are compared."""
RECALL_WEIGHT = 4
"""Beta squared: what is missing counts twice as much as what is too much (Popović 2015)."""


def counts(answers: Sequence[str], expected: Sequence[str]) -> np.ndarray:
    """(answers, 3 x LONGEST): for each length the runs of the answer, those of the expected one, and those that both have."""
    return np.array([_counts(*pair) for pair in zip(answers, expected, strict=True)], np.int64)


def _counts(answer: str, expected: str) -> list[int]:
    found = []
    for length in range(1, LONGEST + 1):
        said, wanted = _runs(answer, length), _runs(expected, length)
        found += [said.total() if wanted else 0, wanted.total(), (said & wanted).total()]
    return found


def _runs(text: str, length: int) -> Counter[str]:
    """Spaces do not count."""
    line = "".join(text.split())
    return Counter(line[i : i + length] for i in range(len(line) - length + 1))


def chrf(sums: np.ndarray) -> np.ndarray:
    """The scores, 0 to 100, of rows of summed counts: sacrebleu's corpus score, which tests hold them equal to."""
    said, wanted, shared = (sums[..., i::3].astype(float) for i in range(3))
    known = (said > 0) & (wanted > 0)
    lengths = np.maximum(known.sum(-1), 1)
    precision = (np.where(known, shared, 0) / np.where(known, said, 1)).sum(-1) / lengths
    recall = (np.where(known, shared, 0) / np.where(known, wanted, 1)).sum(-1) / lengths
    below = RECALL_WEIGHT * precision + recall
    return 100 * (1 + RECALL_WEIGHT) * precision * recall / np.where(below > 0, below, 1)
