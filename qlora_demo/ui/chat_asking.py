"""What happens in the Chat tab: asking, stopping, starting over."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr

from qlora_demo.chat.client import Turn
from qlora_demo.studio import LOCAL, Studio
from qlora_demo.ui.chat_tab import ChatTab, draw
from qlora_demo.ui.guard import Updates, shown_in, stream_shown_in
from qlora_demo.ui.parts import shown
from qlora_demo.ui.views_chat import EMPTY, Chat, column, history, own_instruction, sampling, status, turns_for

AT_ONCE = 4
"""Questions in flight; the chat worker answers them one after the other."""


def wire(tab: ChatTab, studio: Studio) -> None:
    """A click first shows the question, then one generator event fills both columns. Stopping cancels it, down to the worker."""

    def begin(question: str, run_id: str, chat: Chat) -> Updates:
        if not question.strip():
            return {tab.asked: ""}
        columns = _columns(tab, [*turns_for(chat, run_id), [question, "", ""]])
        return {tab.asked: question, tab.question: "", tab.partial: [question, "", ""], tab.status: shown(status(Turn())), **_answering(tab, True), **columns}

    def answer(question: str, run_id: str, chat: Chat, style: str, length: int, instruction: str) -> Iterator[Updates]:
        # The page may skip all but the newest of these updates, so what the last one needs stands in the last one.
        if not question:
            return
        turns = turns_for(chat, run_id)
        columns = [history(turns, side, instruction, question) for side in (1, 2)]
        turn, drawn = Turn(), {}
        for turn in studio.ask(LOCAL, run_id, columns, sampling(style, length)):
            now = [question, turn.base, turn.adapted]
            drawn = {**_columns(tab, [*turns, now]), tab.status: shown(status(turn))}
            yield {**drawn, tab.partial: now}
        kept = {"run": run_id, "turns": [*turns, [question, turn.base, turn.adapted]]}
        yield {**drawn, tab.kept: kept, tab.partial: [], **_answering(tab, False)}

    def put_question_back(question: str, run_id: str, chat: Chat, *_: object) -> Updates:
        unanswered = {tab.partial: [], tab.status: shown(""), tab.question: question}
        return {**unanswered, **_columns(tab, turns_for(chat, run_id)), **_answering(tab, False)}

    def stopped(run_id: str, chat: Chat, partial: list[str]) -> Updates:
        turns = turns_for(chat, run_id)
        ended = {tab.partial: [], tab.status: shown(""), **_answering(tab, False)}
        if not partial or not (partial[1] or partial[2]):
            return {**ended, **_columns(tab, turns), tab.question: partial[0] if partial else gr.skip()}
        return {**ended, tab.kept: {"run": run_id, "turns": [*turns, list(partial)]}}

    def start_over() -> Updates:
        return {tab.kept: EMPTY, tab.partial: [], **_columns(tab, []), tab.status: shown(""), **_answering(tab, False)}

    def own(run_id: str) -> str:
        return own_instruction(studio.run(LOCAL, run_id), studio.questions(LOCAL, run_id)[0])

    def changed(run_id: str, instruction: str) -> Updates:
        other = instruction.strip() != own(run_id).strip()
        return {tab.other_instruction: gr.update(visible=other), tab.put_back: gr.update(visible=other)}

    def put_back(run_id: str) -> Updates:
        hidden = gr.update(visible=False)
        return {tab.instruction: own(run_id), tab.other_instruction: hidden, tab.put_back: hidden}

    private = {"api_visibility": "private", "show_progress": "hidden"}
    asking = stream_shown_in(tab.problem, answer, put_question_back)
    outputs = [tab.question, tab.ask, tab.stop, tab.base, tab.yours, tab.status, tab.problem, tab.kept, tab.partial, tab.asked]
    inputs = [tab.asked, tab.run, tab.kept, tab.style, tab.length, tab.instruction]
    limits = {"concurrency_limit": AT_ONCE, "concurrency_id": "chat"}
    sources = [([tab.ask.click, tab.question.submit], tab.question), *(([button.click], button) for button in (*tab.learned, *tab.unseen))]
    asked = []
    for triggers, source in sources:
        begun = gr.on(triggers, shown_in(tab.problem, begin), [source, tab.run, tab.kept], outputs, **private)
        asked.append(begun.then(asking, inputs, outputs, **limits, **private))
    tab.stop.click(shown_in(tab.problem, stopped), [tab.run, tab.kept, tab.partial], outputs, cancels=asked, **private)
    tab.start_over.click(shown_in(tab.problem, start_over), None, outputs, cancels=asked, **private)
    shown_parts = tab.outputs()
    chosen = shown_in(tab.problem, lambda run_id, chat: draw(tab, studio, run_id, chat))
    tab.run.input(chosen, [tab.run, tab.kept], shown_parts, cancels=asked, **private)
    tab.instruction.blur(shown_in(tab.problem, changed), [tab.run, tab.instruction], shown_parts, **private)
    tab.put_back.click(shown_in(tab.problem, put_back), [tab.run], shown_parts, **private)


def _columns(tab: ChatTab, turns: list[list[str]]) -> Updates:
    return {tab.base: column(turns, 1), tab.yours: column(turns, 2)}


def _answering(tab: ChatTab, now: bool) -> Updates:
    return {tab.ask: gr.update(visible=not now), tab.stop: gr.update(visible=now)}
