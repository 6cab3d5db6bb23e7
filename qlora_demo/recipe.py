"""What one run is asked to do: the fields, their plain words, presets, and validation that names all problems at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from qlora_demo.catalogue import BaseModel
from qlora_demo.errors import RecipeError

METHODS = ("qlora", "lora", "full")
METHOD_NAMES = {"qlora": "QLoRA", "lora": "LoRA", "full": "Full"}
PRESETS = ("quick", "balanced", "thorough")
SCHEDULES = ("linear", "cosine", "constant")


@dataclass(frozen=True)
class Help:
    """The words beside a field of the form."""

    label: str
    text: str
    effect: str = ""


def _field(default: Any, label: str, text: str, effect: str = ""):
    return field(default=default, metadata={"help": Help(label, text, effect)})


@dataclass(frozen=True)
class Recipe:
    """One run. The names are the same in recipe.json, on the command line (`--set epochs=3`) and in the form."""

    model: str = _field("", "Base model", "The model that learns. It stays as it is here; what is learned is kept beside it.")
    method: str = _field(
        "qlora",
        "How to train",
        "QLoRA packs the base model to a quarter of its size (4-bit), LoRA leaves it unpacked; both train a small add-on, the adapter. "
        "Full changes the whole model.",
    )
    preset: str = _field("balanced", "How long", "Quick is for trying. Balanced is right for most. Thorough reads your data more often.")
    epochs: float = _field(
        3.0,
        "Times through your data (epochs)",
        "How often the model reads every row.",
        "More: takes longer, may learn by heart. Less: faster, may not stick. Memory stays the same.",
    )
    batch_size: int = _field(
        8,
        "Rows per step (batch size)",
        "How many rows it reads before it changes anything.",
        "More: steadier, but fewer changes. Less: more changes, less steady. Time and memory hardly change.",
    )
    micro_batch_size: int = _field(
        8,
        "Rows at once (micro-batch)",
        "How many of those rows are in memory together. The result is the same.",
        "More: faster, needs more memory. Less: slower, needs less memory.",
    )
    learning_rate: float = _field(
        5e-4,
        "Size of each change (learning rate)",
        "How far each step moves what learns.",
        "More: learns more from each row, may break. Less: gentler, may learn nothing. Time and memory stay the same.",
    )
    schedule: str = _field(
        "linear",
        "How the changes shrink (schedule)",
        "Linear and cosine get smaller towards the end; constant stays.",
        "Linear or cosine: calmer end, mostly better. Constant: livelier end. Time and memory stay the same.",
    )
    warmup: float = _field(
        0.05,
        "Gentle start (warmup)",
        "The share of steps in which the changes grow to full size.",
        "More: safer start. Less: learns sooner, may jump at first. Time and memory stay the same.",
    )
    rank: int = _field(
        16,
        "Room in the adapter (rank)",
        "How much the adapter can hold. Full training has no adapter.",
        "More: a little slower, more memory, larger file. Less: smaller file, may hold too little.",
    )
    alpha: int = _field(
        32,
        "Weight of the adapter (alpha)",
        "How strongly the adapter counts; twice the rank is usual.",
        "More: learns more strongly, may break. Less: weaker. Time and memory stay the same.",
    )
    dropout: float = _field(
        0.0,
        "Random gaps (dropout)",
        "The share of the adapter that is switched off at random while learning.",
        "More: harder to learn by heart, a little slower. 0: fastest. Memory hardly changes.",
    )
    max_length: int = _field(
        1024,
        "Longest row in tokens (word pieces)",
        "What lies beyond is not read.",
        "More: long rows are read whole, needs more memory and time. Less: faster, long rows are cut.",
    )
    evaluations: int = _field(
        3,
        "Tests during training",
        "How often the rows set aside are scored while it learns.",
        "More: a finer curve, takes longer. Less: faster. What it learns and memory stay the same.",
    )
    held_out: int = _field(
        10,
        "Rows set aside for testing (held-out)",
        "Your model never sees these; they show what it learned. 0 uses every row.",
        "More: a surer score, a longer test. Less: more to learn from. Memory stays the same.",
    )
    seed: int = _field(
        42,
        "Start of all randomness (seed)",
        "It shuffles the rows and fills the adapter. The same number repeats the same run.",
        "Another number: a slightly different result. Time and memory stay the same.",
    )
    system_prompt: str = _field(
        "",
        "Instruction to the model (system prompt)",
        "Stands before every conversation that has none of its own, in training and in chat.",
        "Longer: needs a little more time and memory. Empty: the base model's own.",
    )

    def problems(self, in_words: bool = False) -> list[str]:
        """One sentence for every field out of range, which calls fields by their names or, for the form, by their labels."""
        called = {f.name: f.metadata["help"].label if in_words else f.name for f in fields(self)}
        found = []
        for name, value, allowed in self._choices():
            if value not in allowed:
                found.append(f"{called[name]} must be one of {', '.join(allowed)}; it is {value!r}.")
        values = self.to_json()
        for name, (low, high) in RANGES.items():
            value = values[name]
            if not low <= value <= high:
                found.append(f"{called[name]} must be from {low:.10g} to {high:.10g}; it is {value:.10g}.")
        if self.micro_batch_size > self.batch_size:
            rows, together = called["batch_size"], called["micro_batch_size"]
            found.append(f"{together} can be at most {rows}, which is {self.batch_size}; it is {self.micro_batch_size}.")
        return found

    def _choices(self) -> list[tuple[str, str, tuple[str, ...]]]:
        return [("method", self.method, METHODS), ("preset", self.preset, PRESETS), ("schedule", self.schedule, SCHEDULES)]

    def validate(self) -> Recipe:
        """Returns itself, or raises RecipeError with all problems."""
        found = self.problems()
        if found:
            raise RecipeError(" ".join(found))
        return self

    def with_texts(self, values: Mapping[str, str]) -> Recipe:
        """A copy with fields set from texts (`--set name=value`). Raises RecipeError for unknown names and texts that are no numbers."""
        kinds = {f.name: f.type for f in fields(self)}
        parsed: dict[str, Any] = {}
        found = []
        for name, text in values.items():
            if name not in kinds:
                found.append(f"There is no setting {name!r}; there are {', '.join(kinds)}.")
                continue
            try:
                parsed[name] = _PARSERS[str(kinds[name])](text)
            except ValueError:
                found.append(f"{name} needs {'a whole number' if kinds[name] == 'int' else 'a number'}; it is {text!r}.")
        if found:
            raise RecipeError(" ".join(found))
        return replace(self, **parsed)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


RANGES: dict[str, tuple[float, float]] = {
    "epochs": (0.1, 100),
    "batch_size": (1, 256),
    "micro_batch_size": (1, 256),
    "learning_rate": (1e-7, 1e-1),
    "warmup": (0, 0.5),
    "rank": (1, 256),
    "alpha": (1, 1024),
    "dropout": (0, 0.5),
    "max_length": (16, 32_768),
    "evaluations": (0, 100),
    "held_out": (0, 10_000),
    "seed": (0, 2**31 - 1),
}
_PARSERS: dict[str, Any] = {"int": int, "float": float, "str": str}


def help_of(name: str) -> Help:
    """The words for one field."""
    return next(f.metadata["help"] for f in fields(Recipe) if f.name == name)


def from_json(value: Mapping[str, Any]) -> Recipe:
    """The recipe of a recipe.json; unknown keys belong to the file (its schema), not to the recipe."""
    known = {f.name for f in fields(Recipe)}
    return Recipe(**{name: item for name, item in value.items() if name in known})


@dataclass(frozen=True)
class Material:
    """What there is to learn: rows of about so many tokens each, good for one of the goals of data.dataset.goal_of."""

    rows: int
    tokens_per_row: float = 100.0
    goal: str = "character"


STEPS = {"quick": 80, "balanced": 120, "thorough": 300}
SORTING_STEPS = {"quick": 120, "balanced": 180, "thorough": 360}
"""Optimizer steps that a set should get. Labels come late: of 43 reviews set aside, 90 steps sorted 28 rightly, 180 sorted 40."""
LEAST_EPOCHS = {"quick": 1, "balanced": 2, "thorough": 4}
MOST_EPOCHS = {"quick": 8, "balanced": 10, "thorough": 15}
QUICK_TOKENS = 60_000
"""Of a quick run: about a minute on two processor cores with the smallest model."""


def recommended(model: BaseModel, method: str, preset: str, material: Material, held_out: int) -> Recipe:
    """What works for this model and this much to learn from.

    Measured with the small model on seven sets (benchmarks/README.md, "Recipes"). For larger models: "LoRA Without Regret" (Schulman 2025: full
    training wants a tenth of the adapter's rate, which depends little on the rank) and the QLoRA paper's scripts.
    """
    rows = max(1, material.rows)
    batch = 4 if rows < 200 else 8 if rows < 2000 else 16
    steps = (SORTING_STEPS if material.goal == "sorting" else STEPS)[preset]
    least = LEAST_EPOCHS[preset] if rows < 5000 else 1
    epochs = min(MOST_EPOCHS[preset], max(least, round(steps * batch / rows)))
    if preset == "quick":
        epochs = max(1, min(epochs, round(QUICK_TOKENS / (rows * material.tokens_per_row))))
    return Recipe(
        model=model.id,
        method=method,
        preset=preset,
        epochs=float(epochs),
        batch_size=batch,
        micro_batch_size=batch,
        learning_rate=_rate(model.dimensions.parameters(), method),
        held_out=held_out,
    )


def _rate(parameters: int, method: str) -> float:
    """The learning rate: an adapter's by the model's size, a whole model's a tenth of it."""
    adapter = 5e-4 if parameters < 1e9 else 2e-4 if parameters < 2e10 else 1e-4
    return adapter / 10 if method == "full" else adapter
