"""Columns of text without names that we know: which is asked, which is the answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qlora_demo.data.columns import ANSWERS, QUESTIONS, plain_name, values_of
from qlora_demo.data.table import Table
from qlora_demo.data.wording import shown

NO_WORD = re.compile(r"\S*\d\S*|\w+://\S+|www\.\S+|\S+@\S+\.\w+|\S*[/\\]\S*\.\w{1,5}")
"""One run of signs that is an id, an address, or the path of a file."""
QUESTION_MARKS = ("?", "\uff1f", "\u061f")
MUCH_LONGER = 1.5
"""Of two columns that are about as long as each other, the first is asked."""
LOOKED_AT = 200
"""Characters of a value; enough to tell what it is."""
FEW_WORDS, SHORT, FEWEST = 3, 40, 6
"""A value with so many words and characters may be the name of a kind; so many values are needed to tell that they repeat."""


@dataclass(frozen=True)
class Guess:
    """`roles` is empty where nothing can be guessed; `text_columns` are those that hold sentences or words. `notes` say what was guessed."""

    text_columns: tuple[str, ...]
    roles: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def guess_columns(table: Table) -> Guess:
    """Of several columns of text: those whose names we know, else the two with the most text. Question marks tell the question, else it is the
    shorter one, else the first. A text beside words that repeat is sorted."""
    values = {column: _strings(values_of(table.sample, column)) for column in table.columns}
    texts = tuple(column for column, found in values.items() if is_text(found))
    if len(texts) >= 2:
        asked, answered = _pair(texts, values)
        note = f"We took '{shown(asked)}' as the question and '{shown(answered)}' as the answer, guessed from the texts."
        return Guess(texts, {"user": asked, "assistant": answered}, (note,))
    others = [column for column in table.columns if column not in texts]
    if len(texts) == len(others) == 1 and _are_labels(values[others[0]]):
        note = f"We took '{shown(texts[0])}' as the text and '{shown(others[0])}' as the label to sort by, guessed from the values."
        return Guess(texts, {"user": texts[0], "label": others[0]}, (note,))
    return Guess(texts)


def _pair(texts: Sequence[str], values: Mapping[str, Sequence[str]]) -> tuple[str, str]:
    """(asked, answered)"""
    by_length = sorted(texts, key=lambda column: -sum(map(len, values[column])))
    asked = next((column for column in texts if len(column) > 1 and plain_name(column) in QUESTIONS), "")  # A is the first column, not an answer
    answered = next((column for column in texts if len(column) > 1 and plain_name(column) in ANSWERS), "")
    if asked or answered:
        longest_other = next(column for column in by_length if column not in (asked, answered))
        return asked or longest_other, answered or longest_other
    two = sorted(by_length[:2], key=texts.index)
    asking = [_asks(values[column]) for column in two]
    if asking[0] != asking[1]:
        return (two[0], two[1]) if asking[0] else (two[1], two[0])
    lengths = [sum(map(len, values[column])) for column in two]
    return (two[1], two[0]) if lengths[0] > MUCH_LONGER * lengths[1] else (two[0], two[1])


def is_text(values: Sequence[Any]) -> bool:
    """Half of the values are words. That leaves out numbers, dates, ids and addresses, and names of kinds that repeat."""
    texts = _strings(values)
    return bool(texts) and 2 * sum(map(_has_words, texts)) >= len(texts) and not _repeats(texts)


def _strings(values: Sequence[Any]) -> list[str]:
    return [value for value in values if isinstance(value, str) and value.strip()]


def _has_words(value: str) -> bool:
    start = value.strip()[:LOOKED_AT]
    if NO_WORD.fullmatch(start):
        return False
    return sum(map(str.isalpha, start)) > sum(map(str.isdigit, start))


def _are_labels(values: Sequence[str]) -> bool:
    return _repeats(values) and len(set(values)) > 1 and all(map(_has_words, values))


def _repeats(values: Sequence[str]) -> bool:
    """Few short values stand there again and again."""
    different = set(values)
    short = all(len(value.split()) <= FEW_WORDS and len(value) <= SHORT for value in different)
    return short and len(values) >= FEWEST and 3 * len(different) <= len(values)


def _asks(values: Sequence[str]) -> bool:
    """Half of the texts end with a question mark of some script."""
    return 2 * sum(value.rstrip().endswith(QUESTION_MARKS) for value in values) >= len(values)
