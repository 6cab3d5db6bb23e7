"""The download of a base model as events of its run: how much is here, and how long the rest takes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from qlora_demo.events import EventWriter

EVERY_SECONDS = 1.0
PACE_SECONDS = 10.0
"""The pace is that of the last seconds: a line that slows down is noticed, one slow second is not."""
SHORTEST_PACE_SECONDS = 2.0


class DownloadEvents:
    """A `watch` for `locate`: writes {"type": "download", "done", "total", "seconds_left"}, and ends the download when a stop is asked.

    Nothing is written while nothing is known. `now` is a clock in seconds.
    """

    def __init__(self, events: EventWriter, stop_asked: Callable[[], str], now: Callable[[], float] = time.monotonic):
        self._events, self._stop_asked, self._now = events, stop_asked, now
        self._seen: deque[tuple[float, int]] = deque()
        self._written = (float("-inf"), 0)

    def __call__(self, done: int, total: int) -> bool:
        now = self._now()
        if total:
            self._seen.append((now, done))
        while self._seen and now - self._seen[0][0] > PACE_SECONDS:
            self._seen.popleft()
        last_time, last_done = self._written
        if done > 0 and (now - last_time >= EVERY_SECONDS if done < total else done != last_done):
            self._events.write("download", done=done, total=total, seconds_left=self._seconds_left(done, total))
            self._written = now, done
        return bool(self._stop_asked())

    def _seconds_left(self, done: int, total: int) -> float | None:
        (began, before), (now, _) = self._seen[0], self._seen[-1]
        if now - began < SHORTEST_PACE_SECONDS or done <= before:
            return None
        return round((total - done) * (now - began) / (done - before), 1)
