"""One training in this process, put together from the product's own parts as `jobs/train.py` does, in a precision of one's choice."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback

from qlora_demo.catalogue import Dimensions
from qlora_demo.data.conversation import Conversation, Message
from qlora_demo.data.rendering import Renderer, load_tokenizer
from qlora_demo.estimate import Computing, training_memory
from qlora_demo.evaluation.likelihood import mean, row_losses
from qlora_demo.events import EventWriter, read_events
from qlora_demo.models.loading import Precision, causal_model, keep_packing_layout, load_base, training_precision
from qlora_demo.recipe import Recipe
from qlora_demo.systems import keep_freed_memory, peak_memory, return_freed_memory
from qlora_demo.training.batches import plan
from qlora_demo.training.callbacks import StepCallback, Watch
from qlora_demo.training.trainer import Setting, add_adapter, build_trainer

WORDS = ("lamp", "light", "sea", "night", "storm", "boat", "harbour", "quiet", "tea", "rope", "keeper", "gull", "rock", "wind", "tide", "paint")


@dataclass(frozen=True)
class Task:
    """What to learn and how. `precision` is "bf16", "fp16" or "autocast" on a card; on a processor "own", what that processor is fast at, or "fp32".

    Without `data` it is `rows` made rows of `words` words. With `tested` its rows are scored once on the way, as a real run's rows set aside
    are: memory is to be measured with that, speed without.
    """

    folder: Path
    shape: Dimensions
    method: str
    precision: str
    device: str
    rows: int = 32
    words: int = 60
    epochs: float = 3.0
    batch_size: int = 8
    checkpointing: bool = False
    max_length: int = 1024
    data: tuple[Conversation, ...] = ()
    tested: bool = False

    def conversations(self) -> list[Conversation]:
        return list(self.data) or made_rows(self.rows, self.words)


@dataclass(frozen=True)
class Learned:
    """`speed` counts tokens a second from the end of the first step on; `page_speed` is what the page would show; `trained_share` is
    that of the tokens that carry loss. Memory is in bytes."""

    model: Any
    renderer: Renderer
    dtypes: set[torch.dtype]
    losses: list[float]
    speed: float
    page_speed: float
    trained_share: float
    peak: int
    predicted: int

    def went_well(self) -> bool:
        return all(map(math.isfinite, self.losses)) and self.losses[-1] < self.losses[0]


def precision_of(task: Task) -> Precision:
    """As `training_precision` would give on a card that computes in it. "autocast" is bf16 as the paged optimizer needs it."""
    if task.precision == "fp32":
        return Precision(torch.float32, "", "asked for")
    if task.precision != "fp16":
        return training_precision(task.device, task.method, paged=task.precision == "autocast")
    return Precision(torch.float32 if task.method == "full" else torch.float16, "fp16", "asked for")


def made_rows(count: int, words: int) -> list[Conversation]:
    """Different questions, each with an answer of `words` words."""
    rows = []
    for i in range(count):
        answer = " ".join(WORDS[(i * step) % len(WORDS)] for step in range(1, words + 1))
        rows.append(Conversation((Message("user", f"{WORDS[i % len(WORDS)]} {i}"), Message("assistant", answer)), f"row {i + 1}"))
    return rows


def recipe_of(task: Task) -> Recipe:
    rate = 1e-4 if task.method == "full" else 5e-4
    batch = task.batch_size
    return Recipe(method=task.method, epochs=task.epochs, batch_size=batch, micro_batch_size=batch, learning_rate=rate, max_length=task.max_length)


def learn(task: Task, place: Path) -> Learned:
    """Trains in `place`, which gets the events. On a card, the highest memory is counted from here on."""
    recipe, precision = recipe_of(task), precision_of(task)
    if task.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    torch.manual_seed(recipe.seed)
    renderer = Renderer(load_tokenizer(task.folder), {})
    rows = list(renderer.render_all(task.conversations(), recipe.max_length))
    lengths = [len(row.input_ids) for row in rows]
    steps = plan(lengths, recipe.batch_size, recipe.seed, recipe.epochs)
    return_freed_memory()
    model = load_base(task.folder, task.method, precision, task.device)
    keep_freed_memory()
    model.config.use_cache = False
    keep_packing_layout(model)
    if task.method != "full":
        model = add_adapter(model, recipe)
    step_tokens = [sum(lengths[i] for i in step) for step in steps]
    watch = Watch(
        events=EventWriter(place / "events.jsonl", attempt=1),
        step_tokens=step_tokens,
        checkpoints=place / "checkpoints",
        stop_asked=lambda: "",
        evaluate_at=frozenset({1} if task.tested else ()),
        memory=lambda: 0,
        first_step_done=lambda: None,
    )
    setting = Setting(precision, task.device, place / "checkpoints", task.checkpointing)
    trainer = build_trainer(model, renderer.tokenizer, recipe, (rows, steps), setting, [StepCallback(watch)])
    trainer.remove_callback(PrinterCallback)
    watch.held_out_loss = lambda: mean(row_losses(causal_model(model), rows, renderer.tokenizer.pad_token_id, trainer.decoder()), rows)
    trainer.train()
    computing = Computing(task.device, 2 if precision.dtype == torch.bfloat16 else 4)
    ends = [event["time"] for event in read_events(place / "events.jsonl")[0] if event["type"] == "step"]
    return Learned(
        model=model,
        renderer=renderer,
        dtypes={p.dtype for p in model.parameters() if p.requires_grad},
        losses=watch.losses,
        speed=sum(step_tokens[1:]) / (ends[-1] - ends[0]),
        page_speed=watch.tokens / watch.learning_seconds,
        trained_share=sum(row.learned() for row in rows) / sum(lengths),
        peak=torch.cuda.max_memory_reserved() if task.device == "cuda" else peak_memory(),
        predicted=training_memory(task.shape, recipe, max(lengths), computing, task.checkpointing).total(),
    )
