"""JSON and JSON Lines: text -> rows. Python's parser accepts more than JSON allows; what it lets through is refused here, with its place."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

from qlora_demo.data.table import Limits, Table
from qlora_demo.data.wording import Mistake, megabytes, mistakes_error, shown, too_many_rows
from qlora_demo.errors import DataError

MAX_DEPTH = 20
MAX_DIGITS = 300
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


def read_json_text(text: str, name: str, suffix: str, limits: Limits) -> Table:
    """Reads a document or one value a line, whichever the text is, whatever the file is called. Raises DataError that lists all mistakes."""
    if _is_lines(text, suffix):
        places, values = _lines(text, name, limits)
        return _table(name, "jsonl", places, values, limits)
    values = _document(text, name, limits)
    return _table(name, "json", [f"row {i}" for i in range(1, len(values) + 1)], values, limits)


def _is_lines(text: str, suffix: str) -> bool:
    lines = [line for line in text.split("\n", 2000) if line.strip()][:2]
    named_lines = suffix in ("jsonl", "ndjson")
    if _parses(lines[0]):
        return len(lines) > 1 or named_lines
    if named_lines:
        return not _parses(text)
    # An object spread over lines goes on with a name, never with another object.
    return len(lines) > 1 and text.lstrip().startswith("{") and lines[1].lstrip().startswith("{")


def _parses(text: str) -> bool:
    try:
        DECODER.decode(text)
    except (json.JSONDecodeError, RecursionError):
        return False
    return True


def _lines(text: str, name: str, limits: Limits) -> tuple[list[str], list[Any]]:
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if len(lines) > limits.max_rows:
        raise too_many_rows(limits.max_rows, len(lines))
    places: list[str] = []
    values: list[Any] = []
    mistakes: list[Mistake] = []
    for number, line in lines:
        place = f"line {number}"
        try:
            value = DECODER.decode(line)
        except json.JSONDecodeError as error:
            last = number == lines[-1][0]
            mistakes.append(Mistake(f"{place}, character {error.pos + 1}", _syntax(error, last)))
            continue
        except RecursionError:
            value = Unreadable(DEEP)
        wrong = _row_mistake(place, value, limits)
        if wrong:
            mistakes.append(wrong)
        places.append(place)
        values.append(value)
    if mistakes:
        raise mistakes_error(name, mistakes)
    return places, values


def _document(text: str, name: str, limits: Limits) -> list[Any]:
    try:
        value = DECODER.decode(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, character {error.colno}"
        raise mistakes_error(name, [Mistake(place, _syntax(error, last=True))]) from error
    except RecursionError as error:
        raise DataError(f"We could not read {name}: {DEEP}. {EXPECTED}") from error
    rows = _rows_of(value, name)
    if not rows:
        raise DataError(f"{name} holds an empty list. {EXPECTED}")
    if len(rows) > limits.max_rows:
        raise too_many_rows(limits.max_rows, len(rows))
    mistakes = [m for i, row in enumerate(rows, 1) if (m := _row_mistake(f"row {i}", row, limits))]
    if mistakes:
        raise mistakes_error(name, mistakes)
    return rows


def _syntax(error: json.JSONDecodeError, last: bool) -> str:
    cut = error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated")
    plain = PLAIN.get(error.msg, error.msg)
    return f"{plain}; the file may be cut off here" if cut and last else plain


def _rows_of(value: Any, name: str) -> list[Any]:
    """The list itself, the list under "data", or a single conversation or row."""
    if isinstance(value, Unreadable):
        raise DataError(f"We could not read {name}: {value.text}. {EXPECTED}")
    if isinstance(value, list):
        one_conversation = bool(value) and all(isinstance(v, dict) and {"role", "content"} <= v.keys() for v in value)
        return [value] if one_conversation else value
    if not isinstance(value, dict):
        raise DataError(f"{name} holds nothing but {_called(value)}. {EXPECTED}")
    if isinstance(value.get("data"), list):
        return value["data"]
    if {"messages", "conversations"} & value.keys() or any(isinstance(v, str) for v in value.values()):
        return [value]
    raise DataError(f"{name} holds one object and no list of rows. {EXPECTED}")


def _table(name: str, kind: str, places: list[str], values: list[Any], limits: Limits) -> Table:
    """A bare list of messages becomes a row with one column, `messages`."""
    rows = [value if isinstance(value, dict) else {"messages": value} for value in values]
    columns = tuple(dict.fromkeys(column for row in rows for column in row))
    if len(columns) > limits.max_columns:
        raise DataError(f"{name} has {len(columns):,} different names; up to {limits.max_columns:,} are read. Leave some out and upload it again.")
    if not columns:
        raise DataError(f"{name} holds only empty objects. {EXPECTED}")
    return Table(name, columns, tuple(rows), tuple(places), kind)


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
