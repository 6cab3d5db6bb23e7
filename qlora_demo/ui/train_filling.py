"""Tab 2, Train, before: what stands in the form, what follows from it, and the start."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from qlora_demo import methods
from qlora_demo.errors import RecipeError
from qlora_demo.recipe import METHODS, Recipe
from qlora_demo.ui.form_fields import ADVANCED, BASIC, FIELDS, draw_backs, in_range, read_form, write_form
from qlora_demo.ui.guard import Guard, Updates, Visit
from qlora_demo.ui.parts import button, counted, day, esc, note, shown
from qlora_demo.ui.shell import Shell
from qlora_demo.ui.train_form import LONGEST_NAME, NO_DATA, NO_DATA_YET, TrainForm
from qlora_demo.ui.views_data import noun
from qlora_demo.ui.views_train import (
    memory_bars,
    method_choices,
    methods_label,
    model_choices,
    model_note,
    money,
    no_fit,
    out_of_reach,
    too_slow,
    what_will_happen,
)


def data_line(data: str) -> str:
    return f"<p>Data: {esc(data)}</p>" if data else NO_DATA_YET


def draw(form: TrainForm, visit: Visit, dataset_id: str, recipe: Recipe | None = None) -> Updates:
    """The whole form for a data set, filled with `recipe` or what is recommended. Raises UserError."""
    if not dataset_id:
        blank = {part: "" for part in (form.model_note, form.method_note, form.forecast, form.memory, form.name)}
        return {**blank, **_unready(form), form.data: data_line(""), form.change: "Go to Data", form.reason: shown(note(NO_DATA))}
    dataset = visit.studio.data.get(visit.owner, dataset_id)
    filled = recipe or visit.studio.recommend(visit.owner, dataset_id)
    values, method = write_form(filled), form.controls["method"]
    follows = _follow(form, visit, dataset_id, values)
    return {
        form.data: data_line(f"{dataset.name}, {counted(len(dataset.rows), noun(dataset))}"),
        form.change: "Change",
        form.name: f"{dataset.name.rpartition('.')[0] or dataset.name}, {day(time.time())}"[:LONGEST_NAME],
        **dict(zip(form.inputs(), values, strict=True)),
        **follows,
        form.controls["model"]: gr.update(choices=model_choices(visit.studio.models(visit.owner)), value=filled.model),
        method: {**follows.get(method, gr.update()), "value": filled.method},
    }


def _unready(form: TrainForm) -> Updates:
    """Nothing can be started."""
    return {form.start: gr.update(interactive=False), form.methods: gr.update(visible=False)}


def _follow(form: TrainForm, visit: Visit, dataset_id: str, values: Sequence[Any]) -> Updates:
    """What follows from the values of the controls, half typed ones too. No value is set: it may have been changed since."""
    chosen = dict(zip(FIELDS, values, strict=True))
    ideal = visit.studio.recommend(visit.owner, dataset_id, chosen["model"], chosen["method"], chosen["preset"])
    backs = draw_backs(form.backs, values, ideal)
    try:
        return {**backs, **forecast(form, visit, dataset_id, read_form(values))}
    except RecipeError as error:  # the reason belongs above the button, where it goes away by itself
        return {**backs, **_unready(form), form.reason: shown(note(str(error), "qd-bad"))}


def forecast(form: TrainForm, visit: Visit, dataset_id: str, recipe: Recipe) -> Updates:
    """Every text that depends on the numbers in the form, and whether it can start. Raises RecipeError."""
    studio, owner = visit.studio, visit.owner
    choice = next(choice for choice in studio.models(owner) if choice.model.id == recipe.model)
    in_range(recipe)
    forecasts = {method: studio.forecast(owner, dataset_id, replace(recipe, method=method)) for method in METHODS}
    mine = forecasts[recipe.method]
    recommended, why = studio.default_method()
    unreachable = out_of_reach(choice)
    rows = len(studio.data.get(owner, dataset_id).rows)
    all_methods = methods_label(methods.plan(studio, owner, dataset_id, recipe), studio.caps(owner).runs)
    return {
        form.model_note: model_note(choice),
        form.method_note: f'<p class="qd-small">{esc(why)}</p>',
        form.controls["method"]: gr.update(choices=method_choices(forecasts, recommended)),
        form.forecast: what_will_happen(recipe, choice, rows, mine, studio.machine.device == "cuda") + money(studio.settings.hardware, mine.seconds),
        form.memory: memory_bars(forecasts),
        form.reason: shown(note(unreachable or no_fit(recipe, mine) or too_slow(mine, studio.caps(owner).minutes), "qd-warn")),
        form.start: gr.update(interactive=not unreachable),
        form.methods: button(all_methods, bool(all_methods) and not unreachable),
    }


def wire(form: TrainForm, shell: Shell, guard: Guard) -> None:
    """What happens inside the form. Starting is wired by the page, as it leads to the run."""

    def changed(visit: Visit, dataset_id: str, *values: Any) -> Updates:
        return _follow(form, visit, dataset_id, values) if dataset_id else {}

    def recommend(*names: str) -> Callable[..., Updates]:
        """Sets these fields to what is recommended. Those that have it already are left alone: they may have been changed since the click."""

        def handler(visit: Visit, dataset_id: str, *values: Any) -> Updates:
            if not dataset_id:
                return {}
            chosen = dict(zip(FIELDS, values, strict=True))
            ideal = visit.studio.recommend(visit.owner, dataset_id, chosen["model"], chosen["method"], chosen["preset"]).to_json()
            new = {name: ideal[name] for name in names if ideal[name] != chosen[name]}
            follows = _follow(form, visit, dataset_id, list({**chosen, **new}.values()))
            return {**follows, **{form.controls[name]: value for name, value in new.items()}}

        return handler

    whole = [shell.dataset_id, *form.inputs()]
    basic = [form.controls[name].input for name in BASIC]
    own = "system_prompt"  # nothing is recommended for it
    every = recommend(*(name for name in ADVANCED if name != own))
    guard.on(basic, every, whole, form.outputs(), form.problem, trigger_mode="always_last")
    typed = [control.input for name, control in form.controls.items() if name not in BASIC]
    left = form.controls["system_prompt"].blur  # a text box does not tell of what is pasted right after its value was set
    guard.on([*typed, left], changed, whole, form.outputs(), form.problem, trigger_mode="always_last")
    for back, names in [(form.back, ADVANCED), *((back, (name,)) for name, back in form.backs.items())]:
        guard.on(back.click, recommend(*names), whole, form.outputs(), form.problem, trigger_mode="always_last")


def submit(visit: Visit, dataset_id: str, name: str, values: tuple[Any, ...]) -> str:
    """Starts what is in the form and returns the run's id. Raises UserError."""
    return visit.studio.submit(visit.owner, dataset_id, in_range(read_form(values)), name)


def submit_methods(visit: Visit, dataset_id: str, name: str, values: tuple[Any, ...]) -> list[str]:
    """Starts all methods that fit, on the same rows, and returns the runs' ids. Raises UserError."""
    return methods.submit(visit.studio, visit.owner, dataset_id, in_range(read_form(values)), name)
