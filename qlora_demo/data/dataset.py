"""A file that has become data to learn from: its rows, what it was understood as, and a report of what was left out or changed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from qlora_demo.data.conversation import Conversation, Row, read_rows, write_rows
from qlora_demo.data.formats import Converted, Dropped, convert, recognise
from qlora_demo.data.reading import read_table
from qlora_demo.data.split import FEWEST_ROWS
from qlora_demo.data.table import Limits
from qlora_demo.data.wording import counted
from qlora_demo.errors import StorageError
from qlora_demo.run_dir import publish, read_json, write_json

SHOWN_ROWS = 5
KEPT_POSITIONS = 100
LONG_READ, SUMMARY_SHARE = 250, 0.5
"""Questions of so many characters, answers of so small a share of them: what is asked for is a summary."""
CODE = re.compile(r"^\s*(def \w+\(|class \w+[(:]|import \w+|function \w*\(|const \w+ =|public \w+ |#include|SELECT .+ FROM )", re.MULTILINE)

# What became of a row that was changed: one row, several rows.
CHANGES = {
    "merged_turns": ("has several turns of one speaker in a row. They were joined.", "have several turns of one speaker in a row. They were joined."),
    "question_without_answer": ("ends with a question. That question was left out.", "end with a question. Those questions were left out."),
    "tools_left_out": ("calls tools. Those turns were left out.", "call tools. Those turns were left out."),
    "pictures_left_out": ("holds pictures or other attachments. They were left out.", "hold pictures or other attachments. They were left out."),
    "roles_renamed": ("uses other names for the speakers. They were translated.", "use other names for the speakers. They were translated."),
    "list_as_text": ("holds its messages as text. They were read as a list.", "hold their messages as text. They were read as lists."),
    "control_characters": ("held control characters. They were removed.", "held control characters. They were removed."),
}


@dataclass(frozen=True)
class Warning_:
    """A remark on the data: `count` rows are concerned, `rows` are the places of the first hundred, `message` is a sentence for people."""

    code: str
    count: int
    rows: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class Report:
    """What reading found and left out."""

    rows_read: int
    kept: int
    dropped: tuple[Dropped, ...] = ()
    warnings: tuple[Warning_, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Report:
        """The inverse of `to_json`."""
        return cls(
            value["rows_read"],
            value["kept"],
            tuple(Dropped(d["position"], d["reason"]) for d in value["dropped"]),
            tuple(Warning_(w["code"], w["count"], tuple(w["rows"]), w["message"]) for w in value["warnings"]),
        )


@dataclass(frozen=True)
class PreparedDataset:
    """`name` is the file's name for people. `kind` is "conversations", "labels" or "passages". `column_roles` is role -> column."""

    name: str
    kind: str
    format: str
    columns: tuple[str, ...]
    column_roles: dict[str, str]
    rows: tuple[Row, ...]
    report: Report

    def goal(self) -> str:
        """One of character, sorting, summary, code, subject."""
        if self.kind != "conversations":
            return "sorting" if self.kind == "labels" else "subject"
        talks = [row for row in self.rows if isinstance(row, Conversation)]
        if 2 * sum(bool(CODE.search(row.answer())) for row in talks) > len(talks):
            return "code"
        shorter = median(len(row.answer()) / max(1, len(row.question())) for row in talks)
        long_read = median(len(row.question()) for row in talks) > LONG_READ
        return "summary" if shorter < SUMMARY_SHARE and long_read else "character"

    def tokens_guess(self, row: Row) -> int:
        """About how many tokens a row has, without a tokenizer: four bytes each, and six for each turn's marks."""
        texts = [m.content for m in row.messages] if isinstance(row, Conversation) else [row.text]
        return sum(6 + len(text.encode()) // 4 for text in texts)


def prepare(path: Path, display_name: str, mapping: Mapping[str, str] | None, limits: Limits) -> PreparedDataset:
    """Reads, recognises and converts a file. Raises DataError."""
    table = read_table(path, display_name, limits)
    recognised = recognise(table, mapping)
    converted = convert(table, recognised)
    warnings = (
        *_repeats(converted.rows),
        *_left_out(converted.dropped),
        *_changed(converted),
        *_few(converted.rows),
        *(Warning_("read_as", 1, (), note) for note in (*table.notes, *recognised.notes)),
    )
    report = Report(len(table.rows), len(converted.rows), converted.dropped, warnings)
    return PreparedDataset(table.name, recognised.kind, recognised.format_name, table.columns, recognised.column_roles, converted.rows, report)


def save_dataset(dataset: PreparedDataset, folder: Path) -> None:
    """Whole or absent: built beside `folder`, which must not exist yet, synced and renamed."""
    building = unfinished(folder)
    building.mkdir(parents=True)
    write_rows(building / "rows.jsonl", dataset.rows)
    about = {
        "name": dataset.name,
        "kind": dataset.kind,
        "format": dataset.format,
        "columns": list(dataset.columns),
        "column_roles": dataset.column_roles,
        "report": dataset.report.to_json(),
    }
    write_json(building / "dataset.json", about)
    publish(building, folder)


def unfinished(folder: Path) -> Path:
    """Where `save_dataset` builds; what is left there belongs to a reader that was killed."""
    return folder.with_name(f".new-{folder.name}")


def load_dataset_folder(folder: Path) -> PreparedDataset:
    """Raises StorageError where the folder is missing, not whole, or of another schema."""
    about = read_json(folder / "dataset.json")
    report = Report.from_json(about["report"])
    rows = tuple(read_rows(folder / "rows.jsonl"))
    if len(rows) != report.kept:
        raise StorageError(f"The saved data of {about['name']} is not whole. Upload the file again.")
    return PreparedDataset(about["name"], about["kind"], about["format"], tuple(about["columns"]), about["column_roles"], rows, report)


def _repeats(rows: Sequence[Row]) -> list[Warning_]:
    seen: Counter[tuple] = Counter()
    places = []
    for row in rows:
        key = row.key()
        seen[key] += 1
        if seen[key] > 1:
            places.append(row.source)
    if not places:
        return []
    many = max(seen.values()) > 2
    message = f"{counted(len(places), 'row')} {_are(places, 'repeats', 'repeat')} an earlier one."
    if not many:
        message = f"{counted(len(places), 'row')} {_are(places, 'appears', 'appear')} twice."
    return [_warning("duplicates", places, message)]


def _left_out(dropped: Sequence[Dropped]) -> list[Warning_]:
    warnings = []
    for reason in dict.fromkeys(d.reason for d in dropped):
        places = [d.position for d in dropped if d.reason == reason]
        has = f"{_are(places, 'has', 'have')} {reason}" if reason.startswith("no ") else f"{_are(places, 'was', 'were')} useless: {reason}"
        warnings.append(_warning(reason.replace(" ", "_"), places, f"{counted(len(places), 'row')} {has} ({_numbers(places)}). Left out."))
    return warnings


def _changed(converted: Converted) -> list[Warning_]:
    warnings = []
    for code, (one, several) in CHANGES.items():
        places = [position for position, changed in converted.changes if changed == code]
        if places:
            warnings.append(_warning(code, places, f"{counted(len(places), 'row')} {_are(places, one, several)}"))
    return warnings


def _few(rows: Sequence[Row]) -> list[Warning_]:
    if len(rows) >= FEWEST_ROWS:
        return []
    advice = "It can pick up a tone, not facts. None is set aside, so there is no test score."
    return [Warning_("few_rows", len(rows), (), f"Only {counted(len(rows), 'example')}. {advice}")]


def _warning(code: str, places: Sequence[str], message: str) -> Warning_:
    return Warning_(code, len(places), tuple(places[:KEPT_POSITIONS]), message)


def _are(places: Sequence[str], one: str, several: str) -> str:
    return one if len(places) == 1 else several


def _numbers(places: Sequence[str]) -> str:
    """ "17, 63" of "line 17", "line 63"."""
    numbers = ", ".join(place.rpartition(" ")[2] for place in places[:SHOWN_ROWS])
    return numbers if len(places) <= SHOWN_ROWS else f"{numbers} and {len(places) - SHOWN_ROWS:,} more"
