"""Tab 3, Chat: one question to the base model and to yours, two answers side by side."""

from __future__ import annotations

import time
from dataclasses import dataclass

import gradio as gr

from qlora_demo.run_view import RunView
from qlora_demo.ui.guard import Updates, Visit
from qlora_demo.ui.parts import button, heading, note, shown, text
from qlora_demo.ui.views_chat import (
    LENGTHS,
    SAME,
    SUGGESTIONS,
    VARIED,
    Chat,
    column,
    headings,
    own_instruction,
    suggestions,
    turns_for,
)
from qlora_demo.ui.views_models import chat_choices, chat_waits, example_offer

NO_MODEL = "<p>You have no model yet. Train one first, then ask it and the original the same question.</p>"
OTHER_INSTRUCTION = "<p class='qd-note qd-warn'>Your model was trained with another instruction; answers may be worse.</p>"


@dataclass(frozen=True)
class ChatTab:
    """`kept` is the conversation in the browser; `asked` the question on its way; `partial` its turn so far, for when it is stopped."""

    none: gr.Column
    train_one: gr.Button
    offer: gr.HTML
    example: gr.Button
    notice: gr.HTML
    box: gr.Column
    run: gr.Dropdown
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
    start_over: gr.Button
    style: gr.Radio
    instruction: gr.Textbox
    other_instruction: gr.HTML
    put_back: gr.Button
    length: gr.Radio
    kept: gr.BrowserState
    partial: gr.State
    asked: gr.State

    def outputs(self) -> list:
        """Everything that `draw` may set."""
        columns = [self.base_heading, self.yours_heading, self.base, self.yours, self.unseen_row, *self.learned, *self.unseen]
        columns += [self.offer, self.example, self.notice]
        return [self.none, self.box, self.run, *columns, self.status, self.problem, self.instruction, self.other_instruction, self.put_back]


def build(kept: gr.BrowserState) -> ChatTab:
    """`kept` is made outside the tabs: a tab that was not opened yet has not read what the browser remembers."""
    parts: dict = {"kept": kept, "partial": gr.State([]), "asked": gr.State("")}
    with gr.Column(elem_id="chat-none", elem_classes="qd-empty") as parts["none"]:
        text(NO_MODEL)
        parts["train_one"] = gr.Button("Train one, a few minutes", variant="primary", elem_id="train-one", elem_classes="qd-narrow")
        parts["offer"] = text("", elem_id="example-offer")
        parts["example"] = gr.Button("Train the example", elem_id="train-example", elem_classes="qd-narrow")
    with gr.Column(visible=False, elem_id="chat") as parts["box"]:
        text(heading("Ask both"))
        parts["notice"] = text("", visible=False, elem_id="chat-notice")
        parts["run"] = gr.Dropdown([], label="Your model, compared with its base model", elem_id="chat-run")
        with gr.Row(equal_height=True):
            parts["base_heading"], parts["base"] = _column("Base model", "chat-base")
            parts["yours_heading"], parts["yours"] = _column("Your model", "chat-yours")
        _, parts["learned"] = _suggestions("From your data:", "learned")
        parts["unseen_row"], parts["unseen"] = _suggestions("It has never seen:", "unseen")
        parts |= _question_row()
        parts["problem"] = text("", visible=False, elem_id="chat-problem")
        parts["status"] = text("", visible=False, elem_id="chat-status")
        parts["start_over"] = gr.Button("Start over", size="sm", elem_id="chat-start-over", elem_classes="qd-narrow")
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


def chosen_model(views: list[RunView], wanted: str | None) -> str | None:
    """The wanted run where it can answer, else the newest that can."""
    ids = [run_id for _, run_id in chat_choices(views)]
    return wanted if wanted in ids else ids[0] if ids else None


def example_ready(visit: Visit) -> RunView | None:
    """Everyone's example where it can answer now, None where there is none or no room for it."""
    view = next((view for view in visit.studio.runs(visit.owner) if view.shared()), None)
    return view if view is not None and view.usable() and visit.studio.memory.chat_waits_for(view) is None else None


def draw_models(tab: ChatTab, views: list[RunView], chosen: str | None) -> Updates:
    """Which models can answer; where none can, everyone's example is offered."""
    choices = chat_choices(views)
    some = gr.update(visible=bool(choices))
    sentence, words = example_offer(next((view for view in views if view.shared()), None))
    offered = {tab.offer: f"<p>{sentence}</p>", tab.example: button(words, bool(words))}
    return {tab.none: gr.update(visible=not choices), tab.box: some, tab.run: gr.update(choices=choices, value=chosen), **offered}


def draw_notice(tab: ChatTab, visit: Visit, views: list[RunView], chosen: str | None) -> Updates:
    """Says so where a training leaves no room for chat."""
    view = next((view for view in views if view.id == chosen), None)
    training = visit.studio.memory.chat_waits_for(view) if view else None
    waits = chat_waits(training, time.time(), visit.studio.chat.given_back(), visit.owner)
    return {tab.notice: shown(note(waits, "qd-warn"))}


def draw(tab: ChatTab, visit: Visit, run_id: str | None, chat: Chat) -> Updates:
    """The conversation with one model, and questions to begin with. Raises NotFoundError."""
    base_heading, yours_heading = headings(visit.studio.run(visit.owner, run_id) if run_id else None)
    if not run_id:
        return {tab.base_heading: base_heading, tab.yours_heading: yours_heading}
    learned, unseen = visit.studio.questions(visit.owner, run_id)
    turns = turns_for(chat, run_id)
    return {
        tab.base_heading: base_heading,
        tab.yours_heading: yours_heading,
        tab.base: column(turns, 1),
        tab.yours: column(turns, 2),
        **_fill(tab.learned, suggestions(learned)),
        **_fill(tab.unseen, suggestions(unseen)),
        tab.unseen_row: gr.update(visible=bool(unseen)),
        tab.instruction: own_instruction(visit.studio.run(visit.owner, run_id), learned),
        tab.other_instruction: gr.update(visible=False),
        tab.put_back: button("Put it back", False),
        tab.status: shown(""),
        tab.problem: shown(""),
    }


def _fill(buttons: tuple[gr.Button, ...], texts: list[str]) -> Updates:
    padded = [*texts, *[""] * (len(buttons) - len(texts))]
    return {part: button(words, bool(words)) for part, words in zip(buttons, padded, strict=True)}
