"""The parts of a report that are made of answers: each side's numbers, intervals, confusion, code, and what to read first. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sacrebleu.metrics import CHRF

from qlora_demo.evaluation import letters
from qlora_demo.evaluation.confusion import label_names, macro_f1, matrix
from qlora_demo.evaluation.intervals import corpus_chrf, intervals, ratio, share
from qlora_demo.evaluation.overlap import mean_f1, mean_repeated, mean_words
from qlora_demo.evaluation.picks import Marks, pick
from qlora_demo.evaluation.scores import Compared, Tally, closeness, same_label
from qlora_demo.evaluation.syntax import language, valid

SAME_TEXT = 99.999
"""chrF of a text and itself, but for rounding."""


@dataclass(frozen=True)
class Losses:
    """Of each row that was read: both models' summed losses, and over how many tokens. `rows` counts them."""

    base_sums: tuple[float, ...]
    adapted_sums: tuple[float, ...]
    tokens: tuple[int, ...]
    rows: int

    def base(self) -> float:
        """Mean loss a learned token."""
        return sum(self.base_sums) / sum(self.tokens)

    def adapted(self) -> float:
        """The same of the adapted model."""
        return sum(self.adapted_sums) / sum(self.tokens)

    def tally(self) -> Tally:
        """On how many the adapted model's loss is smaller."""
        return Tally.of(b - a for b, a in zip(self.base_sums, self.adapted_sums, strict=True))


@dataclass(frozen=True)
class Answers:
    """One side's texts; `whole` says which were not cut off."""

    texts: list[str]
    expected: list[str]
    whole: list[bool]

    @classmethod
    def base(cls, compared: Sequence[Compared]) -> Answers:
        return cls([c.base for c in compared], [c.expected for c in compared], [c.base_whole for c in compared])

    @classmethod
    def adapted(cls, compared: Sequence[Compared]) -> Answers:
        return cls([c.adapted for c in compared], [c.expected for c in compared], [c.adapted_whole for c in compared])


def figures(loss: float | None, answers: Answers, labels: Sequence[str]) -> dict[str, Any]:
    """One side's numbers for the report; what is not known or has no meaning here is None. `labels` are those of the rows learned from, empty
    where the data does not sort."""
    texts, expected = answers.texts, answers.expected
    found: dict[str, Any] = dict.fromkeys(("exact_match", "accuracy", "macro_f1", "chrf", "token_f1", "words", "repeated"))
    if texts:
        found["exact_match"] = _share(a.strip() == e.strip() for a, e in zip(texts, expected, strict=True))
    if texts and labels:
        found["accuracy"] = _share(right_labels(answers))
        found["macro_f1"] = macro_f1(matrix(texts, expected, label_names(expected, labels)))
    elif texts:
        found["chrf"] = CHRF().corpus_score(texts, [expected]).score
        found["token_f1"] = mean_f1(texts, expected)
        found |= {"words": mean_words(texts), "repeated": mean_repeated(texts)}
    perplexity = math.exp(min(loss, 700)) if loss is not None else None
    return {"loss": loss, "perplexity": perplexity, **found}


def right_labels(answers: Answers) -> list[bool]:
    """Row by row."""
    return [same_label(a, e) for a, e in zip(answers.texts, answers.expected, strict=True)]


def _share(truths: Iterable[bool]) -> float:
    found = list(truths)
    return sum(found) / len(found)


def main_intervals(compared: Sequence[Compared], losses: Losses | None, sorts: bool) -> dict[str, Any] | None:
    """Of accuracy where the data sorts, of chrF for other answers, of the loss on passages. None for too few rows."""
    base, adapted = Answers.base(compared), Answers.adapted(compared)
    if compared and sorts:
        return intervals("accuracy", len(compared), share(right_labels(base)), share(right_labels(adapted)))
    if compared:
        counted = (corpus_chrf(letters.counts(one.texts, one.expected)) for one in (base, adapted))
        return intervals("chrf", len(compared), *counted)
    if losses:
        sums = (ratio(of, losses.tokens) for of in (losses.base_sums, losses.adapted_sums))
        return intervals("loss", len(losses.tokens), *sums)
    return None


def confusion(compared: Sequence[Compared], labels: Sequence[str]) -> dict[str, Any]:
    """The names of the labels, and both sides' matrices; see `confusion.matrix`."""
    base, adapted = Answers.base(compared), Answers.adapted(compared)
    names = label_names(base.expected, labels)
    return {"labels": names, "base": matrix(base.texts, base.expected, names), "adapted": matrix(adapted.texts, adapted.expected, names)}


def code(compared: Sequence[Compared]) -> dict[str, Any] | None:
    """Where the data's own answers are code: of each side's answers that were not cut off, how many can be read as such."""
    name = language([c.expected for c in compared])
    if name is None:
        return None
    counted = {}
    for word, side in (("base", Answers.base(compared)), ("adapted", Answers.adapted(compared))):
        whole = [text for text, complete in zip(side.texts, side.whole, strict=True) if complete]
        counted[word] = {"valid": sum(valid(name, text) for text in whole), "of": len(whole)}
    return {"language": name, **counted}


def data_figures(compared: Sequence[Compared], sorts: bool) -> dict[str, Any]:
    """What the data's own answers are like, to hold both sides against."""
    expected = [c.expected for c in compared]
    if sorts or not expected:
        return {"words": None, "repeated": None}
    return {"words": mean_words(expected), "repeated": mean_repeated(expected)}


def marked(compared: Sequence[Compared], sorts: bool) -> list[Marks]:
    """How close the answers to each question are: chrF, or where the data sorts 1 for right and 0 for wrong."""
    near = (lambda a, b: float(same_label(a, b))) if sorts else closeness
    return [Marks(near(c.base, c.expected), near(c.adapted, c.expected), near(c.adapted, c.base)) for c in compared]


def scored_answers(compared: Sequence[Compared], sorts: bool) -> dict[str, Any]:
    """Every answer with both sides' scores, and the places of those to read first."""
    marks = marked(compared, sorts)
    answers = [{**asdict(c), "base_score": m.base, "adapted_score": m.adapted} for c, m in zip(compared, marks, strict=True)]
    return {"picked": asdict(pick(marks, 1.0 if sorts else SAME_TEXT)), "answers": answers}
