"""From a submission to its run directory, whole and durable before the click returns."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from qlora_demo.catalogue import BaseModel
from qlora_demo.data.choices import Choices
from qlora_demo.data.conversation import Row, write_rows
from qlora_demo.data.dataset import PreparedDataset
from qlora_demo.errors import DiskFullError, RecipeError
from qlora_demo.recipe import Recipe
from qlora_demo.room import told_when_full
from qlora_demo.run_dir import Home, RunDir, new_id, publish, write_json

LONGEST_NAME = 80
LIBRARIES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "datasets", "accelerate", "gradio")


@dataclass(frozen=True)
class Submission:
    """Everything that a run begins with; `learn` and `held_out` are the rows on each side of the split, `file` is what a command would name."""

    owner: str
    name: str
    recipe: Recipe
    model: BaseModel
    learn: Sequence[Row]
    held_out: Sequence[Row]
    dataset_id: str
    dataset: PreparedDataset
    file: str
    forecast_seconds: float
    predicted_memory_bytes: int
    max_seconds: float | None = None
    """What it may take, over all its attempts."""
    set_id: str | None = None
    """Of the trainings that were started together to be compared."""


def build(home: Home, submission: Submission) -> str:
    """Makes the directory under a temporary name, syncs it and renames it. Returns the run's id. Raises DiskFullError."""
    run_id = new_id()
    made = RunDir(home.runs / f".new-{run_id}")
    try:
        with told_when_full():
            made.data.mkdir(parents=True)
            write_rows(made.train_jsonl, submission.learn)
            write_rows(made.held_out_jsonl, submission.held_out)
            write_json(made.data_report_json, submission.dataset.report.to_json())
            write_json(made.recipe_json, submission.recipe.to_json())
            write_json(made.run_json, _about(run_id, submission))
            publish(made.path, home.run(run_id).path)
    except DiskFullError:
        shutil.rmtree(made.path, ignore_errors=True)
        raise
    return run_id


def _about(run_id: str, submission: Submission) -> dict[str, object]:
    return {
        "id": run_id,
        "name": submission.name,
        "owner": submission.owner,
        "created": time.time(),
        "base": submission.model.identity(),
        "dataset": submission.dataset_id,
        "rows": len(submission.learn),
        "held_out": len(submission.held_out),
        "forecast_seconds": submission.forecast_seconds,
        "predicted_memory_bytes": submission.predicted_memory_bytes,
        "max_seconds": submission.max_seconds,
        "set": submission.set_id,
        "versions": {library: version(library) for library in LIBRARIES},
        "command": command(submission.file, submission.dataset, submission.recipe, submission.name),
    }


def command(file: str, dataset: PreparedDataset, recipe: Recipe, name: str) -> str:
    """The command line that repeats a run in the folder where the file is."""
    words = ["python", "-m", "qlora_demo", "train", file, "--model", recipe.model, "--method", recipe.method, "--preset", recipe.preset]
    for setting, value in recipe.to_json().items():
        if setting not in ("model", "method", "preset"):
            words += ["--set", f"{setting}={value}"]
    return shlex.join([*words, *_choices(dataset.choices), "--name", name])


def _choices(choices: Choices) -> list[str]:
    """What was decided about the file, as options."""
    words = [word for role, column in choices.columns.items() for word in ("--map", f"{role}={column}")]
    words += [word for label, name in choices.labels.items() for word in ("--label", f"{label}={name}")]
    words += [word for fix in choices.fixes for word in ("--fix", fix)]
    for option, value in (("--sheet", choices.sheet), ("--speaker", choices.speaker), ("--first-rows", choices.first_rows)):
        words += [option, str(value)] if value else []
    return [*words, "--leave-out-broken"] if choices.leave_out_broken else words


def renamed(about: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A run.json under another name, in its command too. Raises RecipeError for an empty one."""
    title = name.strip()[:LONGEST_NAME]
    if not title:
        raise RecipeError("A name needs at least one letter.")
    kept = {key: value for key, value in about.items() if key != "schema"}
    return {**kept, "name": title, "command": shlex.join([*shlex.split(about["command"])[:-1], title])}
