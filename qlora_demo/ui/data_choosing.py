"""Tab 1, right, on top: what a person may decide about a file: its sheet, who speaks, which column is asked and which is the answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import gradio as gr

from qlora_demo.data.choices import Choices
from qlora_demo.data.dataset import PreparedDataset
from qlora_demo.errors import DataError
from qlora_demo.ui.guard import Updates

NAMES_HINT = "In the order {values}, with commas between them."
NONE = ("none", "")


@dataclass(frozen=True)
class Choosing:
    sheet: gr.Dropdown
    speaker: gr.Radio
    columns: gr.Row
    question: gr.Dropdown
    answer: gr.Dropdown
    swap: gr.Button
    more: gr.Accordion
    instruction: gr.Dropdown
    sorts: gr.Checkbox
    names: gr.Row
    label_names: gr.Textbox
    use_names: gr.Button

    def outputs(self) -> list:
        """Everything that `draw` may set."""
        return [
            self.sheet,
            self.speaker,
            self.columns,
            self.question,
            self.answer,
            self.more,
            self.instruction,
            self.sorts,
            self.names,
            self.label_names,
        ]

    def columns_inputs(self) -> list:
        """What `with_columns` takes."""
        return [self.question, self.answer, self.instruction, self.sorts]


def build() -> Choosing:
    sheet = gr.Dropdown([], label="Sheet", visible=False, elem_id="sheet")
    speaker = gr.Radio([], label="Who should the model learn to be?", visible=False, elem_id="speaker")
    with gr.Row(visible=False, elem_classes="qd-line") as columns:
        question = gr.Dropdown([], label="People ask", min_width=140, elem_id="question-column")
        answer = gr.Dropdown([], label="It answers", min_width=140, elem_id="answer-column")
        swap = gr.Button("Swap", size="sm", scale=0, min_width=88, elem_id="swap-columns")
    with gr.Accordion("More about the columns", open=False, visible=False, elem_id="more-columns") as more:
        instruction = gr.Dropdown([], label="Instruction, read before the question", elem_id="instruction-column")
        sorts = gr.Checkbox(False, label="The answers are labels: it sorts texts", elem_id="answers-are-labels")
    with gr.Row(visible=False, elem_classes="qd-line") as names:
        label_names = gr.Textbox(label="Names for the labels", max_lines=1, min_width=200, elem_id="label-names")
        use_names = gr.Button("Use these names", size="sm", scale=0, min_width=120, elem_id="use-label-names")
    return Choosing(sheet, speaker, columns, question, answer, swap, more, instruction, sorts, names, label_names, use_names)


def draw(part: Choosing, dataset: PreparedDataset) -> Updates:
    offers, roles = dataset.offers, dataset.column_roles
    answer = roles.get("assistant") or roles.get("label")
    pairs = bool(roles.get("user") and answer)
    return {
        part.sheet: gr.update(choices=list(offers.sheets), value=offers.sheet or None, visible=len(offers.sheets) > 1),
        part.speaker: gr.update(choices=list(offers.speakers), value=offers.speaker or None, visible=len(offers.speakers) > 1),
        **_columns(part, pairs),
        **({part.question: _chosen(dataset.columns, roles["user"]), part.answer: _chosen(dataset.columns, answer)} if pairs else {}),
        part.instruction: gr.update(choices=[NONE, *((c, c) for c in dataset.columns)], value=roles.get("system", "")),
        part.sorts: "label" in roles,
        part.names: gr.update(visible=bool(offers.label_values) and all(map(str.isdecimal, offers.label_values))),
        part.label_names: gr.update(
            info=NAMES_HINT.format(values=", ".join(offers.label_values)),
            value=", ".join(dataset.choices.labels.get(value, "") for value in offers.label_values) if dataset.choices.labels else "",
        ),
    }


def draw_columns(part: Choosing, columns: Sequence[str]) -> Updates:
    """For a table whose columns were not understood: nothing is chosen yet."""
    instruction = gr.update(choices=[NONE, *((c, c) for c in columns)], value="")
    empty = {part.question: _chosen(columns, None), part.answer: _chosen(columns, None), part.instruction: instruction}
    return {**hidden(part), **_columns(part, True), **empty}


def hidden(part: Choosing) -> Updates:
    """Nothing to decide."""
    return {row: gr.update(visible=False) for row in (part.sheet, part.speaker, part.columns, part.more, part.names)}


def _columns(part: Choosing, pairs: bool) -> Updates:
    return {part.columns: gr.update(visible=pairs), part.more: gr.update(visible=pairs)}


def _chosen(columns: Sequence[str], value: str | None) -> dict:
    return gr.update(choices=list(columns), value=value)


def with_columns(choices: Choices, question: str, answer: str, instruction: str, sorts: bool) -> Choices:
    """The choices with another meaning of the columns."""
    system = {"system": instruction} if instruction and instruction not in (question, answer) else {}
    return replace(choices, columns={"user": question, "label" if sorts else "assistant": answer, **system})


def with_names(choices: Choices, values: Sequence[str], text: str) -> Choices:
    """Names for the labels, from a text with commas or semicolons; none takes the names away. Raises DataError where not every label gets its own."""
    names = [name.strip() for name in re.split("[,;]", text) if name.strip()]
    if not names:
        return replace(choices, labels={})
    if len(set(names)) < len(names) or len(names) != len(values):
        given = "some are the same" if len(names) == len(values) else f"you gave {len(names)}"
        raise DataError(f"{len(values)} different names are needed, one for each of {', '.join(values)}; {given}.")
    return replace(choices, labels=dict(zip(values, names, strict=True)))
