"""Tab 2, Train, "watch it learn": three questions to choose from, and what the model says to the chosen one as it learns."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from qlora_demo.ui.guard import Updates
from qlora_demo.ui.parts import text
from qlora_demo.ui.views_watch import Strip


@dataclass(frozen=True)
class WatchStrip:
    """The answers to all questions are on the page; the style sheet shows those to the one chosen in `question`, so that choosing asks nobody."""

    box: gr.Column
    question: gr.Radio
    answers: gr.HTML

    def outputs(self) -> list:
        """Everything that `draw` may set."""
        return [self.box, self.question, self.answers]


def build() -> WatchStrip:
    with gr.Column(visible=False, elem_id="watch", elem_classes="qd-card-box") as box:
        question = gr.Radio([], label="Watch it learn", interactive=True, elem_id="watch-question")
        answers = text("", elem_id="watch-answers")
    return WatchStrip(box, question, answers)


def draw(part: WatchStrip, now: Strip, before: Strip | None) -> Updates:
    """What has changed since `before`, None for all. The chosen question stays chosen as long as the questions are the same."""
    if now == before:
        return {}
    answers = {part.answers: now.answers}
    if before is not None and now.choices == before.choices:
        return answers
    questions = gr.update(choices=list(now.choices), value=0 if now.choices else None)
    return {**answers, part.question: questions, part.box: gr.update(visible=bool(now.choices))}
