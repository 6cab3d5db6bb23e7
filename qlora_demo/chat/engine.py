"""The chat worker's engine: one base model resident, with adapters by name or fully trained models beside it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from qlora_demo.catalogue import BaseModel, find_model
from qlora_demo.data.conversation import Message
from qlora_demo.data.rendering import Renderer, load_tokenizer
from qlora_demo.errors import ModelError, UserError
from qlora_demo.models.loading import chat_precision, load_to_answer, with_adapter
from qlora_demo.models.pair import BASE, Answer, Pair, Sampling
from qlora_demo.models.unchanged import base_rows_unchanged, fingerprint
from qlora_demo.recipe import Recipe, from_json
from qlora_demo.run_dir import RunDir, read_json
from qlora_demo.settings import Settings
from qlora_demo.source.locate import locate

LONGEST_CHAT = 4096
"""Tokens of history that are read; where a chat grows longer, its oldest turns are left out."""
ADAPTERS_KEPT = 4
"""Adapters in memory at most; the one that was asked longest ago is dropped. One of a large model takes a hundred megabytes."""


@dataclass(frozen=True)
class Question:
    """An "ask" request: `columns` are the histories of the left and the right column, each ending with the question. The left one is the base model,
    or where there is one `against`, another run of the same base."""

    run: RunDir
    columns: Sequence[Sequence[Message]]
    sampling: Sampling
    against: RunDir | None = None


@dataclass(frozen=True)
class Reply:
    """Both answers, and the seconds they took.

    `unchanged`: the base column's numbers were compared with the base model's own just now, and were the same; None where the left column is not the
    base model, or the answer was stopped. `shortened`: of at least one history, the oldest turns were left out.
    """

    answers: list[Answer]
    seconds: float
    unchanged: bool | None
    shortened: bool


@dataclass
class Engine:
    """What is in memory. One base model in its whole life: another base, or the same packed otherwise, is another process."""

    settings: Settings
    model: Any = None
    """The base, with adapters in it once there are some."""
    tokenizer: Any = None
    adapters: list[str] = field(default_factory=list)
    """By name, the one that was asked longest ago first."""
    wholes: dict[str, Any] = field(default_factory=dict)
    """The models of full runs that are talked to: no others stay, as each is as large as the base."""
    print_of_base: tuple[int, ...] = ()
    """Of its weights, as they were loaded."""
    pair: Pair | None = None
    columns: tuple[str, str] = ("", "")
    """What left and right column of `pair` have learned, by name."""

    def open(self, run: RunDir, against: RunDir | None = None) -> Recipe:
        """Loads the base and what the runs learned, unless it is there. Raises UserError."""
        recipe = from_json(read_json(run.recipe_json))
        base = find_model(recipe.model)
        runs = [run] if against is None else [against, run]
        for one in runs:
            _check_base(one, base)
        if self.model is None:
            self._load_base(base, recipe.method)
        columns = (BASE if against is None else weights_name(against), weights_name(run))
        if self.pair is None or self.columns != columns:
            self.pair = None  # and with it what it has read
            for name in [name for name in self.wholes if name not in columns]:
                del self.wholes[name]
            sides = [self._side(one) for one in runs]
            left, adapted = sides if against is not None else [(self.model, BASE), *sides]
            self.pair, self.columns = Pair(left[0], adapted[0], adapted[1], left[1] or BASE, remembers=True), columns
        return recipe

    def _load_base(self, base: BaseModel, method: str) -> None:
        device = "cuda" if self.settings.device != "cpu" and torch.cuda.is_available() else "cpu"
        folder = locate(base, self.settings)
        self.tokenizer = load_tokenizer(folder)
        precision = chat_precision(device)
        print(f"{base.id}: answering in {precision.reason}", flush=True)
        self.model = load_to_answer(folder, method, precision, device)
        self.print_of_base = fingerprint(self.model)

    def _side(self, run: RunDir) -> tuple[Any, str]:
        """The model that answers for `run`, and its adapter's name, "" for a whole model."""
        name = weights_name(run)
        if run.model.exists():
            if name not in self.wholes:
                device = self.model.device.type
                self.wholes[name] = load_to_answer(run.model, "full", chat_precision(device), device)
            return self.wholes[name], ""
        if name in self.adapters:
            self.adapters.remove(name)
        else:
            self.model = with_adapter(self.model, run.adapter, name).eval()
        self.adapters.append(name)
        if len(self.adapters) > ADAPTERS_KEPT:
            self.model.delete_adapter(self.adapters.pop(0))
        return self.model, name

    def ask(self, asked: Question, emit: Callable[[int, str], None], cancelled: Callable[[], bool]) -> Reply:
        """Both answers, and whether the base column was the base model. Raises UserError."""
        recipe = self.open(asked.run, asked.against)
        renderer = Renderer(self.tokenizer, find_model(recipe.model).template_options, recipe.system_prompt)
        left, right = (fitting_prompt(renderer, messages) for messages in asked.columns)
        began = time.monotonic()
        answers = self.pair.answers(self.tokenizer, ([left], [right]), asked.sampling, emit, cancelled)
        seconds = time.monotonic() - began
        shortened = any(len(renderer.prompt(messages)) > LONGEST_CHAT for messages in asked.columns)
        claimed = asked.against is None and not cancelled()
        return Reply(answers, seconds, self._unchanged((left, right)) if claimed else None, shortened)

    def _unchanged(self, prompts: Sequence[Sequence[int]]) -> bool:
        """The base's weights are those that were loaded; and beside an adapter, its numbers are those of the model without one."""
        if fingerprint(self.model) != self.print_of_base:
            return False
        return not self.pair.adapter or base_rows_unchanged(self.model, (BASE, self.pair.adapter), prompts, self.tokenizer.pad_token_id)


def _check_base(run: RunDir, base: BaseModel) -> None:
    if read_json(run.run_json)["base"] != base.identity():
        raise ModelError("This model was trained on another release of its base model, which is not here. Train it again.")


def weights_name(run: RunDir) -> str:
    """Of what `run` has learned by now: a run that was stopped and continued has other weights under the same id."""
    return f"{run.id}-{run.weights().stat().st_mtime_ns}"


def fitting_prompt(renderer: Renderer, messages: Sequence[Message]) -> list[int]:
    """The prompt within LONGEST_CHAT tokens, without the oldest exchanges where it would be longer. Raises UserError."""
    system = [m for m in messages if m.role == "system"]
    turns = [m for m in messages if m.role != "system"]
    while True:
        prompt = renderer.prompt([*system, *turns])
        if len(prompt) <= LONGEST_CHAT:
            return prompt
        if len(turns) < 3:
            raise UserError(f"This question is too long: {len(prompt)} tokens (word pieces); up to {LONGEST_CHAT} can be read. Shorten it.")
        turns = turns[2:]


def runs_of(request: dict[str, Any]) -> tuple[RunDir, RunDir | None]:
    """The run that a request is about, and the one against it, if any."""
    against = request.get("against", "")
    return RunDir(Path(request["run"])), RunDir(Path(against)) if against else None


def from_request(request: dict[str, Any]) -> Question:
    """Of an "ask" request."""
    columns = [[Message(m["role"], m["content"]) for m in column] for column in request["columns"]]
    run, against = runs_of(request)
    return Question(run, columns, Sampling(**request["sampling"]), against)


def new_engine() -> Engine:
    return Engine(Settings.from_env(os.environ))
