"""One training run from its directory to its result: get the model, learn, test, save. Read top to bottom; each phase is an event."""

from __future__ import annotations

import gc
import os
import shutil
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import PrinterCallback

from qlora_demo.catalogue import find_model
from qlora_demo.evaluation.diagnosis import longer_rows
from qlora_demo.evaluation.likelihood import mean, row_losses
from qlora_demo.evaluation.watching import Watching
from qlora_demo.events import EventWriter, read_events
from qlora_demo.jobs.deadline import TIME_IS_UP, Deadline, max_seconds
from qlora_demo.jobs.fitting import Fit
from qlora_demo.jobs.prepared import NothingToLearn, Prepared, prepare
from qlora_demo.jobs.testing import tested
from qlora_demo.models.loading import causal_model
from qlora_demo.progress import evaluation_steps
from qlora_demo.run_dir import RunDir, write_json
from qlora_demo.source.fetch import Cancelled
from qlora_demo.systems import peak_memory
from qlora_demo.training import checkpoints
from qlora_demo.training.artifact import rounded, save_adapter, save_model
from qlora_demo.training.callbacks import StepCallback, Watch
from qlora_demo.training.ranks import ALONE, Ranks
from qlora_demo.training.trainer import Setting, StepTrainer, build_trainer

GENTLER = 3
STOPPED_WHILE_FETCHING = "Stopped while the base model was fetched. What came is kept; the next start goes on there."


def train(run: RunDir, stop_asked: Callable[[], str], ranks: Ranks = ALONE) -> bool:
    """Returns True once result.json is written, False where the run was interrupted and can go on. Raises UserError.

    Of several processes each does this. All learn; the first alone writes, tests and saves, and is the last one to end.
    """
    earlier = read_events(run.events)[0]
    events = EventWriter(run.events if ranks.first else Path(os.devnull), attempt=earlier[-1]["attempt"] + 1 if earlier else 1)
    deadline = Deadline(max_seconds(run), earlier)

    def end_asked() -> str:
        return stop_asked() or (TIME_IS_UP if deadline.over() else "")

    try:
        prepared = prepare(run, events, end_asked, ranks)
    except Cancelled:
        return _ended_while_fetching(run, events, end_asked(), deadline)
    except NothingToLearn as error:
        result = {"outcome": "failed", "reason": str(error), "advice": asdict(longer_rows(error.longest))}
        return _ended(run, events, result) if ranks.first else True
    watch = _watch(run, prepared, events, ranks.heard_by_all(end_asked))
    events.write("phase", phase="fitting")
    trainer = _trainer(run, prepared, watch)
    _tests_meanwhile(prepared, trainer, watch, asked=any(e["type"] == "sample" and e["step"] == 0 for e in earlier))
    step = _learn(run, trainer, ranks)
    ranks.leave()
    if watch.ended_by == "interrupt":
        print("Interrupted; it can go on from the last saved point.", flush=True)
        return False
    if not ranks.first:
        return True
    if watch.ended_by == "nan":
        return _ended(run, events, _numbers_broke(run, prepared, trainer, step))
    watch.samples, watch.held_out_loss, watch.first_step_done = None, None, lambda: None
    del trainer  # by now nothing else holds it, nor the optimizer, whose memory the test needs
    if prepared.fit.sharded:
        _save(run, prepared)
        prepared = replace(prepared, model=None)  # its share makes room for the whole model, which is tested
    gc.collect()
    result = _tested_and_saved(run, prepared, watch, events, step)
    if watch.ended_by == TIME_IS_UP:
        result |= deadline.ended_at(step)
    _ended(run, events, result)
    if result["outcome"] == "finished":  # after the result: where the disk has no room for it, the run can go on from its last saved point
        shutil.rmtree(run.checkpoints, ignore_errors=True)
    return True


def _tests_meanwhile(prepared: Prepared, trainer: StepTrainer, watch: Watch, asked: bool) -> None:
    """What is tested while it learns: by the first process, and by all where the model is spread, as it computes in all or in none. `asked` says that
    an earlier attempt has the answers before training."""
    if prepared.ranks.first or prepared.fit.sharded:
        watch.held_out_loss = _held_out_loss(prepared, trainer)
    if prepared.watched:
        watch.samples = Watching(causal_model(prepared.model), prepared.renderer, prepared.watched, watch.events.write, trainer.decoder)
        if not asked:
            _ask_the_base(prepared, watch)


def _tested_and_saved(run: RunDir, prepared: Prepared, watch: Watch, events: EventWriter, step: int) -> dict[str, Any]:
    """The result."""
    report, learned_in = None, _peak_memory()
    if not watch.ended_by:
        events.write("phase", phase="testing")
        report = tested(run, prepared, events)
    events.write("phase", phase="saving")
    if prepared.model is not None:
        _save(run, prepared)
    if report:
        write_json(run.report_json, report)
    result = _result(run, prepared, watch, step)
    # A spread model is tested whole on one card, which is no measure of what learning takes.
    return {**result, "peak_memory_bytes": learned_in} if prepared.fit.sharded else result


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


def _watch(run: RunDir, prepared: Prepared, events: EventWriter, stop_asked: Callable[[], str]) -> Watch:
    step_tokens = [sum(len(prepared.rows[i].input_ids) for i in step) for step in prepared.steps]
    events.write("plan", steps=len(prepared.steps), tokens=sum(step_tokens), rows=len(prepared.rows), trainable_parameters=prepared.trainable)
    events.write("watch", questions=[question.shown() for question in prepared.watched])
    return Watch(
        events=events,
        step_tokens=step_tokens,
        checkpoints=run.checkpoints,
        stop_asked=stop_asked,
        evaluate_at=evaluation_steps(len(prepared.steps), prepared.recipe.evaluations),
        memory=_memory,
        first_step_done=lambda: _first_step_done(run, prepared, events),
        saves=prepared.ranks.first,
    )


def _held_out_loss(prepared: Prepared, trainer: StepTrainer) -> Callable[[], float] | None:
    """None where no row is set aside."""
    rows = list(prepared.renderer.render_all(prepared.held_out, prepared.recipe.max_length))
    model, pad = causal_model(prepared.model), prepared.renderer.tokenizer.pad_token_id
    return (lambda: mean(row_losses(model, rows, pad, trainer.decoder()), rows)) if rows else None


def _first_step_done(run: RunDir, prepared: Prepared, events: EventWriter) -> None:
    """The very first one held the longest row: what it took is what the run takes."""
    if not any(run.checkpoints.glob("step-*")):
        fit, sizes = prepared.fit, {"predicted_bytes": prepared.predicted_memory(), "measured_bytes": _peak_memory()}
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
    fit = prepared.fit
    trainer = build_trainer(
        prepared.model,
        prepared.renderer.tokenizer,
        prepared.recipe,
        (prepared.rows, prepared.steps),
        Setting(prepared.precision, prepared.device, run.checkpoints, fit.checkpointing, fit.paged, prepared.ranks, fit.sharded),
        [StepCallback(watch)],
    )
    trainer.remove_callback(PrinterCallback)  # our callback writes the log in plain words
    return trainer


def _learn(run: RunDir, trainer: StepTrainer, ranks: Ranks) -> int:
    """Returns the step it came to."""
    run.checkpoints.mkdir(exist_ok=True)
    saved = ranks.from_first(lambda: checkpoints.newest(run.checkpoints))
    if saved:
        print(f"Going on from step {checkpoints.step_of(saved)}.", flush=True)
    trainer.train(resume_from_checkpoint=str(saved) if saved else None)
    return trainer.state.global_step


def _save(run: RunDir, prepared: Prepared) -> None:
    base = find_model(prepared.recipe.model)
    if prepared.recipe.method == "full":
        save_model(rounded(prepared.model, prepared.precision), prepared.renderer.tokenizer, base, run.model)
    else:
        save_adapter(prepared.model, base, run.adapter)


def _result(run: RunDir, prepared: Prepared, watch: Watch, step: int) -> dict[str, Any]:
    stopped = watch.ended_by in ("stop", TIME_IS_UP)
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
        "predicted_memory_bytes": prepared.predicted_memory(),
        "trainable_parameters": prepared.trainable,
        "total_parameters": dimensions.parameters() + (0 if prepared.recipe.method == "full" else prepared.trainable),
        "artifact_bytes": sum(file.stat().st_size for file in run.weights().iterdir()),
        "ended": time.time(),
    }


def _fitted(fit: Fit) -> dict[str, Any]:
    how = {"micro_batch_size": fit.micro_batch_size, "checkpointing": fit.checkpointing, "changed": list(fit.changed)}
    return {**how, "processes": fit.processes, "sharded": fit.sharded}


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
            _save(run, prepared)
            return checkpoints.step_of(saved)
    return None


def _memory() -> int:
    return torch.cuda.memory_reserved() if torch.cuda.is_available() else psutil.Process().memory_info().rss


def _peak_memory() -> int:
    """Bytes at the highest point: of the card, else of this process."""
    return torch.cuda.max_memory_reserved() if torch.cuda.is_available() else peak_memory()
