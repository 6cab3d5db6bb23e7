"""From one row's list of messages, in any of the usual spellings, to the turns of a conversation."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from qlora_demo.data.conversation import Message
from qlora_demo.data.json_rows import DECODER, Unreadable, find_unreadable
from qlora_demo.data.wording import shown

ROLE_NAMES = {
    "system": ("system", "developer", "context"),
    "user": ("user", "human", "prompter", "customer", "client", "question", "input", "instruction"),
    "assistant": ("assistant", "gpt", "chatgpt", "bot", "model", "ai", "agent", "output", "response", "answer"),
}
ROLE_OF = {name: role for role, names in ROLE_NAMES.items() for name in names}
TOOL_ROLES = ("tool", "function", "observation", "function_call", "function_response", "tool_call", "tool_calls", "ipython")
TEXT_PARTS = ("text", "input_text", "output_text")
MAX_TEXT = 100_000_000
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""All but tab and line breaks: nobody sees them, and no model should say them."""
UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
"""Those and the carriage return: in what is learned, a line break is \\n."""


class Wrong(Exception):
    """The row cannot be understood. `inside` is the place within it, such as "message 2"; the file is refused with the text."""

    def __init__(self, text: str, inside: str = ""):
        super().__init__(text)
        self.text = text
        self.inside = inside


class Skip(Exception):
    """The row is understood but teaches nothing, such as an empty answer; it is left out and counted under `reason`."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Turns:
    """A conversation's messages, and codes for what was changed on the way; the data set's report explains each code."""

    messages: tuple[Message, ...]
    changes: tuple[str, ...] = ()


def read_turns(value: Any, system: str = "") -> Turns:
    """`value` is a list of messages or of plain texts in turn, or such a list written as JSON text. Raises Wrong or Skip."""
    changes: list[str] = []
    if isinstance(value, str) and value.strip():
        value = _from_text(value)
        changes.append("list_as_text")
    if value is None or value == "" or value == []:
        raise Skip("no messages")
    if not isinstance(value, list):
        raise Wrong("a list of messages was expected")
    messages = [Message("system", system)] if system.strip() else []
    for number, item in enumerate(value, 1):
        message, changed = _message(item, number)
        changes += changed
        if message is not None:
            messages.append(message)
    return finished(messages, changes)


def finished(messages: Sequence[Message], changes: Sequence[str]) -> Turns:
    """The rules every conversation keeps: instructions first, then question and answer in turn, an answer last, no turn empty."""
    codes = list(changes)
    turns = [m for m in messages if m.role != "system" or m.content.strip()]
    if UNSEEN.search("".join([m.content for m in turns])):
        if any(CONTROLS.search(m.content) for m in turns):
            codes.append("control_characters")
        turns = [replace(m, content=CONTROLS.sub("", m.content).replace("\r\n", "\n").replace("\r", "\n")) for m in turns]
    merged = _merged(turns)
    if len(merged) < len(turns):
        codes.append("merged_turns")
    talk = [m for m in merged if m.role != "system"]
    if any(m.role == "system" for m in merged[1:]):
        raise Wrong("instructions (system) must stand before everything else")
    if talk and talk[0].role == "assistant":
        raise Wrong("the conversation begins with an answer; the first turn must be a question")
    if talk and talk[-1].role == "user":
        if len(talk) == 1:
            raise Skip("no answer" if talk[0].content.strip() else "no question")
        merged, talk = merged[:-1], talk[:-1]
        codes.append("question_without_answer")
    if not talk:
        raise Skip("no messages")
    for message in talk:
        if not message.content.strip():
            raise Skip("no answer" if message.role == "assistant" else "no question")
    if not any(m.learned() for m in talk):
        raise Skip("every answer has weight 0")
    return Turns(tuple(merged), tuple(dict.fromkeys(codes)))


def _from_text(text: str) -> list[Any]:
    try:
        value = DECODER.decode(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise Wrong("a list of messages was expected, and the text is no list in JSON") from error
    found = find_unreadable(value, MAX_TEXT)
    if found:
        raise Wrong(found[1])
    if not isinstance(value, list):
        raise Wrong("a list of messages was expected")
    return value


def _message(item: Any, number: int) -> tuple[Message | None, list[str]]:
    """The message, or None where it is a tool's; and what was changed."""
    inside = f"message {number}"
    if isinstance(item, str):
        return Message("user" if number % 2 else "assistant", item), []
    if not isinstance(item, Mapping):
        raise Wrong("an object with role and content was expected", inside)
    key = "role" if "role" in item else "from"
    if not isinstance(item.get(key), str):
        raise Wrong("the role is missing", inside)
    name = item[key].strip().lower()
    content = item["content"] if "content" in item else item.get("value")
    if name in TOOL_ROLES or (content in (None, "") and (item.get("tool_calls") or item.get("function_call"))):
        return None, ["tools_left_out"]
    if name not in ROLE_OF:
        raise Wrong(f"the role '{shown(item[key])}' is not known; use system, user or assistant", inside)
    text, changes = _content(content, inside)
    if item.get("tool_calls"):
        changes.append("tools_left_out")
    if "content" in item and name not in ("system", "user", "assistant"):
        changes.append("roles_renamed")
    return Message(ROLE_OF[name], text, _weight(item.get("weight", 1), inside)), changes


def _content(content: Any, inside: str) -> tuple[str, list[str]]:
    if isinstance(content, str):
        return content, []
    if content is None:
        raise Wrong("the content is missing", inside)
    if not isinstance(content, list):
        raise Wrong("the content is no text; only text can be learned", inside)
    texts: list[str] = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif not isinstance(part, Mapping):
            raise Wrong("a part of the content is no text; only text can be learned", inside)
        elif isinstance(part.get("text"), str) and part.get("type", "text") in TEXT_PARTS:
            texts.append(part["text"])
    return "".join(texts), ["pictures_left_out"] if len(texts) < len(content) else []


def _weight(value: Any, inside: str) -> float:
    if isinstance(value, Unreadable) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise Wrong("the weight must be 0 or 1", inside)
    return float(value)


def _merged(messages: Sequence[Message]) -> list[Message]:
    """Turns of one speaker in a row become one, with an empty line between them; it is learned only if all of them are."""
    merged: list[Message] = []
    for message in messages:
        if merged and merged[-1].role == message.role:
            before = merged[-1]
            content = f"{before.content}\n\n{message.content}".strip()
            merged[-1] = replace(before, content=content, weight=min(before.weight, message.weight))
        else:
            merged.append(message)
    return merged
