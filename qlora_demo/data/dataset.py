"""A file that has become data to learn from: its rows, what it was understood as, and a report of what was left out, changed or found."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from qlora_demo.data.choices import Choices
from qlora_demo.data.conversation import Conversation, Row
from qlora_demo.data.finding import Finding
from qlora_demo.data.formats import Dropped
from qlora_demo.data.stored import StoredRows, tokens_guess
from qlora_demo.errors import StorageError
from qlora_demo.run_dir import read_json, write_json

ABOUT = "dataset.json"
LONG_READ, SUMMARY_SHARE = 250, 0.5
"""Questions of so many characters, answers of so small a share of them: what is asked for is a summary."""
CODE = re.compile(r"^\s*(def \w+\(|class \w+[(:]|import \w+|function \w*\(|const \w+ =|public \w+ |#include|SELECT .+ FROM )", re.MULTILINE)


@dataclass(frozen=True)
class Report:
    """What reading found and left out. `dropped` are the first thousand rows that were left out, `reasons` how many for each reason; `labels` is how
    many rows each label has; `language` is an ISO code, "" where it cannot be told."""

    rows_read: int
    kept: int
    dropped: tuple[Dropped, ...] = ()
    reasons: Mapping[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    labels: Mapping[str, int] = field(default_factory=dict)
    language: str = ""

    def left_out(self) -> int:
        return sum(self.reasons.values())

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Report:
        """The inverse of `to_json`."""
        dropped = tuple(Dropped(d["position"], d["reason"]) for d in value["dropped"])
        findings = tuple(Finding(**{**f, "rows": tuple(f["rows"])}) for f in value["findings"])
        return cls(value["rows_read"], value["kept"], dropped, value["reasons"], findings, value["labels"], value["language"])


@dataclass(frozen=True)
class Offers:
    """What a person may choose instead: another sheet of the workbook, another speaker of the chat, names for labels that are numbers."""

    sheets: tuple[str, ...] = ()
    sheet: str = ""
    speakers: tuple[str, ...] = ()
    speaker: str = ""
    label_values: tuple[str, ...] = ()


@dataclass(frozen=True)
class PreparedDataset:
    """`name` is the file's name for people. `kind` is "conversations", "labels" or "passages". `column_roles` is role -> column. `goal` is one of
    character, sorting, summary, code, subject."""

    name: str
    kind: str
    format: str
    columns: tuple[str, ...]
    column_roles: Mapping[str, str]
    rows: Sequence[Row]
    report: Report
    goal: str = "character"
    choices: Choices = Choices()
    offers: Offers = Offers()

    def lengths(self) -> np.ndarray:
        """About how many tokens each row has."""
        if isinstance(self.rows, StoredRows):
            return self.rows.index["tokens"]
        return np.array([tokens_guess(row) for row in self.rows], dtype=np.uint32)


def goal_of(kind: str, rows: Sequence[Row]) -> str:
    """What data of this kind is good for, from its first rows."""
    if kind != "conversations":
        return "sorting" if kind == "labels" else "subject"
    talks = [row for row in rows if isinstance(row, Conversation)]
    if 2 * sum(bool(CODE.search(row.answer())) for row in talks) > len(talks):
        return "code"
    shorter = median(len(row.answer()) / max(1, len(row.question())) for row in talks)
    long_read = median(len(row.question()) for row in talks) > LONG_READ
    return "summary" if shorter < SUMMARY_SHARE and long_read else "character"


def write_about(dataset: PreparedDataset, folder: Path) -> None:
    """Everything but the rows, which lie in the folder already."""
    about = {
        "name": dataset.name,
        "kind": dataset.kind,
        "format": dataset.format,
        "columns": list(dataset.columns),
        "column_roles": dict(dataset.column_roles),
        "goal": dataset.goal,
        "choices": dataset.choices.to_json(),
        "offers": asdict(dataset.offers),
        "report": dataset.report.to_json(),
    }
    write_json(folder / ABOUT, about)


def load_dataset_folder(folder: Path) -> PreparedDataset:
    """Raises StorageError where the folder is missing, not whole, or of another schema."""
    about = read_json(folder / ABOUT)
    report = Report.from_json(about["report"])
    rows = StoredRows.load(folder)
    if len(rows) != report.kept:
        raise StorageError(f"The saved data of {about['name']} is not whole. Upload the file again.")
    return PreparedDataset(
        about["name"],
        about["kind"],
        about["format"],
        tuple(about["columns"]),
        about["column_roles"],
        rows,
        report,
        about["goal"],
        Choices.from_json(about["choices"]),
        Offers(**{name: tuple(value) if isinstance(value, list) else value for name, value in about["offers"].items()}),
    )
