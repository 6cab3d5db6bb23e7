"""Logs as people may see them: without tokens and passwords, and without where this server's folders lie."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from qlora_demo.pipes import is_secret

SECRET = "<secret>"  # noqa: S105 - what stands in a secret's place
TOKENS = re.compile(
    r"\b(?:hf_oauth_[\w-]{8,}(?:\.[\w-]+)*|hf_\w{8,}|(?:ghp|gho|ghs|ghu)_\w{16,}|github_pat_\w{16,}|sk-[\w-]{16,}|AKIA[0-9A-Z]{12,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+)"
    r"|(?<=bearer )[\w.~+/=-]{8,}",
    re.IGNORECASE,
)
"""Of the model hub (an account's is a web token behind "hf_oauth_"), GitHub, OpenAI and those like it, Amazon, and any signed web token."""
LOGIN = re.compile(r"(?<=://)[^/\s@]+:[^/\s@]*(?=@)")
"""User and password in an address, as a proxy's may be."""
SHORTEST = 6
"""Characters: what is shorter would also hit ordinary words."""


def redact(text: str, environ: Mapping[str, str], home: Path) -> str:
    """`environ` is the server's: the values of all that is named like a secret go. `home` becomes <home>, the user's own folder ~."""
    for value in sorted(_secrets(environ), key=len, reverse=True):
        text = text.replace(value, SECRET)
    text = LOGIN.sub(SECRET, TOKENS.sub(SECRET, text))
    places = {home: "<home>", home.resolve(): "<home>", Path.home(): "~", Path.home().resolve(): "~"}
    for place in sorted(places, key=lambda path: len(str(path)), reverse=True):  # one may lie in the other
        if place != Path(place.anchor):
            text = re.sub(rf"(?<![\w.~-]){re.escape(str(place))}(?![\w-])", lambda _, said=places[place]: said, text)
    return text


def _secrets(environ: Mapping[str, str]) -> set[str]:
    """Each value and its parts: a login is a name and a password."""
    values = {value for name, value in environ.items() if is_secret(name)}
    parts = {part for value in values for part in re.split(r"[\s:,;]+", value)}
    return {value for value in values | parts if len(value) >= SHORTEST}


def end_of(log: Path, last_bytes: int) -> str:
    """The last whole lines of a file, "" where there is none."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        skipped = max(0, log.stat().st_size - last_bytes)
        file.seek(skipped)
        text = file.read().decode("utf-8", errors="replace")
    return text[text.find("\n") + 1 :] if skipped else text
