"""What happens at every step: events for whoever watches, the stop file, tests on held-out rows, saved points, and the end at a broken number."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from qlora_demo.events import EventWriter
from qlora_demo.training import checkpoints

CHECKPOINT_SECONDS = 60
FIRST_CHECKPOINT_SECONDS = 20
CHECKPOINT_SHARE = 20  # time between saved points, in times the last save took
SKIPPED_IN_A_ROW = 10
"""Steps that fp16's gradient scaler may pass over while it looks for a factor that breaks nothing."""


@dataclass
class Watch:
    """What the callback is given, and what it remembers for the result."""

    events: EventWriter
    step_tokens: Sequence[int]  # tokens of each step's rows, no padding counted
    checkpoints: Path
    stop_asked: Callable[[], str]  # "", "stop", "interrupt" or "deadline"
    evaluate_at: frozenset[int]
    memory: Callable[[], int]
    first_step_done: Callable[[], None]
    saves: bool = True  # of several processes, one saves for all
    held_out_loss: Callable[[], float] | None = None
    samples: Callable[[int], None] | None = None  # answers the watched questions as the model is at a step
    losses: list[float] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)
    learning_seconds: float = 0.0
    tokens: int = 0
    ended_by: str = ""  # "", what stop_asked said, or "nan"


class StepCallback(TrainerCallback):
    """Order at the end of a step: log, test, save or stop."""

    def __init__(self, watch: Watch):
        self.watch = watch
        self._began = 0.0
        self._save_began = 0.0
        self._last_save = time.monotonic()
        self._save_seconds = 0.0
        self._evaluation_seconds = 0.0
        self._first_step = (0, 0.0)
        self._broken_steps = 0
        self._broke = False

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._last_save = time.monotonic()

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._began = time.monotonic()

    def on_pre_optimizer_step(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Broken gradients are thrown away instead of applied: the weights stay those of the last good step."""
        model = kwargs["model"]
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        whole = bool(torch.stack(torch._foreach_norm(gradients)).isfinite().all())
        self._broken_steps = 0 if whole else self._broken_steps + 1
        if self._broken_steps > (SKIPPED_IN_A_ROW if args.fp16 else 0):
            self._broke = True
            model.zero_grad()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if self._broke:
            return
        asked = self.watch.stop_asked()
        if asked and state.global_step < state.max_steps:
            self.watch.ended_by = asked
            control.should_training_stop = True
            control.should_save = self.watch.saves
        elif self.watch.saves and self._save_due() and state.global_step < state.max_steps:
            control.should_save = True
        self._save_began = time.monotonic()

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        logs: dict[str, float] = kwargs["logs"]
        if "loss" not in logs:
            return
        # Only now: a graphics card is done with the step when its loss has been read.
        self.watch.learning_seconds += time.monotonic() - self._began
        self.watch.tokens += self.watch.step_tokens[state.global_step - 1]
        loss, norm = logs["loss"], logs["grad_norm"]
        if self._broke or not math.isfinite(loss) or not (math.isfinite(norm) or args.fp16):
            self.watch.ended_by = "nan"
            control.should_training_stop = True
            control.should_save = False
            return
        self._report(state.global_step, state.max_steps, loss, norm, logs["learning_rate"])
        if state.global_step == 1 or len(self.watch.losses) == 1:
            self.watch.first_step_done()
        if state.global_step in self.watch.evaluate_at:
            began = time.monotonic()
            self._test(state.global_step)
            self._evaluation_seconds = time.monotonic() - began

    def _report(self, step: int, steps: int, loss: float, norm: float, rate: float) -> None:
        watch = self.watch
        watch.losses.append(loss)
        speed = watch.tokens / watch.learning_seconds
        left = self._seconds_left(step)
        watch.events.write(
            "step",
            step,
            loss=round(loss, 5),
            grad_norm=round(norm, 4) if math.isfinite(norm) else None,
            learning_rate=rate,
            tokens_per_second=round(speed, 1),
            seconds_left=round(left, 1),
            memory_bytes=watch.memory(),
        )
        print(f"step {step} of {steps}: error {loss:.3f}, {speed:.0f} tokens/s, about {left:.0f} s left", flush=True)

    def _seconds_left(self, step: int) -> float:
        """By the tokens that are left, and the tests. The first step pays for what happens only once, so the pace is that of all others."""
        watch = self.watch
        if len(watch.losses) == 1:
            self._first_step = watch.tokens, watch.learning_seconds
        tokens, seconds = watch.tokens - self._first_step[0], watch.learning_seconds - self._first_step[1]
        pace = tokens / seconds if tokens else watch.tokens / watch.learning_seconds
        tests = sum(at >= step for at in watch.evaluate_at)
        return sum(watch.step_tokens[step:]) / pace + tests * self._evaluation_seconds

    def _test(self, step: int) -> None:
        if self.watch.held_out_loss:
            loss = self.watch.held_out_loss()
            self.watch.held_out.append(loss)
            self.watch.events.write("held_out", step, loss=round(loss, 5))
            print(f"step {step}: error on the rows set aside {loss:.3f}", flush=True)
        if self.watch.samples:
            self.watch.samples(step)

    def _save_due(self) -> bool:
        """The first one of all comes early: until then, nothing would be left of a run that breaks."""
        least = CHECKPOINT_SECONDS if self._save_seconds else FIRST_CHECKPOINT_SECONDS
        return time.monotonic() - self._last_save > max(least, CHECKPOINT_SHARE * self._save_seconds)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        written = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        checkpoints.seal(written, self.watch.checkpoints, state.global_step)
        self._save_seconds = time.monotonic() - self._save_began  # the Trainer's writing too: of a whole model it is gigabytes
        self._last_save = time.monotonic()
        self.watch.events.write("checkpoint", state.global_step)
        print(f"step {state.global_step}: saved", flush=True)
