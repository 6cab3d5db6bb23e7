"""One cell of the recipes' table in a process of its own: trains as `jobs/train.py` does, without the files of a run, then scores the answers.

Reads {"set", "recipe", "untrained", "folder"} as its argument and prints a JSON object as its last line. `untrained` scores the base model,
`folder` keeps fetched data.
"""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from benchmarks.recipe_sets import SETS, RecipeSet
from qlora_demo.catalogue import find_model
from qlora_demo.data.conversation import Conversation
from qlora_demo.data.rendering import Renderer, load_tokenizer
from qlora_demo.evaluation.likelihood import mean, row_losses
from qlora_demo.evaluation.scores import closeness, same_label
from qlora_demo.models.loading import causal_model, keep_packing_layout, load_base, training_precision
from qlora_demo.models.pair import Answer, Sampling, answer_in_turns
from qlora_demo.recipe import Recipe, from_json
from qlora_demo.settings import Settings
from qlora_demo.source.locate import locate
from qlora_demo.systems import peak_memory
from qlora_demo.training.batches import Step, plan
from qlora_demo.training.trainer import Setting, add_adapter, build_trainer

ASKED_AT_ONCE = 32
LABEL_EXTRA = 4
"""Tokens more than the longest label: its end, and room to go wrong."""
NAME_TOKENS = 64
ANSWER_TOKENS = 192


class Clock(TrainerCallback):
    """When each step was over and its loss; ends the training at the first broken number."""

    def __init__(self) -> None:
        self.ends: list[float] = []
        self.losses: list[float] = []

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        logs: dict[str, float] = kwargs["logs"]
        if "loss" in logs:
            self.ends.append(time.perf_counter())
            self.losses.append(logs["loss"])
            control.should_training_stop = control.should_training_stop or not math.isfinite(logs["loss"] + logs["grad_norm"])


def measure(chosen: RecipeSet, recipe: Recipe, untrained: bool, base: Path) -> dict[str, Any]:
    """What the table and its file say about a cell; `base` is the base model's folder."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    precision = training_precision(device, recipe.method)
    renderer = Renderer(load_tokenizer(base), find_model(recipe.model).template_options, recipe.system_prompt)
    torch.manual_seed(recipe.seed)
    model = load_base(base, recipe.method, precision, device)
    model.config.use_cache = False
    keep_packing_layout(model)
    learned: dict[str, Any] = {}
    if not untrained:
        if recipe.method != "full":
            model = add_adapter(model, recipe)
        rows = list(renderer.render_all(chosen.learn, recipe.max_length))
        steps = plan([len(row.input_ids) for row in rows], recipe.batch_size, recipe.seed, recipe.epochs)
        with tempfile.TemporaryDirectory() as folder:
            clock = Clock()
            setting = Setting(precision, device, Path(folder))
            trainer = build_trainer(model, renderer.tokenizer, recipe, (rows, steps), setting, [clock])
            trainer.remove_callback(PrinterCallback)
            began = time.perf_counter()
            trainer.train()
        learned = _learned(clock, began, [sum(len(rows[i].input_ids) for i in step) for step in steps], steps)
    model.eval()
    return {**learned, **_scored(model, renderer, chosen, recipe), "peak_bytes": _peak(device)}


def _learned(clock: Clock, began: float, tokens: Sequence[int], steps: Sequence[Step]) -> dict[str, Any]:
    """Speed counts from the end of the first step on, padding not counted."""
    done = len(clock.ends)
    later = clock.ends[-1] - clock.ends[0]
    return {
        "steps": len(steps),
        "broke_at": done if not math.isfinite(clock.losses[-1]) or done < len(steps) else None,
        "seconds": clock.ends[-1] - began,
        "tokens_per_second": sum(tokens[1:done]) / later if later else None,
        "losses": [round(loss, 4) for loss in clock.losses],
    }


def _scored(model: Any, renderer: Renderer, chosen: RecipeSet, recipe: Recipe) -> dict[str, Any]:
    held_out = list(renderer.render_all(chosen.held_out, recipe.max_length))
    answers = greedy_answers(model, renderer, chosen.asked, _longest_answer(renderer, chosen))
    scores = [score(chosen.kind, answer.text, row.answer()) for answer, row in zip(answers, chosen.asked, strict=True)]
    return {
        "kind": chosen.kind,
        "rows": len(chosen.learn),
        "held_out_loss": mean(row_losses(causal_model(model), held_out, renderer.tokenizer.pad_token_id), held_out),
        "score": sum(scores) / len(scores),
        "asked": len(scores),
        "majority": _majority(chosen),
        "answers": [answer.text for answer in answers[:5]],
    }


def _longest_answer(renderer: Renderer, chosen: RecipeSet) -> int:
    if chosen.kind == "names":
        return NAME_TOKENS
    longest = max(len(renderer.tokenizer(row.answer())["input_ids"]) for row in chosen.asked)
    return longest + LABEL_EXTRA if chosen.kind == "sorting" else min(ANSWER_TOKENS, longest + LABEL_EXTRA)


def greedy_answers(model: Any, renderer: Renderer, asked: Sequence[Conversation], max_new_tokens: int) -> list[Answer]:
    """What the chat would answer at temperature 0, in the order of `asked`; rows of similar length are answered together."""
    prompts = [renderer.prompt(row.prompt()) for row in asked]
    order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
    answers: dict[int, Answer] = {}
    for start in range(0, len(order), ASKED_AT_ONCE):
        rows = order[start : start + ASKED_AT_ONCE]
        batch = [prompts[row] for row in rows]
        answers |= zip(rows, answer_in_turns((model,), renderer.tokenizer, (batch,), Sampling(max_new_tokens=max_new_tokens)), strict=True)
    return [answers[row] for row in range(len(prompts))]


def score(kind: str, answer: str, expected: str) -> float:
    """From 0 to 1."""
    if kind == "sorting":
        return float(same_label(answer, expected))
    if kind == "names":
        return float(expected.casefold() in answer.casefold())
    return closeness(answer, expected) / 100


def _majority(chosen: RecipeSet) -> float | None:
    """The share that the commonest label of the learned rows gets right."""
    if not chosen.labels():
        return None
    label = Counter(chosen.labels()).most_common(1)[0][0]
    return sum(row.label == label for row in chosen.asked) / len(chosen.asked)


def _peak(device: str) -> int:
    return torch.cuda.max_memory_reserved() if device == "cuda" else peak_memory()


def main() -> None:
    cell = json.loads(sys.argv[1])
    recipe = from_json(cell["recipe"])
    base = locate(find_model(recipe.model), Settings.from_env(os.environ))
    print(json.dumps(measure(SETS[cell["set"]](Path(cell["folder"])), recipe, cell["untrained"], base)))


if __name__ == "__main__":
    main()
