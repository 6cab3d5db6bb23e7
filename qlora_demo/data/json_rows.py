"""JSON and JSON Lines: text -> rows. Python's parser accepts more than JSON allows; what it lets through is refused here, with its place."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, TextIO

from qlora_demo.data.decoding import TextFile
from qlora_demo.data.exports.find import read_json_export
from qlora_demo.data.table import SAMPLE_ROWS, Entry, Limits, Table
from qlora_demo.data.wording import Mistake, megabytes, mistakes_error, shown
from qlora_demo.errors import DataError

MAX_DEPTH = 20
MAX_DIGITS = 300
PIECE = 1 << 18
LONGEST_ROW = 32_000_000
"""Characters of one row in a list; what is longer is taken for a value that is never closed."""
SPACE = re.compile(r"[ \t\n\r\ufeff]*")
EXPORT = re.compile(r'"(mapping|chat_messages)"\s*:\s*[\[{]')
"""A chat export is one document: it is read as a whole."""
COMMA_TOO_MANY = "before this bracket there is one comma too many"
CUT = "; the file may be cut off here"
DEEP = f"lists and objects stand more than {MAX_DEPTH} deep inside each other"
EXPECTED = 'Expected a list of objects, such as [{"question": "...", "answer": "..."}].'
PLAIN = {
    "Expecting ',' delimiter": "a comma is missing",
    "Expecting ':' delimiter": "a colon is missing",
    "Expecting property name enclosed in double quotes": "a name in double quotes is missing",
    "Illegal trailing comma before end of object": "there is one comma too many",
    "Illegal trailing comma before end of array": "there is one comma too many",
    "Expecting value": "a value is missing, or a text without its double quotes",
    "Unterminated string starting at": "the text that begins here is never closed",
    "Invalid control character at": "a line break or tab inside a text must be written as \\n or \\t",
    "Invalid \\escape": "a backslash inside a text must be written twice",
    "Invalid \\uXXXX escape": "\\u must be followed by four digits or letters a to f",
    "Extra data": "more follows after the end of the value",
}


@dataclass(frozen=True)
class Unreadable:
    """Stands where the file holds something that JSON does not allow; `text` says what."""

    text: str


def _whole_number(digits: str) -> int | Unreadable:
    return int(digits) if len(digits) <= MAX_DIGITS else Unreadable(f"a number has {len(digits):,} digits")


def _decimal_number(digits: str) -> float | Unreadable:
    number = float(digits)
    return number if math.isfinite(number) else Unreadable(f"the number {shown(digits)} is too large")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Unreadable:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    name = Counter(key for key, _ in pairs).most_common(1)[0][0]
    return Unreadable(f"the name '{shown(name)}' stands twice")


DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_whole_number,
    parse_float=_decimal_number,
    parse_constant=lambda word: Unreadable(f"{word} is not a value that JSON allows"),
)


def read_json_text(file: TextFile, name: str, suffix: str, limits: Limits, speaker: str = "") -> Table:
    """Reads one value a line, a list, or a document, whichever the text is, whatever the file is called. Raises DataError."""
    head = file.head()
    if _is_lines(file, head, suffix):
        return _table(name, "jsonl", lambda: _lines(file, limits), limits)
    if head.lstrip().startswith("[") and not EXPORT.search(head):
        first = next(_items(file, limits), None)
        if isinstance(first, Entry) and not _is_one_conversation(first.values):
            return _table(name, "json", lambda: _items(file, limits), limits)
    value = read_document(file.text(), name)
    export = read_json_export(value, name, speaker)
    if export is not None:
        return export
    rows = _rows_of(value, name)
    if not rows:
        raise DataError(f"{name} holds an empty list. {EXPECTED}")
    return _table(name, "json", lambda: (_entry(f"row {i}", row, limits) for i, row in enumerate(rows, 1)), limits)


def _is_lines(file: TextFile, head: str, suffix: str) -> bool:
    lines = [line for line in head.split("\n", 2000) if line.strip()][:2]
    named_lines = suffix in ("jsonl", "ndjson")
    if _parses(lines[0]):
        return len(lines) > 1 or named_lines
    if named_lines:
        return not (head.lstrip().startswith(("[", "{")) and _parses(file.text()))
    # An object spread over lines goes on with a name, never with another object.
    return len(lines) > 1 and head.lstrip().startswith("{") and lines[1].lstrip().startswith("{")


def _parses(text: str) -> bool:
    try:
        DECODER.decode(text)
    except (json.JSONDecodeError, RecursionError):
        return False
    return True


def _lines(file: TextFile, limits: Limits) -> Iterator[Entry | Mistake]:
    cut: Mistake | None = None  # the last line may be cut off; which is the last shows only at the next
    for number, line in enumerate(file.lines(), 1):
        if not line.strip():
            continue
        if cut:
            yield cut
            cut = None
        place = f"line {number}"
        try:
            value = DECODER.decode(line)
        except json.JSONDecodeError as error:
            where = f"{place}, character {error.pos + 1}"
            wrong = Mistake(where, _syntax(error))
            if _reaches_end(error):
                cut = wrong
            else:
                yield wrong
            continue
        except RecursionError:
            value = Unreadable(DEEP)
        yield _entry(place, value, limits)
    if cut:
        yield replace(cut, text=cut.text + CUT)


def _items(file: TextFile, limits: Limits) -> Iterator[Entry | Mistake]:
    """The rows of one list, each as soon as it is whole."""
    for number, value in enumerate(_values(file), 1):
        yield value if isinstance(value, Mistake) else _entry(f"row {number}", value, limits)


def _values(file: TextFile) -> Iterator[Any]:
    """The values of a list, or a fatal Mistake where it is broken."""
    with file.open() as source:
        window = _Window(source)
        window.pass_over("[")
        if window.peek() == "]":
            window.pass_over("]")
        else:
            more = True
            while more:
                try:
                    yield window.value()
                    more = window.pass_over(",]") == ","
                    if more and window.peek() == "]":
                        yield Mistake(window.place(0), COMMA_TOO_MANY, fatal=True)
                        return
                except json.JSONDecodeError as error:
                    yield window.mistake(error)
                    return
                except RecursionError:
                    yield Mistake(window.place(0), DEEP, fatal=True)
                    return
        if window.peek():
            yield Mistake(window.place(0), PLAIN["Extra data"], fatal=True)


class _Window:
    """A piece of a JSON text that moves on, with the place of its beginning."""

    def __init__(self, source: TextIO):
        self._source = source
        self._text, self._at, self._line, self._column = "", 0, 1, 1

    def _more(self, size: int) -> bool:
        """Drops what is behind and reads on; False at the end."""
        behind = self._text[: self._at]
        breaks = behind.count("\n")
        self._column = len(behind) - behind.rfind("\n") if breaks else self._column + len(behind)
        self._line += breaks
        piece = self._source.read(size)
        self._text, self._at = self._text[self._at :] + piece, 0
        return bool(piece)

    def peek(self) -> str:
        """The next character that is no white space, "" at the end."""
        while True:
            rest = SPACE.match(self._text, self._at)
            assert rest is not None  # noqa: S101 - the pattern matches nothing too
            self._at = rest.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more(PIECE):
                return ""

    def pass_over(self, wanted: str) -> str:
        """The next character, which must be one of `wanted`. Raises JSONDecodeError."""
        char = self.peek()
        if char == "" or char not in wanted:
            raise json.JSONDecodeError("Expecting ',' delimiter", self._text, self._at)
        self._at += 1
        return char

    def value(self) -> Any:
        """The next value. Raises JSONDecodeError where it is broken, or longer than a row may be."""
        self.peek()
        size = PIECE
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                ahead = error.pos - self._at
                if len(self._text) - self._at > LONGEST_ROW or not self._more(size):
                    raise json.JSONDecodeError(error.msg, self._text, self._at + ahead) from error
                size *= 2  # a long row is parsed again only a few times
                continue
            length = end - self._at
            # A number may go on in the next piece.
            if end < len(self._text) or not self._more(size):
                self._at += length
                return value

    def place(self, ahead: int) -> str:
        seen = self._text[: self._at + ahead]
        breaks = seen.count("\n")
        column = len(seen) - seen.rfind("\n") if breaks else self._column + len(seen)
        return f"line {self._line + breaks}, character {column}"

    def mistake(self, error: json.JSONDecodeError) -> Mistake:
        cut = CUT if _reaches_end(error) and not self._source.read(1) else ""
        return Mistake(self.place(error.pos - self._at), _syntax(error) + cut, fatal=True)


def read_document(text: str, name: str) -> Any:
    try:
        return DECODER.decode(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, character {error.colno}"
        text = _syntax(error) + (CUT if _reaches_end(error) else "")
        raise mistakes_error(name, [Mistake(place, text, fatal=True)]) from error
    except RecursionError as error:
        raise DataError(f"We could not read {name}: {DEEP}. {EXPECTED}") from error


def _syntax(error: json.JSONDecodeError) -> str:
    return PLAIN.get(error.msg, error.msg)


def _reaches_end(error: json.JSONDecodeError) -> bool:
    """Whether the text ends where the mistake was found, as it does when a file was cut off."""
    return error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated")


def _rows_of(value: Any, name: str) -> list[Any]:
    """The list itself, the list under "data", the only list of objects, or a single conversation or row."""
    if isinstance(value, Unreadable):
        raise DataError(f"We could not read {name}: {value.text}. {EXPECTED}")
    if isinstance(value, list):
        one_conversation = bool(value) and all(isinstance(v, dict) and _is_one_conversation(v) for v in value)
        return [value] if one_conversation else value
    if not isinstance(value, dict):
        raise DataError(f"{name} holds nothing but {_called(value)}. {EXPECTED}")
    if isinstance(value.get("data"), list):
        return value["data"]
    lists = [inner for inner in value.values() if isinstance(inner, list) and inner and all(isinstance(row, dict) for row in inner)]
    if len(lists) == 1 and not {"messages", "conversations"} & value.keys():
        return lists[0]
    if {"messages", "conversations"} & value.keys() or any(isinstance(v, str) for v in value.values()):
        return [value]
    raise DataError(f"{name} holds one object and no list of rows. {EXPECTED}")


def _table(name: str, kind: str, entries: Callable[[], Iterator[Entry | Mistake]], limits: Limits) -> Table:
    """The columns are those of the first rows. A bare list of messages becomes a row with one column, `messages`."""
    first = list(islice(entries(), SAMPLE_ROWS))
    good = [entry for entry in first if isinstance(entry, Entry)]
    if first and not good:
        raise mistakes_error(name, [entry for entry in first if isinstance(entry, Mistake)])
    columns = tuple(dict.fromkeys(column for entry in good for column in entry.values))
    if len(columns) > limits.max_columns:
        raise DataError(f"{name} has {len(columns):,} different names; up to {limits.max_columns:,} are read. Leave some out and upload it again.")
    if not columns:
        raise DataError(f"{name} holds only empty objects. {EXPECTED}")
    return Table(name, columns, entries, kind)


def _entry(place: str, row: Any, limits: Limits) -> Entry | Mistake:
    return _row_mistake(place, row, limits) or Entry(place, row if isinstance(row, dict) else {"messages": row})


def _is_one_conversation(value: Mapping[str, Any]) -> bool:
    """A file may be a single conversation: a list of messages."""
    return {"role", "content"} <= value.keys()


def _row_mistake(place: str, row: Any, limits: Limits) -> Mistake | None:
    if not isinstance(row, (dict, list, Unreadable)):
        return Mistake(place, f"{_called(row)} stands where an object was expected")
    if isinstance(row, list) and not all(isinstance(item, (dict, str, Unreadable)) for item in row):
        return Mistake(place, "a list stands where an object was expected")
    found = find_unreadable(row, limits.max_cell_bytes)
    if found is None:
        return None
    field, text = found
    return Mistake(f"{place}, {field}" if field else place, text)


def find_unreadable(value: Any, max_cell_bytes: int, field: str = "", depth: int = 0) -> tuple[str, str] | None:
    """(field, what is wrong there) of the first thing in a parsed value that cannot be used as data, or None."""
    if isinstance(value, Unreadable):
        return field, value.text
    if isinstance(value, str):
        text = _string_problem(value, max_cell_bytes)
        return (field, text) if text else None
    if not isinstance(value, (dict, list)):
        return None
    if depth == MAX_DEPTH:
        return field, DEEP
    if isinstance(value, dict):
        for key, inner in value.items():
            named = field or f"field '{shown(key)}'"
            text = _string_problem(key, max_cell_bytes)
            found = (named, text) if text else find_unreadable(inner, max_cell_bytes, named, depth + 1)
            if found:
                return found
        return None
    for inner in value:
        found = find_unreadable(inner, max_cell_bytes, field, depth + 1)
        if found:
            return found
    return None


def _string_problem(text: str, max_cell_bytes: int) -> str:
    if "\0" in text:
        return "a NUL character stands in the text"
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "the text holds half of a character (a lone surrogate)"
    if size > max_cell_bytes:
        return f"the text has {megabytes(size)}; one value may have {megabytes(max_cell_bytes)}"
    return ""


def _called(value: Any) -> str:
    """What a JSON value is, for people."""
    if isinstance(value, bool):
        return "true or false"
    if value is None:
        return "null"
    return "a text" if isinstance(value, str) else "a number"
