"""A run's events: appended by its worker alone, tailed by everyone else.

One JSON object a line with `attempt`, `seq` (counts over all attempts), `step` (optimizer step, or None) and `type`. A reader keeps a byte
offset, ignores a last line without its newline, and for each step keeps what the highest attempt said.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Event = dict[str, Any]


class EventWriter:
    """Appends events. Opening cuts off a torn last line that a killed worker may have left."""

    def __init__(self, path: Path, attempt: int):
        self._attempt = attempt
        self._seq = _truncate_torn_line(path)
        self._file = path.open("ab")

    def write(self, kind: str, step: int | None = None, **values: Any) -> None:
        event = {"attempt": self._attempt, "seq": self._seq, "step": step, "type": kind, "time": round(time.time(), 3), **values}
        self._file.write((json.dumps(event, ensure_ascii=False) + "\n").encode())
        self._file.flush()
        self._seq += 1

    def close(self) -> None:
        self._file.close()


def _truncate_torn_line(path: Path) -> int:
    """Returns the next sequence number."""
    if not path.exists():
        return 0
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        with path.open("rb+") as file:
            file.truncate(len(whole))
    return whole.count(b"\n")


def read_events(path: Path, offset: int = 0) -> tuple[list[Event], int]:
    """Whole events from byte `offset` on, and the offset to go on from."""
    if not path.exists():
        return [], 0
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read()
    whole = data[: data.rfind(b"\n") + 1]
    return [json.loads(line) for line in whole.splitlines()], offset + len(whole)


def latest_by_step(events: Iterable[Event], kind: str) -> list[Event]:
    """Events of one type in step order; where attempts overlap, the highest attempt's."""
    by_step: dict[int, Event] = {}
    for event in events:
        if event["type"] == kind and (event["step"] not in by_step or event["attempt"] >= by_step[event["step"]]["attempt"]):
            by_step[event["step"]] = event
    return [by_step[step] for step in sorted(by_step)]
