"""Whether a living worker still gets anywhere: it is ended when it is silent for too long, or far past the time its run may take.

Everything is counted on a clock that no one sets (`time.monotonic`), from when this server first saw the worker.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from qlora_demo.events import read_events
from qlora_demo.jobs.deadline import max_seconds
from qlora_demo.progress import progress_of
from qlora_demo.run_dir import RunDir

LEARNING_SECONDS = 900
"""A step writes an event and a line of the log. The slowest step this app offers, a large model on a processor, takes minutes."""
OTHER_SECONDS = 2400
"""Reading a model from a slow disk, a test of thousands of rows on a processor and writing a whole model are all silent work."""
GRACE_SECONDS = 600
"""A worker ends by itself at its run's time; until then the step at hand is finished, tested perhaps, and saved."""


@dataclass
class Seen:
    """Of one worker: since when it is watched, how much it had written, and since when that has not grown."""

    since: float
    written: tuple[int, int]
    quiet_since: float
    most_seconds: float | None


class Watchdog:
    """Only the scheduler's thread calls it. `now` is a clock in seconds that only goes forward."""

    def __init__(self, now: Callable[[], float] = time.monotonic):
        self._now = now
        self._seen: dict[str, Seen] = {}

    def look(self, run: RunDir) -> str:
        """Why this run's worker must be ended now, as a line for its log; "" where it need not."""
        now, written = self._now(), _written(run)
        seen = self._seen.setdefault(run.id, Seen(now, written, now, max_seconds(run)))
        if written != seen.written:
            seen.written, seen.quiet_since = written, now
        if seen.most_seconds is not None and now - seen.since > seen.most_seconds + GRACE_SECONDS:
            return f"The app ended this process: {now - seen.since:.0f} s, where {seen.most_seconds:.0f} s are allowed."
        quiet = now - seen.quiet_since
        if quiet > LEARNING_SECONDS and quiet > _patience(run):
            return f"The app ended this process: no sign of life for {quiet:.0f} s."
        return ""

    def forget(self, run: RunDir) -> None:
        """Its worker has ended; another one is watched from its own beginning."""
        self._seen.pop(run.id, None)


def _written(run: RunDir) -> tuple[int, int]:
    sizes = [path.stat().st_size if path.exists() else 0 for path in (run.events, run.log)]
    return sizes[0], sizes[1]


def _patience(run: RunDir) -> int:
    """Seconds of silence that are normal where the worker is now."""
    return LEARNING_SECONDS if progress_of(read_events(run.events)[0]).phase == "learning" else OTHER_SECONDS
