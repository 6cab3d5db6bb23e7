"""Tables made of rows, as a reader would give them."""

from __future__ import annotations

from typing import Any

from qlora_demo.data.choices import Choices
from qlora_demo.data.conversation import Conversation, Message
from qlora_demo.data.formats import Dropped, Recognised, Taken, convert, recognise
from qlora_demo.data.table import Entry, Table
from qlora_demo.data.wording import Mistake


def table_of(*rows: dict[str, Any]) -> Table:
    columns = tuple(dict.fromkeys(column for row in rows for column in row))
    return Table("data.jsonl", columns, lambda: (Entry(f"line {i}", row) for i, row in enumerate(rows, 1)), "jsonl")


def converted(*rows: dict[str, Any], **choices: Any) -> tuple[Recognised, list[Taken | Dropped | Mistake]]:
    table = table_of(*rows)
    recognised = recognise(table, Choices(**choices))
    return recognised, list(convert(table, recognised))


def talk(*turns: str, source: str = "line 1", label: str | None = None) -> Conversation:
    """Turns as "role: text"."""
    parted = [turn.partition(": ") for turn in turns]
    return Conversation(tuple(Message(role, text) for role, _, text in parted), source, label)


def msgs(*turns: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text} for role, _, text in (turn.partition(": ") for turn in turns)]


def said(*turns: str) -> list[dict[str, str]]:
    return [{"from": role, "value": text} for role, _, text in (turn.partition(": ") for turn in turns)]
