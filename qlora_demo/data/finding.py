"""A remark on the data, for people: what, how many, which rows, why it matters, and a button where it can be fixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

KEPT_POSITIONS = 100
SHOWN_NUMBERS = 5


@dataclass(frozen=True)
class Finding:
    """`count` rows are concerned, `rows` are the places of the first hundred. `message` is what the person reads, `why` a sentence on why it
    matters. `button` says what a click does ("Remove 6 repeats"), "" where nothing can be done here; the click adds `code` to the fixes.
    `done` means that it was fixed, and the button takes that back.
    """

    code: str
    count: int
    rows: tuple[str, ...]
    message: str
    why: str = ""
    button: str = ""
    done: bool = False


def numbers(places: Sequence[str], count: int) -> str:
    """ "17, 63 and 4 more" of "line 17", "line 63" and so on."""
    first = ", ".join(place.rpartition(" ")[2] for place in places[:SHOWN_NUMBERS])
    return first if count <= SHOWN_NUMBERS else f"{first} and {count - SHOWN_NUMBERS:,} more"


def plural(count: int, one: str, several: str) -> str:
    return one if count == 1 else several
