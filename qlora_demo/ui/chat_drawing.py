"""What tab 3 shows of a model and of the conversation with it."""

from __future__ import annotations

import time
from collections.abc import Sequence

import gradio as gr

from qlora_demo.run_view import RunView
from qlora_demo.ui import chat_tools
from qlora_demo.ui.blind_box import draw_closed
from qlora_demo.ui.chat_tab import ChatTab
from qlora_demo.ui.guard import Updates, Visit
from qlora_demo.ui.parts import button, note, shown
from qlora_demo.ui.views_chat import EMPTY, Chat, against_of, columns, comparisons, headings, own_instruction, suggestions, turns_for
from qlora_demo.ui.views_models import chat_choices, chat_waits, example_offer


def chosen_model(views: list[RunView], wanted: str | None) -> str | None:
    """The wanted run where it can answer, else the newest that can."""
    ids = [run_id for _, run_id in chat_choices(views)]
    return wanted if wanted in ids else ids[0] if ids else None


def example_ready(visit: Visit) -> RunView | None:
    """Everyone's example where it can answer now, None where there is none or no room for it."""
    view = next((view for view in visit.studio.runs(visit.owner) if view.shared()), None)
    return view if view is not None and view.usable() and visit.studio.memory.chat_waits_for(view) is None else None


def draw_models(tab: ChatTab, views: list[RunView], chosen: str | None) -> Updates:
    """Which models can answer, and beside which others; where none can, everyone's example is offered."""
    choices = chat_choices(views)
    some = gr.update(visible=bool(choices))
    sentence, words = example_offer(next((view for view in views if view.shared()), None))
    offered = {tab.offer: f"<p>{sentence}</p>", tab.example: button(words, bool(words))}
    lists = {tab.run: gr.update(choices=choices, value=chosen), tab.against: gr.update(choices=comparisons(views, chosen))}
    return {tab.none: gr.update(visible=not choices), tab.box: some, **lists, **offered}


def draw_against(tab: ChatTab, views: list[RunView], chosen: str | None, chat: Chat) -> Updates:
    """Beside what the chosen model answers, as kept. Where that is not there any more, another conversation begins, with the base model."""
    choices, against = comparisons(views, chosen), against_of(chat, chosen or "")
    view, other = (next((view for view in views if view.id == one), None) for one in (chosen, against))
    if against not in [run_id for _, run_id in choices]:
        fresh = {tab.kept: {**EMPTY, "run": chosen}, **drawn(tab, [])}
        return {**fresh, tab.against: gr.update(choices=choices, value=""), tab.base_heading: headings(view)[0]}
    return {tab.against: gr.update(choices=choices, value=against), tab.base_heading: headings(view, None, other)[0]}


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
    return {
        tab.base_heading: base_heading,
        tab.yours_heading: yours_heading,
        **drawn(tab, turns_for(chat, run_id)),
        **chat_tools.closed(tab.tools),
        **draw_closed(tab.blind),
        **_fill(tab.learned, suggestions(learned)),
        **_fill(tab.unseen, suggestions(unseen)),
        tab.unseen_row: gr.update(visible=bool(unseen)),
        tab.instruction: own_instruction(visit.studio.run(visit.owner, run_id), learned),
        tab.other_instruction: gr.update(visible=False),
        tab.put_back: button("Put it back", False),
        tab.status: shown(""),
        tab.problem: shown(""),
    }


def drawn(tab: ChatTab, turns: Sequence[Sequence[str]], marking: bool = False) -> Updates:
    """Both columns; `marking` marks the words that differ."""
    base, yours = columns(turns, marking)
    return {tab.base: base, tab.yours: yours}


def own_instruction_of(visit: Visit, run_id: str) -> str:
    """The instruction that a model was trained with. Raises NotFoundError."""
    return own_instruction(visit.studio.run(visit.owner, run_id), visit.studio.questions(visit.owner, run_id)[0])


def _fill(buttons: tuple[gr.Button, ...], texts: list[str]) -> Updates:
    padded = [*texts, *[""] * (len(buttons) - len(texts))]
    return {part: button(words, bool(words)) for part, words in zip(buttons, padded, strict=True)}
