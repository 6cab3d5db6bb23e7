"""How long a run may work, over all its attempts. Its worker counts, and ends in time with what it has learned."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from qlora_demo.errors import StorageError
from qlora_demo.events import Event
from qlora_demo.run_dir import RunDir, read_json

TIME_IS_UP = "deadline"
"""Beside "stop" and "interrupt": why a training is to end."""
LONGEST_PAUSE = 120.0
"""Seconds between two events of an earlier attempt that are believed. Their times are the clock's, which somebody may set meanwhile."""


class Deadline:
    """`most` seconds from the first event of the first attempt on, None for no end; waiting in line is not counted, nor the time between attempts.
    `now` is a clock in seconds that only goes forward."""

    def __init__(self, most: float | None, earlier: Sequence[Event], now: Callable[[], float] = time.monotonic):
        self._most, self._now = most, now
        self._before, self._began = worked(earlier), now()

    def over(self) -> bool:
        return self._most is not None and self._before + self._now() - self._began >= self._most

    def ended_at(self, step: int) -> dict[str, Any]:
        """What the result says of a run whose time is over."""
        return {"outcome": "stopped", "reason": f"{self._stopped()}. What it learned until step {step} is kept.", "time_is_up": True}

    def ended_while_fetching(self) -> dict[str, Any]:
        return {"outcome": "stopped", "reason": f"{self._stopped()}, while the base model was fetched.", "time_is_up": True}

    def _stopped(self) -> str:
        return f"Stopped at this demo's {duration(self._most or 0.0)}"


def worked(events: Sequence[Event]) -> float:
    """Seconds that these attempts worked."""
    pauses = (later["time"] - sooner["time"] for sooner, later in pairwise(events) if later["attempt"] == sooner["attempt"])
    return sum(min(max(0.0, pause), LONGEST_PAUSE) for pause in pauses)


def duration(seconds: float) -> str:
    """In words: "45 seconds", "1 minute", "2.5 minutes"."""
    if seconds < 60:
        return "1 second" if round(seconds) == 1 else f"{seconds:.0f} seconds"
    minutes = f"{seconds / 60:.1f}".removesuffix(".0")
    return "1 minute" if minutes == "1" else f"{minutes} minutes"


def max_seconds(run: RunDir) -> float | None:
    """What a run may take, by its run.json; None where nothing is said, or nothing can be read."""
    try:
        return read_json(run.run_json).get("max_seconds")
    except StorageError:
        return None
