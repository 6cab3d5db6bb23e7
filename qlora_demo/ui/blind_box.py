"""Tab 3, the blind vote: which of two answers is better, without being told whose they are."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from qlora_demo.ui.guard import Updates
from qlora_demo.ui.parts import button, heading, shown, text
from qlora_demo.ui.views_blind import progress, revealed, sides, source_words
from qlora_demo.votes import BAD, FIRST, MOST_QUESTIONS, SAME, SECOND, Ballot, BlindVote

HOW = "You see two answers to each question, A and B, both at once. Which of them is your model's is told at the end."
WAIT = '<p class="qd-small">Both are answering. You see both answers at once.</p>'
ASIDE, OWN = "aside", "own"
CHOICES = ((FIRST, "A is better"), (SECOND, "B is better"), (SAME, "Same"), (BAD, "Both bad"))


@dataclass(frozen=True)
class BlindBox:
    """`ballot` is on the server alone: whose answers A and B are must not reach the browser before the end. None while there is no vote."""

    box: gr.Column
    ballot: gr.State
    choosing: gr.Column
    last: gr.HTML
    source: gr.Radio
    own: gr.Textbox
    start: gr.Button
    close: gr.Button
    voting: gr.Column
    progress: gr.HTML
    wait: gr.HTML
    answers: gr.Row
    first: gr.HTML
    second: gr.HTML
    choices: tuple[gr.Button, ...]
    go_on: gr.Button
    end: gr.Button
    result: gr.HTML
    problem: gr.HTML

    def closed(self) -> list:
        """What `draw_closed` may set."""
        return [self.box, self.ballot, self.first, self.second, self.result]

    def outputs(self) -> list:
        """Everything that happens here may set."""
        asked = [self.progress, self.wait, self.answers, self.first, self.second, *self.choices, self.go_on, self.end]
        before = [self.box, self.ballot, self.choosing, self.last, self.source, self.own, self.start, self.close]
        return [*before, self.voting, *asked, self.result, self.problem]


def build() -> BlindBox:
    parts: dict = {"ballot": gr.State(None)}
    with gr.Column(visible=False, elem_classes="qd-card-box", elem_id="blind") as parts["box"]:
        text(heading("Which is better?", 3))
        with gr.Column() as parts["choosing"]:
            parts |= _choosing()
        with gr.Column(visible=False) as parts["voting"]:
            parts |= _voting()
        parts["problem"] = text("", visible=False, elem_id="blind-problem")
        parts["result"] = text("", visible=False, elem_id="blind-result")
        with gr.Row(elem_classes="qd-tools"):
            parts["start"] = gr.Button("Start", variant="primary", scale=0, min_width=140, elem_id="blind-start")
            parts["go_on"] = gr.Button("Go on", variant="primary", scale=0, min_width=140, visible=False, elem_id="blind-go-on")
            parts["end"] = gr.Button("End now and show whose they are", size="sm", scale=0, min_width=260, visible=False, elem_id="blind-end")
            parts["close"] = gr.Button("Close", scale=0, min_width=120, elem_id="blind-close")
    return BlindBox(**parts)


def _choosing() -> dict:
    text(f"<p>{HOW}</p>")
    last = text("", visible=False, elem_id="blind-last")
    source = gr.Radio([], label="Questions", elem_id="blind-source")
    hint = f"One on each line, up to {MOST_QUESTIONS}."
    own = gr.Textbox("", label="Your questions", info=hint, lines=4, max_lines=10, visible=False, elem_id="blind-own")
    return {"last": last, "source": source, "own": own}


def _voting() -> dict:
    parts: dict = {"progress": text("", elem_id="blind-question"), "wait": text("", visible=False, elem_id="blind-wait")}
    with gr.Row(visible=False, equal_height=True) as parts["answers"]:
        for name in ("first", "second"):
            with gr.Column(min_width=280):
                parts[name] = text("", elem_id=f"blind-{name}")
    with gr.Row(elem_classes="qd-tools"):
        parts["choices"] = tuple(
            gr.Button(words, scale=0, min_width=130, visible=False, elem_id=f"blind-choice-{choice}") for choice, words in CHOICES
        )
    return parts


def draw_choosing(box: BlindBox, aside: int, last: str) -> Updates:
    """What to ask: `aside` questions were set aside."""
    offered = [(source_words(aside), ASIDE)] if aside else []
    source = gr.update(choices=[*offered, ("My own questions", OWN)], value=ASIDE if aside else OWN)
    begin = {box.start: button("Start", True), box.close: button("Close", True), box.end: button("", False), box.go_on: button("", False)}
    panels = {box.box: gr.update(visible=True), box.choosing: gr.update(visible=True), box.voting: gr.update(visible=False)}
    questions = {box.source: source, box.own: gr.update(visible=not aside), box.last: shown(last)}
    return {**panels, **questions, **begin, box.ballot: None, box.result: shown("")}


def draw_closed(box: BlindBox) -> Updates:
    return {box.box: gr.update(visible=False), box.ballot: None, box.first: "", box.second: "", box.result: shown("")}


def draw_ballot(box: BlindBox, ballot: Ballot) -> Updates:
    """A question; while its answers are on their way, nothing to choose."""
    here = ballot.answers is not None
    first, second = sides(ballot) if here else ("", "")
    panels = {box.choosing: gr.update(visible=False), box.voting: gr.update(visible=True), box.start: button("", False), box.close: button("", False)}
    ends = {box.end: button("End now and show whose they are", bool(ballot.votes)), box.go_on: button("", False), box.result: shown("")}
    choices = {part: button(words, here) for part, (_, words) in zip(box.choices, CHOICES, strict=True)}
    asked = {box.progress: progress(ballot), box.wait: shown("" if here else WAIT), box.answers: gr.update(visible=here)}
    return {**panels, **ends, **choices, **asked, box.first: first, box.second: second, box.ballot: ballot}


def draw_paused(box: BlindBox) -> Updates:
    """After an error: the same question can be asked once more."""
    return {box.wait: shown(""), box.go_on: button("Go on", True), box.close: button("Close", True)}


def draw_result(box: BlindBox, vote: BlindVote, remark: str) -> Updates:
    """Whose answers these were."""
    ends = {box.end: button("", False), box.go_on: button("", False), box.start: button("", False), box.close: button("Close", True)}
    panels = {box.choosing: gr.update(visible=False), box.voting: gr.update(visible=False)}
    return {**panels, **ends, box.ballot: None, box.first: "", box.second: "", box.result: shown(revealed(vote, remark))}
