"""The line in front of the one chat worker: who asked first is answered first, and knows how many are before."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

AGAIN_SECONDS = 1.0


class Line:
    """For threads; each holds a ticket from its question to the end of its answer."""

    def __init__(self) -> None:
        self._tickets: deque[object] = deque()
        self._moved = threading.Condition()

    @contextmanager
    def ticket(self) -> Iterator[object]:
        """A place at the end of the line, given up afterwards, whether its turn has come or not."""
        mine = object()
        with self._moved:
            self._tickets.append(mine)
        try:
            yield mine
        finally:
            with self._moved:
                self._tickets.remove(mine)
                self._moved.notify_all()

    def before(self, ticket: object) -> Iterator[int]:
        """How many are before, at once, whenever that changes, and every second; ends when nobody is.

        Every second, so that whoever goes away can be let go: a generator cannot be closed while it waits, and gradio closes one at a time.
        """
        seen = -1
        while True:
            with self._moved:
                self._moved.wait_for(lambda known=seen: self._tickets.index(ticket) != known, timeout=AGAIN_SECONDS)
                seen = self._tickets.index(ticket)
            if seen == 0:
                return
            yield seen
