"""From a table to rows to learn from: recognises the format by the columns' names and contents, then converts row by row.

`layouts.FORMATS` is the table of all formats, `row_turns` reads one row of each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from qlora_demo.data.choices import Choices
from qlora_demo.data.columns import language, plain_name, values_of
from qlora_demo.data.conversation import Conversation, Passage, Row
from qlora_demo.data.guessing import guess_columns
from qlora_demo.data.layouts import find_roles
from qlora_demo.data.markup import style_of_column
from qlora_demo.data.passages import COLUMN
from qlora_demo.data.row_turns import cell, labels_reader, plain_text, reader_of
from qlora_demo.data.table import Entry, Table
from qlora_demo.data.trees import Branch, branches
from qlora_demo.data.turns import CONTROLS, Skip, Turns, Wrong, read_turns
from qlora_demo.data.wording import Mistake, column_list, counted, shown
from qlora_demo.errors import DataError, WayOut

ACCEPTED = "question and answer, prompt and completion, instruction and output, text and label, or messages"
MAX_LABELS = 50
ROLES = ("user", "assistant", "system", "context", "label", "text")
NUMBER = re.compile(r"-?\d+(\.0)?")


@dataclass(frozen=True)
class Recognised:
    """`kind` is "conversations", "labels" or "passages"; `column_roles` is role -> column. Where the data sorts, `label_values` are the labels as
    in the file, `labels` the words that are learned for them, in the same order but each once, and `label_names` says which value became
    which word. `notes` are sentences."""

    format_name: str
    kind: str
    column_roles: dict[str, str]
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    label_values: tuple[str, ...] = ()
    label_names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Taken:
    """A row to learn from; `changes` are codes for what was altered on the way."""

    row: Row
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row that was left out: where it stands, and why ("no answer")."""

    position: str
    reason: str


def recognise(table: Table, choices: Choices) -> Recognised:
    """`choices.columns` beats all names. Looks at the table's first rows; for labels, once at all. Raises DataError where no columns fit."""
    if table.kind == "text":
        return Recognised("text", "passages", {"text": COLUMN})
    if choices.columns:
        roles = _mapped(table, choices.columns)
        if "text" in roles:
            return Recognised("mapping", "passages", roles)
        return _with_labels(table, Recognised("mapping", "conversations", roles), choices, chosen=True)
    name, roles = find_roles(table)
    if roles:
        found = Recognised(name, "conversations", roles, notes=_notes(table, name, roles))
        return _with_labels(table, found, choices, chosen=False)
    guess = guess_columns(table)
    if guess.roles:
        return _with_labels(table, Recognised("guess", "conversations", dict(guess.roles), notes=guess.notes), choices, chosen=False)
    raise _no_columns_fit(table, guess.text_columns)


def convert(table: Table, recognised: Recognised) -> Iterator[Taken | Dropped | Mistake]:
    """In the order of the file, one for each row; of a tree of messages, one for each last answer."""
    if recognised.format_name == "tree":
        yield from _from_trees(table, recognised)
    elif recognised.kind == "passages":
        yield from _passages(table, recognised.column_roles["text"])
    else:
        yield from _conversations(table, recognised)


def _conversations(table: Table, recognised: Recognised) -> Iterator[Taken | Dropped | Mistake]:
    labelled = recognised.kind == "labels"
    roles = recognised.column_roles
    read = labels_reader(roles, recognised.labels, recognised.label_names) if labelled else reader_of(roles)
    for entry in table.entries():
        if isinstance(entry, Mistake):
            yield entry
            continue
        try:
            turns = read(entry.values)
        except Skip as skip:
            yield Dropped(entry.position, skip.reason)
        except Wrong as wrong:
            yield _mistake(entry.position, wrong)
        else:
            yield _taken(turns, entry.position, turns.messages[-1].content if labelled else None)


def _from_trees(table: Table, recognised: Recognised) -> Iterator[Taken | Dropped | Mistake]:
    for branch in branches(table.entries(), recognised.column_roles):
        if isinstance(branch, Mistake):
            yield branch
        elif isinstance(branch, Branch):
            try:
                yield _taken(read_turns(branch.messages), branch.position, None)
            except Skip as skip:
                yield Dropped(branch.position, skip.reason)
            except Wrong as wrong:
                yield Mistake(branch.position, wrong.text)
        else:
            yield Dropped(branch, "the message that it answers does not stand before it")


def _passages(table: Table, column: str) -> Iterator[Taken | Dropped | Mistake]:
    for entry in table.entries():
        if isinstance(entry, Mistake):
            yield entry
            continue
        try:
            text = cell(entry.values, column)
        except Wrong as wrong:
            yield _mistake(entry.position, wrong)
            continue
        clean = CONTROLS.sub("", text)
        changes = ("control_characters",) if len(clean) < len(text) else ()
        yield Taken(Passage(clean, entry.position), changes) if clean.strip() else Dropped(entry.position, "no text")


def _taken(turns: Turns, position: str, label: str | None) -> Taken:
    return Taken(Conversation(turns.messages, position, label), turns.changes)


def _mistake(position: str, wrong: Wrong) -> Mistake:
    return Mistake(f"{position}, {wrong.inside}" if wrong.inside else position, wrong.text)


def _mapped(table: Table, mapping: Mapping[str, str]) -> dict[str, str]:
    """role -> column of the table."""
    unknown = [role for role in mapping if role not in ROLES]
    if unknown:
        raise DataError(f"'{shown(unknown[0])}' is not something a column can be. Use user, assistant, system, context, label or text.")
    alone = set(mapping) == {"text"}
    if not alone and ("text" in mapping or "user" not in mapping or ("assistant" in mapping) == ("label" in mapping)):
        message = "Choose the column that is asked (user) and the one that is the answer (assistant), or the label to sort by (label)."
        raise DataError(message, columns=table.columns)
    roles = {}
    for role, wanted in mapping.items():
        same = [c for c in table.columns if c == wanted] or [c for c in table.columns if plain_name(c) == plain_name(wanted)]
        if not same:
            message = f"{table.name} has no column '{shown(wanted)}'. Its columns are: {column_list(table.columns)}."
            raise DataError(message, columns=table.columns)
        roles[role] = same[0]
    if len(set(roles.values())) < len(roles):
        raise DataError("The question and the answer cannot be the same column. Choose two different ones.", columns=table.columns)
    return roles


def _notes(table: Table, name: str, roles: Mapping[str, str]) -> tuple[str, ...]:
    """What a person should know about a format."""
    if name == "preference":
        return ("Each row holds a better and a worse answer. The model learns the better one.",)
    if name == "kto":
        return ("Some answers are marked as good, some as bad. The model learns the good ones.",)
    if name == "tree":
        return ("The rows are trees of messages. Each way from a first question to a last answer became a conversation.",)
    if name == "marked-text":
        style = style_of_column(values_of(table.sample, roles["marked"]))
        return (f"'{shown(roles['marked'])}' holds whole conversations with marks between the turns ({style.name if style else ''}).",)
    if name == "translation" and "user" in roles:
        return (f"The model learns to translate from {language(roles['user'])} to {language(roles['assistant'])}.",)
    return ()


def _with_labels(table: Table, found: Recognised, choices: Choices, chosen: bool) -> Recognised:
    """Few labels make the data a sorting task; else the label is an answer like any other."""
    if "label" not in found.column_roles:
        return found
    column = found.column_roles["label"]
    values, rows = _different(table, column)
    if not 2 <= len(values) <= MAX_LABELS or not (chosen or 2 * len(values) < rows):
        roles = {"assistant" if role == "label" else role: name for role, name in found.column_roles.items()}
        number = counted(len(values), "different value") if len(values) <= MAX_LABELS else f"more than {MAX_LABELS} different values"
        note = f"'{shown(column)}' has {number}, so it was taken as an answer, not as a label to sort by."
        return replace(found, format_name="question-answer", column_roles=roles, notes=(note,))
    numbers = all(map(NUMBER.fullmatch, values))
    ordered = sorted(values, key=float) if numbers else sorted(values)
    names = {value: name.strip() for value in ordered if (name := choices.labels.get(value, "")).strip()}
    labels = tuple(dict.fromkeys(names.get(value, value) for value in ordered))
    note = ("The labels are numbers. Give them names so that the model learns words.",) if numbers and len(names) < len(values) else ()
    return replace(found, kind="labels", labels=labels, notes=(*found.notes, *note), label_values=tuple(ordered), label_names=names)


def _different(table: Table, column: str) -> tuple[set[str], int]:
    """The different values of a column, and how many rows there are; both stop soon after MAX_LABELS values."""
    values: set[str] = set()
    rows = 0
    for entry in table.entries():
        if isinstance(entry, Entry):
            rows += 1
            values.add(plain_text(entry.values.get(column)).strip())
            if len(values) > MAX_LABELS + 1:
                break
    return values - {""}, rows


def _no_columns_fit(table: Table, text_columns: Sequence[str]) -> DataError:
    if text_columns:
        column = text_columns[0]
        found = f"This looks like plain text: one column, '{shown(column)}'." if len(table.columns) == 1 else f"Only '{shown(column)}' holds text."
        other = "add a second column with answers" if len(table.columns) == 1 else "choose which column is asked and which is the answer"
        message = f"{found} Teach the model this text as a subject, or {other}."
        return DataError(message, (WayOut("Teach it as a subject", {"columns": {"text": column}}),), table.columns)
    columns = f"The columns are: {column_list(table.columns)}. Names we know: {ACCEPTED}."
    message = f"We found numbers and dates but no two columns of text. Which column is asked, which is the answer? {columns}"
    return DataError(message, columns=table.columns)
