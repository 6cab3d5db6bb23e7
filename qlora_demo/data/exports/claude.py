"""Claude's export, conversations.json: each chat is a list of messages, with the branches that were given up among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qlora_demo.data.exports.assistants import Turn, any_chat, path_to, read_chats
from qlora_demo.data.exports.parts import BESIDE, MEDIA, Malformed, field
from qlora_demo.data.table import Table

ROLES = {"human": "user", "assistant": "assistant"}
PICTURES = ("image", "document", "audio", "video")


def is_export(value: Any) -> bool:
    return any_chat(value, _is_chat)


def read_export(value: list[Any], name: str) -> Table:
    return read_chats(value, name, "claude", _turns)


def _is_chat(chat: Mapping[str, Any]) -> bool:
    messages = chat.get("chat_messages")
    return "uuid" in chat and isinstance(messages, list) and (not messages or any(isinstance(m, dict) and "sender" in m for m in messages))


def _turns(chat: Mapping[str, Any]) -> Iterator[Turn]:
    messages = field(chat, "chat_messages", list)
    for number, message in enumerate(messages, 1):
        if not isinstance(message, dict):
            raise Malformed("an object was expected", f"message {number}")
    for number in _kept(messages):
        try:
            yield _turn(messages[number])
        except Malformed as wrong:
            raise Malformed(wrong.text, f"message {number + 1}") from wrong


def _kept(messages: list[Mapping[str, Any]]) -> list[int]:
    """Where the messages stand that lead to the last one; all where one does not tell which it follows."""
    if not messages or not all(isinstance(m.get("uuid"), str) and isinstance(m.get("parent_message_uuid"), str) for m in messages):
        return list(range(len(messages)))
    where = {message["uuid"]: number for number, message in enumerate(messages)}
    return [where[name] for name in path_to(messages[-1]["uuid"], {m["uuid"]: m["parent_message_uuid"] for m in messages})]


def _turn(message: Mapping[str, Any]) -> Turn:
    sender = field(message, "sender", str)
    if sender not in ROLES:
        raise Malformed("the sender should be human or assistant")
    text, pictures = _content(message)
    files = any(message.get(name) not in (None, []) for name in ("attachments", "files"))
    left_out = (BESIDE if text.strip() else MEDIA) if pictures or files else ""
    return Turn(ROLES[sender], text, left_out)


def _content(message: Mapping[str, Any]) -> tuple[str, bool]:
    """The text, and whether there are pictures in it. Where there are parts, the plain text also holds thoughts and gaps for tools."""
    if message.get("content") in (None, []):
        return field(message, "text", str), False
    parts = field(message, "content", list)
    if not all(isinstance(part, dict) for part in parts):
        raise Malformed("each part of 'content' should be an object")
    texts = [field(part, "text", str) for part in parts if part.get("type") == "text"]
    return "\n\n".join(text for text in texts if text.strip()), any(part.get("type") in PICTURES for part in parts)
