"""How close answers are to those in the data, and whether a lead could be luck. Pure functions."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sacrebleu.metrics import CHRF

from qlora_demo.data.spelling import plain_label
from qlora_demo.evaluation.tally import LUCK, Tally

AROUND = re.compile(r"[\"'`*_“”„‘’«»]+(.*\w.*?)[\"'`*_“”„‘’«».,;:!?]+")
"""What a model puts around an answer, as in **happy**."""
TIE = 1.0
"""Of chrF's hundred points: answers that differ by less are as close."""


@dataclass(frozen=True)
class Compared:
    """One held-out question with the answer from the data, the base model's and the adapted model's. `row` is its place among the conversations
    that it was drawn from; an answer that the length or the time cut off is not whole."""

    question: str
    expected: str
    base: str
    adapted: str
    row: int = 0
    base_whole: bool = True
    adapted_whole: bool = True


def closeness(answer: str, expected: str) -> float:
    """chrF, 0 to 100: shared runs of one to six characters (Popović 2015). Needs no words, so it serves every language and code."""
    return CHRF().sentence_score(answer, [expected]).score


def same_label(answer: str, label: str) -> bool:
    """Whether an answer is the label, whatever its case, punctuation at its end, and quotes or stars around it.

    Other signs count: "-1" is not "1", "C++" is not "C".
    """
    return _plain(answer) == _plain(label)


def _plain(text: str) -> str:
    plain = plain_label(text)
    around = AROUND.fullmatch(plain)
    return plain_label(around[1]) if around else plain


def closer(compared: Sequence[Compared]) -> Tally:
    """On free text: whose answer is closer to the data's."""
    gains = [closeness(c.adapted, c.expected) - closeness(c.base, c.expected) for c in compared]
    return Tally.of(gain if abs(gain) >= TIE else 0.0 for gain in gains)


@dataclass(frozen=True)
class Sorted:
    """Rows with labels: how many each side gets right, and how many always saying `label`, the commonest of the trained rows, would."""

    rows: int
    right: int
    base_right: int
    label: str
    label_right: int
    over_base: Tally

    def guess_luck(self) -> bool:
        """Whether guesses that are right as often as that label would be right so often by chance: the one-sided binomial test against the "no
        information rate" (Kuhn 2008, caret)."""
        rate = self.label_right / self.rows
        chance = sum(math.comb(self.rows, k) * rate**k * (1 - rate) ** (self.rows - k) for k in range(self.right, self.rows + 1))
        return chance > LUCK


def sorting(compared: Sequence[Compared], trained: Sequence[str]) -> Sorted:
    """`trained` are the labels of the rows that were learned from."""
    label = Counter(trained).most_common(1)[0][0]
    ours = [same_label(c.adapted, c.expected) for c in compared]
    base = [same_label(c.base, c.expected) for c in compared]
    always = sum(same_label(label, c.expected) for c in compared)
    return Sorted(len(compared), sum(ours), sum(base), label, always, Tally.of(a - b for a, b in zip(ours, base, strict=True)))
