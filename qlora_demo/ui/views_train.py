"""What tab 2 shows before a training: pure functions from recipe, models and forecasts to texts."""

from __future__ import annotations

from collections.abc import Mapping

from qlora_demo.catalogue import BaseModel
from qlora_demo.forecast import Forecast
from qlora_demo.methods import Plan
from qlora_demo.offers import ModelChoice
from qlora_demo.recipe import METHOD_NAMES, METHODS, PRESETS, Recipe
from qlora_demo.spread import in_words
from qlora_demo.ui.parts import bar, counted, esc, roughly, size, times

METHOD_TEXTS = {
    "qlora": ("smallest memory", "The packed model stays as it is, an add-on learns."),
    "lora": ("unpacked model", "The whole-size model stays as it is, an add-on learns."),
    "full": ("largest memory", "The whole model changes; what is saved is as large as the base."),
}
PRESET_CHOICES = [(preset.capitalize(), preset) for preset in PRESETS]
PRICES = {
    "t4-small": 0.40,
    "t4-medium": 0.60,
    "l4x1": 0.80,
    "a10g-small": 1.00,
    "a10g-large": 1.50,
    "l40sx1": 1.80,
    "a100-large": 2.50,
}
"""Dollars an hour of what a Hugging Face Space can rent, by the platform's own names, in 2026."""
TIGHT = 0.8
"""Share of the free memory above which a run may fail."""


def model_choices(choices: list[ModelChoice]) -> list[tuple[str, str]]:
    """For the dropdown: (label, id), those out of reach last as the studio orders them."""
    return [(_model_label(c), c.model.id) for c in choices]


def _model_label(choice: ModelChoice) -> str:
    label = f"{choice.model.name} · speaks {choice.model.languages}"
    return label if choice.here or choice.reachable else f"{label} · needs internet"


def model_note(choice: ModelChoice) -> str:
    """The sentence under the dropdown."""
    where = "Already here." if choice.here else f"{size(choice.model.download_bytes())} to fetch first, once."
    return f'<p class="qd-small">{esc(choice.model.note)} {where} <code>{esc(choice.model.id)}</code></p>'


def method_choices(forecasts: Mapping[str, Forecast] | None, recommended: str) -> list[tuple[str, str]]:
    """The cards: three lines each, with the time where it is known."""
    cards = []
    for method in METHODS:
        short, what = METHOD_TEXTS[method]
        last = []
        if forecasts:
            last.append(f"about {roughly(forecasts[method].seconds)}")
        if method == recommended:
            last.append("Recommended here")
        lines = [f"{METHOD_NAMES[method]} · {short}", what, " · ".join(last)]
        cards.append(("\n".join(line for line in lines if line), method))
    return cards


def what_will_happen(recipe: Recipe, choice: ModelChoice, rows: int, forecast: Forecast, graphics_card: bool) -> str:
    """The list of steps and the time they take. `rows` counts all rows of the data, those set aside included."""
    get = "already here" if choice.here else f"{size(choice.model.download_bytes())} to fetch first, once"
    learn = rows - recipe.held_out
    steps = [
        ("Get the base model", get),
        (f"Learn from {counted(learn, 'row')}, {times(recipe.epochs)}", counted(forecast.steps, "step")),
    ]
    if recipe.held_out:
        steps.append((f"Test on the {recipe.held_out:,} set aside", ""))
    items = "".join(f'<li><span>{esc(what)}</span> <span class="qd-small">{esc(how)}</span></li>' for what, how in steps)
    without = "" if graphics_card else "Without a graphics card this takes "
    spoken = roughly(forecast.seconds).replace(" min", " minutes").replace(" s", " seconds").replace("1 minutes", "1 minute")
    total = f"{without}about {spoken}." if without else f"In all about {spoken}."
    together = in_words(forecast.way.processes, forecast.way.sharded, "cuda" if graphics_card else "cpu")
    return f'<ol class="qd-steps">{items}</ol><p>{esc(f"{total} {together}".strip())}</p>'


def methods_label(planned: Plan, line: int) -> str:
    """The words of the button that starts them all; "" where there is nothing to compare, or `line` (0 for any number) has no room for all."""
    if not planned.offered(line):
        return ""
    names = [METHOD_NAMES[recipe.method] for recipe in planned.recipes]
    without = "".join(f" ({METHOD_NAMES[method]} does not fit here)" for method in planned.left_out)
    together = f"{', '.join(names[:-1])} and {names[-1]}{without}"
    return f"Or compare {together}: {len(names)} trainings, about {roughly(planned.seconds)}"


def money(hardware: str, seconds: float) -> str:
    """What a Space's rented hardware costs for so long; "" where its price is not known, or where there is none."""
    if hardware not in PRICES:
        return ""
    dollars = PRICES[hardware] * seconds / 3600
    amount = f"About ${dollars:.2f}" if dollars >= 0.01 else "Less than $0.01"
    return f'<p class="qd-small">{amount} of this Space\'s GPU.</p>'


def memory_bars(forecasts: Mapping[str, Forecast]) -> str:
    """One bar for each method against the memory that is free now."""
    free = next(iter(forecasts.values())).free_bytes
    lines = "".join(memory_bar(METHOD_NAMES[method], forecast.memory_bytes, free) for method, forecast in forecasts.items())
    return f'<h3 class="qd-h3">Memory free here: {size(free)}</h3><div class="qd-bars">{lines}</div>'


def memory_bar(name: str, need: int, free: int) -> str:
    """A row of `qd-bars`: the name, `need` as a bar of `free`, in words, and whether that fits (both in bytes)."""
    word = "does not fit" if need >= free else "tight" if need > TIGHT * free else "fits"
    kind = {"does not fit": "qd-over", "tight": "qd-tight", "fits": ""}[word]
    label = f"{name}: {size(need)} of {size(free)}, {word}"
    drawn = bar(need / free if free > 0 else 1.0, label, kind)
    return f'<span>{esc(name)}</span>{drawn}<span class="qd-number">{size(need)}</span><span class="qd-small">{word}</span>'


def no_fit(recipe: Recipe, forecast: Forecast) -> str:
    """Why it does not fit, "" where it does."""
    if forecast.fits:
        return ""
    way_out = "Choose a smaller model." if recipe.method == "qlora" else "Choose QLoRA or a smaller model."
    need, free = size(forecast.memory_bytes), size(forecast.free_bytes)
    return f"{METHOD_NAMES[recipe.method]} training needs {need}, and {free} of memory are free here. {way_out}"


def out_of_reach(choice: ModelChoice) -> str:
    """Why a model cannot be had, "" where it can."""
    if choice.here or choice.reachable:
        return ""
    return f"{choice.model.name} must be fetched from the internet, which is not reachable here. Choose another model."


def settings_rows(recipe: Recipe, model: BaseModel, labels: Mapping[str, str]) -> list[tuple[object, ...]]:
    """(label, value) of every field; `labels` maps field names to their words."""
    values = {**recipe.to_json(), "model": f"{model.name} ({model.id})", "method": METHOD_NAMES[recipe.method]}
    return [(labels[name], value if value != "" else "none of its own") for name, value in values.items()]


def too_slow(forecast: Forecast, minutes: int) -> str:
    """"" where it will be done within what one visitor may take; 0 minutes are any number."""
    if not minutes or forecast.seconds <= 60 * minutes:
        return ""
    return f"This demo trains for up to {minutes} minutes; this takes about {roughly(forecast.seconds)}. What it has learned by then is kept."
