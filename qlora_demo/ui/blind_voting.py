"""What happens in a blind vote: choosing the questions, voting, and the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import gradio as gr

from qlora_demo.chat.client import Turn
from qlora_demo.errors import BusyError, UserError
from qlora_demo.ui.blind_box import ASIDE, CHOICES, OWN, BlindBox, draw_ballot, draw_choosing, draw_closed, draw_paused, draw_result
from qlora_demo.ui.chat_asking import AT_ONCE
from qlora_demo.ui.chat_tab import ChatTab
from qlora_demo.ui.guard import COMMON, Guard, Updates, Visit
from qlora_demo.ui.views_blind import last_words, vote_of
from qlora_demo.ui.views_chat import history, questions, sampling
from qlora_demo.votes import Ballot, new_ballot, some, typed

TO_BOX = """() => setTimeout(() => {
  const box = document.getElementById('blind');
  if (!box) return;
  box.tabIndex = -1;
  box.focus({preventScroll: true});
  box.scrollIntoView({block: 'nearest'});
}, 100)"""
"""It opens below the chat, often out of sight."""
NONE_TYPED = "Type at least one question, one on each line."
KEPT = "Kept with this model."
NOT_KEPT = "Not kept: this model is not yours."


def open_box(box: BlindBox, visit: Visit, run_id: str, ballot: Ballot | None) -> Updates:
    """What to ask, and what came out last time; a vote that goes on stays. Raises NotFoundError."""
    if ballot is not None:
        return {}
    _, unseen = visit.studio.questions(visit.owner, run_id)
    return draw_choosing(box, len(questions(unseen)), last_words(visit.studio.votes.last(visit.owner, run_id)))


def start(box: BlindBox, visit: Visit, run_id: str, source: str, own: str) -> Updates:
    """The first question. Raises BusyError where nothing is asked."""
    unseen = questions(visit.studio.questions(visit.owner, run_id)[1])
    asked = some(unseen) if source == ASIDE else typed(str(own))
    if not asked:
        raise BusyError(NONE_TYPED)
    return draw_ballot(box, new_ballot(run_id, asked))


def answered(ballot: Ballot, answers: Iterator[Turn]) -> Ballot:
    """Reads both answers to their end; nothing is shown before both are whole."""
    *_, turn = Turn(), *answers
    return ballot.answered(turn.base, turn.adapted)


def finish(box: BlindBox, visit: Visit, ballot: Ballot) -> Updates:
    """Whose answers these were; what was chosen is kept with the run of its owner."""
    vote = vote_of(ballot)
    try:
        remark = KEPT if visit.studio.votes.keep(visit.owner, ballot.run, vote) else NOT_KEPT
    except UserError as error:  # no room: what was chosen is told all the same
        remark = str(error)
    return draw_result(box, vote, remark)


def end(box: BlindBox, visit: Visit, ballot: Ballot | None) -> Updates:
    return finish(box, visit, ballot) if ballot and ballot.votes else draw_closed(box)


def choose(box: BlindBox, ballot: Ballot | None, choice: str) -> Updates:
    """After a vote the next question; the last vote's end is told by what follows."""
    if ballot is None or ballot.answers is None:
        return {}
    after = ballot.chosen(choice)
    return {box.ballot: after} if after.done() else draw_ballot(box, after)


def wire(tab: ChatTab, guard: Guard) -> None:
    """A vote is followed by both answers to the next question."""
    box = tab.blind

    def asking(visit: Visit, ballot: Ballot | None, *how: Any) -> Iterator[Updates]:
        style, length, instruction = how
        while ballot and ballot.answers is None and not ballot.done():
            asked = history([], 1, instruction, ballot.question())
            with closing(visit.studio.ask(visit.owner, ballot.run, [asked, asked], sampling(style, length))) as answers:
                ballot = answered(ballot, answers)
            if not ballot.done():
                yield draw_ballot(box, ballot)
        if ballot and ballot.done():
            yield finish(box, visit, ballot)

    def failed(ballot: Ballot | None, *how: Any) -> Updates:
        return draw_paused(box)

    def own_too(visit: Visit, source: str) -> Updates:
        return {box.own: gr.update(visible=source == OWN)}

    outputs = box.outputs()
    how = [box.ballot, tab.style, tab.length, tab.instruction]
    limits = {"concurrency_limit": AT_ONCE, "concurrency_id": "chat"}
    inputs, places = [tab.run, box.ballot], [*outputs, tab.problem]
    opened = guard.on(tab.tools.blind.click, lambda visit, *values: open_box(box, visit, *values), inputs, places, tab.problem)
    opened.then(None, None, None, js=TO_BOX, **COMMON)
    guard.on(box.source.input, own_too, [box.source], [box.own])
    begun = [guard.on(box.start.click, lambda visit, *values: start(box, visit, *values), [tab.run, box.source, box.own], outputs, box.problem)]
    begun += [
        guard.on(part.click, lambda visit, ballot, choice=choice: choose(box, ballot, choice), [box.ballot], outputs, box.problem)
        for part, (choice, _) in zip(box.choices, CHOICES, strict=True)
    ]
    begun.append(guard.on(box.go_on.click, lambda visit, ballot: draw_ballot(box, ballot) if ballot else {}, [box.ballot], outputs, box.problem))
    asked = [guard.stream(event.then, (asking, failed), how, outputs, box.problem, **limits) for event in begun]
    guard.on(box.end.click, lambda visit, ballot: end(box, visit, ballot), [box.ballot], outputs, box.problem, cancels=asked)
    guard.on([box.close.click, tab.run.input], lambda visit: draw_closed(box), [], outputs, box.problem, cancels=asked)
