"""Tab 2, Train, before: the form, what will happen, and the start."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from qlora_demo.errors import RecipeError
from qlora_demo.recipe import METHODS, Recipe
from qlora_demo.ui.form_fields import (
    ADVANCED,
    BASIC,
    FIELDS,
    advanced_controls,
    draw_backs,
    in_range,
    method_control,
    model_control,
    preset_control,
    read_form,
    write_form,
)
from qlora_demo.ui.guard import Guard, Updates, Visit
from qlora_demo.ui.parts import counted, day, esc, heading, note, shown, text
from qlora_demo.ui.shell import Shell
from qlora_demo.ui.views_data import noun
from qlora_demo.ui.views_train import memory_bars, method_choices, model_choices, model_note, money, no_fit, out_of_reach, too_slow, what_will_happen

NO_DATA = "Choose what it should learn first."
LONGEST_NAME = 80
GOES_ON = "You can close this page. Training goes on."
KEEP_LINK = "To find it again from another browser, keep your link in My models."


@dataclass(frozen=True)
class TrainForm:
    """`controls` has one entry for each field of a Recipe, in its order; `backs` the buttons that set one advanced field back, `back` all of them."""

    box: gr.Column
    data: gr.HTML
    change: gr.Button
    model_note: gr.HTML
    method_note: gr.HTML
    name: gr.Textbox
    controls: dict[str, Any]
    backs: dict[str, gr.Button]
    back: gr.Button
    forecast: gr.HTML
    memory: gr.HTML
    reason: gr.HTML
    problem: gr.HTML
    start: gr.Button

    def inputs(self) -> list:
        return list(self.controls.values())

    def outputs(self) -> list:
        """Everything that `draw` may set."""
        texts = [self.data, self.change, self.model_note, self.method_note, self.name, self.forecast, self.memory, self.reason]
        return [*texts, self.problem, self.start, *self.inputs(), *self.backs.values()]


def build(public: bool) -> TrainForm:
    """`public` says whether one's models belong to a browser, which can be lost."""
    parts: dict = {}
    with gr.Column(elem_id="train-form") as parts["box"]:
        with gr.Row():
            with gr.Column(scale=5, min_width=300):
                text(heading("Teach it"))
                with gr.Row(elem_classes="qd-line"):
                    parts["data"] = text(_data_line(""), elem_id="train-data")
                    parts["change"] = gr.Button("Go to Data", size="sm", scale=0, min_width=120, elem_id="change-data")
                model = model_control()
                parts["model_note"] = text("", elem_id="model-note")
                method = method_control()
                parts["method_note"] = text("", elem_id="method-note")
                controls: dict = {"model": model, "method": method, "preset": preset_control()}
                parts["name"] = gr.Textbox("", label="Name", max_length=LONGEST_NAME, elem_id="run-name")
                with gr.Accordion("Advanced settings", open=False, elem_id="advanced"):
                    advanced, parts["backs"] = advanced_controls()
                    parts["back"] = gr.Button("All back to recommended", size="sm", elem_id="recommended", elem_classes="qd-narrow")
            with gr.Column(scale=7, min_width=320):
                text(heading("What will happen"))
                parts["forecast"] = text("", elem_id="forecast")
                parts["memory"] = text("", elem_id="memory")
                text(f'<p class="qd-small">{GOES_ON} {KEEP_LINK if public else ""}</p>')
                parts["reason"] = text(note(NO_DATA), elem_id="start-reason")
                parts["problem"] = text("", visible=False, elem_id="train-problem")
                parts["start"] = gr.Button("Start training", variant="primary", interactive=False, elem_id="start-training")
    # Advanced fields come in the recipe's order, which puts the basic ones first.
    return TrainForm(controls={name: {**controls, **advanced}[name] for name in FIELDS}, **parts)


def _data_line(data: str) -> str:
    return f"<p>Data: {esc(data)}</p>" if data else "<p>No data yet.</p>"


def draw(form: TrainForm, visit: Visit, dataset_id: str, recipe: Recipe | None = None) -> Updates:
    """The whole form for a data set, filled with `recipe` or what is recommended. Raises UserError."""
    if not dataset_id:
        blank = {part: "" for part in (form.model_note, form.method_note, form.forecast, form.memory, form.name)}
        inactive = gr.update(interactive=False)
        return {**blank, form.data: _data_line(""), form.change: "Go to Data", form.reason: shown(note(NO_DATA)), form.start: inactive}
    dataset = visit.studio.data.get(visit.owner, dataset_id)
    filled = recipe or visit.studio.recommend(visit.owner, dataset_id)
    values, method = write_form(filled), form.controls["method"]
    follows = _follow(form, visit, dataset_id, values)
    return {
        form.data: _data_line(f"{dataset.name}, {counted(len(dataset.rows), noun(dataset))}"),
        form.change: "Change",
        form.name: f"{dataset.name.rpartition('.')[0] or dataset.name}, {day(time.time())}"[:LONGEST_NAME],
        **dict(zip(form.inputs(), values, strict=True)),
        **follows,
        form.controls["model"]: gr.update(choices=model_choices(visit.studio.models(visit.owner)), value=filled.model),
        method: {**follows.get(method, gr.update()), "value": filled.method},
    }


def _follow(form: TrainForm, visit: Visit, dataset_id: str, values: Sequence[Any]) -> Updates:
    """What follows from the values of the controls, half typed ones too. No value is set: it may have been changed since."""
    chosen = dict(zip(FIELDS, values, strict=True))
    ideal = visit.studio.recommend(visit.owner, dataset_id, chosen["model"], chosen["method"], chosen["preset"])
    backs = draw_backs(form.backs, values, ideal)
    try:
        return {**backs, **forecast(form, visit, dataset_id, read_form(values))}
    except RecipeError as error:  # the reason belongs above the button, where it goes away by itself
        return {**backs, form.reason: shown(note(str(error), "qd-bad")), form.start: gr.update(interactive=False)}


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
    return {
        form.model_note: model_note(choice),
        form.method_note: f'<p class="qd-small">{esc(why)}</p>',
        form.controls["method"]: gr.update(choices=method_choices(forecasts, recommended)),
        form.forecast: what_will_happen(recipe, choice, rows, mine, studio.machine.device == "cuda") + money(studio.settings.hardware, mine.seconds),
        form.memory: memory_bars(forecasts),
        form.reason: shown(note(unreachable or no_fit(recipe, mine) or too_slow(mine, studio.caps(owner).minutes), "qd-warn")),
        form.start: gr.update(interactive=not unreachable),
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
    for button, names in [(form.back, ADVANCED), *((button, (name,)) for name, button in form.backs.items())]:
        guard.on(button.click, recommend(*names), whole, form.outputs(), form.problem, trigger_mode="always_last")


def submit(visit: Visit, dataset_id: str, name: str, values: tuple[Any, ...]) -> str:
    """Starts what is in the form and returns the run's id. Raises UserError."""
    return visit.studio.submit(visit.owner, dataset_id, in_range(read_form(values)), name)
