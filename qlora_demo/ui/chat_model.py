"""What happens in the Chat tab beside asking: another model, another one to compare it with, another instruction."""

from __future__ import annotations

import gradio as gr

from qlora_demo.ui.chat_asking import leave
from qlora_demo.ui.chat_drawing import draw, draw_against, own_instruction_of
from qlora_demo.ui.chat_tab import ChatTab
from qlora_demo.ui.guard import Guard, Updates, Visit
from qlora_demo.ui.parts import button
from qlora_demo.ui.views_chat import Chat


def wire(tab: ChatTab, guard: Guard, asked: list[gr.events.Dependency]) -> None:
    """`asked` are the events that answer: they end where another model is chosen."""

    def chosen(visit: Visit, run_id: str, chat: Chat) -> Updates:
        beside = draw_against(tab, visit.studio.runs(visit.owner), run_id, chat)
        return {**leave(tab), **draw(tab, visit, run_id, chat), **beside}

    def beside(visit: Visit, against: str, run_id: str, chat: Chat) -> Updates:
        conversation = {"run": run_id, "turns": [], "against": against}
        return {**chosen(visit, run_id, conversation), tab.kept: conversation}

    def changed(visit: Visit, run_id: str, instruction: str) -> Updates:
        other = instruction.strip() != own_instruction_of(visit, run_id).strip()
        return {tab.other_instruction: gr.update(visible=other), tab.put_back: button("Put it back", other)}

    def put_back(visit: Visit, run_id: str) -> Updates:
        own = own_instruction_of(visit, run_id)
        return {tab.instruction: own, tab.other_instruction: gr.update(visible=False), tab.put_back: button("Put it back", False)}

    outputs = [*tab.outputs(), tab.kept, tab.partial, tab.ask, tab.stop]
    guard.on(tab.against.input, beside, [tab.against, tab.run, tab.kept], outputs, tab.problem, cancels=asked)
    guard.on(tab.run.input, chosen, [tab.run, tab.kept], outputs, tab.problem, cancels=asked)
    guard.on(tab.instruction.blur, changed, [tab.run, tab.instruction], outputs, tab.problem)
    guard.on(tab.put_back.click, put_back, [tab.run], outputs, tab.problem)
