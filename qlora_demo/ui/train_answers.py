"""Tab 2, Train, after: the questions set aside with the answers of both models, one at a time and all in a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import gradio as gr

from qlora_demo.run_view import RunView
from qlora_demo.ui import views_end as say
from qlora_demo.ui.guard import Guard, Updates, Visit
from qlora_demo.ui.parts import table, text
from qlora_demo.ui.shell import Shell
from qlora_demo.ui.views_run import over


@dataclass(frozen=True)
class Answers:
    """`index` counts the questions; `all` and `table` lie further down, among what is folded."""

    box: gr.Column
    answer: gr.HTML
    previous: gr.Button
    position: gr.HTML
    next: gr.Button
    all: gr.Accordion
    table: gr.HTML
    index: gr.State

    def outputs(self) -> list:
        """Everything that `draw` may set."""
        return [self.box, self.answer, self.position, self.all, self.table, self.index]


def build() -> dict:
    """The parts but for those of `build_all`."""
    parts: dict = {"index": gr.State(0)}
    with gr.Column(visible=False, elem_classes="qd-card-box") as parts["box"]:
        parts["answer"] = text("", elem_id="compared")
        with gr.Row(elem_classes="qd-line"):
            parts["previous"] = gr.Button("‹ Previous", size="sm", scale=0, min_width=120, elem_id="answer-previous")
            parts["position"] = text("", elem_id="answer-position")
            parts["next"] = gr.Button("Next ›", size="sm", scale=0, min_width=120, elem_id="answer-next")
    return parts


def build_all() -> dict:
    with gr.Accordion("All answers", open=False, visible=False, elem_id="run-answers") as every:
        return {"all": every, "table": text("")}


def draw(part: Answers, view: RunView, index: int = 0) -> Updates:
    """All of it, with one question in front."""
    count = len(say.answers(view))
    rows = table(("Question", "Base", "Yours", "Your own answer"), say.answer_rows(view))
    return {**_one(part, view, index), part.all: gr.update(visible=bool(count), label=f"All {count} answers"), part.table: rows}


def _one(part: Answers, view: RunView, index: int) -> Updates:
    count = len(say.answers(view))
    at = index % count if count else 0
    return {
        part.box: gr.update(visible=bool(count) and over(view)),
        part.answer: say.answer(view, at),
        part.position: f'<p class="qd-small qd-centre">{at + 1} of {count}</p>',
        part.index: at,
    }


def wire(part: Answers, problem: gr.HTML, shell: Shell, guard: Guard) -> None:
    """The arrows."""

    def step(by: int) -> Callable[[Visit, str, int], Updates]:
        return lambda visit, run_id, index: _one(part, visit.studio.run(visit.owner, run_id), index + by)

    for arrow, by in ((part.previous, -1), (part.next, 1)):
        guard.on(arrow.click, step(by), [shell.run_id, part.index], [problem, *part.outputs()], problem)
