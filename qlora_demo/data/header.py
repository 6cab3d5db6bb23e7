"""Where a table begins, and whether its first row holds the names of the columns or is data already."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from qlora_demo.data.columns import ANSWERS, KNOWN, QUESTIONS, TEXTS, language, plain_name

LOOKED_AT = 50
MOST_TITLE_ROWS = 10
LONG_NAME = 80
LONGEST_VALUE = 300
NUMBER = re.compile(r"[-+(]?\s*[$€£¥₹]?\s*\d[\d\s.,'/:%-]*\s*[$€£¥₹%)]?")
"""Numbers, amounts, dates and times in digits; a date may go on with its time and zone."""
TIME_TAIL = re.compile(r"[T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?\s*([AaPp]\.?[Mm]\.?|Z|[+-]\d{2}:?\d{2})?$")
ADDRESS = re.compile(r"https?://\S+|www\.\S+|[^@\s]+@[^@\s]+\.[a-z]{2,}", re.IGNORECASE)
ENDS = (".", "?", "!", "…", "؟", "۔", "।")
ENDS_WIDE = ("。", "？", "！")
"""Signs at the end of sentences; the wide ones belong to scripts that put no spaces between words."""
ALIKE = 0.8
FEW_BELOW = 3
WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Header:
    """`title_rows` rows stand above the table. `names` are those of its columns, "" where a cell is empty; A, B, C where the first row `is_data`.
    `notes` are sentences for people about both."""

    title_rows: int
    names: tuple[str, ...]
    is_data: bool
    notes: tuple[str, ...]


def find_header(records: Sequence[Sequence[str]], pasted: bool = False) -> Header:
    """`records` are the first rows of a csv file or a sheet, at least one, their cells as text. Cheap: looks at the first fifty.

    What is `pasted` are mostly bare rows: there, names are names that we know.
    """
    rows = [tuple(cell.strip() for cell in record) for record in records[:LOOKED_AT]]
    titles = _title_rows(rows)
    first, below = rows[titles], [row for row in rows[titles + 1 :] if any(row)]
    unknown = not any(plain_name(cell) in KNOWN or _speaks_of_columns(cell) for cell in first)
    is_data = _is_data(first, below) or (pasted and unknown)
    if is_data and len(rows[0]) == len(first) and any(map(_is_sentence, rows[0])):
        titles = 0  # no title, but a question without an answer
    notes = _title_note(rows[:titles])
    if not is_data:
        return Header(titles, first, False, notes)
    letters = tuple(_letter(i) for i in range(len(first)))
    return Header(titles, letters, True, (*notes, f"Your file has no column names. We called them {', '.join(letters)}."))


def _title_rows(rows: Sequence[Sequence[str]]) -> int:
    """How many rows to skip: empty ones, and such that fill fewer cells than the table and name no column that we know."""
    filled = [sum(map(bool, row)) for row in rows]
    times = Counter(number for number in filled if number)
    if not times:
        return 0
    width = max(times, key=lambda number: (times[number], number))
    for i, row in enumerate(rows[: MOST_TITLE_ROWS + 1]):
        few = filled[i] == 0 or (filled[i] < width and 2 * filled[i] <= width)
        if not few or any(plain_name(cell) in KNOWN for cell in row):
            return i
    return 0


def _title_note(titles: Sequence[Sequence[str]]) -> tuple[str, ...]:
    if not any(map(any, titles)):
        return ()
    if len(titles) == 1:
        return ("The first row is a title and was skipped.",)
    return (f"The first {len(titles)} rows are a title and were skipped.",)


def _is_data(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """The first sign that is there decides; a row without any sign holds names."""
    cells = [cell for cell in first if cell]
    columns = [(cell, [row[i] for row in below if i < len(row) and row[i]]) for i, cell in enumerate(first) if cell]
    known = [(cell, under) for cell, under in columns if plain_name(cell) in KNOWN]
    sentences = any(map(_is_sentence, cells))
    if len(known) > 1 or _are_counted(cells) or all(map(language, cells)):
        return False
    if any(cell not in under and not (sentences and _is_like(cell, under)) for cell, under in known):
        return False
    if any(map(_is_value, cells)):
        return True
    if any(_are_values(under) for _, under in columns):
        return False
    if sentences or len(set(cells)) < len(cells) or any(cell in under for cell, under in columns):
        return True
    if len(below) < FEW_BELOW or all(_speaks_of_columns(cell) for cell in cells) or _are_words_above_texts(columns):
        return False
    return all(_is_like(cell, under) for cell, under in columns)


def _are_counted(cells: Sequence[str]) -> bool:
    """0, 1, 2: a program wrote the columns' numbers in place of names."""
    return list(cells) == [str(i) for i in range(len(cells))]


def _is_value(cell: str) -> bool:
    """A number, a date or an address, none of which is a name."""
    return len(cell) <= LONGEST_VALUE and bool(NUMBER.fullmatch(TIME_TAIL.sub("", cell)) or ADDRESS.fullmatch(cell))


def _are_values(cells: Sequence[str]) -> bool:
    return bool(cells) and sum(map(_is_value, cells)) >= ALIKE * len(cells)


def _is_sentence(cell: str) -> bool:
    """Long, or three words or more with a sign at the end; signs that no name has are enough."""
    words = len(cell.split())
    return len(cell) > LONG_NAME or cell.endswith(("!", *ENDS_WIDE)) or cell.startswith(("¿", "¡")) or (words >= 3 and cell.endswith(ENDS))


def _speaks_of_columns(cell: str) -> bool:
    """A word of it is, or ends with, a name for questions, answers or texts: "Unsere Antwort", "Kundenfrage"."""
    words = [plain_name(word) for word in WORD.findall(cell)]
    if len(words) > 3:
        return False
    return any(word.endswith(name) for word in words for name in (*QUESTIONS, *ANSWERS, *TEXTS) if len(name) >= 4 or word == name)


def _are_words_above_texts(columns: Sequence[tuple[str, Sequence[str]]]) -> bool:
    """Each cell is one word, and nearly all below are several."""
    below = [len(other.split()) for _, under in columns for other in under]
    return all(len(cell.split()) == 1 for cell, _ in columns) and sum(words > 1 for words in below) >= ALIKE * len(below)


def _is_like(cell: str, below: Sequence[str]) -> bool:
    """Whether a cell is one more of those below: written with the same kind of letters, about as long, ending alike."""
    if not below:
        return True
    same_letters = sum(_letters(cell) == _letters(other) for other in below)
    lengths = sorted(map(len, below))
    middle = lengths[len(lengths) // 2]
    long_enough = len(cell) >= max(lengths[0] // 2, min(middle // 2, 20))
    ended = sum(other.endswith((*ENDS, *ENDS_WIDE)) for other in below)
    ends_alike = cell.endswith((*ENDS, *ENDS_WIDE)) or ended < ALIKE * len(below)
    return same_letters >= len(below) / 2 and long_enough and ends_alike and len(cell) <= 2 * lengths[-1]


def _letters(cell: str) -> str:
    """How a text begins: "A" capital and small letters, "AA" all capitals, "a" small, "" in scripts that have no capitals."""
    word = WORD.search(cell)
    if word is None or word[0].upper() == word[0].lower():
        return ""
    if len(word[0]) > 1 and word[0].isupper():
        return "AA"
    return "A" if word[0][0].isupper() else "a"


def _letter(index: int) -> str:
    """A, B, ... Z, AA, AB, as spreadsheets count."""
    before, place = divmod(index, 26)
    return (_letter(before - 1) if before else "") + ascii_uppercase[place]
