"""From a file and a person's choices about it to a data set: read, recognise, convert, apply each fix, examine. One row at a time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from qlora_demo.data.choices import Choices
from qlora_demo.data.conversation import Conversation, Row
from qlora_demo.data.dataset import Offers, PreparedDataset, Report, goal_of, write_about
from qlora_demo.data.doctor import Doctor
from qlora_demo.data.finding import KEPT_POSITIONS, Finding, numbers, plural
from qlora_demo.data.fixes import DROPPING, done, editor
from qlora_demo.data.formats import Dropped, Recognised, convert, recognise
from qlora_demo.data.reading import read_table
from qlora_demo.data.stored import RowWriter, StoredRows
from qlora_demo.data.table import Limits, Table
from qlora_demo.data.wording import Mistake, counted, mistakes_error, too_many_rows
from qlora_demo.errors import DataError

KEPT_DROPPED = 1000
GOAL_ROWS = 1000
CHAT_EXPORTS = ("chatgpt", "claude", "whatsapp", "telegram")
BROKEN = "it cannot be read"
# Why a row was left out: one row, several rows. Other reasons are what it has: "no answer".
REASONS = {
    BROKEN: ("could not be read", "could not be read"),
    "it was marked as bad": ("was marked as bad", "were marked as bad"),
    "every answer has weight 0": ("has only answers of weight 0", "have only answers of weight 0"),
    "the message that it answers does not stand before it": ("answers a message that is not above it", "answer messages that are not above them"),
}

# What became of a row that was changed: one row, several rows.
CHANGES = {
    "merged_turns": ("has several turns of one speaker in a row. They were joined.", "have several turns of one speaker in a row. They were joined."),
    "question_without_answer": ("ends with a question. That question was left out.", "end with a question. Those questions were left out."),
    "tools_left_out": ("calls tools. Those turns were left out.", "call tools. Those turns were left out."),
    "reasoning_left_out": ("holds thoughts before an answer. They were left out.", "hold thoughts before their answers. They were left out."),
    "first_answer": ("has several answers. The first one was taken.", "have several answers. The first one of each was taken."),
    "pictures_left_out": ("holds pictures or other attachments. They were left out.", "hold pictures or other attachments. They were left out."),
    "roles_renamed": ("uses other names for the speakers. They were translated.", "use other names for the speakers. They were translated."),
    "list_as_text": ("holds its messages as text. They were read as a list.", "hold their messages as text. They were read as lists."),
    "control_characters": ("held control characters. They were removed.", "held control characters. They were removed."),
}


@dataclass
class Tally:
    """What conversion met on its way."""

    rows_read: int = 0
    mistakes: list[Mistake] = field(default_factory=list)
    mistakes_count: int = 0
    dropped: list[Dropped] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    changed: dict[str, list[str]] = field(default_factory=dict)
    changes: Counter[str] = field(default_factory=Counter)
    stopped_early: bool = False

    def mistake(self, mistake: Mistake) -> None:
        self.mistakes_count += 1
        if len(self.mistakes) < KEPT_POSITIONS:
            self.mistakes.append(mistake)

    def drop(self, dropped: Dropped) -> None:
        self.reasons[dropped.reason] += 1
        if len(self.dropped) < KEPT_DROPPED:
            self.dropped.append(dropped)

    def change(self, position: str, codes: tuple[str, ...]) -> None:
        for code in codes:
            self.changes[code] += 1
            places = self.changed.setdefault(code, [])
            if len(places) < KEPT_POSITIONS:
                places.append(position)


def prepare(path: Path, display_name: str, choices: Choices, limits: Limits, folder: Path) -> PreparedDataset:
    """Fills `folder`, which exists, with the data set of the file at `path`. Raises DataError."""
    table = read_table(path, display_name, choices, limits)
    recognised = recognise(table, choices)
    tally = Tally()
    rows, doctor, labels = _take(table, recognised, choices, limits, folder, tally)
    fixed: Counter[str] = Counter()
    for code in choices.fixes:
        count, (rows, doctor, labels) = _fix(code, recognised.kind, (rows, doctor, labels), folder)
        fixed[code] += count
    findings = (
        *(done(code, count) for code, count in fixed.items() if count),
        *(Finding("read_as", 1, (), note) for note in recognised.notes),
        *doctor.findings(),
        *_left_out(tally),
        *_changed(tally),
        *_first_rows(tally, choices),
        *(Finding("read_as", 1, (), note) for note in table.notes),
    )
    report = Report(tally.rows_read, len(rows), tuple(tally.dropped), dict(tally.reasons), findings, labels, doctor.language())
    dataset = PreparedDataset(
        table.name,
        recognised.kind,
        table.kind if table.kind in CHAT_EXPORTS else recognised.format_name,
        table.columns,
        recognised.column_roles,
        rows,
        report,
        goal_of(recognised.kind, list(islice(rows, GOAL_ROWS))),
        choices,
        Offers(table.sheets, table.sheet, table.speakers, table.speaker, recognised.label_values),
    )
    write_about(dataset, folder)
    return dataset


Kept = tuple[StoredRows, Doctor, dict[str, int]]
"""Rows, what the doctor saw of them, and how many have each label."""


def _take(table: Table, recognised: Recognised, choices: Choices, limits: Limits, folder: Path, tally: Tally) -> Kept:
    if table.rows_known > limits.max_rows and not choices.first_rows:
        raise too_many_rows(limits.max_rows, table.rows_known)
    most = min(choices.first_rows or limits.max_rows, limits.max_rows)
    writer, doctor = RowWriter(folder), Doctor(recognised.kind)
    for item in convert(table, recognised):
        if tally.rows_read == most and choices.first_rows:
            tally.stopped_early = True
            break
        tally.rows_read += 1
        if tally.rows_read > most:
            continue  # only counted, for the sentence
        if isinstance(item, Mistake):
            tally.mistake(item)
        elif isinstance(item, Dropped):
            tally.drop(item)
        else:
            writer.add(item.row)
            doctor.look(item.row)
            tally.change(item.row.source, item.changes)
    if tally.rows_read > most:
        raise too_many_rows(limits.max_rows, tally.rows_read)
    _refuse_mistakes(table.name, tally, choices)
    if not len(writer):
        raise DataError(_nothing_left(table.name, tally))
    return writer.close(doctor.groups()), doctor, writer.labels


def _refuse_mistakes(name: str, tally: Tally, choices: Choices) -> None:
    """Raises DataError that tells of all rows that cannot be read, unless they shall be left out."""
    if not choices.leave_out_broken or any(m.fatal for m in tally.mistakes):
        if tally.mistakes:
            raise mistakes_error(name, tally.mistakes, tally.mistakes_count)
        return
    tally.dropped = [*(Dropped(m.where(), BROKEN) for m in tally.mistakes), *tally.dropped][:KEPT_DROPPED]
    if tally.mistakes_count:
        tally.reasons[BROKEN] = tally.mistakes_count


def _fix(code: str, kind: str, kept: Kept, folder: Path) -> tuple[int, Kept]:
    """(rows that it changed or left out, and what there is after it)."""
    rows, doctor, labels = kept
    drops = doctor.drops(code) if code in DROPPING else frozenset()
    edit = editor(code, labels)
    building = folder / "fixing"
    building.mkdir()
    writer, after, changed = RowWriter(building), Doctor(kind), 0
    for number, row in enumerate(rows):
        edited = edit(row)
        changed += number in drops or _is_changed(row, edited)
        if number not in drops:
            writer.add(edited)
            after.look(edited)
    if not len(writer):
        raise DataError("After that, no row would be left to learn from. Undo it.")
    writer.close(after.groups())
    for file in list(building.iterdir()):
        file.replace(folder / file.name)
    building.rmdir()
    return changed, (StoredRows.load(folder), after, writer.labels)


def _is_changed(before: Row, after: Row) -> bool:
    """Instructions that list all labels change with any of them: such rows are not counted."""
    if isinstance(before, Conversation) and isinstance(after, Conversation):
        return [m for m in before.messages if m.role != "system"] != [m for m in after.messages if m.role != "system"]
    return before != after


def _left_out(tally: Tally) -> list[Finding]:
    findings = []
    for reason, count in tally.reasons.items():
        places = [d.position for d in tally.dropped if d.reason == reason][:KEPT_POSITIONS]
        one, several = REASONS.get(reason, (f"has {reason}", f"have {reason}"))
        message = f"{counted(count, 'row')} {plural(count, one, several)} ({numbers(places, count)}). Left out."
        findings.append(Finding(reason.replace(" ", "_"), count, tuple(places), message))
    return findings


def _changed(tally: Tally) -> list[Finding]:
    found = [(code, tally.changes[code], sentences) for code, sentences in CHANGES.items() if tally.changes[code]]
    return [Finding(code, count, tuple(tally.changed[code]), f"{counted(count, 'row')} {plural(count, *said)}") for code, count, said in found]


def _first_rows(tally: Tally, choices: Choices) -> list[Finding]:
    if not tally.stopped_early:
        return []
    return [Finding("first_rows", choices.first_rows, (), f"Only the first {counted(choices.first_rows, 'row')} of your file are used.")]


def _nothing_left(name: str, tally: Tally) -> str:
    reasons = ", ".join(sorted(tally.reasons))
    every = sum(tally.reasons.values())
    if not every:
        return f"{name} holds nothing to learn from. Upload a file with some rows."
    if every == 1:
        return f"No row of {name} can be learned from: its only row was left out ({reasons}). Fill it in."
    return f"No row of {name} can be learned from: all {every:,} rows were left out ({reasons}). Fill them in."
