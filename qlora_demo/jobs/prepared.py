"""What learning needs: the base model fetched, fitted and loaded, the rows as tokens, the steps. The same in every process of a run."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import torch

from qlora_demo.catalogue import find_model
from qlora_demo.data.conversation import read_rows
from qlora_demo.data.rendering import Rendered, Renderer, batches, load_tokenizer
from qlora_demo.estimate import Computing, sharded_memory, training_memory
from qlora_demo.evaluation.facts import labels_of
from qlora_demo.evaluation.watching import Question, choose
from qlora_demo.events import EventWriter
from qlora_demo.jobs.download import DownloadEvents
from qlora_demo.jobs.fitting import Fit, read_fit, write_fit
from qlora_demo.models.loading import Precision, causal_model, keep_packing_layout, load_base, training_precision
from qlora_demo.recipe import Recipe, from_json
from qlora_demo.run_dir import RunDir, read_json
from qlora_demo.settings import Settings
from qlora_demo.source.locate import locate
from qlora_demo.spread import fit_over, in_words
from qlora_demo.systems import free_memory, keep_freed_memory, return_freed_memory
from qlora_demo.training.batches import Step, plan
from qlora_demo.training.ranks import Ranks
from qlora_demo.training.sharding import shard
from qlora_demo.training.trainer import add_adapter

NOTHING_TO_LEARN = "Nothing is left to learn: every answer lies beyond the longest row. Raise max_length or shorten the questions."
FEWER_AT_ONCE = "Memory is short here, so fewer rows are read at once. The result does not suffer."
COMPUTED_TWICE = "Memory is short here, so parts of each step are computed twice instead of kept. The result does not suffer; it takes longer."
PAGED = "Memory is short here, so the optimizer keeps its averages in 8 bits."
UNWATCHED = "While the model is spread, its answers cannot be watched. They are shown at the end."


class NothingToLearn(Exception):
    """No row carries loss; `longest` is the longest row's length in tokens."""

    def __init__(self, longest: int):
        super().__init__(NOTHING_TO_LEARN)
        self.longest = longest


@dataclass(frozen=True)
class Prepared:
    """Everything that learning needs. `recipe` has as many rows at once as `fit` says; `trainable` counts the numbers that learn; `ranks` are the
    processes that learn together. `model` is None once one that was spread over cards has been saved."""

    recipe: Recipe
    fit: Fit
    device: str
    precision: Precision
    folder: Path
    model: Any
    renderer: Renderer
    rows: list[Rendered]
    steps: list[Step]
    held_out: list[Any]
    labels: list[str]
    watched: list[Question]
    trainable: int
    ranks: Ranks

    def predicted_memory(self) -> int:
        """Bytes, by arithmetic: of several processes, each."""
        dimensions, longest = find_model(self.recipe.model).dimensions, max(len(row.input_ids) for row in self.rows)
        computing = _computing(self.device, self.precision)
        if self.fit.sharded:
            return sharded_memory(dimensions, self.recipe, longest, computing, self.ranks.size).total()
        return training_memory(dimensions, self.recipe, longest, computing, self.fit.checkpointing, self.fit.paged).total()


def prepare(run: RunDir, events: EventWriter, stop_asked: Callable[[], str], ranks: Ranks) -> Prepared:
    """Raises UserError, Cancelled where a download was to end, NothingToLearn."""
    recipe = from_json(read_json(run.recipe_json))
    settings = Settings.from_env(os.environ)
    base = find_model(recipe.model)
    device = device_of(settings)
    torch.manual_seed(recipe.seed)

    events.write("phase", phase="getting", bytes=base.download_bytes())
    folder = ranks.from_first(lambda: locate(base, settings, DownloadEvents(events, stop_asked)))

    events.write("phase", phase="loading")
    precision = ranks.from_first(lambda: training_precision(device, recipe.method))  # some processors are tried, beside the others
    print(f"{base.id}: training in {precision.reason}", flush=True)
    renderer = Renderer(load_tokenizer(folder), base.template_options, recipe.system_prompt)
    learn, held_out = read_rows(run.train_jsonl), read_rows(run.held_out_jsonl)
    rows = list(renderer.render_all(learn, recipe.max_length))
    if not rows:
        raise NothingToLearn(max(len(whole.input_ids) for some in batches(learn) for parts in renderer.whole(some) for whole in parts))
    lengths = [len(row.input_ids) for row in rows]
    fit = _fit(run, recipe, max(lengths), (device, precision), ranks)
    if fit.paged:
        precision = training_precision(device, recipe.method, paged=True)
    for remark in (f"Training in {precision.reason}.", *_planned(recipe, fit, device), *fit.changed):
        events.write("note", text=remark)
    recipe = replace(recipe, micro_batch_size=fit.micro_batch_size)
    model = _model(folder, recipe, precision, device, fit)
    steps = plan(lengths, recipe.batch_size, recipe.seed, recipe.epochs)
    watched = choose(renderer, held_out, learn) if recipe.evaluations and ranks.first and not fit.sharded else []
    learning = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return Prepared(recipe, fit, device, precision, folder, model, renderer, rows, steps, held_out, labels_of(learn), watched, learning, ranks)


def device_of(settings: Settings) -> str:
    """"cuda" or "cpu"."""
    return "cuda" if settings.device != "cpu" and torch.cuda.is_available() else "cpu"


def _model(folder: Path, recipe: Recipe, precision: Precision, device: str, fit: Fit) -> Any:
    return_freed_memory()
    model = load_base(folder, recipe.method, precision, device, to_shard=fit.sharded)
    keep_freed_memory()
    model.config.use_cache = False
    keep_packing_layout(model)
    if recipe.method != "full":
        model = add_adapter(model, recipe)
    if fit.sharded:
        shard(causal_model(model), device, fit.processes)
    return model


def _fit(run: RunDir, recipe: Recipe, longest: int, computed: tuple[str, Precision], ranks: Ranks) -> Fit:
    """How it uses memory: as was found when that ran out; at its first start, as the arithmetic says of what is free now. A run that has a saved
    point goes on as it began, or it would not end in the same weights. `computed` is the device and in what."""
    device, precision = computed
    least = ranks.smallest(_free_memory(device))
    return ranks.from_first(lambda: _first_fit(run, recipe, longest, (least, _computing(device, precision)), ranks.size))


def _first_fit(run: RunDir, recipe: Recipe, longest: int, there: tuple[int, Computing], processes: int) -> Fit:
    """`there` is what is free, and what computes. How many processes there are is found anew at every start: steps are the same with any."""
    fit = read_fit(run, recipe)
    if run.fit_json.exists() or any(run.checkpoints.glob("step-*")):
        return replace(fit, processes=processes, sharded=fit.sharded and processes > 1)
    way = fit_over(find_model(recipe.model).dimensions, recipe, longest, *there, processes)
    planned = Fit(way.micro_batch_size, way.checkpointing, paged=way.paged, processes=processes, sharded=way.sharded)
    if planned != fit:
        write_fit(run, planned)
    return planned


def _planned(recipe: Recipe, fit: Fit, device: str) -> list[str]:
    """What is said of a fit that was planned, not found."""
    together = in_words(fit.processes, fit.sharded, device)
    said = [together] if together else []
    if fit.sharded:
        said.append(UNWATCHED)
    elif not fit.changed and fit.micro_batch_size * fit.processes < recipe.micro_batch_size:
        said.append(FEWER_AT_ONCE)
    if not fit.changed and fit.checkpointing:
        said.append(COMPUTED_TWICE)
    return [*said, PAGED] if fit.paged else said


def _computing(device: str, precision: Precision) -> Computing:
    return Computing(device, 2 if precision.dtype == torch.bfloat16 else 4)


def _free_memory(device: str) -> int:
    """For this process, with what it holds already."""
    return torch.cuda.mem_get_info()[0] if device == "cuda" else free_memory() + psutil.Process().memory_info().rss
