"""What a run's events add up to: phase, steps, curves, answers. Pure; the page and the command line both read a run through this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qlora_demo.events import Event, latest_by_step

SMOOTHING = 0.8
"""Share of the past in each point of a smoothed curve: about the last five steps."""
Points = tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Watched:
    """One question that is asked again and again while it learns. `answers` are (step, text), step 0 before training."""

    question: str
    expected: str
    set_aside: bool
    answers: tuple[tuple[int, str], ...] = ()


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
    points: Points = ()
    held_out: Points = ()
    notes: tuple[str, ...] = ()
    answers: tuple[dict[str, Any], ...] = ()
    watched: tuple[Watched, ...] = ()
    fit: dict[str, Any] | None = None
    """What the first step showed: micro_batch_size, checkpointing, predicted_bytes, measured_bytes."""

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
        watched=_watched(events),
        fit=_last(events, "fit"),
    )


def evaluation_steps(steps: int, evaluations: int) -> frozenset[int]:
    """After which steps the rows set aside are scored: evenly spread over the run, the last step always among them."""
    return frozenset(max(1, round(steps * (i + 1) / evaluations)) for i in range(evaluations))


def smoothed(points: Points) -> Points:
    """The exponential moving average of (step, loss), corrected for its beginning at 0 (as Adam's moments are, Kingma & Ba 2015)."""
    mean, found = 0.0, []
    for count, (step, loss) in enumerate(points, 1):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        found.append((step, mean / (1 - SMOOTHING**count)))
    return tuple(found)


def _watched(events: Sequence[Event]) -> tuple[Watched, ...]:
    """The questions of the newest attempt. Events are in the order of attempts: for each step, the last one's answer stays."""
    asked = (_last(events, "watch") or {"questions": []})["questions"]
    answers: list[dict[int, str]] = [{} for _ in asked]
    for event in events:
        if event["type"] == "sample" and event["index"] < len(asked):
            answers[event["index"]][event["step"]] = event["answer"]
    return tuple(
        Watched(item["question"], item["expected"], item["set_aside"], tuple(sorted(said.items())))
        for item, said in zip(asked, answers, strict=True)
    )


def _last(events: Sequence[Event], kind: str) -> Event | None:
    return next((e for e in reversed(events) if e["type"] == kind), None)
