"""What a run's events add up to: phase, steps, curves, answers. Pure; the page and the command line both read a run through this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qlora_demo.events import Event, latest_by_step


@dataclass(frozen=True)
class Progress:
    """`phase` is waiting, getting, loading, fitting, learning, testing or saving; `points` and `held_out` are (step, loss).

    Figures that are not known yet are None.
    """

    phase: str = "waiting"
    seen: float = 0.0
    """When the newest event was written, in seconds since the epoch."""
    attempt: int = 0
    step: int = 0
    steps: int = 0
    seconds_left: float | None = None
    tokens_per_second: float | None = None
    memory_bytes: int | None = None
    learning_rate: float | None = None
    gradient_norm: float | None = None
    trainable_parameters: int | None = None
    download_bytes: int = 0
    """Of the base model, by its dimensions; the three below are of the download itself."""
    downloaded: int = 0
    download_total: int = 0
    download_seconds_left: float | None = None
    saved_step: int = 0
    continued_from: int = 0
    points: tuple[tuple[int, float], ...] = ()
    held_out: tuple[tuple[int, float], ...] = ()
    notes: tuple[str, ...] = ()
    answers: tuple[dict[str, Any], ...] = ()

    def share(self) -> float:
        """Of the whole run, 0 to 1: reading, testing and saving count as a tenth together."""
        if self.phase in ("testing", "saving"):
            return 0.97 if self.phase == "testing" else 0.99
        return 0.95 * self.step / self.steps if self.steps else 0.0


def amount(done: int, total: int) -> str:
    """Bytes of bytes in words: "3.1 of 8.0 GB", "12 of 98 MB"."""
    return f"{done / 1e9:.1f} of {total / 1e9:.1f} GB" if total >= 1e9 else f"{done / 1e6:.0f} of {total / 1e6:.0f} MB"


def progress_of(events: Sequence[Event]) -> Progress:
    if not events:
        return Progress()
    attempt = events[-1]["attempt"]
    phase = _last(events, "phase") or {"phase": "waiting"}
    plan = _last(events, "plan") or {}
    steps = latest_by_step(events, "step")
    last_step = _last([e for e in events if e["attempt"] == attempt], "step")
    newest = last_step or (steps[-1] if steps else {})
    download = _last([e for e in events if e["attempt"] == attempt], "download") or {}
    saved = [e["step"] for e in events if e["type"] == "checkpoint"]
    before = [e["step"] for e in events if e["type"] == "checkpoint" and e["attempt"] < attempt]
    return Progress(
        phase=phase["phase"],
        seen=events[-1]["time"],
        attempt=attempt,
        step=newest.get("step", 0),
        steps=plan.get("steps", 0),
        seconds_left=newest.get("seconds_left") if last_step else None,
        tokens_per_second=newest.get("tokens_per_second"),
        memory_bytes=newest.get("memory_bytes"),
        learning_rate=newest.get("learning_rate"),
        gradient_norm=newest.get("grad_norm"),
        trainable_parameters=plan.get("trainable_parameters"),
        download_bytes=next((e.get("bytes", 0) for e in events if e["type"] == "phase" and e["phase"] == "getting"), 0),
        downloaded=download.get("done", 0),
        download_total=download.get("total", 0),
        download_seconds_left=download.get("seconds_left"),
        saved_step=max(saved, default=0),
        continued_from=max(before, default=0),
        points=tuple((e["step"], e["loss"]) for e in steps),
        held_out=tuple((e["step"], e["loss"]) for e in latest_by_step(events, "held_out")),
        notes=tuple(dict.fromkeys(e["text"] for e in events if e["type"] == "note")),
        answers=tuple({e["index"]: e for e in events if e["type"] == "answer"}.values()),
    )


def _last(events: Sequence[Event], kind: str) -> Event | None:
    return next((e for e in reversed(events) if e["type"] == kind), None)
