"""One training run from its directory to its result: get the model, learn, test, save. Read top to bottom; each phase is an event."""

from __future__ import annotations

import gc
import os
import shutil
import time
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import PrinterCallback

from qlora_demo.catalogue import find_model
from qlora_demo.data.conversation import read_rows
from qlora_demo.data.rendering import Rendered, Renderer, batches, load_tokenizer
from qlora_demo.estimate import Computing, fit_to, training_memory
from qlora_demo.evaluation.diagnosis import longer_rows
from qlora_demo.evaluation.facts import facts_of, labels_of
from qlora_demo.evaluation.likelihood import mean, row_losses
from qlora_demo.evaluation.report import Trial, score
from qlora_demo.evaluation.verdict import SET_ASIDE
from qlora_demo.evaluation.watching import Question, Watching, choose
from qlora_demo.events import EventWriter, read_events
from qlora_demo.jobs.deadline import TIME_IS_UP, Deadline, max_seconds
from qlora_demo.jobs.download import DownloadEvents
from qlora_demo.jobs.fitting import Fit, out_of_memory, read_fit, write_fit
from qlora_demo.models.loading import Precision, causal_model, keep_packing_layout, load_base, training_precision
from qlora_demo.models.pair import Pair
from qlora_demo.progress import evaluation_steps
from qlora_demo.recipe import Recipe, from_json
from qlora_demo.run_dir import RunDir, read_json, write_json
from qlora_demo.settings import Settings
from qlora_demo.source.fetch import Cancelled
from qlora_demo.source.locate import locate
from qlora_demo.systems import free_memory, keep_freed_memory, peak_memory, return_freed_memory
from qlora_demo.training import checkpoints
from qlora_demo.training.artifact import ADAPTER, rounded, save_adapter, save_model
from qlora_demo.training.batches import Step, plan
from qlora_demo.training.callbacks import StepCallback, Watch
from qlora_demo.training.trainer import Setting, StepTrainer, add_adapter, build_trainer

GENTLER = 3
NOTHING_TO_LEARN = "Nothing is left to learn: every answer lies beyond the longest row. Raise max_length or shorten the questions."
FEWER_AT_ONCE = "Memory is short here, so fewer rows are read at once. The result does not suffer."
COMPUTED_TWICE = "Memory is short here, so parts of each step are computed twice instead of kept. The result does not suffer; it takes longer."
PAGED = "Memory is short here, so the optimizer keeps its averages in 8 bits."
UNTESTED = "There was too little memory left for the test. Ask it something in Chat."
STOPPED_WHILE_FETCHING = "Stopped while the base model was fetched. What came is kept; the next start goes on there."


class NothingToLearn(Exception):
    """No row carries loss; `longest` is the longest row's length in tokens."""

    def __init__(self, longest: int):
        super().__init__(NOTHING_TO_LEARN)
        self.longest = longest


@dataclass(frozen=True)
class Prepared:
    """Everything that learning needs. `recipe` has as many rows at once as `fit` says."""

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


def train(run: RunDir, stop_asked: Callable[[], str]) -> bool:
    """Returns True once result.json is written, False where the run was interrupted and can go on. Raises UserError."""
    earlier = read_events(run.events)[0]
    events = EventWriter(run.events, attempt=earlier[-1]["attempt"] + 1 if earlier else 1)
    deadline = Deadline(max_seconds(run), earlier)

    def end_asked() -> str:
        return stop_asked() or (TIME_IS_UP if deadline.over() else "")

    try:
        prepared = _prepare(run, events, end_asked)
    except Cancelled:
        return _ended_while_fetching(run, events, end_asked(), deadline)
    except NothingToLearn as error:
        return _ended(run, events, {"outcome": "failed", "reason": str(error), "advice": asdict(longer_rows(error.longest))})
    watch = _watch(run, prepared, events, end_asked)
    events.write("phase", phase="fitting")
    trainer = _trainer(run, prepared, watch)
    watch.held_out_loss = _held_out_loss(prepared, trainer)
    if prepared.watched:
        watch.samples = Watching(causal_model(prepared.model), prepared.renderer, prepared.watched, events.write, trainer.decoder)
    if watch.samples and not any(e["type"] == "sample" and e["step"] == 0 for e in earlier):
        _ask_the_base(prepared, watch)
    step = _learn(run, trainer)
    if watch.ended_by == "interrupt":
        print("Interrupted; it can go on from the last saved point.", flush=True)
        return False
    if watch.ended_by == "nan":
        return _ended(run, events, _numbers_broke(run, prepared, trainer, step))
    watch.samples, watch.held_out_loss, watch.first_step_done = None, None, lambda: None
    del trainer  # by now nothing else holds it, nor the optimizer, whose memory the test needs
    gc.collect()
    report = None
    if not watch.ended_by:
        events.write("phase", phase="testing")
        report = _tested(run, prepared, events)
    events.write("phase", phase="saving")
    _save(run, prepared, report)
    result = _result(run, prepared, watch, step)
    if watch.ended_by == TIME_IS_UP:
        result |= deadline.ended_at(step)
    _ended(run, events, result)
    if result["outcome"] == "finished":  # after the result: where the disk has no room for it, the run can go on from its last saved point
        shutil.rmtree(run.checkpoints, ignore_errors=True)
    return True


def _ended(run: RunDir, events: EventWriter, result: dict[str, Any]) -> bool:
    events.write("result", outcome=result["outcome"], reason=result["reason"])
    write_json(run.result_json, result)
    return True


def _ended_while_fetching(run: RunDir, events: EventWriter, asked: str, deadline: Deadline) -> bool:
    if asked == TIME_IS_UP:
        return _ended(run, events, deadline.ended_while_fetching())
    if asked != "stop":
        print("Interrupted while the base model was fetched; the next start goes on there.", flush=True)
        return False
    return _ended(run, events, {"outcome": "stopped", "reason": STOPPED_WHILE_FETCHING})


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
    print(f"{base.id}: training in {precision.reason}", flush=True)
    renderer = Renderer(load_tokenizer(folder), base.template_options, recipe.system_prompt)
    learn, held_out = read_rows(run.train_jsonl), read_rows(run.held_out_jsonl)
    rows = list(renderer.render_all(learn, recipe.max_length))
    if not rows:
        raise NothingToLearn(max(len(whole.input_ids) for some in batches(learn) for parts in renderer.whole(some) for whole in parts))
    lengths = [len(row.input_ids) for row in rows]
    fit = _fit(run, recipe, max(lengths), device, precision)
    if fit.paged:
        precision = training_precision(device, recipe.method, paged=True)
    for remark in (f"Training in {precision.reason}.", *_planned(recipe, fit), *fit.changed):
        events.write("note", text=remark)
    recipe = replace(recipe, micro_batch_size=fit.micro_batch_size)
    return_freed_memory()
    model = load_base(folder, recipe.method, precision, device)
    keep_freed_memory()
    model.config.use_cache = False
    keep_packing_layout(model)
    if recipe.method != "full":
        model = add_adapter(model, recipe)
    steps = plan(lengths, recipe.batch_size, recipe.seed, recipe.epochs)
    watched = choose(renderer, held_out, learn) if recipe.evaluations else []
    return Prepared(recipe, fit, device, precision, folder, model, renderer, rows, steps, held_out, labels_of(learn), watched)


def _fit(run: RunDir, recipe: Recipe, longest: int, device: str, precision: Precision) -> Fit:
    """How it uses memory: as was found when that ran out; at its first start, as the arithmetic says of what is free now. A run that has a saved
    point goes on as it began, or it would not end in the same weights."""
    fit = read_fit(run, recipe)
    if run.fit_json.exists() or any(run.checkpoints.glob("step-*")):
        return fit
    way = fit_to(find_model(recipe.model).dimensions, recipe, longest, _free_memory(device), _computing(device, precision))
    planned = Fit(way.micro_batch_size, way.checkpointing, paged=way.paged)
    if planned != fit:
        write_fit(run, planned)
    return planned


def _planned(recipe: Recipe, fit: Fit) -> list[str]:
    """What is said of a fit that was planned, not found."""
    said = []
    if not fit.changed and fit.micro_batch_size < recipe.micro_batch_size:
        said.append(FEWER_AT_ONCE)
    if not fit.changed and fit.checkpointing:
        said.append(COMPUTED_TWICE)
    return [*said, PAGED] if fit.paged else said


def _computing(device: str, precision: Precision) -> Computing:
    return Computing(device, 2 if precision.dtype == torch.bfloat16 else 4)


def _free_memory(device: str) -> int:
    """For this process, with what it holds already."""
    return torch.cuda.mem_get_info()[0] if device == "cuda" else free_memory() + psutil.Process().memory_info().rss


def _watch(run: RunDir, prepared: Prepared, events: EventWriter, stop_asked: Callable[[], str]) -> Watch:
    step_tokens = [sum(len(prepared.rows[i].input_ids) for i in step) for step in prepared.steps]
    trainable = sum(p.numel() for p in prepared.model.parameters() if p.requires_grad)
    events.write("plan", steps=len(prepared.steps), tokens=sum(step_tokens), rows=len(prepared.rows), trainable_parameters=trainable)
    events.write("watch", questions=[question.shown() for question in prepared.watched])
    return Watch(
        events=events,
        step_tokens=step_tokens,
        checkpoints=run.checkpoints,
        stop_asked=stop_asked,
        evaluate_at=evaluation_steps(len(prepared.steps), prepared.recipe.evaluations),
        memory=_memory,
        first_step_done=lambda: _first_step_done(run, prepared, events),
    )


def _held_out_loss(prepared: Prepared, trainer: StepTrainer) -> Callable[[], float] | None:
    """None where no row is set aside."""
    rows = list(prepared.renderer.render_all(prepared.held_out, prepared.recipe.max_length))
    model, pad = causal_model(prepared.model), prepared.renderer.tokenizer.pad_token_id
    return (lambda: mean(row_losses(model, rows, pad, trainer.decoder()), rows)) if rows else None


def _first_step_done(run: RunDir, prepared: Prepared, events: EventWriter) -> None:
    """The very first one held the longest row: what it took is what the run takes."""
    if not any(run.checkpoints.glob("step-*")):
        fit, sizes = prepared.fit, {"predicted_bytes": _predicted_memory(prepared), "measured_bytes": _peak_memory()}
        events.write("fit", micro_batch_size=fit.micro_batch_size, checkpointing=fit.checkpointing, **sizes)
    events.write("phase", phase="learning")


def _ask_the_base(prepared: Prepared, watch: Watch) -> None:
    """The answers before training; where it makes no difference, after the first step, so that the run is seen to learn some seconds sooner: an
    adapter can be switched off, and with a gentle start the first step changes nothing, as its rate is 0."""
    assert watch.samples is not None  # noqa: S101
    full = prepared.recipe.method == "full"
    if full and prepared.recipe.warmup == 0:
        watch.samples(0)
        return
    shown, samples = watch.first_step_done, watch.samples

    def shown_and_asked() -> None:
        shown()
        with nullcontext() if full else prepared.model.disable_adapter():
            samples(0)

    watch.first_step_done = shown_and_asked


def _trainer(run: RunDir, prepared: Prepared, watch: Watch) -> StepTrainer:
    trainer = build_trainer(
        prepared.model,
        prepared.renderer.tokenizer,
        prepared.recipe,
        (prepared.rows, prepared.steps),
        Setting(prepared.precision, prepared.device, run.checkpoints, prepared.fit.checkpointing, prepared.fit.paged),
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


def _tested(run: RunDir, prepared: Prepared, events: EventWriter) -> dict[str, Any] | None:
    """None where memory is too short for the test: what was learned is not lost for that."""
    try:
        report = _test(run, prepared)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        traceback.print_exc()
        events.write("note", text=UNTESTED)
        return None
    for index, answer in enumerate(report["answers"]):
        events.write("answer", index=index, **answer)
    return report


def _test(run: RunDir, prepared: Prepared) -> dict[str, Any]:
    pair = _pair(prepared)
    learned = len({row.row for row in prepared.rows})
    facts = facts_of(run, prepared.recipe, learned, len(prepared.held_out), pair.adapted)
    return score(pair, prepared.renderer, Trial(prepared.held_out, SET_ASIDE, prepared.labels, facts))


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
    stopped = watch.ended_by in ("stop", TIME_IS_UP)
    parameters = list(prepared.model.named_parameters())
    dimensions = find_model(prepared.recipe.model).dimensions
    return {
        "outcome": "stopped" if stopped else "finished",
        "reason": f"Stopped by you at step {step} of {len(prepared.steps)}." if stopped else "",
        **_fitted(prepared.fit),
        "steps": step,
        "train_loss": sum(watch.losses) / len(watch.losses) if watch.losses else None,
        "held_out_loss": watch.held_out[-1] if watch.held_out else None,
        "tokens_per_second": watch.tokens / watch.learning_seconds if watch.learning_seconds else None,
        "seconds": watch.learning_seconds,
        "peak_memory_bytes": _peak_memory(),
        "predicted_memory_bytes": _predicted_memory(prepared),
        "trainable_parameters": sum(p.numel() for _, p in parameters if p.requires_grad),
        "total_parameters": dimensions.parameters() + sum(p.numel() for name, p in parameters if "lora_" in name),
        "artifact_bytes": sum(file.stat().st_size for file in run.weights().iterdir()),
        "ended": time.time(),
    }


def _predicted_memory(prepared: Prepared) -> int:
    dimensions, longest = find_model(prepared.recipe.model).dimensions, max(len(row.input_ids) for row in prepared.rows)
    computing = _computing(prepared.device, prepared.precision)
    return training_memory(dimensions, prepared.recipe, longest, computing, prepared.fit.checkpointing, prepared.fit.paged).total()


def _fitted(fit: Fit) -> dict[str, Any]:
    return {"micro_batch_size": fit.micro_batch_size, "checkpointing": fit.checkpointing, "changed": list(fit.changed)}


def _numbers_broke(run: RunDir, prepared: Prepared, trainer: StepTrainer, step: int) -> dict[str, Any]:
    """The result of a run that went wrong at `step`, after the last good weights have been kept, if there are any."""
    kept = _keep_last_good(run, prepared, trainer)
    saved = f"Saved up to step {kept}." if kept else "Nothing was saved yet."
    rate = prepared.recipe.learning_rate / GENTLER
    return {
        "outcome": "failed",
        "reason": f"Training went wrong at step {step} (the numbers grew too large). {saved}",
        "advice": {"reason": "Smaller changes keep the numbers small.", "button": "Try again, gentler", "changes": {"learning_rate": rate}},
        **_fitted(prepared.fit),
        "kept_step": kept,
        "ended": time.time(),
    }


def _keep_last_good(run: RunDir, prepared: Prepared, trainer: StepTrainer) -> int | None:
    """Puts the weights of the newest saved point where those of a finished run would be. Returns its step, None where there is none."""
    for saved in checkpoints.whole(run.checkpoints):
        trainer._load_from_checkpoint(str(saved))
        if all(bool(p.isfinite().all()) for p in prepared.model.parameters() if p.requires_grad):
            _save(run, prepared, None)
            return checkpoints.step_of(saved)
    return None


def _memory() -> int:
    return torch.cuda.memory_reserved() if torch.cuda.is_available() else psutil.Process().memory_info().rss


def _peak_memory() -> int:
    """Bytes at the highest point: of the card, else of this process."""
    return torch.cuda.max_memory_reserved() if torch.cuda.is_available() else peak_memory()
