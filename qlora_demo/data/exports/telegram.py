"""Telegram's export, result.json: one chat, or all chats of an account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from qlora_demo.data.exports.parts import BESIDE, LONG, LONGEST, MEDIA, Malformed, check_text, field
from qlora_demo.data.exports.people import Chat, PeopleExport, Said, read_people
from qlora_demo.data.table import Table
from qlora_demo.data.wording import Mistake

SAMPLE = 100
OTHER = (
    *("photo", "file", "media_type", "sticker_emoji", "location_information", "live_location_period_seconds", "contact_information"),
    *("poll", "game_title", "invoice_information", "todo_list", "giveaway_information"),
)
"""A message has one of these names where it is, or comes with, something that is no text."""


def is_export(value: Any) -> bool:
    return isinstance(value, dict) and bool(_chats(value))


def read_export(value: Mapping[str, Any], name: str, speaker: str) -> Table:
    """Places are "message 120" of the only chat, or "chat 2, message 120". Raises DataError as `read_people` does."""
    found = _chats(value)
    prefixes = [f"chat {number}, " for number, _ in found] if "chats" in value else [""]

    def chats() -> Iterator[Chat]:
        for prefix, (_, chat) in zip(prefixes, found, strict=True):
            yield _said(chat["messages"], prefix)

    return read_people(PeopleExport(name, "telegram", chats), speaker)


def _chats(value: Mapping[str, Any]) -> list[tuple[int, Mapping[str, Any]]]:
    """The chats in the file, with their numbers in its list."""
    if _is_chat(value):
        return [(1, value)]
    holder = value.get("chats")
    chats = holder.get("list") if isinstance(holder, dict) else None
    return [(number, chat) for number, chat in enumerate(chats, 1) if _is_chat(chat)] if isinstance(chats, list) else []


def _is_chat(value: Any) -> bool:
    if not isinstance(value, dict) or not {"type", "id"} <= value.keys() or not isinstance(value.get("messages"), list):
        return False
    return any(_is_message(message) for message in value["messages"][:SAMPLE])


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and value.get("type") in ("message", "service") and {"id", "date"} <= value.keys()


def _said(messages: list[Any], prefix: str) -> Chat:
    for number, message in enumerate(messages, 1):
        place = f"{prefix}message {number}"
        try:
            if not isinstance(message, dict):
                raise Malformed("an object was expected")
            if field(message, "type", str) == "message":
                yield _message(message, place)
        except Malformed as wrong:
            yield Mistake(place, wrong.text)


def _message(message: Mapping[str, Any], place: str) -> Said:
    # an account that was deleted has no name left
    who = field(message, "from_id" if message.get("from") is None else "from", str)
    try:
        when = datetime.fromisoformat(field(message, "date", str)).replace(tzinfo=None)
    except ValueError as error:
        raise Malformed("'date' should be a date and time") from error
    text = _text(message.get("text"))
    if len(text) > LONGEST:
        return Said(place, who, when, "", LONG)
    has_other = any(name in message for name in OTHER)
    return Said(place, who, when, text, (BESIDE if text else MEDIA) if has_other else "")


def _text(value: Any) -> str:
    """A text, or a list of texts and of objects with one, such as a link or a word in bold."""
    pieces = value if isinstance(value, list) else [value]
    texts = [field(piece, "text", str) if isinstance(piece, dict) else piece for piece in pieces]
    if not all(isinstance(text, str) for text in texts):
        raise Malformed("'text' should be a text or a list of texts")
    text = "".join(texts).strip()
    check_text(text)
    return text
