"""Plain text: tells prose from a table, and cuts it into passages at its paragraph borders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from qlora_demo.data.decoding import TextFile
from qlora_demo.data.table import Entry, Table
from qlora_demo.data.wording import Mistake

PASTED = "Pasted text"
"""What text from the paste box is called; having no suffix, it is told from a table as a text file is."""
TEXT_SUFFIXES = ("txt", "md", "markdown", "text", PASTED.lower())
COLUMN = "text"
SHORT, LONG = 120, 3000
"""Characters: what is shorter (a heading, a line of speech) goes with what follows; what is longer is cut at the end of a sentence."""
LONGEST_NAME = 30
FEWEST_PAIRS = 4
PAIR = re.compile(r"[?？؟]\s+[-–—:=]+\s*\S|^\s*(Q|A|Question|Answer|Frage|Antwort|Pregunta|Respuesta)\s*\d*\s*[:.)]|[?？؟]\s*$", re.IGNORECASE)
PAIRS_NOTE = "This looks like questions with answers. To teach those, put a tab or a semicolon between each question and its answer."
SENTENCE_END = re.compile(r"(?<=[.!?…])[\"”')\]]*\s+")


def is_prose(text: str, suffix: str) -> bool:
    """Whether a text file is to be read as text: it is, unless all its lines have the same number of tabs, semicolons or bars, or of commas
    below a first line that looks like column names."""
    if suffix not in TEXT_SUFFIXES:
        return False
    lines = [line for line in text.splitlines()[:200] if line.strip()]
    named = bool(lines) and all(len(cell) <= LONGEST_NAME for cell in lines[0].split(","))
    if suffix == PASTED.lower() and len(lines) == 1 and (lines[0].count("\t"), lines[0].count(";")) in ((1, 0), (0, 1)):
        return False  # a single pair
    widths = ({line.count(delimiter) for line in lines} for delimiter in ("\t;|," if named else "\t;|"))
    return not (len(lines) > 1 and any(len(found) == 1 and found != {0} for found in widths))


def read_passages(file: TextFile, name: str) -> Table:
    """One row a passage, with the line on which it begins."""

    def entries() -> Iterator[Entry | Mistake]:
        for line, whole in _joined(_paragraphs(file.lines())):
            for piece in _pieces(whole):
                yield Entry(f"line {line}", {COLUMN: piece})

    note = "This is plain text: it was cut into passages at its paragraphs, and the model learns to go on from any place in them."
    return Table(name, (COLUMN,), entries, "text", (note, *([PAIRS_NOTE] if _has_pairs(file.head()) else [])))


def _has_pairs(text: str) -> bool:
    """Half of the lines look like a question with its answer, or like one of the two."""
    lines = [line for line in text.splitlines()[:200] if line.strip()]
    return len(lines) >= FEWEST_PAIRS and 2 * sum(bool(PAIR.search(line)) for line in lines) >= len(lines)


def _paragraphs(text: Iterable[str]) -> Iterator[tuple[int, str]]:
    """(first line, paragraph) between empty lines; the lines of one that was wrapped by hand are kept as they are."""
    lines: list[str] = []
    began = 1
    for number, line in enumerate(chain(text, [""]), start=1):
        if line.strip():
            began = began if lines else number
            lines.append(line.rstrip())
        elif lines:
            yield began, "\n".join(lines)
            lines = []


def _joined(paragraphs: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Short paragraphs together with what follows them."""
    line, waiting = 0, ""
    for number, paragraph in paragraphs:
        line, waiting = (line, f"{waiting}\n\n{paragraph}") if waiting else (number, paragraph)
        if len(waiting) >= SHORT:
            yield line, waiting
            waiting = ""
    if waiting:
        yield line, waiting


def _pieces(paragraph: str) -> Iterator[str]:
    """A long paragraph in pieces of whole sentences, where it has any."""
    if len(paragraph) <= LONG:
        yield paragraph
        return
    piece = ""
    for sentence in SENTENCE_END.split(paragraph):
        if piece and len(piece) + len(sentence) > LONG:
            yield piece
            piece = ""
        piece = f"{piece} {sentence}" if piece else sentence
    if piece:
        yield piece
