"""What is done about a run whose memory ran out: one change at a time, each in a fresh process, until it fits or nothing is left to try.

The group of rows read at once is halved down to one row; then parts of a step are computed twice instead of kept. Neither changes what is
learned: a step reads the same rows. What was changed is kept in the run's fit.json, which its next worker follows.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace
from typing import Any

from qlora_demo.catalogue import find_model
from qlora_demo.events import read_events
from qlora_demo.progress import progress_of
from qlora_demo.recipe import Material, Recipe, from_json, recommended
from qlora_demo.run_dir import RunDir, read_json, write_json
from qlora_demo.systems import free_memory, memory_kills

HALVED = "It did not fit, so we halved the group of rows read at once and went on. The result does not suffer; it takes longer."
RECOMPUTED = "It did not fit, so parts of each step are now computed twice instead of kept. The result does not suffer; it takes longer."
TOO_LARGE = "This needs more memory than is free here, even with one row at a time."
SMALLEST = f"{TOO_LARGE} Shorten the longest row (max_length), or choose a smaller model."
QLORA_BUTTON = "Train again with QLoRA"
WORDS = ("out of memory", "can't allocate memory", "not enough memory", "bad_alloc", "ALLOC_FAILED")
"""Of the errors that a card, torch's own allocator, Windows, C++ and the card's libraries raise."""
ALL_THAT_ONEDNN_SAYS = ("could not create a primitive", "could not execute a primitive")
"""Where its matrix products find no memory; a product that it does not know is "a primitive descriptor"."""
BEFORE_LEARNING = ("getting", "loading")
NEARLY_ALL = 0.8


@dataclass(frozen=True)
class Fit:
    """How a run uses memory, and the sentences that say what was changed after it had run out. `paged` is an optimizer in 8 bits; `processes` share
    each step, `sharded` the base model too."""

    micro_batch_size: int
    checkpointing: bool = False
    changed: tuple[str, ...] = ()
    paged: bool = False
    processes: int = 1
    sharded: bool = False


def next_fit(fit: Fit) -> Fit | None:
    """With one change that saves memory; None where nothing is left to change."""
    if fit.micro_batch_size > 1:
        return _changed(replace(fit, micro_batch_size=fit.micro_batch_size // 2), HALVED)
    if not fit.checkpointing:
        return _changed(replace(fit, checkpointing=True), RECOMPUTED)
    return None


def _changed(fit: Fit, sentence: str) -> Fit:
    """Halved three times is said once."""
    return replace(fit, changed=tuple(dict.fromkeys((*fit.changed, sentence))))


def read_fit(run: RunDir, recipe: Recipe) -> Fit:
    """What was found until now; at first, what the recipe asks for. Raises StorageError."""
    if not run.fit_json.exists():
        return Fit(recipe.micro_batch_size)
    value = read_json(run.fit_json)
    team = value.get("processes", 1), value.get("sharded", False)  # before there could be several, nothing was said
    return Fit(value["micro_batch_size"], value["checkpointing"], tuple(value["attempts"]), value["paged"], *team)


def write_fit(run: RunDir, fit: Fit) -> None:
    how = {"micro_batch_size": fit.micro_batch_size, "checkpointing": fit.checkpointing, "paged": fit.paged}
    team = {"processes": fit.processes, "sharded": fit.sharded}
    write_json(run.fit_json, {**how, **team, "attempts": list(fit.changed)})


def step_down(run: RunDir) -> bool:
    """After the memory of this run's process ran out: writes how the next one goes on. False where nothing is left to try, which is so at once
    where not even the base model could be read. Raises StorageError."""
    recipe = from_json(read_json(run.recipe_json))
    fit = next_fit(read_fit(run, recipe))
    if fit is None or progress_of(read_events(run.events)[0]).phase in BEFORE_LEARNING:
        return False
    write_fit(run, fit)
    return True


def stepped_down_since(run: RunDir, then: float) -> bool:
    """Whether that happened after `then`, in seconds since the epoch. It is the last thing that a worker does; at a run's first start it may write
    what it plans, where nothing has been changed yet. Raises StorageError."""
    return run.fit_json.exists() and run.fit_json.stat().st_mtime >= then and bool(read_json(run.fit_json)["attempts"])


def nothing_left(run: RunDir) -> dict[str, Any]:
    """The result.json of a run that does not fit, whatever is changed. Raises StorageError."""
    recipe = from_json(read_json(run.recipe_json))
    if recipe.method == "qlora":
        return {"outcome": "failed", "reason": SMALLEST}
    advice = {"reason": "QLoRA needs the least memory.", "button": QLORA_BUTTON, "changes": _to_qlora(recipe, run)}
    return {"outcome": "failed", "reason": f"{TOO_LARGE} QLoRA needs the least.", "advice": advice}


def _to_qlora(recipe: Recipe, run: RunDir) -> dict[str, Any]:
    """An adapter wants larger changes than a whole model: by as much as the recommended ones differ."""
    if recipe.method == "lora":
        return {"method": "qlora"}
    with run.train_jsonl.open("rb") as file:
        rows = sum(1 for _ in file)
    model, material = find_model(recipe.model), Material(rows)
    adapter, whole = (recommended(model, method, recipe.preset, material, recipe.held_out).learning_rate for method in ("qlora", "full"))
    return {"method": "qlora", "learning_rate": recipe.learning_rate * adapter / whole}


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory could not be had: Python's own, the system's, or one of torch's, which has no class for all of them."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    said = str(error)
    return isinstance(error, RuntimeError) and (said in ALL_THAT_ONEDNN_SAYS or any(words in said for words in WORDS))


def killed_for_memory(run: RunDir, kills_before: int | None) -> bool:
    """Whether the system ended this run's worker because memory ran out. `kills_before` is `memory_kills()` when it was started; where the
    system does not count, the worker's last word tells: it held nearly all that is free now."""
    kills = memory_kills()
    if kills is not None and kills_before is not None:
        return kills > kills_before
    held = progress_of(read_events(run.events)[0]).memory_bytes or 0
    return held > NEARLY_ALL * free_memory()
