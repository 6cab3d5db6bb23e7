"""Chats between people: who said what and when -> conversations with one of them, whom the model learns to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from qlora_demo.data.exports.parts import LONGEST, left_out_note
from qlora_demo.data.table import Entry, Table
from qlora_demo.data.wording import Mistake, column_list, shown
from qlora_demo.errors import DataError, WayOut

PAUSE = timedelta(hours=6)
LONG_SESSION = 100_000
"""Characters after which a session ends at its next answer: no model looks back further, and rows stay small."""
MOST_SPEAKERS = 10_000
SHOWN_BUTTONS = 5


@dataclass(frozen=True, slots=True)
class Said:
    """One message. `text` is "" where all of it is left out, for the reason `left_out`."""

    place: str
    who: str
    when: datetime
    text: str
    left_out: str = ""


Chat = Iterable[Said | Mistake]
"""The messages of one chat in their order."""


@dataclass(frozen=True)
class PeopleExport:
    """A file's chats; `chats` begins anew at each call and holds one message at a time."""

    name: str
    kind: str
    chats: Callable[[], Iterable[Chat]]


def read_people(export: PeopleExport, speaker: str, notes: Sequence[str] = ()) -> Table:
    """`speaker` "" takes the one who said most. Raises DataError where there is no such speaker, nobody to talk to, or no answer."""
    words, left_out = _tally(export)
    speakers = tuple(who for who, _ in words.most_common())
    if len(speakers) < 2:
        whose = f"of {shown(speakers[0])} alone" if speakers else "of nobody"
        raise DataError(f"{export.name} holds messages {whose}. Upload a chat in which two people or more write.")
    if speaker and speaker not in words:
        there = f"These people write there: {column_list(speakers)}."
        raise DataError(f"{shown(speaker)} writes nothing in {export.name}. {there} Choose one of them.", _buttons(speakers))
    learned = speaker or speakers[0]

    def entries() -> Iterator[Entry | Mistake]:
        for chat in export.chats():
            yield from conversations(chat, learned)

    if next(entries(), None) is None:
        others = tuple(who for who in speakers if who != learned)
        raise DataError(f"{shown(learned)} answers nobody in {export.name}. Choose somebody else, or upload a longer chat.", _buttons(others))
    note = (*notes, *left_out_note(left_out))
    return Table(export.name, ("messages",), entries, export.kind, note, speakers=speakers, speaker=learned)


def conversations(chat: Chat, speaker: str) -> Iterator[Entry | Mistake]:
    """One for every stretch without a long pause: from the first thing that somebody else says to the speaker's last."""
    for session in _sessions(chat, speaker):
        if isinstance(session, Mistake):
            yield session
            continue
        turns = [(role, list(said)) for role, said in groupby(session, lambda said: "assistant" if said.who == speaker else "user")]
        first = 1 if turns[0][0] == "assistant" else 0
        last = len(turns) - 1 if turns[-1][0] == "user" else len(turns)
        if first < last:
            messages = [{"role": role, "content": "\n".join(one.text for one in said)} for role, said in turns[first:last]]
            yield Entry(turns[first][1][0].place, {"messages": messages})


def _sessions(chat: Chat, speaker: str) -> Iterator[list[Said] | Mistake]:
    """Never empty, of messages with text. A picture counts as a sign of life."""
    session: list[Said] = []
    size = 0
    before: datetime | None = None
    for said in chat:
        if isinstance(said, Mistake):
            yield said
            continue
        paused = before is not None and abs(said.when - before) > PAUSE
        before = said.when
        answered = bool(session) and session[-1].who == speaker != said.who
        if session and (paused or size > LONGEST or (answered and size > LONG_SESSION)):
            yield session
            session, size = [], 0
        if said.text:
            session.append(said)
            size += len(said.text)
    if session:
        yield session


def _tally(export: PeopleExport) -> tuple[Counter[str], Counter[str]]:
    """Words by speaker and what was left out by reason, of the chats in which two or more write; of the others where there is no such chat."""
    words: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    for chat in export.chats():
        here, reasons = _tally_chat(chat, export.name)
        if len(here) > 1:
            words.update(here)
            left_out.update(reasons)
        else:
            alone.update(here)
    return words or alone, left_out


def _tally_chat(chat: Chat, name: str) -> tuple[Counter[str], Counter[str]]:
    words: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    for said in chat:
        if isinstance(said, Mistake):
            continue
        left_out[said.left_out] += 1
        if said.text:
            words[said.who] += len(said.text.split())
        if len(words) > MOST_SPEAKERS:
            raise DataError(f"More than {MOST_SPEAKERS:,} people write in {name}. Upload a chat of fewer people.")
    return words, left_out


def _buttons(speakers: Sequence[str]) -> tuple[WayOut, ...]:
    return tuple(WayOut(f"Learn from {shown(who, 40)}", {"speaker": who}) for who in speakers[:SHOWN_BUTTONS])
