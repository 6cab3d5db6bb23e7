"""What all readers of chat exports share: fields of the right type, and the sentence about what was left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from qlora_demo.data.finding import plural
from qlora_demo.data.wording import Mistake, counted, shown

MEDIA, BESIDE, DELETED, LONG = "media", "beside", "deleted", "long"
"""Why something is missing: a message is a picture or other media, one stands beside its text, it was deleted, it is too long."""
LONGEST = 1_000_000
"""Characters of one message; nobody writes as much."""
KINDS: Mapping[type, str] = {dict: "an object", list: "a list", str: "a text"}

T = TypeVar("T")


class Malformed(Exception):
    """An export has something that it never has; `inside` is the place within the chat, such as "message 2"."""

    def __init__(self, text: str, inside: str = ""):
        super().__init__(text)
        self.text = text
        self.inside = inside

    def at(self, place: str) -> Mistake:
        return Mistake(f"{place}, {self.inside}" if self.inside else place, self.text)


def field(holder: Mapping[str, Any], name: str, kind: type[T]) -> T:
    """The value under `name`. Raises Malformed where it is missing or of another type, or text that cannot be written."""
    value = holder.get(name)
    if not isinstance(value, kind):
        raise Malformed(f"'{shown(name)}' should be {KINDS[kind]}")
    if isinstance(value, str):
        check_text(value)
    return value


def check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Malformed("the text holds half of a character (a lone surrogate)") from error


def left_out_note(counts: Mapping[str, int]) -> tuple[str, ...]:
    """One note that says what was left out, or none."""
    sentences: list[str] = []
    if number := counts.get(MEDIA, 0):
        what = plural(number, "was a picture or other media. It was", "were pictures or other media. They were")
        sentences.append(f"{counted(number, 'message')} {what} left out.")
    if number := counts.get(BESIDE, 0):
        whose = plural(number, "its", "their")
        sentences.append(f"{counted(number, 'message')} came with pictures or other media. Only {whose} text was kept.")
    if number := counts.get(DELETED, 0):
        who = plural(number, "It was", "They were")
        sentences.append(f"{counted(number, 'message')} had been deleted by their writers. {who} left out.")
    if number := counts.get(LONG, 0):
        what = plural(number, "was", "were")
        sentences.append(f"{counted(number, 'message')} {what} longer than {LONGEST:,} characters and {what} left out.")
    return (" ".join(sentences),) if sentences else ()
