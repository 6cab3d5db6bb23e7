"""The row of buttons below a chat, and what they open: differences, the data's own answer, saving."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from qlora_demo.ui.guard import Updates
from qlora_demo.ui.parts import button, shown, text

SHOW, HIDE = "Show differences", "Hide differences"
OWN = "Show my own answer"
SAVE = "Save this chat"
BLIND = "Which is better? Try blind"


@dataclass(frozen=True)
class ChatTools:
    """`marking` says whether differing words are marked; `file` is a saved chat on its way from the server to the browser."""

    own: gr.Button
    own_answer: gr.HTML
    differences: gr.Button
    marking: gr.State
    start_over: gr.Button
    save: gr.Button
    blind: gr.Button
    formats: gr.Row
    as_text: gr.Button
    as_data: gr.Button
    file: gr.Textbox

    def outputs(self) -> list:
        """Everything that another model or another conversation may set."""
        return [self.own, self.own_answer, self.differences, self.marking, self.save, self.formats]


def build() -> ChatTools:
    parts: dict = {"marking": gr.State(False), "file": gr.Textbox("", visible=False)}
    parts["own"] = gr.Button(OWN, size="sm", visible=False, elem_id="own-answer", elem_classes="qd-narrow")
    parts["own_answer"] = text("", visible=False, elem_id="own-answer-text")
    with gr.Row(elem_classes="qd-tools"):
        parts["differences"] = _button(SHOW, "differences")
        parts["start_over"] = _button("Start over", "chat-start-over")
        parts["save"] = _button(SAVE, "save-chat")
        parts["blind"] = _button(BLIND, "try-blind")
    with gr.Row(visible=False, elem_classes="qd-tools") as parts["formats"]:
        parts["as_text"] = _button("To read (Markdown)", "save-text")
        parts["as_data"] = _button("For programs (JSON)", "save-data")
    return ChatTools(**parts)


def _button(words: str, elem_id: str) -> gr.Button:
    return gr.Button(words, size="sm", scale=0, min_width=230 if len(words) > 20 else 150, elem_id=elem_id)


def closed(tools: ChatTools) -> Updates:
    """As they begin, for another conversation."""
    own = {tools.own: button(OWN, False), tools.own_answer: shown("")}
    differences = {tools.marking: False, tools.differences: gr.update(value=SHOW, interactive=True)}
    return {**own, **differences, tools.save: button(SAVE, True), tools.formats: gr.update(visible=False)}
