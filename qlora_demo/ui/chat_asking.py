"""What happens in the Chat tab: asking, asking again or otherwise, stopping, taking back, starting over, and the instruction to both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import gradio as gr

from qlora_demo.chat.client import Turn
from qlora_demo.run_view import RunView
from qlora_demo.ui.chat_drawing import drawn
from qlora_demo.ui.chat_tab import Asked, ChatTab, Partial
from qlora_demo.ui.guard import Edited, Guard, Updates, Visit
from qlora_demo.ui.parts import button, shown
from qlora_demo.ui.views_chat import Chat, against_of, columns, headings, history, kept, sampling, status, turns_for

AT_ONCE = 32
"""Questions in flight; the chat worker answers them one after the other, and each is told how many come before it."""


@dataclass(frozen=True)
class Exchange:
    """A question to one model, the turns before it, and whether differing words are marked.

    `before` is the turn that it takes the place of; `other` the model that answers in the base's place.
    """

    view: RunView
    turns: list[list[str]]
    question: str
    marking: bool
    before: list[str] | None = None
    other: RunView | None = None


def begin(tab: ChatTab, asked: Asked, run_id: str, chat: Chat, answering: Partial | None) -> Updates:
    """Shows the question in both columns at once; nothing while another is being answered."""
    if not asked.question.strip() or answering:
        return {tab.asked: Asked()}
    turns = turns_for(chat, run_id)[: asked.after]
    waiting = {tab.partial: Partial(run_id, asked), tab.status: shown(status(None)), **_answering(tab, True)}
    return {tab.asked: asked, **waiting, **_no_own(tab), **drawn(tab, [*turns, [asked.question, "", ""]])}


def ask(tab: ChatTab, question: str, run_id: str, chat: Chat, answering: Partial | None) -> Updates:
    """A question at the end of the conversation, and an empty box for the next."""
    begun = begin(tab, Asked(question, len(turns_for(chat, run_id))), run_id, chat, answering)
    return {**begun, tab.question: ""} if begun[tab.asked].question else begun


def ask_again(tab: ChatTab, run_id: str, chat: Chat, answering: Partial | None) -> Updates:
    """The last question once more."""
    turns = turns_for(chat, run_id)
    return begin(tab, Asked(turns[-1][0], len(turns) - 1) if turns else Asked(), run_id, chat, answering)


def ask_otherwise(tab: ChatTab, edited: Edited, run_id: str, chat: Chat, answering: Partial | None) -> Updates:
    """A question in other words, in both columns, whichever it was changed in; the turns after it go once there is an answer."""
    turn, answer_changed = divmod(edited.index, 2)
    turns = turns_for(chat, run_id)
    if answer_changed or not 0 <= turn < len(turns) or not edited.text.strip():
        return {tab.asked: Asked(), **({} if answering else drawn(tab, turns))}  # as it was: the browser shows the change already
    return begin(tab, Asked(edited.text, turn), run_id, chat, answering)


def answer(tab: ChatTab, answers: Iterator[Turn], exchange: Exchange) -> Iterator[Updates]:
    """Both answers as they grow. The page may skip all but the newest update, so what must arrive stands in the last one.

    It is made anew for that: gradio takes the value out of an update that it has sent.
    """
    base, yours = columns(exchange.turns, exchange.marking)
    turn, place = Turn(), Asked(exchange.question, len(exchange.turns))

    def both(marking: bool) -> Updates:
        new = columns([[exchange.question, turn.base, turn.adapted]], marking)
        return {tab.base: [*base, *new[0]], tab.yours: [*yours, *new[1]]}

    for turn in answers:
        yield {**both(False), tab.status: shown(status(turn)), tab.partial: Partial(exchange.view.id, place, turn.base, turn.adapted)}
    said = [exchange.question, turn.base, turn.adapted]
    conversation = {"run": exchange.view.id, "turns": [*exchange.turns, said], "against": exchange.other.id if exchange.other else ""}
    head = headings(exchange.view, turn.unchanged, exchange.other)[0]
    told = {tab.status: shown(status(turn, said == exchange.before)), tab.base_heading: head}
    yield {**both(exchange.marking), **told, tab.kept: conversation, tab.partial: None, **_answering(tab, False)}


def give_back(tab: ChatTab, asked: Asked, run_id: str, chat: Chat, marking: bool) -> Updates:
    """After an error: the conversation as it was, and a question that is not in it in its box again."""
    turns = turns_for(chat, run_id)
    kept_still = asked.after < len(turns) and turns[asked.after][0] == asked.question
    box = {} if kept_still or not asked.question else {tab.question: asked.question}
    return {**box, tab.partial: None, tab.status: shown(""), **drawn(tab, turns, marking), **_answering(tab, False)}


def stopped(tab: ChatTab, run_id: str, chat: Chat, so_far: Partial | None, marking: bool) -> Updates:
    """Keeps what was answered until now; without any answer, or where another model is shown by now, all is as it was."""
    if so_far is None or so_far.run != run_id:
        return {tab.partial: None, tab.status: shown(""), **_answering(tab, False)}
    if not (so_far.base or so_far.yours):
        return give_back(tab, so_far.asked, run_id, chat, marking)
    conversation = with_partial(chat, run_id, so_far)
    so_far_kept = {tab.kept: conversation, **drawn(tab, turns_for(conversation, run_id), marking)}
    return {**so_far_kept, tab.partial: None, tab.status: shown(""), **_answering(tab, False)}


def leave(tab: ChatTab) -> Updates:
    """Another model is shown, or the same anew: nothing is being answered any more."""
    return {tab.partial: None, **_answering(tab, False)}


def with_partial(chat: Chat, run_id: str, so_far: Partial | None) -> Chat:
    """The conversation with what was answered until now, where that was this model's answer."""
    if so_far is None or so_far.run != run_id or not (so_far.base or so_far.yours):
        return chat
    return kept(chat, run_id, [*turns_for(chat, run_id)[: so_far.asked.after], so_far.turn()])


def undo(tab: ChatTab, run_id: str, chat: Chat, answering: Partial | None, marking: bool) -> Updates:
    """Takes the last turn out of both columns; its question goes back into the box."""
    turns = turns_for(chat, run_id)
    if answering or not turns:
        return {}
    fewer = {tab.kept: kept(chat, run_id, turns[:-1]), tab.question: turns[-1][0], tab.status: shown("")}
    return {**fewer, **drawn(tab, turns[:-1], marking), **_no_own(tab)}


def start_over(tab: ChatTab, run_id: str, chat: Chat) -> Updates:
    gone = {tab.partial: None, tab.status: shown(""), **_no_own(tab), **_answering(tab, False)}
    return {tab.kept: kept(chat, run_id, []), **drawn(tab, []), **gone}


def wire(tab: ChatTab, guard: Guard) -> list[gr.events.Dependency]:
    """A click first shows the question, then one generator event fills both columns. Stopping cancels it, down to the worker. Returns them."""

    def asking(visit: Visit, asked: Asked, run_id: str, chat: Chat, *how: Any) -> Iterator[Updates]:
        style, length, instruction, marking = how
        if asked.question:
            turns = turns_for(chat, run_id)
            before = turns[asked.after] if asked.after < len(turns) else None
            against = against_of(chat, run_id)
            views = [visit.studio.run(visit.owner, one) if one else None for one in (run_id, against)]
            exchange = Exchange(views[0], turns[: asked.after], asked.question, marking, before, views[1])
            sides = [history(exchange.turns, side, instruction, asked.question) for side in (1, 2)]
            with closing(visit.studio.ask(visit.owner, run_id, sides, sampling(style, length), against)) as answers:
                yield from answer(tab, answers, exchange)

    def failed(asked: Asked, run_id: str, chat: Chat, *how: Any) -> Updates:
        return give_back(tab, asked, run_id, chat, how[-1])

    tools, conversation = tab.tools, [tab.run, tab.kept, tab.partial]
    shown_there = [tab.question, tab.ask, tab.stop, tab.base_heading, tab.base, tab.yours, tab.status, tab.problem]
    outputs = [*shown_there, tools.own, tools.own_answer, tools.differences, tab.kept, tab.partial, tab.asked]
    inputs = [tab.asked, tab.run, tab.kept, tab.style, tab.length, tab.instruction, tools.marking]
    limits = {"concurrency_limit": AT_ONCE, "concurrency_id": "chat"}
    sources = [([tab.ask.click, tab.question.submit], tab.question), *(([button.click], button) for button in (*tab.learned, *tab.unseen))]
    begun = [guard.on(on, lambda visit, *values: ask(tab, *values), [source, *conversation], outputs, tab.problem) for on, source in sources]
    retry, edit = [tab.base.retry, tab.yours.retry], [tab.base.edit, tab.yours.edit]
    begun.append(guard.on(retry, lambda visit, *values: ask_again(tab, *values), conversation, outputs, tab.problem))
    begun.append(guard.on_edit(edit, lambda visit, *values: ask_otherwise(tab, *values), conversation, outputs, tab.problem))
    asked = [guard.stream(event.then, (asking, failed), inputs, outputs, tab.problem, **limits) for event in begun]
    guard.on([tab.base.undo, tab.yours.undo], lambda visit, *values: undo(tab, *values), [*conversation, tools.marking], outputs, tab.problem)
    stop = [*conversation, tools.marking]
    guard.on(tab.stop.click, lambda visit, *values: stopped(tab, *values), stop, outputs, tab.problem, cancels=asked)
    guard.on(tools.start_over.click, lambda visit, *values: start_over(tab, *values), conversation[:2], outputs, tab.problem, cancels=asked)
    return asked


def _no_own(tab: ChatTab) -> Updates:
    return {tab.tools.own: button("", False), tab.tools.own_answer: shown("")}


def _answering(tab: ChatTab, now: bool) -> Updates:
    return {tab.ask: button("Ask", not now), tab.stop: button("Stop", now), tab.tools.differences: gr.update(interactive=not now)}
