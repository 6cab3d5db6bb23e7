"""ChatGPT's export, conversations.json: each chat is a tree of messages, and what was last on the screen is one way through it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from qlora_demo.data.exports.assistants import Turn, any_chat, path_to, read_chats
from qlora_demo.data.exports.parts import BESIDE, MEDIA, Malformed, check_text, field
from qlora_demo.data.table import Table

HIDDEN = ("is_visually_hidden_from_conversation", "is_user_system_message")
UNSPOKEN = ("thoughts", "reasoning_recap", "code", "execution_output", "user_editable_context", "model_editable_context")
"""Messages to itself and to its tools, which are not on the screen."""
SPOKEN = ("text", "audio_transcription")
NAMED = re.compile(r'\ue200(?:entity\ue202\["[^"\ue201]*","([^"\ue201]*)"|url\ue202([^\ue201\ue202]*))[^\ue201]*\ue201')
REFERENCE = re.compile(r"[ \t]*\ue200[^\ue201]*\ue201")
"""Marks that the page shows as links: a name stays, a bare reference goes."""


def is_export(value: Any) -> bool:
    return any_chat(value, _is_chat)


def read_export(value: list[Any], name: str) -> Table:
    return read_chats(value, name, "chatgpt", _turns)


def _is_chat(chat: Mapping[str, Any]) -> bool:
    mapping = chat.get("mapping")
    if "current_node" not in chat or not isinstance(mapping, dict):
        return False
    return any(isinstance(node, dict) and {"message", "parent"} <= node.keys() for node in mapping.values())


def _turns(chat: Mapping[str, Any]) -> Iterator[Turn]:
    mapping = field(chat, "mapping", dict)
    if not mapping:
        return
    last = field(chat, "current_node", str)
    if last not in mapping:
        raise Malformed("its last message is not in the file")
    parents = {name: _parent(node) for name, node in mapping.items()}
    for number, node in enumerate(path_to(last, parents), 1):
        message = mapping[node].get("message")
        try:
            if message is not None:
                yield from _turn(field(mapping[node], "message", dict))
        except Malformed as wrong:
            raise Malformed(wrong.text, f"message {number}") from wrong


def _parent(node: Any) -> str | None:
    if not isinstance(node, dict):
        raise Malformed("each of its messages should be an object")
    return None if node.get("parent") is None else field(node, "parent", str)


def _turn(message: Mapping[str, Any]) -> Iterator[Turn]:
    role = field(field(message, "author", dict), "role", str)
    if role not in ("user", "assistant") or _is_hidden(message):
        return
    content = field(message, "content", dict)
    kind = field(content, "content_type", str)
    if kind in UNSPOKEN:
        return
    if kind not in ("text", "multimodal_text"):
        yield Turn(role, "", MEDIA)
        return
    parts = field(content, "parts", list)
    texts = [text for text in map(_text, parts) if text is not None]
    text = "\n\n".join(text for text in texts if text.strip())
    left_out = "" if len(texts) == len(parts) else BESIDE if text else MEDIA
    yield Turn(role, text, left_out)


def _is_hidden(message: Mapping[str, Any]) -> bool:
    metadata = message.get("metadata")
    to_a_tool = message.get("recipient") not in (None, "all")
    return to_a_tool or message.get("channel") == "analysis" or (isinstance(metadata, dict) and any(metadata.get(name) is True for name in HIDDEN))


def _text(part: Any) -> str | None:
    """None for a picture and whatever else is no text."""
    if isinstance(part, dict) and part.get("content_type") in SPOKEN:
        part = field(part, "text", str)
    if not isinstance(part, str):
        return None
    check_text(part)
    return REFERENCE.sub("", NAMED.sub(lambda found: found[1] or found[2] or "", part)) if "\ue200" in part else part
