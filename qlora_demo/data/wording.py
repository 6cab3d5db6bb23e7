"""How mistakes in a file are said to people: which file, which place, what is wrong, what to do."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from qlora_demo.errors import DataError, WayOut

SHOWN_MISTAKES = 6
SHOWN_COLUMNS = 12


@dataclass(frozen=True, slots=True)
class Mistake:
    """`place` is "line 3" or "row 3, message 2"; `verb` joins it to `text` where the mistake stands alone ("line 3 has 5 values"). After a `fatal`
    one, what follows in the file cannot be read."""

    place: str
    text: str
    verb: str = ""
    fatal: bool = False

    def alone(self) -> str:
        return f"{self.place} {self.verb} {self.text}" if self.verb else f"{self.place}: {self.text}"

    def listed(self) -> str:
        return f"{self.place[0].upper()}{self.place[1:]}: {self.text}."

    def where(self) -> str:
        """The line or row without what lies inside it."""
        return self.place.partition(",")[0]


def mistakes_error(name: str, mistakes: Sequence[Mistake], count: int = 0) -> DataError:
    """One error that tells of all mistakes: the first six in full, the rest as a number. `count` is how many there are where more were found than
    are given. A button leaves them out."""
    count = max(count, len(mistakes))
    noun = "lines" if mistakes[0].place.startswith("line") else "rows"
    label = f"Leave {mistakes[0].where()} out" if count == 1 else f"Leave these {count:,} {noun} out"
    ways_out = () if any(m.fatal for m in mistakes) else (WayOut(label, {"leave_out_broken": True}),)
    if count == 1:
        only = mistakes[0]
        return DataError(f"We could not read {name}: {only.alone()}. Fix {only.where()} and upload it again.", ways_out)
    sentences = [f"{name} has {count:,} mistakes.", *(m.listed() for m in mistakes[:SHOWN_MISTAKES])]
    if count > SHOWN_MISTAKES:
        sentences.append(f"And {count - SHOWN_MISTAKES:,} more.")
    return DataError(" ".join([*sentences, "Fix them and upload it again."]), ways_out)


def too_many_rows(limit: int, found: int) -> DataError:
    way_out = WayOut(f"Use the first {limit:,}", {"first_rows": limit})
    return DataError(f"This demo takes up to {limit:,} rows; yours has {found:,}. Upload a shorter file.", (way_out,))


def counted(number: int, noun: str) -> str:
    """ "1 row", "1,240 rows"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def megabytes(size: int) -> str:
    """ "1.2 MB"; a whole number has no decimals."""
    return f"{size / 1e6:,.1f}".removesuffix(".0") + " MB"


def shown(text: str, length: int = 60) -> str:
    """Somebody's text inside one of our sentences: on one line, without invisible characters, not too long."""
    visible = "".join(c for c in text[: 4 * length] if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
    line = " ".join(visible.split())
    return line if len(line) <= length else line[: length - 3] + "..."


def shown_name(display_name: str) -> str:
    """A file's name for people. Never used as a path."""
    return shown(re.split(r"[/\\]", display_name)[-1], 80) or "your file"


def column_list(columns: Sequence[str]) -> str:
    """ "question, answer and 3 more"."""
    names = ", ".join(shown(column, 40) for column in columns[:SHOWN_COLUMNS])
    return names if len(columns) <= SHOWN_COLUMNS else f"{names} and {len(columns) - SHOWN_COLUMNS:,} more"
