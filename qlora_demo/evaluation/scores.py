"""How close answers are to those in the data, and whether a lead could be luck. Pure functions."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sacrebleu.metrics import CHRF

from qlora_demo.evaluation.tally import LUCK, Tally

TIE = 1.0
"""Of chrF's hundred points: answers that differ by less are as close."""
KEPT_SHARE = 0.85
"""Less general knowledge kept than this is told as a loss. Of the bundled model, recommended runs on questions and labels keep 96 % and more, one on
plain text 70 %; at ten times the recommended rate, an adapter keeps 40 % and the whole model 73 %."""


@dataclass(frozen=True)
class Compared:
    """One held-out question with the answer from the data, the base model's and the adapted model's."""

    question: str
    expected: str
    base: str
    adapted: str


def closeness(answer: str, expected: str) -> float:
    """chrF, 0 to 100: shared runs of one to six characters (Popović 2015). Needs no words, so it serves every language and code."""
    return CHRF().sentence_score(answer, [expected]).score


def same_label(answer: str, label: str) -> bool:
    """Whether an answer is the label, whatever its case and punctuation. A label of signs alone must be met exactly."""
    return answer.strip() == label.strip() or _plain(answer) == _plain(label) != ""


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


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


@dataclass(frozen=True)
class Forgetting:
    """`kept` of the `of` general items that the base gets right. The losses are of the right endings, a token."""

    base_loss: float
    adapted_loss: float
    kept: int
    of: int

    def lost(self) -> bool:
        """Whether so much is gone that it should be said."""
        return self.kept < KEPT_SHARE * self.of

    def words(self) -> str:
        return f"{self.kept} of {self.of} kept"


def figures(loss: float | None, answers: Sequence[str], expected: Sequence[str], sorts: bool) -> dict[str, Any]:
    """One side's numbers for the report; what is not known or has no meaning here is None."""
    exact = right = chrf = None
    if answers:
        exact = _share(a.strip() == e.strip() for a, e in zip(answers, expected, strict=True))
        right = _share(same_label(a, e) for a, e in zip(answers, expected, strict=True)) if sorts else None
        chrf = None if sorts else CHRF().corpus_score(list(answers), [list(expected)]).score
    perplexity = math.exp(min(loss, 700)) if loss is not None else None
    return {"loss": loss, "perplexity": perplexity, "exact_match": exact, "accuracy": right, "chrf": chrf}


def _share(truths: Iterable[bool]) -> float:
    found = list(truths)
    return sum(found) / len(found)
