"""Which label was answered where which one was right, and how well each label is told from the others. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from qlora_demo.evaluation.scores import same_label

Matrix = list[list[int]]
"""A row for each label that is right; a column for each that was answered, and a last one for answers that are no label."""


def label_names(expected: Sequence[str], trained: Sequence[str]) -> list[str]:
    """Those of the rows tested and of those learned from, the most frequent of the latter first; each once, whatever its case."""
    names: list[str] = []
    for name in [*(label for label, _ in Counter(trained).most_common()), *expected]:
        if not any(same_label(name, known) for known in names):
            names.append(name)
    return names


def matrix(answers: Sequence[str], expected: Sequence[str], names: Sequence[str]) -> Matrix:
    """Every expected answer must be among `names`."""
    counted = [[0] * (len(names) + 1) for _ in names]
    for answer, right in zip(answers, expected, strict=True):
        counted[_place(right, names)][_place(answer, names)] += 1
    return counted


def _place(answer: str, names: Sequence[str]) -> int:
    """Beyond the last name for what is none of them."""
    return next((place for place, name in enumerate(names) if same_label(answer, name)), len(names))


def macro_f1(counted: Matrix) -> float:
    """The mean over the labels that are right at least once of each one's F1: a rare label counts as much as a frequent one."""
    scores = []
    for place, row in enumerate(counted):
        if sum(row):
            hits, answered = row[place], sum(other[place] for other in counted)
            scores.append(2 * hits / (sum(row) + answered))
    return sum(scores) / len(scores)
