"""What a row of training data is: a Conversation or a Passage, with the place in the file it came from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Message:
    """One turn. `weight` 0 keeps an assistant turn as context that is read but not learned."""

    role: str
    content: str
    weight: float = 1.0

    def learned(self) -> bool:
        """Only what the model should say carries loss."""
        return self.role == "assistant" and self.weight > 0


@dataclass(frozen=True)
class Conversation:
    """Turns that end with an assistant's. `source` is a phrase for people ("line 3"); `label` is set where the data sorts."""

    messages: tuple[Message, ...]
    source: str = ""
    label: str | None = None

    def question(self) -> str:
        """The last thing a person says before the last answer."""
        return next(m.content for m in reversed(self.messages) if m.role == "user")

    def answer(self) -> str:
        """The last answer."""
        return self.messages[-1].content

    def prompt(self) -> tuple[Message, ...]:
        """All turns before the last answer."""
        return self.messages[:-1]

    def key(self) -> tuple:
        """Equal for two rows that teach the same."""
        return tuple((m.role, " ".join(m.content.split()).casefold()) for m in self.messages)

    def to_json(self) -> dict[str, Any]:
        row: dict[str, Any] = {"messages": [message_to_json(m) for m in self.messages], "source": self.source}
        if self.label is not None:
            row["label"] = self.label
        return row


@dataclass(frozen=True)
class Passage:
    """A stretch of a text to learn from as it is; every token carries loss."""

    text: str
    source: str = ""

    def key(self) -> tuple:
        return (" ".join(self.text.split()).casefold(),)

    def to_json(self) -> dict[str, Any]:
        return {"text": self.text, "source": self.source}


Row = Conversation | Passage


def message_to_json(message: Message) -> dict[str, Any]:
    value: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.weight != 1.0:
        value["weight"] = message.weight
    return value


def row_from_json(value: Mapping[str, Any]) -> Row:
    """The inverse of `to_json`."""
    if "text" in value:
        return Passage(value["text"], value.get("source", ""))
    messages = tuple(Message(m["role"], m["content"], float(m.get("weight", 1.0))) for m in value["messages"])
    return Conversation(messages, value.get("source", ""), value.get("label"))


def read_rows(path: Path) -> list[Row]:
    """Rows of a file that `write_rows` wrote; none if there is no file."""
    if not path.exists():
        return []
    return [row_from_json(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """One JSON object a line. Line breaks of every kind inside a text are escaped, so that a line is a row."""
    path.write_text("".join(json.dumps(row.to_json(), ensure_ascii=True) + "\n" for row in rows), encoding="utf-8")
