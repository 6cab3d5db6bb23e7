"""What happens in the Chat tab: asking, stopping, starting over, and the instruction to both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import gradio as gr

from qlora_demo.chat.client import Turn
from qlora_demo.ui.chat_tab import ChatTab, draw
from qlora_demo.ui.guard import Guard, Updates, Visit
from qlora_demo.ui.parts import button, shown
from qlora_demo.ui.views_chat import EMPTY, Chat, column, history, own_instruction, sampling, status, turns_for

AT_ONCE = 4
"""Questions in flight; the chat worker answers them one after the other."""


def begin(tab: ChatTab, question: str, run_id: str, chat: Chat, answering: list[str]) -> Updates:
    """Shows the question in both columns at once; nothing while another is being answered."""
    if not question.strip() or answering:
        return {tab.asked: ""}
    columns = _columns(tab, [*turns_for(chat, run_id), [question, "", ""]])
    waiting = {tab.partial: [question, "", ""], tab.status: shown(status(Turn())), **_answering(tab, True)}
    return {tab.asked: question, tab.question: "", **waiting, **columns}


def answer(tab: ChatTab, answers: Iterator[Turn], question: str, run_id: str, chat: Chat) -> Iterator[Updates]:
    """Both answers as they grow. The page may skip all but the newest update, so what must arrive stands in the last one.

    It is made anew for that: gradio takes the value out of an update that it has sent.
    """
    turns, turn = turns_for(chat, run_id), Turn()

    def drawn() -> Updates:
        return {**_columns(tab, [*turns, [question, turn.base, turn.adapted]]), tab.status: shown(status(turn))}

    for turn in answers:
        yield {**drawn(), tab.partial: [question, turn.base, turn.adapted]}
    kept = {"run": run_id, "turns": [*turns, [question, turn.base, turn.adapted]]}
    yield {**drawn(), tab.kept: kept, tab.partial: [], **_answering(tab, False)}


def give_back(tab: ChatTab, question: str, run_id: str, chat: Chat) -> Updates:
    """After an error: the conversation as it was, and the question in its box again."""
    unanswered = {tab.partial: [], tab.status: shown(""), tab.question: question}
    return {**unanswered, **_columns(tab, turns_for(chat, run_id)), **_answering(tab, False)}


def stopped(tab: ChatTab, run_id: str, chat: Chat, so_far: list[str]) -> Updates:
    """Keeps what was answered until now; a question without any answer goes back into its box."""
    turns = turns_for(chat, run_id)
    if not so_far:
        return _answering(tab, False)
    if not (so_far[1] or so_far[2]):
        return give_back(tab, so_far[0], run_id, chat)
    kept = {tab.kept: {"run": run_id, "turns": [*turns, so_far]}, **_columns(tab, [*turns, so_far])}
    return {**kept, tab.partial: [], tab.status: shown(""), **_answering(tab, False)}


def start_over(tab: ChatTab) -> Updates:
    return {tab.kept: EMPTY, tab.partial: [], **_columns(tab, []), tab.status: shown(""), **_answering(tab, False)}


def wire(tab: ChatTab, guard: Guard) -> None:
    """A click first shows the question, then one generator event fills both columns. Stopping cancels it, down to the worker."""

    def asking(visit: Visit, question: str, run_id: str, chat: Chat, *how: Any) -> Iterator[Updates]:
        style, length, instruction = how
        if question:
            columns = [history(turns_for(chat, run_id), side, instruction, question) for side in (1, 2)]
            with closing(visit.studio.ask(visit.owner, run_id, columns, sampling(style, length))) as answers:
                yield from answer(tab, answers, question, run_id, chat)

    def failed(question: str, run_id: str, chat: Chat, *_: object) -> Updates:
        return give_back(tab, question, run_id, chat)

    outputs = [tab.question, tab.ask, tab.stop, tab.base, tab.yours, tab.status, tab.problem, tab.kept, tab.partial, tab.asked]
    inputs = [tab.asked, tab.run, tab.kept, tab.style, tab.length, tab.instruction]
    limits = {"concurrency_limit": AT_ONCE, "concurrency_id": "chat"}
    sources = [([tab.ask.click, tab.question.submit], tab.question), *(([button.click], button) for button in (*tab.learned, *tab.unseen))]
    asked = []
    for triggers, source in sources:
        shown = [source, tab.run, tab.kept, tab.partial]
        begun = guard.on(triggers, lambda visit, *values: begin(tab, *values), shown, outputs, tab.problem)
        asked.append(guard.stream(begun.then, (asking, failed), inputs, outputs, tab.problem, **limits))
    stop = [tab.run, tab.kept, tab.partial]
    guard.on(tab.stop.click, lambda visit, *values: stopped(tab, *values), stop, outputs, tab.problem, cancels=asked)
    guard.on(tab.start_over.click, lambda visit: start_over(tab), [], outputs, tab.problem, cancels=asked)
    _wire_model(tab, guard, asked)


def _wire_model(tab: ChatTab, guard: Guard, asked: list[gr.events.Dependency]) -> None:
    """Another model, another instruction."""

    def chosen(visit: Visit, run_id: str, chat: Chat) -> Updates:
        return {**draw(tab, visit, run_id, chat), tab.partial: [], **_answering(tab, False)}

    def own(visit: Visit, run_id: str) -> str:
        return own_instruction(visit.studio.run(visit.owner, run_id), visit.studio.questions(visit.owner, run_id)[0])

    def changed(visit: Visit, run_id: str, instruction: str) -> Updates:
        other = instruction.strip() != own(visit, run_id).strip()
        return {tab.other_instruction: gr.update(visible=other), tab.put_back: button("Put it back", other)}

    def put_back(visit: Visit, run_id: str) -> Updates:
        return {tab.instruction: own(visit, run_id), tab.other_instruction: gr.update(visible=False), tab.put_back: button("Put it back", False)}

    outputs = [*tab.outputs(), tab.partial, tab.ask, tab.stop]
    guard.on(tab.run.input, chosen, [tab.run, tab.kept], outputs, tab.problem, cancels=asked)
    guard.on(tab.instruction.blur, changed, [tab.run, tab.instruction], outputs, tab.problem)
    guard.on(tab.put_back.click, put_back, [tab.run], outputs, tab.problem)


def _columns(tab: ChatTab, turns: list[list[str]]) -> Updates:
    return {tab.base: column(turns, 1), tab.yours: column(turns, 2)}


def _answering(tab: ChatTab, now: bool) -> Updates:
    return {tab.ask: button("Ask", not now), tab.stop: button("Stop", now)}
