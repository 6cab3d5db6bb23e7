"""What the model sees of a row: its text in pieces, each read, learned or cut off. Made from the same token rows that training gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from qlora_demo.data.conversation import Row
from qlora_demo.data.rendering import IGNORED, Rendered, Renderer

SHOWN_ROWS = 20
SHOWN_BEYOND = 500
"""So many token rows of one row, and so many tokens beyond the longest length, are shown: a page needs no more, and cannot take a whole book."""
ROW_FOR_EACH_ANSWER = "This template shows earlier turns differently in a longer chat, so each answer is learned from its own row."
HALF = "\ufffd"
"""What stands for the bytes of a character that is not whole."""


@dataclass(frozen=True)
class Piece:
    """`kind` is "read", "learned" or "cut" (beyond the longest length). `mark` is true for one of the template's own control tokens."""

    text: str
    kind: str
    mark: bool = False


@dataclass(frozen=True)
class Seen:
    """The token rows of one row as pieces; `note` says why there are several."""

    rows: tuple[tuple[Piece, ...], ...]
    note: str = ""


def seen(renderer: Renderer, row: Row, max_length: int) -> Seen:
    """Raises ModelError."""
    (whole,) = renderer.whole([row])
    return Seen(tuple(pieces(renderer, one, max_length) for one in whole[:SHOWN_ROWS]), ROW_FOR_EACH_ANSWER if len(whole) > 1 else "")


def pieces(renderer: Renderer, rendered: Rendered, max_length: int) -> tuple[Piece, ...]:
    """`rendered` is uncut. The texts, one after the other, are the row's text."""
    ids = rendered.input_ids[: max_length + SHOWN_BEYOND]
    marks = [token in renderer.encoder.control_ids for token in ids]
    kinds = [_kind(place, label, max_length) for place, label in enumerate(rendered.labels[: len(ids)])]
    found: list[Piece] = []
    for begin, end in _stretches(marks):
        found += _stretch(renderer, ids[begin:end], kinds[begin:end], marks[begin])
    return tuple(piece for piece in found if piece.text)


def _kind(place: int, label: int, max_length: int) -> str:
    if place >= max_length:
        return "cut"
    return "read" if label == IGNORED else "learned"


def _stretches(marks: Sequence[bool]) -> list[tuple[int, int]]:
    """From each mark to the next. Some tokenizers need what stands before a word to know whether it has a space."""
    borders = [0, *(place for place, mark in enumerate(marks) if mark and place), len(marks)]
    return [(begin, end) for begin, end in zip(borders, borders[1:], strict=False) if begin < end]


def _stretch(renderer: Renderer, ids: Sequence[int], kinds: Sequence[str], begins_with_mark: bool) -> list[Piece]:
    """A character whose bytes are on both sides of a border belongs to the second side as a whole."""

    def text(count: int) -> str:
        return renderer.tokenizer.decode(list(ids[:count]), skip_special_tokens=False, clean_up_tokenization_spaces=False)

    runs = [(kinds[0], True, 1)] if begins_with_mark else []
    after = len(runs)
    for kind, run in groupby(kinds[after:]):
        after += len(list(run))
        runs.append((kind, False, after))
    whole, begin, found = text(len(ids)), 0, []
    for kind, mark, count in runs:
        end = len(_whole_characters(text(count), whole))
        found.append(Piece(whole[begin:end], kind, mark))
        begin = end
    return found


def _whole_characters(beginning: str, whole: str) -> str:
    while not whole.startswith(beginning):
        beginning = beginning[:-1] if beginning.endswith(HALF) else ""
    return beginning
