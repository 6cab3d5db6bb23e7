"""Why a run has learned nothing, or too much, and the one change of its recipe that would help. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qlora_demo.recipe import RANGES, Recipe

FEW_STEPS, ENOUGH_STEPS = 60, 100
"""Fewer steps often teach nothing; with so many, each of the examples that come along is learned."""
FLAT, GREW = 0.97, 1.1
"""The error at the end as a share of that at the beginning."""
FACTOR = 3.0
"""Of the learning rate, down or up: about the distance between too small, right and too large."""
WINDOW = 10
LONGER, GENTLER, LARGER = "Train again, longer", "Train again, gentler", "Train again, with larger changes"
LONGER_ROWS = "Train again, with longer rows"


@dataclass(frozen=True)
class Advice:
    """`reason` is a sentence; `button` is the words of one that starts a run with `changes`, recipe fields by name."""

    reason: str
    button: str
    changes: Mapping[str, Any]

    def because(self) -> str:
        """The reason as the end of another sentence: "it only took 6 steps."."""
        return self.reason[0].lower() + self.reason[1:]


@dataclass(frozen=True)
class Facts:
    """What is known of a run at its end. `rows` were learned from; the errors are smoothed, None where there were no steps.

    `moved` is the size of what the adapter adds (the norm of its B matrices, which begin at 0), None after full training. `same_answers` says that
    base and adapted model answered every question with the same words, None where none was asked.
    """

    recipe: Recipe
    recommended: Recipe
    rows: int
    steps: int
    first_loss: float | None
    last_loss: float | None
    moved: float | None = None
    same_answers: bool | None = None

    def flat(self) -> bool:
        """Its error did not fall."""
        return self.first_loss is not None and self.last_loss is not None and self.last_loss > FLAT * self.first_loss

    def grew(self) -> bool:
        return self.first_loss is not None and self.last_loss is not None and self.last_loss > GREW * self.first_loss

    def still(self) -> bool:
        """Nothing of the adapter has moved."""
        return self.moved == 0.0

    def timid(self) -> bool:
        """Its changes are clearly smaller than is recommended."""
        return 2 * self.recipe.learning_rate < self.recommended.learning_rate


def ends(losses: Sequence[float]) -> tuple[float | None, float | None]:
    """The error at the beginning and at the end: each the mean of up to WINDOW steps, of a short run a quarter."""
    if not losses:
        return None, None
    window = max(1, min(WINDOW, len(losses) // 4))
    return sum(losses[:window]) / window, sum(losses[-window:]) / window


def why_not(facts: Facts) -> Advice | None:
    """The likeliest cause where nothing, or little, was learned. None where what is known explains nothing: more or other data might help."""
    recipe = facts.recipe
    if facts.still():
        return _larger(facts, "Nothing in its add-on has moved.")
    if facts.grew():
        return gentler(recipe, "Its error grew instead of getting smaller.")
    if facts.flat() and facts.timid():
        return _larger(facts, "Its error did not get smaller.")
    if facts.steps < FEW_STEPS:
        return _longer(facts, f"It only took {facts.steps} {'step' if facts.steps == 1 else 'steps'}.", ENOUGH_STEPS)
    if facts.flat():
        return _larger(facts, "Its error did not get smaller.")
    if facts.same_answers and facts.timid():
        return _larger(facts, "It still answers as the base model does.")
    if facts.same_answers:
        return _longer(facts, "It still answers as the base model does.", 2 * facts.steps)
    return None


def forgot(facts: Facts) -> Advice:
    """For a run that lost general knowledge: smaller changes, or where they were small already, fewer times through the data."""
    recipe = facts.recipe
    if recipe.learning_rate * FACTOR / 2 < facts.recommended.learning_rate and recipe.epochs > 1:
        return Advice("Fewer times through your data keep more of it.", GENTLER, {"epochs": max(1.0, round(recipe.epochs / 2, 1))})
    return gentler(recipe, "Smaller changes keep more of it.")


def gentler(recipe: Recipe, reason: str) -> Advice:
    """Smaller changes."""
    return Advice(reason, GENTLER, {"learning_rate": _rate(recipe.learning_rate / FACTOR)})


def longer_rows(longest: int) -> Advice:
    """Where nothing carried loss, since every answer begins beyond the longest row: `longest` is the data's longest in tokens."""
    most = int(RANGES["max_length"][1])
    return Advice("Every answer lies beyond the longest row.", LONGER_ROWS, {"max_length": min(most, 64 * math.ceil(longest / 64))})


def _larger(facts: Facts, reason: str) -> Advice:
    rate, recommended = facts.recipe.learning_rate, facts.recommended.learning_rate
    return Advice(reason, LARGER, {"learning_rate": recommended if rate < recommended else _rate(rate * FACTOR)})


def _longer(facts: Facts, reason: str, steps: int) -> Advice:
    """As many times through the data as `steps` take, and more often than now."""
    a_time = math.ceil(facts.rows / facts.recipe.batch_size)
    wanted = max(math.ceil(steps / a_time), math.floor(facts.recipe.epochs) + 1)
    return Advice(reason, LONGER, {"epochs": float(min(RANGES["epochs"][1], wanted))})


def _rate(value: float) -> float:
    """In two digits, within what is allowed."""
    low, high = RANGES["learning_rate"]
    return min(high, max(low, float(f"{value:.2g}")))
