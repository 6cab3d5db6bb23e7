"""All rows that a run set aside, with what both models answered, as the text of a file. Pure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from qlora_demo.data.conversation import Conversation, message_to_json

COLUMNS = {
    "question": "question",
    "expected": "your own answer",
    "base": "base model's answer",
    "adapted": "your model's answer",
    "base_score": "base model's score",
    "adapted_score": "your model's score",
}
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""A cell that begins with one of these is a formula to some spreadsheet program, the last four being their wide forms. It could fetch or send
something as soon as the file is opened, so it gets an apostrophe in front, which makes it text (OWASP, "CSV injection"). For the same reason every
cell stands in quotation marks: else one with a semicolon would be two in many countries. JSONL has every text as it is."""


def exported(form: str, rows: Sequence[Conversation], report: dict[str, Any]) -> str:
    """As "csv" or "jsonl". A row that was not asked has no answers."""
    answers = {_place(answer, rows): answer for answer in report["answers"]}
    found = [(row, answers.get(place)) for place, row in enumerate(rows)]
    return _csv(found) if form == "csv" else _jsonl(found)


def _place(answer: dict[str, Any], rows: Sequence[Conversation]) -> int | None:
    """Which row was asked; in an earlier version's report, the first that asks and expects the same."""
    if answer["row"] is not None:
        return answer["row"]
    return next((i for i, row in enumerate(rows) if (row.question(), row.answer()) == (answer["question"], answer["expected"])), None)


def _csv(rows: Sequence[tuple[Conversation, dict[str, Any] | None]]) -> str:
    """For spreadsheets: with the mark by which they know UTF-8."""
    file = io.StringIO()
    file.write("\ufeff")
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS.values())
    for row, answer in rows:
        cells = {"question": row.question(), "expected": row.answer(), **(answer or {})}
        writer.writerow([_cell(cells.get(name)) for name in COLUMNS])
    return file.getvalue()


def _cell(value: str | float | None) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return f"{value:.1f}"
    return f"'{value}" if value.startswith(FORMULA) or value.lstrip().startswith(FORMULA) else value


def _jsonl(rows: Sequence[tuple[Conversation, dict[str, Any] | None]]) -> str:
    """One object a line; `messages` are all turns before the answer."""
    lines = []
    for row, answer in rows:
        said = {name: (answer or {}).get(name) for name in ("base", "adapted", "base_score", "adapted_score")}
        value = {"messages": [message_to_json(message) for message in row.prompt()], "expected": row.answer(), "source": row.source, **said}
        lines.append(json.dumps(value, ensure_ascii=True) + "\n")
    return "".join(lines)
