"""The chat worker's engine: one base model resident, with adapters by name or one fully trained model beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from qlora_demo.catalogue import find_model
from qlora_demo.data.conversation import Message
from qlora_demo.data.rendering import Renderer, load_tokenizer
from qlora_demo.errors import ModelError, UserError
from qlora_demo.models.loading import chat_precision, load_base, with_adapter
from qlora_demo.models.pair import Answer, Pair, Sampling
from qlora_demo.recipe import Recipe, from_json
from qlora_demo.run_dir import RunDir, read_json
from qlora_demo.settings import Settings
from qlora_demo.source.locate import locate

LONGEST_CHAT = 4096
"""Tokens of history that are read; where a chat grows longer, its oldest turns are left out."""


@dataclass
class Engine:
    """What is in memory. One base model in its whole life: another base is another process."""

    settings: Settings
    model: Any = None
    tokenizer: Any = None
    loaded: list[str] = field(default_factory=list)
    trained: Any = None
    """The model of a full run: one at a time, as each is as large as the base."""

    def open(self, run: RunDir) -> Recipe:
        """Loads base and adapter, or both models, unless they are there. Raises UserError."""
        recipe = from_json(read_json(run.recipe_json))
        remembered, base = read_json(run.run_json)["base"], find_model(recipe.model)
        if remembered != base.identity():
            raise ModelError("This model was trained on another release of its base model, which is not here. Train it again.")
        if self.model is None:
            device = "cuda" if self.settings.device != "cpu" and torch.cuda.is_available() else "cpu"
            folder = locate(base, self.settings)
            self.tokenizer = load_tokenizer(folder)
            precision = chat_precision(device)
            print(f"{base.id}: answering in {precision.reason}", flush=True)
            self.model = load_base(folder, recipe.method, precision, device).eval()
        if weights_name(run) not in self.loaded:
            self._load(run, recipe)
        return recipe

    def _load(self, run: RunDir, recipe: Recipe) -> None:
        """What `run` learned, onto the base or beside it."""
        name = weights_name(run)
        if recipe.method == "full":
            self.trained, self.loaded = None, []
            device = self.model.device.type
            self.trained = load_base(run.model, "full", chat_precision(device), device).eval()
        else:
            self.model = with_adapter(self.model, run.adapter, name)
        self.model.eval()
        self.loaded.append(name)

    def ask(
        self,
        run: RunDir,
        columns: Sequence[Sequence[Message]],
        sampling: Sampling,
        emit: Callable[[int, str], None],
        cancelled: Callable[[], bool],
    ) -> list[Answer]:
        """`columns` are the histories of base and adapted, each ending with the question. Raises UserError."""
        recipe = self.open(run)
        renderer = Renderer(self.tokenizer, find_model(recipe.model).template_options, recipe.system_prompt)
        prompts = [fitting_prompt(renderer, messages) for messages in columns]
        pair = Pair(self.model, self.trained) if recipe.method == "full" else Pair(self.model, self.model, weights_name(run))
        return pair.answers(self.tokenizer, ([prompts[0]], [prompts[1]]), sampling, emit, cancelled)


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


def from_request(request: dict[str, Any]) -> tuple[RunDir, list[list[Message]], Sampling]:
    """The parts of an "ask" request."""
    columns = [[Message(m["role"], m["content"]) for m in column] for column in request["columns"]]
    return RunDir(Path(request["run"])), columns, Sampling(**request["sampling"])


def new_engine() -> Engine:
    return Engine(Settings.from_env(os.environ))
