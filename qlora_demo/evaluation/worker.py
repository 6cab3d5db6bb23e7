"""The evaluation worker: `python -m qlora_demo.evaluation.worker`. A run's base and adapted model on rows, without training; see `pipes`.

{"op": "evaluate", "run": path, "rows": path or ""} is answered by {"type": "loaded"}, then {"type": "done", "report": {...}, "last": true}, or by
{"type": "error", "message", "last": true}. Without `rows` it takes those that the run set aside, and the report becomes the run's. It holds the
home's device lock meanwhile, so it never computes beside a training.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from qlora_demo.catalogue import find_model
from qlora_demo.data.conversation import Row, read_rows
from qlora_demo.data.rendering import Renderer, load_tokenizer
from qlora_demo.errors import BusyError, DataError, ModelError, UserError
from qlora_demo.evaluation.facts import facts_of, labels_of
from qlora_demo.evaluation.report import Trial, score
from qlora_demo.evaluation.verdict import IN_FILE, SET_ASIDE
from qlora_demo.models.loading import load_base, measuring_precision, with_adapter
from qlora_demo.models.pair import Pair
from qlora_demo.pipes import own_output
from qlora_demo.recipe import Recipe, from_json
from qlora_demo.run_dir import Home, RunDir, read_json, write_json
from qlora_demo.settings import Settings
from qlora_demo.source.locate import locate

ADAPTER = "default"
BUSY = "This machine is training. Test the model when that is done."
OTHER_BASE = "This model was trained on another release of its base model, which is not here. Train it again."
NOTHING_TO_TEST = "Nothing in this file can be tested: no answer lies within the longest row that this model was trained on."


@dataclass(frozen=True)
class Opened:
    """A run's two models in memory."""

    pair: Pair
    renderer: Renderer
    recipe: Recipe


def main() -> None:
    output = own_output()

    def reply(kind: str, **values: Any) -> None:
        output.write(json.dumps({"type": kind, **values}) + "\n")
        output.flush()

    for line in sys.stdin:
        request = json.loads(line)
        try:
            report = _evaluate(RunDir(Path(request["run"])), request["rows"], lambda: reply("loaded"))
            reply("done", report=report, last=True)
        except UserError as error:
            reply("error", message=str(error), last=True)


def _evaluate(run: RunDir, rows: str, loaded: Callable[[], None]) -> dict[str, Any]:
    device = FileLock(Home(run.path.parent.parent).device_lock)
    try:
        with device.acquire(timeout=0):
            opened = _opened(run)
            loaded()
            return evaluate(run, opened, read_rows(Path(rows)) if rows else None)
    except Timeout as error:
        raise BusyError(BUSY) from error


def _opened(run: RunDir) -> Opened:
    """As chat loads them, so that what is tested is what answers there. Raises UserError."""
    recipe = from_json(read_json(run.recipe_json))
    base, settings = find_model(recipe.model), Settings.from_env(os.environ)
    if read_json(run.run_json)["base"] != base.identity():
        raise ModelError(OTHER_BASE)
    device = "cuda" if settings.device != "cpu" and torch.cuda.is_available() else "cpu"
    folder, precision = locate(base, settings), measuring_precision(device)
    renderer = Renderer(load_tokenizer(folder), base.template_options, recipe.system_prompt)
    model = load_base(folder, recipe.method, precision, device).eval()
    if recipe.method == "full":
        return Opened(Pair(model, load_base(run.model, "full", precision, device).eval()), renderer, recipe)
    adapted = with_adapter(model, run.adapter, ADAPTER).eval()
    return Opened(Pair(adapted, adapted, ADAPTER), renderer, recipe)


def evaluate(run: RunDir, opened: Opened, given: list[Row] | None) -> dict[str, Any]:
    """The report on `given` rows, or where they are None on those set aside, which is kept as the run's. Raises DataError."""
    learned, aside = read_rows(run.train_jsonl), read_rows(run.held_out_jsonl)
    facts = facts_of(run, opened.recipe, len(learned), len(aside), opened.pair.adapted)
    trial = Trial(aside if given is None else given, SET_ASIDE if given is None else IN_FILE, labels_of(learned), facts)
    report = score(opened.pair, opened.renderer, trial)
    if given is None:
        write_json(run.report_json, report)
    elif report["kind"] == "none":
        raise DataError(NOTHING_TO_TEST)
    return report


if __name__ == "__main__":
    main()
