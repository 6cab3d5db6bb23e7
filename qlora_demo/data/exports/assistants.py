"""What the exports of ChatGPT and Claude share: a list of chats, each of which is one conversation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import dropwhile, groupby
from typing import Any

from qlora_demo.data.exports.parts import Malformed, left_out_note
from qlora_demo.data.table import Entry, Table
from qlora_demo.data.wording import Mistake

SAMPLE = 100


@dataclass(frozen=True, slots=True)
class Turn:
    """`text` is "" where all of the message is left out, for the reason `left_out`."""

    role: str
    text: str
    left_out: str = ""


Turns = Callable[[Mapping[str, Any]], Iterator[Turn]]


def any_chat(value: Any, is_chat: Callable[[Mapping[str, Any]], bool]) -> bool:
    """Whether `value` is a list that has one of these chats near its beginning."""
    return isinstance(value, list) and any(isinstance(chat, dict) and is_chat(chat) for chat in value[:SAMPLE])


def read_chats(chats: Sequence[Any], name: str, kind: str, turns: Turns) -> Table:
    """One row a chat. `turns` gives a chat's turns in order, and raises Malformed."""

    def entries() -> Iterator[Entry | Mistake]:
        for number, chat in enumerate(chats, 1):
            place = f"chat {number}"
            read = _read(chat, turns)
            yield read.at(place) if isinstance(read, Malformed) else Entry(place, {"messages": _messages(read)})

    counts: Counter[str] = Counter()
    for chat in chats:
        read = _read(chat, turns)
        if not isinstance(read, Malformed):
            counts.update(turn.left_out for turn in read if turn.left_out)
    return Table(name, ("messages",), entries, kind, left_out_note(counts), rows_known=len(chats))


def path_to(last: str, parents: Mapping[str, str | None]) -> list[str]:
    """The ids from the first message to `last`: of an answer that was asked for again, only one is on the way. Raises Malformed for a circle."""
    path: dict[str, None] = {}
    at: str | None = last
    while at in parents:
        if at in path:
            raise Malformed("its messages follow each other in a circle")
        path[at] = None
        at = parents[at]
    return list(reversed(path))


def _read(chat: Any, turns: Turns) -> list[Turn] | Malformed:
    if not isinstance(chat, dict):
        return Malformed("an object was expected")
    try:
        return list(turns(chat))
    except Malformed as wrong:
        return wrong


def _messages(turns: Iterable[Turn]) -> list[dict[str, str]]:
    """A greeting before the first question goes; an answer in several messages is one. A question without an answer stays, to be reported later."""
    written = [turn for turn in turns if turn.text.strip()]
    asked = dropwhile(lambda turn: turn.role == "assistant", written)
    return [{"role": role, "content": "\n\n".join(turn.text for turn in same)} for role, same in groupby(asked, lambda turn: turn.role)]
