"""The three methods on the same rows, each with what is recommended for it: trainings that are started together, to be compared."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from qlora_demo.errors import BusyError, UserError
from qlora_demo.recipe import METHOD_NAMES, METHODS, Recipe
from qlora_demo.run_dir import new_id
from qlora_demo.studio import Studio
from qlora_demo.submission import LONGEST_NAME

SHARED = ("epochs", "batch_size", "micro_batch_size", "held_out", "seed", "max_length", "system_prompt", "evaluations")
"""What all take from the form, so that they learn from the same rows, as often, read in the same way, and are tested on the same."""


@dataclass(frozen=True)
class Plan:
    """`seconds` is what all of them take, one after the other; `left_out` are the methods for which the memory is too small here."""

    recipes: tuple[Recipe, ...]
    seconds: float
    left_out: tuple[str, ...]

    def offered(self, line: int) -> bool:
        """Whether there is something to compare, and `line` (0 for any number) has room for so many."""
        return len(self.recipes) > 1 and (not line or len(self.recipes) <= line)


def plan(studio: Studio, owner: str, dataset_id: str, recipe: Recipe) -> Plan:
    """Each method at its own best rate; the model, how long, and the rows are those of `recipe`. Raises UserError."""
    fitting, seconds, left_out = [], 0.0, []
    for method in METHODS:
        ideal = studio.recommend(owner, dataset_id, recipe.model, method, recipe.preset)
        same = replace(ideal, **{field: value for field, value in recipe.to_json().items() if field in SHARED})
        found = studio.forecast(owner, dataset_id, same)
        if found.fits:
            fitting.append(same)
            seconds += found.seconds
        else:
            left_out.append(method)
    return Plan(tuple(fitting), seconds, tuple(left_out))


def submit(studio: Studio, owner: str, dataset_id: str, recipe: Recipe, name: str) -> list[str]:
    """Puts all that fit in line. Returns the runs' ids. Raises BusyError where fewer than two fit, or more than may be in line, and what
    `Studio.submit` raises."""
    planned = plan(studio, owner, dataset_id, recipe)
    if len(planned.recipes) < 2:
        raise BusyError("This machine has memory for one method at most with this model, so there is nothing to compare. Choose a smaller model.")
    studio.caps(owner).check_line(studio.ledger.in_line(owner), len(planned.recipes))
    set_id, name = new_id(), name.strip() or studio.data.get(owner, dataset_id).name
    made: list[str] = []
    try:
        for one in planned.recipes:
            made.append(studio.submit(owner, dataset_id, one, titled(name, one.method), set_id))
    except UserError:
        for run_id in made:  # none without the others
            studio.stop(owner, run_id)
            with suppress(BusyError):  # the first may have begun already: then it is stopped
                studio.delete(owner, run_id)
        raise
    return made


def titled(name: str, method: str) -> str:
    """The name of one of them."""
    ending = f", {METHOD_NAMES[method]}"
    return f"{name[: LONGEST_NAME - len(ending)]}{ending}"
