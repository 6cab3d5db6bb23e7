"""What happens at every step: events for whoever watches, the stop file, tests on held-out rows, saved points, and the end at a broken number."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from qlora_demo.events import EventWriter
from qlora_demo.training import checkpoints

CHECKPOINT_SECONDS = 60
CHECKPOINT_SHARE = 20  # time between saved points, in times the last save took


@dataclass
class Watch:
    """What the callback is given, and what it remembers for the result."""

    events: EventWriter
    step_tokens: Sequence[int]  # tokens of each step's rows, no padding counted
    checkpoints: Path
    stop_asked: Callable[[], str]  # "", "stop" or "interrupt"
    held_out_loss: Callable[[], float] | None
    evaluate_at: frozenset[int]
    memory: Callable[[], int]
    first_step_done: Callable[[], None]
    losses: list[float] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)
    learning_seconds: float = 0.0
    tokens: int = 0
    ended_by: str = ""  # "", "stop", "interrupt" or "nan"


class StepCallback(TrainerCallback):
    """Order at the end of a step: log, test, save or stop."""

    def __init__(self, watch: Watch):
        self.watch = watch
        self._began = 0.0
        self._save_began = 0.0
        self._last_save = time.monotonic()
        self._save_seconds = 0.0

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._began = time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        asked = self.watch.stop_asked()
        if asked and state.global_step < state.max_steps:
            self.watch.ended_by = asked
            control.should_training_stop = True
            control.should_save = True
        elif self._save_due() and state.global_step < state.max_steps:
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
        if not (math.isfinite(loss) and math.isfinite(norm)):
            self.watch.ended_by = "nan"
            control.should_training_stop = True
            control.should_save = False
            return
        self._report(state.global_step, state.max_steps, loss, norm, logs["learning_rate"])
        if state.global_step == 1 or len(self.watch.losses) == 1:
            self.watch.first_step_done()
        if self.watch.held_out_loss and state.global_step in self.watch.evaluate_at:
            self._test(state.global_step)

    def _report(self, step: int, steps: int, loss: float, norm: float, rate: float) -> None:
        watch = self.watch
        watch.losses.append(loss)
        speed = watch.tokens / watch.learning_seconds
        left = sum(watch.step_tokens[step:]) / speed
        watch.events.write(
            "step",
            step,
            loss=round(loss, 5),
            grad_norm=round(norm, 4),
            learning_rate=rate,
            tokens_per_second=round(speed, 1),
            seconds_left=round(left, 1),
            memory_bytes=watch.memory(),
        )
        print(f"step {step} of {steps}: error {loss:.3f}, {speed:.0f} tokens/s, about {left:.0f} s left", flush=True)

    def _test(self, step: int) -> None:
        assert self.watch.held_out_loss is not None  # noqa: S101
        loss = self.watch.held_out_loss()
        self.watch.held_out.append(loss)
        self.watch.events.write("held_out", step, loss=round(loss, 5))
        print(f"step {step}: error on the rows set aside {loss:.3f}", flush=True)

    def _save_due(self) -> bool:
        return time.monotonic() - self._last_save > max(CHECKPOINT_SECONDS, CHECKPOINT_SHARE * self._save_seconds)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        written = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        checkpoints.seal(written, self.watch.checkpoints, state.global_step)
        self._save_seconds = time.monotonic() - self._save_began  # the Trainer's writing too: of a whole model it is gigabytes
        self._last_save = time.monotonic()
        self.watch.events.write("checkpoint", state.global_step)
        print(f"step {state.global_step}: saved", flush=True)


def evaluation_steps(steps: int, evaluations: int) -> frozenset[int]:
    """Evenly spread over the run, the last step always among them."""
    return frozenset(round(steps * (i + 1) / evaluations) for i in range(evaluations))
