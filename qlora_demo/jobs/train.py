"""One training run from its directory to its result: get the model, learn, test, save. Read top to bottom; each phase is an event."""

from __future__ import annotations

import gc
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import PrinterCallback

from qlora_demo.catalogue import find_model
from qlora_demo.data.conversation import Conversation, read_rows
from qlora_demo.data.rendering import Rendered, Renderer, load_tokenizer
from qlora_demo.errors import DataError, UserError
from qlora_demo.estimate import training_memory
from qlora_demo.evaluation.report import build_report, compare, held_out_losses
from qlora_demo.events import EventWriter, read_events
from qlora_demo.jobs.download import DownloadEvents
from qlora_demo.models.loading import Precision, causal_model, keep_packing_layout, load_base, training_precision
from qlora_demo.models.loss import mean_loss
from qlora_demo.models.pair import Pair
from qlora_demo.recipe import Recipe, from_json
from qlora_demo.run_dir import RunDir, read_json, write_json
from qlora_demo.settings import Settings
from qlora_demo.source.fetch import Cancelled
from qlora_demo.source.locate import locate
from qlora_demo.systems import peak_memory
from qlora_demo.training import checkpoints
from qlora_demo.training.artifact import ADAPTER, rounded, save_adapter, save_model
from qlora_demo.training.batches import Step, plan
from qlora_demo.training.callbacks import StepCallback, Watch, evaluation_steps
from qlora_demo.training.trainer import StepTrainer, add_adapter, build_trainer

STOPPED_WHILE_FETCHING = "Stopped while the base model was fetched. What came is kept; the next start goes on there."


@dataclass(frozen=True)
class Prepared:
    """Everything that learning needs."""

    recipe: Recipe
    device: str
    precision: Precision
    folder: Path
    model: Any
    renderer: Renderer
    rows: list[Rendered]
    steps: list[Step]
    held_out: list[Any]
    labels: list[str]


def train(run: RunDir, stop_asked: Callable[[], str]) -> bool:
    """Returns True once result.json is written, False where the run was interrupted and can go on. Raises UserError."""
    earlier = read_events(run.events)[0]
    events = EventWriter(run.events, attempt=earlier[-1]["attempt"] + 1 if earlier else 1)
    try:
        prepared = _prepare(run, events, stop_asked)
    except Cancelled:
        return _ended_while_fetching(run, events, stop_asked())
    watch = _watch(run, prepared, events, stop_asked)
    trainer = _trainer(run, prepared, watch)
    events.write("phase", phase="fitting")
    step = _learn(run, trainer)
    if watch.ended_by == "interrupt":
        print("Interrupted; it can go on from the last saved point.", flush=True)
        return False
    if watch.ended_by == "nan":
        raise UserError(_numbers_broke(run, step))
    del trainer  # and with it the optimizer, whose memory the test needs
    gc.collect()
    report = None
    if not watch.ended_by:
        events.write("phase", phase="testing")
        report = _test(prepared)
        for index, answer in enumerate(report["answers"]):
            events.write("answer", index=index, **answer)
    events.write("phase", phase="saving")
    _save(run, prepared, report)
    result = _result(run, prepared, watch, step)
    if result["outcome"] == "finished":
        shutil.rmtree(run.checkpoints, ignore_errors=True)
    events.write("result", outcome=result["outcome"], reason=result["reason"])
    write_json(run.result_json, result)
    return True


def _ended_while_fetching(run: RunDir, events: EventWriter, asked: str) -> bool:
    if asked != "stop":
        print("Interrupted while the base model was fetched; the next start goes on there.", flush=True)
        return False
    result = {"outcome": "stopped", "reason": STOPPED_WHILE_FETCHING}
    events.write("result", **result)
    write_json(run.result_json, result)
    return True


def _prepare(run: RunDir, events: EventWriter, stop_asked: Callable[[], str]) -> Prepared:
    recipe = from_json(read_json(run.recipe_json))
    settings = Settings.from_env(os.environ)
    base = find_model(recipe.model)
    device = "cuda" if settings.device != "cpu" and torch.cuda.is_available() else "cpu"
    torch.manual_seed(recipe.seed)

    events.write("phase", phase="getting", bytes=base.download_bytes())
    folder = locate(base, settings, DownloadEvents(events, stop_asked))

    events.write("phase", phase="loading")
    precision = training_precision(device, recipe.method)
    events.write("note", text=f"Training in {precision.reason}.")
    print(f"{base.id}: training in {precision.reason}", flush=True)
    renderer = Renderer(load_tokenizer(folder), base.template_options, recipe.system_prompt)
    learn, held_out = read_rows(run.train_jsonl), read_rows(run.held_out_jsonl)
    rows = list(renderer.render_all(learn, recipe.max_length))
    if not rows:
        raise DataError("Nothing is left to learn: every answer lies beyond the longest row. Raise max_length or shorten the questions.")
    model = load_base(folder, recipe.method, precision, device)
    model.config.use_cache = False
    keep_packing_layout(model)
    if recipe.method != "full":
        model = add_adapter(model, recipe)
    lengths = [len(row.input_ids) for row in rows]
    steps = plan(lengths, recipe.batch_size, recipe.seed, recipe.epochs)
    labels = [row.label for row in learn if isinstance(row, Conversation) and row.label is not None]
    return Prepared(recipe, device, precision, folder, model, renderer, rows, steps, held_out, labels)


def _watch(run: RunDir, prepared: Prepared, events: EventWriter, stop_asked: Callable[[], str]) -> Watch:
    recipe, tokenizer = prepared.recipe, prepared.renderer.tokenizer
    held_out = list(prepared.renderer.render_all(prepared.held_out, recipe.max_length))
    model = causal_model(prepared.model)
    step_tokens = [sum(len(prepared.rows[i].input_ids) for i in step) for step in prepared.steps]
    trainable = sum(p.numel() for p in prepared.model.parameters() if p.requires_grad)
    events.write("plan", steps=len(prepared.steps), tokens=sum(step_tokens), rows=len(prepared.rows), trainable_parameters=trainable)
    return Watch(
        events=events,
        step_tokens=step_tokens,
        checkpoints=run.checkpoints,
        stop_asked=stop_asked,
        held_out_loss=(lambda: mean_loss(model, held_out, tokenizer.pad_token_id, recipe.micro_batch_size)) if held_out else None,
        evaluate_at=evaluation_steps(len(prepared.steps), recipe.evaluations),
        memory=_memory,
        first_step_done=lambda: events.write("phase", phase="learning"),
    )


def _trainer(run: RunDir, prepared: Prepared, watch: Watch) -> StepTrainer:
    trainer = build_trainer(
        prepared.model,
        prepared.renderer.tokenizer,
        prepared.recipe,
        (prepared.rows, prepared.steps),
        (prepared.precision, prepared.device, run.checkpoints),
        [StepCallback(watch)],
    )
    trainer.remove_callback(PrinterCallback)  # our callback writes the log in plain words
    return trainer


def _learn(run: RunDir, trainer: StepTrainer) -> int:
    """Returns the step it came to."""
    run.checkpoints.mkdir(exist_ok=True)
    saved = checkpoints.newest(run.checkpoints)
    if saved:
        print(f"Going on from step {checkpoints.step_of(saved)}.", flush=True)
    trainer.train(resume_from_checkpoint=str(saved) if saved else None)
    return trainer.state.global_step


def _test(prepared: Prepared) -> dict[str, Any]:
    recipe, renderer = prepared.recipe, prepared.renderer
    pair = _pair(prepared)
    losses = held_out_losses(pair, renderer, prepared.held_out, recipe.max_length, recipe.micro_batch_size)
    return build_report(compare(pair, renderer, prepared.held_out), losses, prepared.labels)


def _pair(prepared: Prepared) -> Pair:
    """Both sides of the test. After full training the base is read again, to stand beside what became of it."""
    model = prepared.model.eval()
    if prepared.recipe.method != "full":
        return Pair(model, model, ADAPTER)
    model = rounded(model, prepared.precision)
    if prepared.device == "cpu":
        model = model.to(prepared.precision.dtype)  # a processor without 16-bit arithmetic tests the rounded numbers in 32
    same = Precision(model.dtype, "", "")
    return Pair(load_base(prepared.folder, "full", same, prepared.device).eval(), model)


def _save(run: RunDir, prepared: Prepared, report: dict[str, Any] | None) -> None:
    base = find_model(prepared.recipe.model)
    if prepared.recipe.method == "full":
        save_model(rounded(prepared.model, prepared.precision), prepared.renderer.tokenizer, base, run.model)
    else:
        save_adapter(prepared.model, base, run.adapter)
    if report:
        write_json(run.report_json, report)


def _result(run: RunDir, prepared: Prepared, watch: Watch, step: int) -> dict[str, Any]:
    stopped = watch.ended_by == "stop"
    parameters = list(prepared.model.named_parameters())
    dimensions = find_model(prepared.recipe.model).dimensions
    return {
        "outcome": "stopped" if stopped else "finished",
        "reason": f"Stopped by you at step {step} of {len(prepared.steps)}." if stopped else "",
        "steps": step,
        "train_loss": sum(watch.losses) / len(watch.losses) if watch.losses else None,
        "held_out_loss": watch.held_out[-1] if watch.held_out else None,
        "tokens_per_second": watch.tokens / watch.learning_seconds if watch.learning_seconds else None,
        "seconds": watch.learning_seconds,
        "peak_memory_bytes": _peak_memory(),
        "predicted_memory_bytes": training_memory(dimensions, prepared.recipe, max(len(r.input_ids) for r in prepared.rows)).total(),
        "trainable_parameters": sum(p.numel() for _, p in parameters if p.requires_grad),
        "total_parameters": dimensions.parameters() + sum(p.numel() for name, p in parameters if "lora_" in name),
        "artifact_bytes": sum(file.stat().st_size for file in run.weights().iterdir()),
        "ended": time.time(),
    }


def _numbers_broke(run: RunDir, step: int) -> str:
    saved = checkpoints.saved_step(run.checkpoints)
    kept = f"Saved up to step {saved}." if saved else "Nothing was saved yet."
    return f"Training went wrong at step {step} (the numbers grew too large). {kept} Try again with a smaller size of each change."


def _memory() -> int:
    return torch.cuda.memory_reserved() if torch.cuda.is_available() else psutil.Process().memory_info().rss


def _peak_memory() -> int:
    """Bytes at the highest point: of the card, else of this process."""
    return torch.cuda.max_memory_reserved() if torch.cuda.is_available() else peak_memory()
