"""Names of repositories on the Hub: checked, and proposed from a model's name. For the web process too, so nothing of the Hub's client is loaded."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from qlora_demo.errors import HubError

LONGEST = 96
NO_NAME = 'A name on the Hub has the letters a to z, digits, and "-", "_" or "." between them. Write it like "my-model" or "user/my-model".'
TOO_LONG = f"A name on the Hub has up to {LONGEST} characters. Choose a shorter one."
TWICE = 'A name on the Hub has no "--" and no "..". Choose another name.'
ENDING = 'A name on the Hub does not end with ".git" or ".ipynb". Choose another name.'
NAMELESS = "my-model"
"""Proposed where nothing of a model's name can be written in the letters that the Hub takes."""
_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_LETTERS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})
"""Letters that are no plain letter with a mark; German writes its umlauts with an e where they are missing."""


@dataclass(frozen=True)
class Repository:
    """A repository to be made: `name` is "name" (of whoever's token it is) or "user/name". Raises HubError for a name that the Hub does not allow."""

    name: str
    private: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", check_name(self.name))

    def of(self, user: str) -> str:
        """ "user/name"."""
        return self.name if "/" in self.name else f"{user}/{self.name}"


def check_name(text: str) -> str:
    """ "name" or "user/name" as the Hub allows it, without spaces around. Raises HubError."""
    name = text.strip()
    parts = name.split("/")
    if len(parts) > 2 or not all(_PART.fullmatch(part) for part in parts):
        raise HubError(NO_NAME)
    if max(len(part) for part in parts) > LONGEST:
        raise HubError(TOO_LONG)
    if "--" in name or ".." in name:
        raise HubError(TWICE)
    if name.lower().endswith((".git", ".ipynb")):
        raise HubError(ENDING)
    return name


def proposed(name: str) -> str:
    """A name that the Hub allows, from a model's name: "Kundinnen, 24 Nov." becomes "kundinnen-24-nov"."""
    composed = unicodedata.normalize("NFKC", name).lower().translate(_LETTERS)
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", composed) if not unicodedata.combining(letter))
    words = re.sub(r"[^a-z0-9.]+", "-", plain)
    words = re.sub(r"(?<![0-9])\.+|\.+(?![0-9])", "-", words)  # a dot stays in numbers alone, as in 1.5
    words = re.sub(r"-+", "-", words)
    return words[:LONGEST].strip("-.") or NAMELESS
