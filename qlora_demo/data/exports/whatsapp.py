"""WhatsApp's export, a text: one line a message with date and name, as Android or an iPhone writes it, and the lines that go on with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice

from qlora_demo.data.exports.parts import LONG, LONGEST
from qlora_demo.data.exports.people import Chat, PeopleExport, Said, read_people
from qlora_demo.data.exports.whatsapp_words import cleaned, read_body
from qlora_demo.data.table import Table

HEAD = 2000
LEADING = "\u200e\u200f\u202a\u202b\u202c\ufeff"
DATE = r"(?P<a>\d{1,4})(?P<sign>[./-])\s?(?P<b>\d{1,2})(?P=sign)\s?(?P<c>\d{1,4})\.?(?P<comma>,?)\s(?:[^\W\d]{1,4}\s)?"
TIME = r"(?P<hour>\d{1,2})[:.](?P<minute>\d{2})(?:[:.](?P<second>\d{2}))?(?:\s?(?P<half>[ap])\.?\s?m\.?)?"
ANDROID = re.compile(rf"{DATE}{TIME}\s[-\u2013]\s(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
IOS = re.compile(rf"\[{DATE}{TIME}\]\s(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
AUTHOR = re.compile(r"([^:]{1,100}):(?:\s(.*))?", re.DOTALL)
QUOTES = re.compile('["“”„«»]')
LOG_LEVEL = re.compile(r"\b(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|FATAL|CRITICAL)\b")
"""A program's log looks like a chat in which somebody has such a name."""
ORDER_NOTE = "Its dates can be read with the day or the month first. We took the day first."


@dataclass(frozen=True, slots=True)
class Header:
    """A line that begins a message. `who` is "" where the program itself writes; `date` is (first, second, year), with the year's place in the
    line told by `year_first`."""

    who: str
    body: str
    date: tuple[int, int, int]
    clock: tuple[int, int, int]
    year_first: bool

    def when(self, month_first: bool) -> datetime | None:
        """None where no calendar has such a day. A date that makes no sense in this order is read in the other."""
        first, second, year = self.date
        month, day = (first, second) if month_first or self.year_first else (second, first)
        return _moment(year, month, day, self.clock) or _moment(year, day, month, self.clock)


@dataclass
class Open:
    """The message whose lines are being read. No more of them are kept than a message may have."""

    place: str
    header: Header
    lines: list[str] = field(default_factory=list)
    size: int = 0

    def add(self, line: str) -> None:
        self.size += len(line) + 1
        if self.size <= LONGEST:
            self.lines.append(line)


def is_export(lines: Iterator[str]) -> bool:
    """Whether the text begins with a message, and goes on with more of the same layout."""
    head = islice(lines, HEAD)
    first = next((line for line in head if line.strip(f"{LEADING} \t\r\n")), "")
    layout = _layout(first)
    if layout is None:
        return False
    names = [header.who for line in chain([first], head) if (header := _header(line, layout))]
    spoken = [name for name in names if name]
    # a group can begin with a long list of who came in
    return len(names) > 1 and len(spoken) > len(names) / 5 and not any(LOG_LEVEL.search(name) for name in spoken)


def read_export(lines: Callable[[], Iterator[str]], name: str, speaker: str) -> Table:
    """Places are "line 12", the line on which a conversation begins. Raises DataError as `read_people` does."""
    layout = next(found for line in lines() if (found := _layout(line)))
    month_first = _month_first(lines(), layout)
    export = PeopleExport(name, "whatsapp", lambda: [_said(lines(), layout, bool(month_first))])
    return read_people(export, speaker, (ORDER_NOTE,) if month_first is None and _has_slashes(lines(), layout) else ())


def _has_slashes(lines: Iterable[str], layout: re.Pattern[str]) -> bool:
    """Dates with dots or hyphens have the day before the month."""
    return any(found["sign"] == "/" for line in lines if (found := layout.match(line.lstrip(LEADING))))


def _layout(line: str) -> re.Pattern[str] | None:
    return next((layout for layout in (ANDROID, IOS) if _header(line, layout)), None)


def _month_first(lines: Iterator[str], layout: re.Pattern[str]) -> bool | None:
    """Decided by the first number over 12 that stands where a month cannot; None where there is none, and both orders fit."""
    dated = False
    for line in lines:
        header = _header(line, layout)
        if header is None or header.year_first:
            continue
        dated = True
        if header.date[0] > 12 or header.date[1] > 12:
            return header.date[1] > 12
    return None if dated else False


def _header(line: str, layout: re.Pattern[str]) -> Header | None:
    found = layout.match(line.rstrip("\r\n").lstrip(LEADING))
    if found is None:
        return None
    first, second, third = found["a"], found["b"], found["c"]
    year_first = len(first) == 4
    if year_first and layout is IOS and found["sign"] == "-" and not found["comma"]:
        return None  # so does a program's log begin its lines
    year, day = (first, third) if year_first else (third, first)
    if len(day) > 2 or len(year) not in (2, 4):
        return None
    date = (int(second), int(third)) if year_first else (int(first), int(second))
    hour = int(found["hour"])
    if half := found["half"]:
        hour = hour % 12 + (12 if half in "pP" else 0)
    who, body = _author(found["rest"], layout)
    clock = (hour, int(found["minute"]), int(found["second"] or 0))
    header = Header(who, body, (*date, int(year) + (2000 if len(year) == 2 else 0)), clock, year_first)
    return header if header.when(month_first=False) else None


def _author(rest: str, layout: re.Pattern[str]) -> tuple[str, str]:
    """(name, what follows), the name "" where Android writes a notice: that has no name, but may have a colon inside quotes."""
    found = AUTHOR.fullmatch(rest)
    if found is None or (layout is ANDROID and len(QUOTES.findall(found[1])) % 2):
        return "", rest
    # an iPhone puts a wave before who is not in its address book
    who = " ".join(cleaned(found[1]).removeprefix("~").split())
    return who, found[2] or ""


def _moment(year: int, month: int, day: int, clock: tuple[int, int, int]) -> datetime | None:
    try:
        return datetime(year, month, day, *clock)
    except ValueError:
        return None


def _said(lines: Iterator[str], layout: re.Pattern[str], month_first: bool) -> Chat:
    message: Open | None = None
    for number, line in enumerate(lines, 1):
        header = _header(line, layout)
        if header is not None:
            if message is not None:
                yield from _finished(message, layout, month_first)
            message = Open(f"line {number}", header) if header.who else None
        if message is not None:
            message.add(line.rstrip("\r\n") if header is None else header.body)
    if message is not None:
        yield from _finished(message, layout, month_first)


def _finished(message: Open, layout: re.Pattern[str], month_first: bool) -> Iterator[Said]:
    """The message, or nothing where the program wrote it or nobody wrote anything."""
    when = message.header.when(month_first)
    if message.size > LONGEST:
        yield Said(message.place, message.header.who, when, "", LONG)
        return
    read = read_body("\n".join(message.lines), layout is IOS)
    if read is not None and any(read):
        yield Said(message.place, message.header.who, when, *read)
