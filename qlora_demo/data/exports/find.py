"""Tells whether a file is a chat export, and of which program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from qlora_demo.data.exports import chatgpt, claude, telegram, whatsapp
from qlora_demo.data.table import Table


def read_json_export(value: Any, name: str, speaker: str) -> Table | None:
    """`value` is a whole JSON document; None where it is no known export. `speaker` is whom the model learns to be in a chat between people, "" for
    the one who writes most. Raises DataError where the chat cannot be used."""
    if chatgpt.is_export(value):
        return chatgpt.read_export(value, name)
    if claude.is_export(value):
        return claude.read_export(value, name)
    if telegram.is_export(value):
        return telegram.read_export(value, name, speaker)
    return None


def read_text_export(lines: Callable[[], Iterator[str]], name: str, speaker: str) -> Table | None:
    """`lines` begins the text anew at each call; the rest is as for JSON."""
    return whatsapp.read_export(lines, name, speaker) if whatsapp.is_export(lines()) else None
