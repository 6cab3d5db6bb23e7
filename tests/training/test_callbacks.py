"""What the callback does at a step: broken gradients, saved points, and the time that is left."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from qlora_demo.events import EventWriter, read_events
from qlora_demo.training import callbacks
from qlora_demo.training.callbacks import SKIPPED_IN_A_ROW, StepCallback, Watch

STEPS = 8


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(callbacks, "time", made)
    return made


@pytest.fixture
def model() -> torch.nn.Module:
    return torch.nn.Linear(3, 2)


class Training:
    """A Trainer's calls, without one."""

    def __init__(self, folder: Path, clock: Clock, model: torch.nn.Module, fp16: bool = False, **watch: Any):
        self.events, self.clock, self.model = folder / "events.jsonl", clock, model
        options = {"stop_asked": lambda: "", "evaluate_at": frozenset(), "memory": lambda: 1, **watch}
        self.watch = Watch(EventWriter(self.events, 1), [100] * STEPS, folder, first_step_done=lambda: None, **options)
        self.callback = StepCallback(self.watch)
        self.args = SimpleNamespace(fp16=fp16)
        self.state = SimpleNamespace(global_step=0, max_steps=STEPS)
        self.callback.on_train_begin(self.args, self.state, None)

    def step(self, seconds: float = 1.0, gradient: float = 1.0, loss: float = 2.0) -> SimpleNamespace:
        """Returns what the callback asked for."""
        control = SimpleNamespace(should_save=False, should_training_stop=False)
        self.callback.on_step_begin(self.args, self.state, control)
        for parameter in self.model.parameters():
            parameter.grad = torch.full_like(parameter, gradient)
        self.callback.on_pre_optimizer_step(self.args, self.state, control, model=self.model)
        self.clock.now += seconds
        self.state.global_step += 1
        self.callback.on_step_end(self.args, self.state, control)
        logs = {"loss": loss, "grad_norm": gradient, "learning_rate": 0.1}
        self.callback.on_log(self.args, self.state, control, logs=logs)
        return control

    def seconds_left(self) -> list[float]:
        return [e["seconds_left"] for e in read_events(self.events)[0] if e["type"] == "step"]


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_broken_gradients_do_not_reach_the_weights(tmp_path: Path, clock: Clock, model: torch.nn.Module, broken: float) -> None:
    training = Training(tmp_path, clock, model)
    assert not training.step().should_training_stop
    assert all(parameter.grad is not None for parameter in model.parameters())
    control = training.step(gradient=broken)
    assert (control.should_training_stop, control.should_save, training.watch.ended_by) == (True, False, "nan")
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_broken_loss_ends_it_and_nothing_is_saved(tmp_path: Path, clock: Clock, model: torch.nn.Module) -> None:
    training = Training(tmp_path, clock, model, stop_asked=lambda: "stop")
    control = training.step(loss=float("nan"))
    assert (control.should_training_stop, control.should_save, training.watch.ended_by) == (True, False, "nan")


def test_steps_that_the_gradient_scaler_skips_are_not_the_end(tmp_path: Path, clock: Clock, model: torch.nn.Module) -> None:
    training = Training(tmp_path, clock, model, fp16=True)
    training.state.max_steps = 100
    training.watch.step_tokens = [100] * 100
    for _ in range(SKIPPED_IN_A_ROW):
        assert not training.step(gradient=float("inf")).should_training_stop
    assert not training.step().should_training_stop
    assert [e["grad_norm"] for e in read_events(training.events)[0]] == [None] * SKIPPED_IN_A_ROW + [1.0]
    ends = [training.step(gradient=float("inf")).should_training_stop for _ in range(SKIPPED_IN_A_ROW + 1)]
    assert ends == [False] * SKIPPED_IN_A_ROW + [True]


def test_the_first_point_is_saved_early_and_the_others_when_they_are_due(tmp_path: Path, clock: Clock, model: torch.nn.Module) -> None:
    training = Training(tmp_path, clock, model)
    assert [training.step(seconds).should_save for seconds in (15, 6)] == [False, True]
    training.callback._last_save, training.callback._save_seconds = clock.now, 2.0
    assert [training.step(seconds).should_save for seconds in (50, 11)] == [False, True]
    training.callback._last_save, training.callback._save_seconds = clock.now, 5.0
    assert [training.step(seconds).should_save for seconds in (90, 11)] == [False, True]


def test_time_left_goes_by_the_pace_after_the_first_step(tmp_path: Path, clock: Clock, model: torch.nn.Module) -> None:
    training = Training(tmp_path, clock, model)
    for seconds in (5, 1, 1):
        training.step(seconds)
    assert training.seconds_left() == [35.0, 6.0, 5.0]


def test_tests_on_the_way_take_time_too(tmp_path: Path, clock: Clock, model: torch.nn.Module) -> None:
    def scored() -> float:
        clock.now += 3
        return 1.0

    training = Training(tmp_path, clock, model, held_out_loss=scored, evaluate_at=frozenset({2, 4, 8}))
    for _ in range(8):
        training.step()
    # After the first test: six steps, then five steps of one second, and two tests of three.
    assert training.seconds_left()[1:4] == [6.0, 11.0, 10.0]
    assert training.seconds_left()[-1] == 3.0
