"""Looks at every row once and says what is wrong with the data. Holds some thirty bytes a row."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from qlora_demo.data import marks, remarks
from qlora_demo.data.conversation import Conversation, Row
from qlora_demo.data.finding import Finding
from qlora_demo.data.language import guess_language
from qlora_demo.data.near import NearSearch
from qlora_demo.data.personal import KINDS, found_in
from qlora_demo.data.places import Places
from qlora_demo.data.repeats import differing, first_of, joined, most_common, nearly_repeated
from qlora_demo.data.spelling import one_spelling, spellings
from qlora_demo.data.split import FEWEST_ROWS

PUNCTUATION = ".,;:!?\"'()[]…“”„‘’‚«»‹›¿¡–—`*_。、，！？；：「」『』（）"
BETWEEN = "\x00"
"""Stands between the messages of a row; readers let no such character through."""
ANSWER_SHARE, ANSWER_ROWS = 0.9, 10
OPENING_SHARE, OPENING_ROWS, OPENING_WORDS = 0.8, 20, 3
LABEL_SHARE, LABEL_ROWS, RARE_LABEL, ROWS_PER_LABEL = 0.8, 20, 5, 10
PROGRAM = re.compile(r"\s*(?:```|def |class |import |from \w+ import|function |const |let |var |public |private |#include|SELECT |<\w+|[{\[])")
SAMPLES, SAMPLE_LENGTH = 400, 400
"""Texts to guess the language from, and the characters of each."""
FLAGS = (*(kind.code for kind in KINDS), "bidi_controls", "already_formatted", "special_text")
BITS = {code: 1 << number for number, code in enumerate(FLAGS)}


@dataclass
class _Sample:
    """Texts from all over the file: each row at first, then every second, every fourth."""

    texts: list[str] = field(default_factory=list)
    every: int = 1

    def wants(self, number: int) -> bool:
        return number % self.every == 0

    def add(self, text: str) -> None:
        self.texts.append(text[:SAMPLE_LENGTH])
        if len(self.texts) == 2 * SAMPLES:
            self.texts, self.every = self.texts[::2], 2 * self.every


@dataclass
class _Majority:
    """The only opening that more than half of the answers can have, and one of them, found in one pass (Boyer and Moore)."""

    opening: str = ""
    answer: str = ""
    lead: int = 0

    def add(self, opening: str, answer: str) -> None:
        if not self.lead:
            self.opening, self.answer = opening, answer
        self.lead += 1 if opening == self.opening else -1


class Doctor:
    """`kind` is "conversations", "labels" or "passages". Rows are looked at in order; a row's number is how many came before it.

    Numbers stand for texts: 64 bits for a question, 32 for its answer, so that two rows of a million are taken for equal by mistake once in
    billions of files. They differ between processes; what is found does not.
    """

    def __init__(self, kind: str):
        self._kind = kind
        self._places = Places()
        self._asked, self._answers = array("q"), array("q")
        self._exact, self._openings = array("I"), array("I")
        self._flags = array("H")
        self._label_of = array("I")
        self._labels: dict[str, int] = {}
        self._near = NearSearch()
        self._pairs_known: tuple[int, list[tuple[int, int]]] = (0, [])
        self._sample, self._opening = _Sample(), _Majority()
        self._shown_mark, self._shown_word = "", ""

    def look(self, row: Row) -> None:
        asked, answer = _question_and_answer(row)
        folded_asked, folded_answer = asked.casefold().split(), answer.casefold().split()
        asked_words, answer_words = _plain(folded_asked), _plain(folded_answer)
        self._exact.append(hash(f"{' '.join(folded_asked)}{BETWEEN}{' '.join(folded_answer)}") & 0xFFFFFFFF)
        self._asked.append(hash(" ".join(asked_words)))
        self._answers.append(hash(" ".join(answer_words)))
        if self._kind == "labels":
            self._label_of.append(self._labels.setdefault(row.label or answer, len(self._labels)))
        elif self._kind == "conversations":
            self._look_at_opening(answer, answer_words)
        if not self._near.off:
            self._near.add(_compared(row, asked_words), answer_words)
        if self._sample.wants(len(self._places)):
            self._sample.add(row.question() if self._kind == "labels" else _spoken(row))
        self._flags.append(self._signs(f"{asked}\n{answer}"))
        self._places.add(row.source)

    def groups(self) -> np.ndarray:
        """uint32 for each row, equal for rows that repeat each other, wholly or nearly."""
        first = first_of(self._loose())
        return joined(first, self._pairs(first))

    def drops(self, fix: str) -> set[int]:
        """Numbers of the rows that a dropping fix removes. Raises KeyError for any other."""
        find: dict[str, Callable[[], Sequence[int] | np.ndarray]] = {
            "duplicates": lambda: self._repeated()[0],
            "near_duplicates": self._nearly_repeated,
            "contradictions": lambda: self._contradictions(self._nearly_repeated())[1],
            "contradicting_labels": lambda: self._contradictions(self._nearly_repeated())[0],
        }
        return {int(row) for row in find[fix]()}

    def language(self) -> str:
        """ISO 639-1 code of the language that people read and write in the data, "" if that is not sure."""
        return guess_language(self._sample.texts)

    def findings(self) -> tuple[Finding, ...]:
        """The most important first."""
        if not len(self._places):
            return ()
        near = self._nearly_repeated()
        secrets, cards, accounts, emails, phones = (self._flagged(kind.code, lambda rows, kind=kind: self._personal(rows, kind)) for kind in KINDS)
        found = (
            secrets,
            cards,
            accounts,
            self._flagged("already_formatted", lambda rows: remarks.template_marks(rows, self._place, self._shown_mark)),
            self._labels_differ(),
            self._few_rows(),
            self._one_label(),
            self._one_answer(),
            self._contradiction(near),
            self._repeats(),
            emails,
            phones,
            self._near_repeats(near),
            self._rare_labels(),
            self._flagged("bidi_controls", lambda rows: remarks.direction_marks(rows, self._place)),
            self._one_opening(),
            self._flagged("special_text", lambda rows: remarks.special_words(rows, self._place, self._shown_word)),
        )
        return tuple(finding for finding in found if finding is not None)

    def _look_at_opening(self, answer: str, words: Sequence[str]) -> None:
        if len(words) < OPENING_WORDS or PROGRAM.match(answer):
            self._openings.append(0)
            return
        opening = " ".join(words[:OPENING_WORDS])
        self._openings.append(hash(opening) & 0xFFFFFFFF or 1)
        self._opening.add(opening, answer)

    def _signs(self, text: str) -> int:
        signs = sum(BITS[code] for code in found) if (found := found_in(text)) else 0
        if marks.has_direction(text):
            signs |= BITS["bidi_controls"]
        if mark := marks.template_mark(text):
            signs |= BITS["already_formatted"]
            self._shown_mark = self._shown_mark or mark
        if word := marks.special_word(text):
            signs |= BITS["special_text"]
            self._shown_word = self._shown_word or word
        return signs

    def _place(self, row: int) -> str:
        return self._places[row]

    def _loose(self) -> np.ndarray:
        """A number for each row, equal up to capitals, white space and punctuation."""
        key = np.frombuffer(self._asked, np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        key ^= np.frombuffer(self._answers, np.uint64) * np.uint64(0xBF58476D1CE4E5B9)
        return key

    def _repeated(self) -> tuple[np.ndarray, bool]:
        """Rows equal to an earlier one up to capitals and white space, and whether a row appears more than twice."""
        first = self._first_exact()
        rows = np.flatnonzero(first != np.arange(len(first)))
        return rows, len(np.unique(first[rows])) < len(rows)

    def _first_exact(self) -> np.ndarray:
        key = self._loose()
        key *= np.uint64(0x94D049BB133111EB)
        key ^= np.frombuffer(self._exact, np.uint32)
        return first_of(key)

    def _pairs(self, first: np.ndarray) -> list[tuple[int, int]]:
        """Searched for once: that takes seconds where thousands of rows look alike."""
        if self._pairs_known[0] != len(first):
            self._pairs_known = len(first), self._near.pairs(np.flatnonzero(first == np.arange(len(first))))
        return self._pairs_known[1]

    def _nearly_repeated(self) -> np.ndarray:
        """Rows that differ from an earlier one which stays, but only a little; with what repeats them."""
        first = first_of(self._loose())
        gone = nearly_repeated(self._pairs(first))
        return np.flatnonzero((self._first_exact() != first) | np.isin(first, np.fromiter(gone, np.uint32, len(gone))))

    def _contradictions(self, near: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
        """(rows whose question is answered in several ways, those of them that differ from the first, how many questions), without near-repeats."""
        if self._kind == "passages":
            return np.empty(0, int), np.empty(0, int), 0
        rows = np.setdiff1d(np.arange(len(self._asked)), near, assume_unique=True)
        asked, answers = np.frombuffer(self._asked, np.int64)[rows], np.frombuffer(self._answers, np.int64)[rows]
        several = differing(asked, answers)
        first = first_of(asked[several])
        other = answers[several] != answers[several][first]
        return rows[several], rows[several][other], len(np.unique(first))

    def _repeats(self) -> Finding | None:
        rows, often = self._repeated()
        return remarks.repeats(rows, self._place, often) if len(rows) else None

    def _near_repeats(self, rows: np.ndarray) -> Finding | None:
        return remarks.near_repeats(rows, self._place, not self._near.off) if len(rows) else None

    def _contradiction(self, near: np.ndarray) -> Finding | None:
        rows, _, questions = self._contradictions(near)
        if not len(rows):
            return None
        say = remarks.contradicting_labels if self._kind == "labels" else remarks.contradictions
        return say(rows, self._place, questions)

    def _one_answer(self) -> Finding | None:
        answers = np.frombuffer(self._answers, np.int64)
        if self._kind != "conversations" or len(answers) < ANSWER_ROWS:
            return None
        answer, count = most_common(answers)
        return remarks.one_answer(np.flatnonzero(answers == answer), self._place, len(answers)) if count > ANSWER_SHARE * len(answers) else None

    def _one_opening(self) -> Finding | None:
        openings = np.frombuffer(self._openings, np.uint32)
        if self._kind != "conversations" or len(openings) < OPENING_ROWS or self._one_answer():
            return None
        opening, count = most_common(openings[openings > 0])
        if count <= OPENING_SHARE * len(openings):
            return None
        words = " ".join(self._opening.answer.split()[:OPENING_WORDS])
        return remarks.one_opening(np.flatnonzero(openings == opening), self._place, len(openings), words)

    def _few_rows(self) -> Finding | None:
        count, labels = len(self._places), len(self._labels)
        if count >= max(FEWEST_ROWS, ROWS_PER_LABEL * labels):
            return None
        return remarks.few_rows(count, labels, FEWEST_ROWS, ROWS_PER_LABEL)

    def _label_counts(self) -> dict[str, int]:
        counts = np.bincount(np.frombuffer(self._label_of, np.uint32), minlength=len(self._labels))
        return dict(zip(self._labels, counts.tolist(), strict=True))

    def _labelled(self, labels: Sequence[str]) -> np.ndarray:
        return np.flatnonzero(np.isin(np.frombuffer(self._label_of, np.uint32), [self._labels[label] for label in labels]))

    def _labels_differ(self) -> Finding | None:
        counts = self._label_counts() if self._labels else {}
        usual = one_spelling(counts)
        return remarks.labels_differ(self._labelled(list(usual)), self._place, spellings(counts)) if usual else None

    def _one_label(self) -> Finding | None:
        count = len(self._label_of)
        if count < LABEL_ROWS:
            return None
        counts = self._label_counts()
        label = max(counts, key=lambda name: counts[name])
        return remarks.one_label(self._labelled([label]), self._place, count, label) if counts[label] > LABEL_SHARE * count else None

    def _rare_labels(self) -> Finding | None:
        if not self._labels or self._few_rows():
            return None
        rare = {label: count for label, count in self._label_counts().items() if count < RARE_LABEL}
        return remarks.rare_labels(self._labelled(list(rare)), self._place, rare, RARE_LABEL) if rare else None

    def _flagged(self, code: str, say: Callable[[np.ndarray], Finding]) -> Finding | None:
        rows = np.flatnonzero(np.frombuffer(self._flags, np.uint16) & BITS[code])
        return say(rows) if len(rows) else None

    def _personal(self, rows: np.ndarray, kind: remarks.Personal) -> Finding:
        return remarks.personal(rows, self._place, kind)


def _question_and_answer(row: Row) -> tuple[str, str]:
    """All that is read before the last answer, and that answer. A passage answers nothing."""
    if not isinstance(row, Conversation):
        return "", row.text
    messages = row.messages
    if len(messages) == 2:
        return messages[0].content, messages[1].content
    return f" {BETWEEN} ".join(f"{m.content} {BETWEEN}{m.role}" for m in messages[:-1]), messages[-1].content


def _plain(words: Sequence[str]) -> list[str]:
    """Words without punctuation around them."""
    return [plain for word in words if (plain := word.strip(PUNCTUATION))]


def _compared(row: Row, asked_words: list[str]) -> list[str]:
    """The words of a question that count in the search for near-repeats: instructions count as one, which must be the same. It has a digit."""
    if not isinstance(row, Conversation) or row.messages[0].role != "system":
        return asked_words
    spoken = [word for m in row.messages[1:-1] for word in _plain(m.content.casefold().split())]
    return [f"0{row.messages[0].content}", *spoken]


def _spoken(row: Row) -> str:
    return "\n".join(m.content[:SAMPLE_LENGTH] for m in row.messages if m.role != "system") if isinstance(row, Conversation) else row.text
