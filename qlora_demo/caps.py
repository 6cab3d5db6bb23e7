"""What one visitor of a public page may ask for at most. A limit is told where it is met, with the way to have none."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from qlora_demo.errors import BusyError, RecipeError
from qlora_demo.recipe import Recipe
from qlora_demo.settings import Settings


@dataclass(frozen=True)
class Caps:
    """0 is no limit. `own_copy` is the link under which somebody gets a page of their own, "" for none."""

    steps: int = 0
    row_tokens: int = 0
    minutes: int = 0
    answer_tokens: int = 0
    runs: int = 0
    small_only: bool = False
    own_copy: str = ""

    @classmethod
    def of(cls, settings: Settings) -> Caps:
        """Of a visitor."""
        return cls(
            settings.max_steps,
            settings.max_row_tokens,
            settings.max_minutes,
            settings.max_answer_tokens,
            settings.max_runs,
            bool(settings.workshop),
            settings.copy_link(),
        )

    def check(self, recipe: Recipe, rows: int) -> None:
        """`rows` are those to learn from. Raises RecipeError with everything that is too much."""
        problems = []
        steps = ceil(rows / recipe.batch_size) * recipe.epochs
        if self.steps and steps > self.steps:
            problems.append(f"This demo takes up to {self.steps:,} steps; these settings make {steps:,.0f}. Choose fewer times through your data.")
        if self.row_tokens and recipe.max_length > self.row_tokens:
            asked = f"these settings ask for {recipe.max_length:,}"
            problems.append(f"This demo reads up to {self.row_tokens:,} word pieces of a row (max_length); {asked}.")
        if problems:
            raise RecipeError(" ".join([*problems, self.way_out()]).strip())

    def check_line(self, mine: int, more: int = 1) -> None:
        """`mine` are this visitor's trainings in line, the running one counted; `more` are to come. Raises BusyError."""
        if self.runs and mine + more > self.runs:
            trainings = "training" if mine == 1 else "trainings"
            asked = f", and this would add {more}" if more > 1 else ""
            wait = "Wait until one is done. " if more <= self.runs else ""
            raise BusyError(f"You have {mine} {trainings} in line{asked}; this demo takes {self.runs}. {wait}{self.way_out()}")

    def seconds(self) -> float | None:
        """After which a training is ended; None for never."""
        return 60.0 * self.minutes if self.minutes else None

    def answer(self, asked: int) -> int:
        """The longest answer that may be given, in tokens."""
        return min(asked, self.answer_tokens) if self.answer_tokens else asked

    def way_out(self) -> str:
        return f"Your own copy has no such limits: {self.own_copy}" if self.own_copy else "On your own machine there are no such limits."


NO_CAPS = Caps()
