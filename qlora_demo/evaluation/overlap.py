"""Words of answers: shared with the expected ones, how many there are, and how often they are said again. Pure functions."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

RUN = 4
"""Words that make a repetition when they come again in the same order."""
NO_WORD = "PSC"
"""Unicode's classes of punctuation, signs and what is not seen."""
ALONE = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]")
"""Thai, Lao, Burmese, Khmer, Japanese, Chinese: written without spaces, so each sign counts as a word."""


def words(text: str) -> list[str]:
    """In small letters and without punctuation, as SQuAD compares them; "a", "an" and "the" stay, since to remove them would suit English only."""
    letters = unicodedata.normalize("NFKC", text).casefold()
    plain = "".join(ch for ch in letters if ch.isspace() or unicodedata.category(ch)[0] not in NO_WORD)
    return ALONE.sub(lambda found: f" {found[0]} ", plain).split()


def token_f1(answer: str, expected: str) -> float:
    """0 to 1: the harmonic mean of two shares, of the answer's words that are expected, and of the expected ones that are said (Rajpurkar 2016)."""
    said, wanted = words(answer), words(expected)
    if not said or not wanted:
        return float(answer.strip() == expected.strip())  # signs alone, or nothing
    shared = (Counter(said) & Counter(wanted)).total()
    return 2 * shared / (len(said) + len(wanted))


def mean_f1(answers: Sequence[str], expected: Sequence[str]) -> float:
    """Over all answers."""
    return sum(token_f1(a, e) for a, e in zip(answers, expected, strict=True)) / len(answers)


def mean_words(texts: Sequence[str]) -> float:
    """How long they are."""
    return sum(len(words(text)) for text in texts) / len(texts)


def repeated(text: str) -> float | None:
    """The share of its runs of four words that stood in it before (seq-rep-4, Welleck 2020); None for a text of fewer words."""
    said = words(text)
    runs = [tuple(said[i : i + RUN]) for i in range(len(said) - RUN + 1)]
    return 1 - len(set(runs)) / len(runs) if runs else None


def mean_repeated(texts: Sequence[str]) -> float | None:
    """Over those that are long enough; None where none is."""
    known = [share for text in texts if (share := repeated(text)) is not None]
    return sum(known) / len(known) if known else None
