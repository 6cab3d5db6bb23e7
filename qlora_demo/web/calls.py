"""Whether the body of a call is one that this page could have sent.

gradio answers many a malformed call with an error of the server, asks other servers for a file that a call names by an address, and runs functions
that the page offers nowhere. All of that is refused here, before gradio sees it: `mistake` is the one place that knows how a call must look.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

DEEPEST = 40
"""Levels of lists and objects inside each other; the page's own calls have about eight."""
SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
WEB_ADDRESS = re.compile(r"\s*([a-z][a-z0-9+.-]+:|//|\\\\)", re.IGNORECASE | re.ASCII)
"""Also a network folder of Windows; a single letter before the colon is a disk there."""
FIELDS = {"data", "fn_index", "session_hash", "trigger_id", "event_data"}
BROKEN = "This request is broken. Load the page again."
OLD_PAGE = "The page has changed since you opened it. Load it again."
BY_ADDRESS = "A file can only be uploaded, not given by its address."

Kind = tuple[type, ...]
"""The types that one value may have; () for any."""


@dataclass(frozen=True)
class Function:
    """One function of the page: the kinds of the values that it takes, and whether it waits in gradio's line or runs at once."""

    kinds: tuple[Kind, ...]
    queued: bool

    def fits(self, data: list[Any]) -> bool:
        return all(not kind or type(value) in kind for kind, value in zip(self.kinds, data, strict=True))


def mistake(body: bytes, functions: Mapping[int, Function]) -> str:
    """What is wrong with the body of a call, as a sentence; "" if nothing is. `functions` are those that may be called, by number."""
    try:
        call = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return BROKEN
    if not isinstance(call, dict) or not call.keys() <= FIELDS or not _is_session(call.get("session_hash")):
        return BROKEN
    if call.get("trigger_id") is not None and not _is_number(call["trigger_id"]):
        return BROKEN
    number, data = call.get("fn_index"), call.get("data")
    if not _is_number(number) or not isinstance(data, list):
        return BROKEN
    if number not in functions or len(data) != len(functions[number].kinds):
        return OLD_PAGE
    if not functions[number].fits(data):
        return BROKEN
    return mistake_in_value([data, call.get("event_data")])


def mistake_of_cancel(body: bytes) -> str:
    """The same of a request to stop a call."""
    try:
        call = json.loads(body)
    except (ValueError, RecursionError):
        return BROKEN
    if not isinstance(call, dict) or call.keys() != {"session_hash", "fn_index", "event_id"}:
        return BROKEN
    right = _is_session(call["session_hash"]) and _is_number(call["fn_index"]) and isinstance(call["event_id"], str)
    return "" if right else BROKEN


def mistake_in_value(value: Any) -> str:
    """What no value of the page has: many levels, text that cannot be written down (half of a pair of surrogates), and files that lie elsewhere."""
    level = [value]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for one in level:
            if isinstance(one, str) and not _is_text(one):
                return BROKEN
            if isinstance(one, dict):
                if _names_an_address(one):
                    return BY_ADDRESS
                below += [*one.keys(), *one.values()]
            elif isinstance(one, list):
                below += one
        level = below
        if not level:
            return ""
    return BROKEN


def _names_an_address(value: dict[str, Any]) -> bool:
    """Whether this stands for a file, and gradio would fetch it from some server. A `url` beside a path is not used."""
    about = value.get("meta")
    is_file = isinstance(about, dict) and about.get("_type") == "gradio.FileData"
    path = value.get("path")
    return is_file and (not isinstance(path, str) or WEB_ADDRESS.match(path) is not None)


def _is_session(value: Any) -> bool:
    return isinstance(value, str) and SESSION.fullmatch(value) is not None


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1_000_000


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)
