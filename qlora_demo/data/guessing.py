"""Two columns of text without names that we know: which is asked, which is the answer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from qlora_demo.data.table import Table
from qlora_demo.data.wording import shown

SAMPLE_ROWS = 1000


@dataclass(frozen=True)
class Guess:
    """`roles` is empty where the table has not exactly two columns of text, which are `text_columns`."""

    text_columns: tuple[str, ...]
    roles: dict[str, str]
    notes: tuple[str, ...] = ()


def guess_pair(table: Table, questions: Collection[str], answers: Collection[str]) -> Guess:
    """A known name of one settles it, then question marks; else the column with the longer texts is the answer."""
    texts = tuple(column for column in table.columns if _is_text(table, column))
    if len(texts) != 2:
        return Guess(texts, {})
    first, second = texts
    lower = [column.strip().lower() for column in texts]
    if lower[0] in questions or lower[1] in answers:
        return Guess(texts, {"user": first, "assistant": second})
    if lower[1] in questions or lower[0] in answers:
        return Guess(texts, {"user": second, "assistant": first})
    asked, answered = sorted(texts, key=lambda column: (not _asks(table, column), _length(table, column)))
    note = f"We took '{shown(asked)}' as the question and '{shown(answered)}' as the answer, guessed from the texts."
    return Guess(texts, {"user": asked, "assistant": answered}, (note,))


def _values(table: Table, column: str) -> list[str]:
    """The first texts of a column that are not empty; other JSON values are no texts."""
    values = [row.get(column) for row in table.rows[:SAMPLE_ROWS]]
    return [value for value in values if isinstance(value, str) and value.strip()]


def _is_text(table: Table, column: str) -> bool:
    """Half of the values are words: more letters than digits. That leaves out numbers, dates and most codes."""
    values = _values(table, column)
    words = sum(sum(c.isalpha() for c in value[:200]) > sum(c.isdigit() for c in value[:200]) for value in values)
    return words > 0 and 2 * words >= len(values)


def _asks(table: Table, column: str) -> bool:
    """Half of the texts end with a question mark of some script."""
    values = _values(table, column)
    return 2 * sum(value.rstrip().endswith(("?", "\uff1f", "\u061f")) for value in values) >= len(values)


def _length(table: Table, column: str) -> int:
    return sum(len(value) for value in _values(table, column))
