"""Tab 2, Train, before: the parts of the form. What stands in them is in `train_filling`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from qlora_demo.ui.form_fields import (
    FIELDS,
    advanced_controls,
    method_control,
    model_control,
    preset_control,
)
from qlora_demo.ui.parts import heading, note, text

NO_DATA_YET = "<p>No data yet.</p>"
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
    methods: gr.Button

    def inputs(self) -> list:
        return list(self.controls.values())

    def outputs(self) -> list:
        """Everything that `draw` may set."""
        texts = [self.data, self.change, self.model_note, self.method_note, self.name, self.forecast, self.memory, self.reason]
        return [*texts, self.problem, self.start, self.methods, *self.inputs(), *self.backs.values()]


def build(public: bool) -> TrainForm:
    """`public` says whether one's models belong to a browser, which can be lost."""
    parts: dict = {}
    with gr.Column(elem_id="train-form") as parts["box"]:
        with gr.Row():
            with gr.Column(scale=5, min_width=300):
                text(heading("Teach it"))
                with gr.Row(elem_classes="qd-line"):
                    parts["data"] = text(NO_DATA_YET, elem_id="train-data")
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
                parts["methods"] = gr.Button("Compare the methods", size="sm", visible=False, elem_id="compare-methods", elem_classes="qd-narrow")
    # Advanced fields come in the recipe's order, which puts the basic ones first.
    return TrainForm(controls={name: {**controls, **advanced}[name] for name in FIELDS}, **parts)
