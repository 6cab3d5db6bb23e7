"""How many tokens a data set has, how many are learned, and which rows are too long. Rows are read and counted in small batches.

Threads share the work: turning text into tokens lets them run beside each other. More than a few do not help, as the template is rendered in
Python. Processes would each hold the tokenizer once more.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qlora_demo.data.conversation import Row, row_from_json
from qlora_demo.data.rendering import Renderer, batches

MOST_THREADS = 4
LISTED_PLACES = 100
MOST_BUCKETS = 12
COMMON = 0.99
"""The histogram's steps suit this share of the rows; a few that are far longer share its last bucket."""


@dataclass(frozen=True)
class Size:
    """One row in tokens: `longest` before cutting, `total` and `trained` after."""

    source: str
    longest: int
    total: int
    trained: int
    cut: bool


@dataclass
class Tally:
    """What the rows so far add up to."""

    rows: int = 0
    total: int = 0
    trained: int = 0
    cut: int = 0
    empty: int = 0
    lengths: Counter[int] = field(default_factory=Counter)
    cut_rows: list[str] = field(default_factory=list)
    empty_rows: list[str] = field(default_factory=list)

    def add(self, size: Size) -> None:
        self.rows += 1
        self.total += size.total
        self.trained += size.trained
        self.lengths[size.longest] += 1
        if size.cut:
            self.cut += 1
            self.cut_rows += [size.source] if len(self.cut_rows) < LISTED_PLACES else []
        if not size.trained:
            self.empty += 1
            self.empty_rows += [size.source] if len(self.empty_rows) < LISTED_PLACES else []

    def to_json(self) -> dict[str, Any]:
        """`total` and `trained` are tokens after cutting, `longest` is before. `cut` rows lose tokens, `empty` ones all that could be learned;
        `cut_rows` and `empty_rows` are the places of the first hundred in the file. For `histogram` see there."""
        return {
            "total": self.total,
            "trained": self.trained,
            "longest": max(self.lengths, default=0),
            "cut": self.cut,
            "empty": self.empty,
            "histogram": [list(bucket) for bucket in histogram(self.lengths)],
            "cut_rows": self.cut_rows,
            "empty_rows": self.empty_rows,
        }


def stream_rows(path: Path) -> Iterator[Row]:
    """Rows of a file that `conversation.write_rows` wrote, one at a time; none if there is no file."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            yield row_from_json(json.loads(line))


def counted(renderer: Renderer, rows: Iterable[Row], max_length: int, cores: int) -> Iterator[Tally]:
    """The same growing tally after every batch, complete in the end. Closing the iterator stops the counting. Raises ModelError."""
    tally = Tally()
    waiting: deque[Future[list[Size]]] = deque()
    threads = min(cores, MOST_THREADS)
    with ThreadPoolExecutor(threads) as pool:
        for batch in batches(rows):
            waiting.append(pool.submit(sizes, renderer, batch, max_length))
            if len(waiting) > threads:
                _add(tally, waiting.popleft())
                yield tally
        while waiting:
            _add(tally, waiting.popleft())
            yield tally
    yield tally


def sizes(renderer: Renderer, rows: Sequence[Row], max_length: int) -> list[Size]:
    """Raises ModelError."""
    found = []
    for row, whole in zip(rows, renderer.whole(rows), strict=True):
        longest = max(len(one.input_ids) for one in whole)
        kept = [one for one in (one.cut(max_length) for one in whole) if one.learned()]
        trained = sum(one.learned() for one in kept)
        found.append(Size(row.source, longest, sum(len(one.input_ids) for one in kept), trained, longest > max_length))
    return found


def histogram(lengths: Counter[int]) -> list[tuple[int, int, int]]:
    """(from, to, rows) with from <= length < to, at most twelve buckets between round numbers. The last one may be wider."""
    if not lengths:
        return []
    step = _round_step(_common_length(lengths) - min(lengths) + 1)
    first, longest = min(lengths) // step, max(lengths)
    last = min(longest // step, first + MOST_BUCKETS - 1)
    buckets = [[number * step, (number + 1) * step, 0] for number in range(first, last + 1)]
    buckets[-1][1] = (longest // step + 1) * step
    for length, rows in lengths.items():
        buckets[min(length // step, last) - first][2] += rows
    return [(begin, end, rows) for begin, end, rows in buckets]


def _common_length(lengths: Counter[int]) -> int:
    """So long, or shorter, are COMMON of the rows."""
    seen, enough = 0, COMMON * lengths.total()
    for length in sorted(lengths):
        seen += lengths[length]
        if seen >= enough:
            return length
    return max(lengths)


def _round_step(span: int) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50, ... with which `span` fits into one bucket less than there may be: it may begin within one."""
    size = 1
    while True:
        for step in (size, 2 * size, 5 * size):
            if step * (MOST_BUCKETS - 1) >= span:
                return step
        size *= 10


def _add(tally: Tally, done: Future[list[Size]]) -> None:
    for size in done.result():
        tally.add(size)
