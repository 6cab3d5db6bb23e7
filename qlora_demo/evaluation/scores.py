"""How close an answer is to the one in the data, and the sentence that says what a run has learned. Pure functions."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

SURELY_MORE = 1.05
"""Times as likely; less could be luck."""


@dataclass(frozen=True)
class Compared:
    """One held-out question with the answer from the data, the base model's and the adapted model's."""

    question: str
    expected: str
    base: str
    adapted: str


def word_overlap(answer: str, expected: str) -> float:
    """F1 of the words two texts share, 0 to 1 (as SQuAD scores free answers, Rajpurkar et al. 2016)."""
    ours, theirs = _words(answer), _words(expected)
    shared = sum((ours & theirs).values())
    if shared == 0:
        return 0.0
    precision, recall = shared / sum(ours.values()), shared / sum(theirs.values())
    return 2 * precision * recall / (precision + recall)


def _words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text.casefold()))


def same_label(answer: str, label: str) -> bool:
    """Whether an answer is the label, whatever its case and punctuation."""
    return _plain(answer) == _plain(label)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def majority_right(labels: Sequence[str], trained: Sequence[str]) -> tuple[str, int]:
    """The commonest label of the trained rows, and how many of `labels` it would get right."""
    label = Counter(trained).most_common(1)[0][0]
    return label, sum(same_label(label, other) for other in labels)


def verdict_sorting(compared: Sequence[Compared], trained: Sequence[str]) -> str:
    right = sum(same_label(c.adapted, c.expected) for c in compared)
    base = sum(same_label(c.base, c.expected) for c in compared)
    label, lucky = majority_right([c.expected for c in compared], trained)
    return f"Right on {right} of {len(compared)}; the base model on {base}; always saying '{label}' would give {lucky}."


def verdict_free(compared: Sequence[Compared]) -> str:
    """Counts on how many questions the adapted answer shares more words with the data's than the base's does."""
    gains = [word_overlap(c.adapted, c.expected) - word_overlap(c.base, c.expected) for c in compared]
    won, lost = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)
    counts = f"your model's answer is closer to yours {_times(won)}, the base model's {_times(lost)}"
    ties = len(gains) - won - lost
    counts += f", {ties} the same." if ties else "."
    lead = f"On the {len(gains)} questions set aside, {counts}"
    if all(c.base == c.adapted for c in compared):
        return f"Both give the same answers: it has not learned yours. {lead}"
    return f"It learned. {lead}" if won >= 2 * lost and won > len(gains) / 2 else f"It learned little. {lead}"


def verdict_passages(base: float, adapted: float) -> str:
    """From the mean losses a token on the passages set aside: their difference is how many times as likely the right next word became."""
    times = math.exp(base - adapted)
    if times < SURELY_MORE:
        return "It learned little: on the passages set aside it guesses the next word about as well as the base model."
    return f"It learned. On the passages set aside, each right next word is {times:.1f} times as likely as it was to the base model."


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")
