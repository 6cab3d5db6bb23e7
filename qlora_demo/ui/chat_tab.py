"""Tab 3, Chat: one question to the base model and to yours, two answers side by side."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from qlora_demo.ui import blind_box, chat_tools
from qlora_demo.ui.parts import heading, text
from qlora_demo.ui.views_chat import LENGTHS, SAME, SUGGESTIONS, VARIED

NO_MODEL = "<p>You have no model yet. Train one first, then ask it and the original the same question.</p>"
OTHER_INSTRUCTION = "<p class='qd-note qd-warn'>Your model was trained with another instruction; answers may be worse.</p>"


@dataclass(frozen=True)
class Asked:
    """A question on its way, which comes after the first `after` turns of the conversation; "" is none."""

    question: str = ""
    after: int = 0


@dataclass(frozen=True)
class Partial:
    """The turn that is being answered: by which run's model, after how many turns of the conversation, and both answers so far."""

    run: str
    asked: Asked
    base: str = ""
    yours: str = ""

    def turn(self) -> list[str]:
        return [self.asked.question, self.base, self.yours]


@dataclass(frozen=True)
class ChatTab:
    """`kept` is the conversation in the browser; `asked` the question on its way; `partial` its turn so far, for when it is stopped, else None."""

    none: gr.Column
    train_one: gr.Button
    offer: gr.HTML
    example: gr.Button
    notice: gr.HTML
    box: gr.Column
    run: gr.Dropdown
    against: gr.Dropdown
    base_heading: gr.HTML
    yours_heading: gr.HTML
    base: gr.Chatbot
    yours: gr.Chatbot
    learned: tuple[gr.Button, ...]
    unseen: tuple[gr.Button, ...]
    unseen_row: gr.Row
    question: gr.Textbox
    ask: gr.Button
    stop: gr.Button
    problem: gr.HTML
    status: gr.HTML
    tools: chat_tools.ChatTools
    blind: blind_box.BlindBox
    style: gr.Radio
    instruction: gr.Textbox
    other_instruction: gr.HTML
    put_back: gr.Button
    length: gr.Radio
    kept: gr.BrowserState
    partial: gr.State
    asked: gr.State

    def outputs(self) -> list:
        """Everything that `chat_drawing.draw` may set."""
        columns = [self.base_heading, self.yours_heading, self.base, self.yours, self.unseen_row, *self.learned, *self.unseen]
        columns += [self.offer, self.example, self.notice]
        told = [self.status, self.problem, self.instruction, self.other_instruction, self.put_back]
        return [self.none, self.box, self.run, self.against, *columns, *self.tools.outputs(), *told, *self.blind.closed()]


def build(kept: gr.BrowserState) -> ChatTab:
    """`kept` is made outside the tabs: a tab that was not opened yet has not read what the browser remembers."""
    parts: dict = {"kept": kept, "partial": gr.State(None), "asked": gr.State(Asked())}
    with gr.Column(elem_id="chat-none", elem_classes="qd-empty") as parts["none"]:
        text(NO_MODEL)
        parts["train_one"] = gr.Button("Train one, a few minutes", variant="primary", elem_id="train-one", elem_classes="qd-narrow")
        parts["offer"] = text("", elem_id="example-offer")
        parts["example"] = gr.Button("Train the example", elem_id="train-example", elem_classes="qd-narrow")
    with gr.Column(visible=False, elem_id="chat") as parts["box"]:
        text(heading("Ask both"))
        parts["notice"] = text("", visible=False, elem_id="chat-notice")
        with gr.Row():
            parts["run"] = gr.Dropdown([], label="Your model", min_width=280, elem_id="chat-run")
            parts["against"] = gr.Dropdown([], label="Compared with", min_width=280, elem_id="chat-against")
        with gr.Row(equal_height=True):
            parts["base_heading"], parts["base"] = _column("Base model", "chat-base")
            parts["yours_heading"], parts["yours"] = _column("Your model", "chat-yours")
        _, parts["learned"] = _suggestions("From your data:", "learned")
        parts["unseen_row"], parts["unseen"] = _suggestions("It has never seen:", "unseen")
        parts |= _question_row()
        parts["problem"] = text("", visible=False, elem_id="chat-problem")
        parts["status"] = text("", visible=False, elem_id="chat-status")
        parts["tools"] = chat_tools.build()
        parts["blind"] = blind_box.build()
        with gr.Accordion("Settings", open=False, elem_id="chat-settings"):
            parts |= _settings()
    return ChatTab(**parts)


def _column(name: str, elem_id: str) -> tuple[gr.HTML, gr.Chatbot]:
    """Answers are shown as they are: no markdown, no formulas, no html. Copying is the only button."""
    with gr.Column(min_width=300):
        above = text("")
        box = gr.Chatbot(
            label=name,
            show_label=False,
            height="min(46vh, 420px)",
            render_markdown=False,
            latex_delimiters=[],
            reasoning_tags=[],
            buttons=["copy"],
            editable="user",
            elem_id=elem_id,
        )
    return above, box


def _suggestions(words: str, key: str) -> tuple[gr.Row, tuple[gr.Button, ...]]:
    with gr.Row(elem_classes="qd-suggestions") as row:
        text(f'<span class="qd-small">{words}</span>', elem_classes="qd-fit")
        buttons = [gr.Button("", size="sm", scale=0, visible=False, elem_id=f"{key}-{i}") for i in range(SUGGESTIONS)]
    return row, tuple(buttons)


def _question_row() -> dict:
    with gr.Row(elem_classes="qd-ask"):
        question = gr.Textbox(
            label="Your question", show_label=False, container=False, placeholder="Type a question", scale=1, lines=1, max_lines=6, elem_id="question"
        )
        ask = gr.Button("Ask", variant="primary", scale=0, min_width=110, elem_id="ask")
        stop = gr.Button("Stop", scale=0, min_width=110, visible=False, elem_id="stop")
    return {"question": question, "ask": ask, "stop": stop}


def _settings() -> dict:
    style = gr.Radio([("Same answer each time", SAME), ("More varied", VARIED)], value=SAME, label="Answers", elem_id="chat-style")
    length = gr.Radio(LENGTHS, value=200, label="Longest answer", elem_id="chat-length")
    instruction = gr.Textbox("", label="Instruction to both", info="Both models read it before your question.", lines=2, elem_id="chat-instruction")
    other = text(OTHER_INSTRUCTION, visible=False)
    put_back = gr.Button("Put it back", size="sm", visible=False, elem_id="put-back", elem_classes="qd-narrow")
    return {"style": style, "length": length, "instruction": instruction, "other_instruction": other, "put_back": put_back}
