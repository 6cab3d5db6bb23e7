"""From one row's list of messages, in any of the usual spellings, to the turns of a conversation."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
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
PLAIN_ROLES = tuple(ROLE_NAMES)
TOOL_ROLES = ("tool", "function", "observation", "function_call", "function_response", "tool_call", "tool_calls", "tool_response", "ipython")
ROLE_KEYS = ("role", "from", "speaker", "sender", "author")
CONTENT_KEYS = ("content", "value", "parts", "text", "message", "utterance")
CALL_KEYS = ("tool_calls", "function_call")
THOUGHT_KEYS = ("reasoning_content", "reasoning", "thinking")
TEXT_PARTS = ("text", "input_text", "output_text")
THOUGHT_PARTS = ("thinking", "redacted_thinking", "reasoning")
TOOL_PARTS = ("tool_use", "tool_result", "tool_call", "tool_calls", "function_call", "server_tool_use", "web_search_tool_result")
THOUGHT = re.compile(r"\s*<(think|thinking|reasoning)>.*?</\1>\s*", re.DOTALL)
"""Thoughts that a model wrote down before its answer."""
MAX_TEXT = 100_000_000
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""All but tab and line breaks: nobody sees them, and no model should say them."""
UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
"""Those and the carriage return: in what is learned, a line break is \\n."""
EXPECTED = "a list of messages was expected"


class Wrong(Exception):
    """The row cannot be understood. `inside` is the place within it, such as "message 2"; the row is a mistake with the text."""

    def __init__(self, text: str, inside: str = ""):
        super().__init__(text)
        self.text = text
        self.inside = inside


class Skip(Exception):
    """The row is understood but teaches nothing, such as an empty answer; it is left out and counted under `reason`."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Turns:
    """A conversation's messages, and codes for what was changed on the way; the data set's report explains each code."""

    messages: tuple[Message, ...]
    changes: tuple[str, ...] = ()


def read_turns(value: Any, system: str = "", changes: Sequence[str] = ()) -> Turns:
    """`value` is a list of messages or of plain texts in turn, or such a list written as text. A message is an object with role and content, an
    object such as {"user": ..., "assistant": ...}, or a pair of question and answer. Raises Wrong or Skip."""
    codes = list(changes)
    if isinstance(value, str) and value.strip():
        value = _from_text(value)
        codes.append("list_as_text")
    if value is None or value == "" or value == []:
        raise Skip("no messages")
    if not isinstance(value, list):
        raise Wrong(EXPECTED)
    messages = [Message("system", system)] if system.strip() else []
    for number, item in enumerate(value, 1):
        if isinstance(item, dict) and len(item) == 2 and item.get("role") in PLAIN_ROLES and isinstance(item.get("content"), str):
            messages.append(Message(item["role"], item["content"]))  # by far the most; much faster
            continue
        for said in _spread(item):
            message, changed = _message(said, number)
            codes += changed
            if message is not None:
                messages.append(message)
    return finished(messages, codes)


def finished(messages: Sequence[Message], changes: Sequence[str]) -> Turns:
    """The rules every conversation keeps: instructions first, then question and answer in turn, an answer last, no turn empty."""
    turns, codes = _cleaned(messages)
    codes = [*changes, *codes]
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


def text_of(content: Any, inside: str) -> tuple[str, list[str]]:
    """The text of a message's content, a string or a list of parts, and what was left out of it. Raises Wrong; `inside` is the place to name."""
    if isinstance(content, str):
        return content, []
    if content is None:
        raise Wrong("the content is missing", inside)
    if not isinstance(content, list):
        raise Wrong("the content is no text; only text can be learned", inside)
    texts: list[str] = []
    changes: list[str] = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
            continue
        if not isinstance(part, Mapping):
            raise Wrong("a part of the content is no text; only text can be learned", inside)
        kind = part.get("type", "text")
        text = _part_text(part)
        if kind in THOUGHT_PARTS or part.get("thought") is True:
            changes.append("reasoning_left_out")
        elif kind in TOOL_PARTS or "functionCall" in part or "functionResponse" in part:
            changes.append("tools_left_out")
        elif kind in TEXT_PARTS and isinstance(text, str):
            texts.append(text)
        else:
            changes.append("pictures_left_out")
    return "".join(texts), changes


def _part_text(part: Mapping[str, Any]) -> Any:
    """Under "text" or "value", or under "value" inside "text"."""
    text = part["text"] if part.get("text") is not None else part.get("value")
    return text.get("value") if isinstance(text, Mapping) else text


def _from_text(text: str) -> list[Any]:
    """A list in JSON, or as Python writes it."""
    try:
        value = DECODER.decode(text)
    except (json.JSONDecodeError, RecursionError) as error:
        try:
            value = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            raise Wrong(f"{EXPECTED}, and the text is no list in JSON") from error
    found = find_unreadable(value, MAX_TEXT)
    if found:
        raise Wrong(found[1])
    if not isinstance(value, list):
        raise Wrong(EXPECTED)
    return value


def _spread(item: Any) -> list[Any]:
    """One message, or the two of {"user": ..., "assistant": ...} or of [question, answer]."""
    if isinstance(item, list) and len(item) == 2:
        return [{"from": "user", "value": item[0]}, {"from": "assistant", "value": item[1]}]
    if isinstance(item, Mapping) and item and all(isinstance(key, str) and key.strip().lower() in ROLE_OF for key in item):
        return [{"from": key, "value": text} for key, text in item.items()]
    return [item]


def _message(item: Any, number: int) -> tuple[Message | None, list[str]]:
    """The message, or None where it is a tool's; and what was changed."""
    inside = f"message {number}"
    if isinstance(item, str):
        return Message("user" if number % 2 else "assistant", item), []
    if not isinstance(item, Mapping):
        raise Wrong("an object with role and content was expected", inside)
    key = next((key for key in ROLE_KEYS if isinstance(item.get(key), str)), "")
    if not key:
        raise Wrong("the role is missing", inside)
    name = item[key].strip().lower()
    content = next((item[key] for key in CONTENT_KEYS if item.get(key) is not None), None)
    calls = any(item.get(key) for key in CALL_KEYS)
    if name in TOOL_ROLES or (calls and not content):
        return None, ["tools_left_out"]
    if name not in ROLE_OF:
        raise Wrong(f"the role '{shown(item[key])}' is not known; use system, user or assistant", inside)
    thought = any(item.get(key) for key in THOUGHT_KEYS)
    text, changes = text_of("" if content is None and thought else content, inside)
    if not text and "tools_left_out" in changes:
        return None, changes
    if calls:
        changes.append("tools_left_out")
    if thought:
        changes.append("reasoning_left_out")
    if "content" in item and name not in PLAIN_ROLES:
        changes.append("roles_renamed")
    return Message(ROLE_OF[name], text, _weight(item.get("weight"), inside)), changes


def _weight(value: Any, inside: str) -> float:
    if value is None:
        return 1.0
    if isinstance(value, Unreadable) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise Wrong("the weight must be 0 or 1", inside)
    return float(value)


def _cleaned(messages: Sequence[Message]) -> tuple[list[Message], list[str]]:
    """Without signs that nobody sees, thoughts, and empty instructions."""
    codes = []
    turns = [m for m in messages if m.role != "system" or m.content.strip()]
    if UNSEEN.search("".join([m.content for m in turns])):
        if any(CONTROLS.search(m.content) for m in turns):
            codes.append("control_characters")
        turns = [replace(m, content=CONTROLS.sub("", m.content).replace("\r\n", "\n").replace("\r", "\n")) for m in turns]
    if any(m.role == "assistant" and THOUGHT.match(m.content) for m in turns):
        codes.append("reasoning_left_out")
        turns = [_without_thought(m) for m in turns]
    return turns, codes


def _without_thought(message: Message) -> Message:
    thought = THOUGHT.match(message.content) if message.role == "assistant" else None
    return replace(message, content=message.content[thought.end() :]) if thought else message


def _merged(messages: Sequence[Message]) -> list[Message]:
    """Turns of one speaker in a row become one, with an empty line between them; it is learned only if all of them are."""
    merged = []
    for role, run in groupby(messages, key=lambda message: message.role):
        turns = list(run)
        if len(turns) > 1:
            content = "\n\n".join(turn.content for turn in turns).strip()
            turns = [Message(role, content, min(turn.weight for turn in turns))]
        merged += turns
    return merged
