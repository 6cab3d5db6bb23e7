"""What a click can mend: fixes that change rows, fixes that leave rows out, and what is said once it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from qlora_demo.data.conversation import Conversation, Row
from qlora_demo.data.finding import Finding, plural
from qlora_demo.data.marks import without_direction, without_template
from qlora_demo.data.personal import KINDS
from qlora_demo.data.spelling import one_spelling

Edit = Callable[[Row], Row]
TASK = "Answer with one of: "
"""What comes before the labels in the instructions of rows that sort."""


def _every_text(change: Callable[[str], str]) -> Edit:
    """Changes all texts of a row; where the row sorts, its label stays what it answers. A row in which nothing changes is given back itself."""

    def edit(row: Row) -> Row:
        if not isinstance(row, Conversation):
            text = change(row.text)
            return row if text == row.text else replace(row, text=text)
        contents = [change(m.content) for m in row.messages]
        if contents == [m.content for m in row.messages]:
            return row
        messages = tuple(replace(m, content=content) for m, content in zip(row.messages, contents, strict=True))
        return replace(row, messages=messages, label=None if row.label is None else contents[-1])

    return edit


EDITING: Mapping[str, Edit] = MappingProxyType(
    {
        "already_formatted": _every_text(without_template),
        "bidi_controls": _every_text(without_direction),
        **{kind.code: _every_text(kind.hide) for kind in KINDS},
    }
)
"""Fixes that look at one row alone. `labels_differ` needs to know all labels: see `editor`."""
DROPPING = frozenset({"duplicates", "near_duplicates", "contradictions", "contradicting_labels"})
"""Fixes whose rows `Doctor.drops` names."""

DONE: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "duplicates": ("Removed 1 repeat.", "Removed {} repeats."),
        "near_duplicates": ("Removed 1 near-repeat.", "Removed {} near-repeats."),
        "contradictions": ("Removed 1 answer that differs from the first.", "Removed {} answers that differ from the first."),
        "contradicting_labels": ("Left out 1 row with an unclear label.", "Left out {} rows with unclear labels."),
        "labels_differ": ("Changed the label of 1 row to its usual spelling.", "Changed the labels of {} rows to their usual spelling."),
        "already_formatted": ("Removed the marks from 1 row.", "Removed the marks from {} rows."),
        "bidi_controls": ("Removed invisible marks from 1 row.", "Removed invisible marks from {} rows."),
        **{kind.code: (f"Hid {kind.several} in 1 row.", f"Hid {kind.several} in {{}} rows.") for kind in KINDS},
    }
)


def editor(code: str, labels: Mapping[str, int]) -> Edit:
    """What an editing fix does to each row; nothing for any other code. `labels` is how many rows have each label, before this fix."""
    if code == "labels_differ":
        usual = one_spelling(labels)
        return lambda row: _respelled(row, usual, frozenset(labels))
    return EDITING.get(code, _unchanged)


def done(code: str, count: int) -> Finding:
    """What a fix did to so many rows, with the button that takes it back. Raises KeyError for an unknown one."""
    return Finding(code, count, (), plural(count, *DONE[code]).format(f"{count:,}"), button="Undo", done=True)


def _respelled(row: Row, usual: Mapping[str, str], labels: frozenset[str]) -> Row:
    """The usual spelling in the label, in the answer, and once in the instructions that list all labels."""
    if not isinstance(row, Conversation) or row.label is None:
        return row
    label = usual.get(row.label, row.label)
    first, last = row.messages[0], row.messages[-1]
    messages = (*row.messages[:-1], replace(last, content=usual.get(last.content, last.content)))
    if first.role == "system":
        messages = (replace(first, content=_listed_once(first.content, usual, labels)), *messages[1:])
    return row if messages == row.messages else replace(row, messages=messages, label=label)


def _listed_once(task: str, usual: Mapping[str, str], labels: frozenset[str]) -> str:
    before, found, listed = task.rpartition(TASK)
    names = listed.removesuffix(".").split(", ")
    if not found or not labels <= set(names):
        return task
    return f"{before}{TASK}{', '.join(dict.fromkeys(usual.get(name, name) for name in names))}."


def _unchanged(row: Row) -> Row:
    return row
