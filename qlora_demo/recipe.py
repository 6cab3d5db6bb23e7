"""What one run is asked to do: the fields, their plain words, presets, and validation that names all problems at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from qlora_demo.catalogue import BaseModel
from qlora_demo.errors import RecipeError

METHODS = ("qlora", "lora", "full")
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
        "More: longer, may learn by heart. Less: faster, may not stick.",
    )
    batch_size: int = _field(
        8,
        "Rows per step (batch size)",
        "How many rows it reads before it changes anything.",
        "More: steadier, fewer changes. Less: more changes, less steady.",
    )
    micro_batch_size: int = _field(
        8,
        "Rows at once (micro-batch)",
        "How many of those rows are in memory together. The result is the same.",
        "More: more memory. Less: slower.",
    )
    learning_rate: float = _field(
        5e-4,
        "Size of each change (learning rate)",
        "How far each step moves what learns.",
        "More: learns faster, may break. Less: gentler, may learn nothing.",
    )
    schedule: str = _field(
        "linear",
        "How the changes shrink (schedule)",
        "Linear and cosine get smaller towards the end; constant stays.",
        "Constant: livelier end. Linear or cosine: calmer end.",
    )
    warmup: float = _field(
        0.05,
        "Gentle start (warmup)",
        "The share of steps in which the changes grow to full size.",
        "More: safer start. Less: faster start.",
    )
    rank: int = _field(
        16,
        "Room in the adapter (rank)",
        "How much the adapter can hold. Full training has no adapter.",
        "More: larger file, a little slower. Less: smaller file, may hold too little.",
    )
    alpha: int = _field(
        32,
        "Weight of the adapter (alpha)",
        "How strongly the adapter counts; twice the rank is usual.",
        "More: stronger. Less: weaker.",
    )
    dropout: float = _field(
        0.0,
        "Random gaps (dropout)",
        "The share of the adapter that is switched off at random while learning.",
        "More: harder to learn by heart. 0: fastest.",
    )
    max_length: int = _field(
        1024,
        "Longest row in tokens (word pieces)",
        "What lies beyond is not read.",
        "More: more memory for long rows. Less: long rows are cut.",
    )
    evaluations: int = _field(
        3,
        "Tests during training",
        "How often the rows set aside are scored while it learns.",
        "More: a finer curve. Less: faster.",
    )
    held_out: int = _field(
        10,
        "Rows set aside for testing (held-out)",
        "Your model never sees these; they show what it learned. 0 uses every row.",
        "More: a surer score. Less: more to learn from.",
    )
    seed: int = _field(42, "Seed", "The start of all randomness. The same number repeats the same run.")
    system_prompt: str = _field(
        "",
        "Instruction to the model (system prompt)",
        "Stands before every conversation that has none of its own, in training and in chat.",
        "Empty: the base model's own.",
    )

    def problems(self) -> list[str]:
        """One sentence for every field out of range."""
        found = []
        for name, value, allowed in self._choices():
            if value not in allowed:
                found.append(f"{name} must be one of {', '.join(allowed)}; it is {value!r}.")
        values = self.to_json()
        for name, (low, high) in RANGES.items():
            value = values[name]
            if not low <= value <= high:
                found.append(f"{name} must be from {low:g} to {high:g}; it is {value:g}.")
        if self.micro_batch_size > self.batch_size:
            found.append(f"micro_batch_size ({self.micro_batch_size}) cannot be larger than batch_size ({self.batch_size}).")
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


def recommended(model: BaseModel, method: str, preset: str, rows: int, held_out: int) -> Recipe:
    """What works for this model and this many rows to learn from.

    Rates and rank: "LoRA Without Regret" (Schulman 2025; full training wants about a tenth of the adapter's rate) and the QLoRA paper's scripts;
    small sets need small batches and several epochs to get enough optimizer steps (about 100).
    """
    parameters = model.dimensions.parameters()
    rate = 5e-4 if parameters < 1e9 else 2e-4 if parameters < 2e10 else 1e-4
    if method == "full":  # of the small ones a fifth: on the persona example a tenth teaches its name to one question of three, this to all
        rate /= 5 if parameters < 1e9 else 10
    batch = 4 if rows < 200 else 8 if rows < 2000 else 16
    steps_wanted = {"quick": 55, "balanced": 80, "thorough": 200}[preset]
    epochs_at_least = {"quick": 1, "balanced": 3, "thorough": 5}[preset] if rows < 5000 else 1
    epochs = min(10, max(epochs_at_least, round(steps_wanted * batch / max(1, rows))))
    return Recipe(
        model=model.id,
        method=method,
        preset=preset,
        epochs=float(epochs),
        batch_size=batch,
        micro_batch_size=batch,
        learning_rate=rate,
        held_out=held_out,
    )
