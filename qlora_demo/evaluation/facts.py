"""What a run's own files and weights say of its learning, for the diagnosis."""

from __future__ import annotations

from typing import Any

import torch

from qlora_demo.catalogue import find_model
from qlora_demo.data.conversation import Conversation, Row
from qlora_demo.evaluation.diagnosis import Facts, ends
from qlora_demo.events import read_events
from qlora_demo.progress import progress_of
from qlora_demo.recipe import Material, Recipe, recommended
from qlora_demo.run_dir import RunDir


def facts_of(run: RunDir, recipe: Recipe, rows: int, held_out: int, model: Any) -> Facts:
    """`rows` were learned from, `held_out` set aside; `model` is the adapted one."""
    progress = progress_of(read_events(run.events)[0])
    first, last = ends([loss for _, loss in progress.points])
    best = recommended(find_model(recipe.model), recipe.method, recipe.preset, Material(rows), held_out)
    return Facts(recipe, best, rows, progress.step, first, last, moved(model))


def moved(model: Any) -> float | None:
    """The norm of everything that the adapter's B matrices hold, which is 0 before training; None for a model without an adapter."""
    with torch.no_grad():
        squares = [float(weight.float().square().sum()) for name, weight in model.named_parameters() if "lora_B" in name]
    return sum(squares) ** 0.5 if squares else None


def labels_of(rows: list[Row]) -> list[str]:
    """Of the rows that sort."""
    return [row.label for row in rows if isinstance(row, Conversation) and row.label is not None]
