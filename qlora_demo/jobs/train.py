"""One training run from its directory to its result: get the model, learn, test, save. Read top to bottom; each phase is an event."""

from __future__ import annotations

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
from qlora_demo.models.loading import keep_packing_layout, load_base, training_precision
from qlora_demo.models.loss import mean_loss
from qlora_demo.recipe import Recipe, from_json
from qlora_demo.run_dir import RunDir, publish, read_json, write_json
from qlora_demo.settings import Settings
from qlora_demo.source.locate import locate
from qlora_demo.training import checkpoints
from qlora_demo.training.batches import Step, plan
from qlora_demo.training.callbacks import StepCallback, Watch, evaluation_steps
from qlora_demo.training.trainer import StepTrainer, add_adapter, build_trainer

ADAPTER = "default"


@dataclass(frozen=True)
class Prepared:
    """Everything that learning needs."""

    recipe: Recipe
    device: str
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
    prepared = _prepare(run, events)
    watch = _watch(run, prepared, events, stop_asked)
    trainer = _trainer(run, prepared, watch)
    events.write("phase", phase="fitting")
    _learn(run, trainer)
    if watch.ended_by == "interrupt":
        print("Interrupted; it can go on from the last saved point.", flush=True)
        return False
    if watch.ended_by == "nan":
        raise UserError(_numbers_broke(run, trainer.state.global_step))
    report = None
    if not watch.ended_by:
        events.write("phase", phase="testing")
        report = _test(prepared)
        for index, answer in enumerate(report["answers"]):
            events.write("answer", index=index, **answer)
    events.write("phase", phase="saving")
    _save(run, prepared, report)
    result = _result(run, prepared, watch, trainer.state.global_step)
    if result["outcome"] == "finished":
        shutil.rmtree(run.checkpoints, ignore_errors=True)
    events.write("result", outcome=result["outcome"], reason=result["reason"])
    write_json(run.result_json, result)
    return True


def _prepare(run: RunDir, events: EventWriter) -> Prepared:
    recipe = from_json(read_json(run.recipe_json))
    settings = Settings.from_env(os.environ)
    base = find_model(recipe.model)
    device = "cuda" if settings.device != "cpu" and torch.cuda.is_available() else "cpu"
    torch.manual_seed(recipe.seed)

    events.write("phase", phase="getting", bytes=base.download_bytes())
    folder = locate(base, settings)

    events.write("phase", phase="loading")
    precision = training_precision(device)
    events.write("note", text=f"Training in {precision.reason}.")
    print(f"{base.id}: training in {precision.reason}", flush=True)
    renderer = Renderer(load_tokenizer(folder), base.template_options, recipe.system_prompt)
    learn, held_out = read_rows(run.train_jsonl), read_rows(run.held_out_jsonl)
    rows = [r for i, row in enumerate(learn) for r in renderer.render(row, recipe.max_length, i)]
    if not rows:
        raise DataError("Nothing is left to learn: every answer lies beyond the longest row. Raise max_length or shorten the questions.")
    model = load_base(folder, recipe.method, precision, device)
    keep_packing_layout(model)
    model = add_adapter(model, recipe)
    lengths = [len(row.input_ids) for row in rows]
    steps = plan(lengths, recipe.batch_size, recipe.seed, recipe.epochs)
    labels = [row.label for row in learn if isinstance(row, Conversation) and row.label is not None]
    return Prepared(recipe, device, model, renderer, rows, steps, held_out, labels)


def _watch(run: RunDir, prepared: Prepared, events: EventWriter, stop_asked: Callable[[], str]) -> Watch:
    recipe, tokenizer = prepared.recipe, prepared.renderer.tokenizer
    held_out = [r for i, row in enumerate(prepared.held_out) for r in prepared.renderer.render(row, recipe.max_length, i)]
    base = prepared.model.get_base_model()
    step_tokens = [sum(len(prepared.rows[i].input_ids) for i in step) for step in prepared.steps]
    trainable = sum(p.numel() for p in prepared.model.parameters() if p.requires_grad)
    events.write("plan", steps=len(prepared.steps), tokens=sum(step_tokens), rows=len(prepared.rows), trainable_parameters=trainable)
    return Watch(
        events=events,
        step_tokens=step_tokens,
        checkpoints=run.checkpoints,
        stop_asked=stop_asked,
        held_out_loss=(lambda: mean_loss(base, held_out, tokenizer.pad_token_id, recipe.micro_batch_size)) if held_out else None,
        evaluate_at=evaluation_steps(len(prepared.steps), recipe.evaluations),
        memory=_memory,
        first_step_done=lambda: events.write("phase", phase="learning"),
    )


def _trainer(run: RunDir, prepared: Prepared, watch: Watch) -> StepTrainer:
    precision = training_precision(prepared.device)
    trainer = build_trainer(
        prepared.model,
        prepared.renderer.tokenizer,
        prepared.recipe,
        (prepared.rows, prepared.steps),
        (precision, prepared.device, run.checkpoints),
        [StepCallback(watch)],
    )
    trainer.remove_callback(PrinterCallback)  # our callback writes the log in plain words
    return trainer


def _learn(run: RunDir, trainer: StepTrainer) -> None:
    run.checkpoints.mkdir(exist_ok=True)
    saved = checkpoints.newest(run.checkpoints)
    if saved:
        print(f"Going on from step {checkpoints.step_of(saved)}.", flush=True)
    trainer.train(resume_from_checkpoint=str(saved) if saved else None)


def _test(prepared: Prepared) -> dict[str, Any]:
    recipe, model, renderer = prepared.recipe, prepared.model, prepared.renderer
    losses = held_out_losses(model, renderer, prepared.held_out, recipe.max_length, recipe.micro_batch_size)
    return build_report(compare(model, renderer, ADAPTER, prepared.held_out), losses, prepared.labels)


def _save(run: RunDir, prepared: Prepared, report: dict[str, Any] | None) -> None:
    """The adapter as a standard PEFT folder, renamed into place when whole."""
    temporary = run.path / ".adapter.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    config = prepared.model.peft_config[ADAPTER]
    base = find_model(prepared.recipe.model)
    config.base_model_name_or_path, config.revision = base.id, base.revision
    prepared.model.save_pretrained(temporary, save_embedding_layers=False)  # "auto" would look the base up on the hub
    (temporary / "README.md").unlink()  # PEFT's empty model card
    if run.adapter.exists():
        shutil.rmtree(run.adapter)
    publish(temporary, run.adapter)
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
        "artifact_bytes": sum(file.stat().st_size for file in run.adapter.iterdir()),
        "ended": time.time(),
    }


def _numbers_broke(run: RunDir, step: int) -> str:
    saved = checkpoints.saved_step(run.checkpoints)
    kept = f"Saved up to step {saved}." if saved else "Nothing was saved yet."
    return f"Training went wrong at step {step} (the numbers grew too large). {kept} Try again with a smaller size of each change."


def _memory() -> int:
    return torch.cuda.memory_reserved() if torch.cuda.is_available() else psutil.Process().memory_info().rss


def _peak_memory() -> int | None:
    """Bytes at the highest point: of the card, else of this process; None where the system keeps no such figure."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_reserved()
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) * 1024
