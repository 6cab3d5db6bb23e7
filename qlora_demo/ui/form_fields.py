"""The controls of the training form: exactly one for each field of a Recipe, with the recipe's own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import gradio as gr

from qlora_demo.errors import RecipeError
from qlora_demo.recipe import RANGES, SCHEDULES, Recipe, help_of
from qlora_demo.ui.guard import Updates
from qlora_demo.ui.parts import button
from qlora_demo.ui.views_train import PRESET_CHOICES, method_choices

FIELDS = tuple(f.name for f in fields(Recipe))
BASIC = ("model", "method", "preset")
ADVANCED = tuple(name for name in FIELDS if name not in BASIC)
WHOLE = tuple(f.name for f in fields(Recipe) if f.type == "int")
BACK = "Back to recommended"
LABELS = {name: help_of(name).label for name in FIELDS}


def model_control() -> gr.Dropdown:
    """Its choices are set when data is chosen."""
    return gr.Dropdown([], label=LABELS["model"], elem_id="model")


def method_control() -> gr.Radio:
    """Cards: choices with several lines."""
    return gr.Radio(method_choices(None, ""), label=LABELS["method"], elem_classes="qd-choices", elem_id="method")


def preset_control() -> gr.Radio:
    return gr.Radio(PRESET_CHOICES, value="balanced", label=LABELS["preset"], info=help_of("preset").text, elem_id="preset")


def advanced_controls() -> tuple[dict[str, gr.Number | gr.Radio | gr.Textbox], dict[str, gr.Button]]:
    """(the rest, in the order of the recipe; the button under each that sets it back). Ranges are checked by the recipe, which has a sentence for
    each."""
    controls, backs = {}, {}
    for name in ADVANCED:
        with gr.Column(elem_classes="qd-field"):
            controls[name] = _control(name)
            backs[name] = gr.Button(BACK, visible=False, size="sm", elem_id=f"back-{name}", elem_classes="qd-narrow")
    return controls, backs


def draw_backs(backs: Mapping[str, gr.Button], values: Sequence[Any], recommended: Recipe) -> Updates:
    """Each of those buttons stands only where its field differs from what is recommended. `values` are in the order of FIELDS."""
    found, ideal = dict(zip(FIELDS, values, strict=True)), recommended.to_json()
    return {back: button(f"{BACK}: {_in_words(name, ideal[name])}", found[name] != ideal[name]) for name, back in backs.items()}


def _in_words(name: str, value: Any) -> str:
    if name in RANGES:
        return f"{value:.10g}"
    return value.capitalize() if name == "schedule" else value or "empty"


def _control(name: str) -> gr.Number | gr.Radio | gr.Textbox:
    words = help_of(name)
    shared = {"label": words.label, "info": f"{words.text} {words.effect}".strip(), "elem_id": f"field-{name}"}
    if name == "schedule":
        return gr.Radio([(s.capitalize(), s) for s in SCHEDULES], value=SCHEDULES[0], **shared)
    if name in RANGES:
        return gr.Number(0, precision=0 if name in WHOLE else None, **shared)
    return gr.Textbox("", lines=2, **shared)


def read_form(values: Sequence[Any]) -> Recipe:
    """The recipe in the form; `values` in the order of FIELDS. Raises RecipeError for empty numbers; ranges are not checked."""
    found = dict(zip(FIELDS, values, strict=True))
    empty = [LABELS[name] for name in RANGES if found[name] is None]
    if empty:
        raise RecipeError(f"Fill in a number: {', '.join(empty)}.")
    return Recipe(**found)


def in_range(recipe: Recipe) -> Recipe:
    """Returns it, or raises RecipeError with all that is out of range, in the words of the form."""
    problems = recipe.problems(in_words=True)
    if problems:
        raise RecipeError(" ".join(problems))
    return recipe


def write_form(recipe: Recipe) -> list[Any]:
    """The values of the controls, in the order of FIELDS."""
    return [recipe.to_json()[name] for name in FIELDS]
