"""What a person does with a conversation that is there: see what differs, read the data's own answer, save it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

import gradio as gr

from qlora_demo.downloads import safe_name
from qlora_demo.errors import BusyError
from qlora_demo.recipe import METHOD_NAMES
from qlora_demo.ui.chat_drawing import drawn
from qlora_demo.ui.chat_tab import ChatTab, Partial
from qlora_demo.ui.chat_tools import HIDE, OWN, SHOW
from qlora_demo.ui.guard import COMMON, Guard, Updates, Visit
from qlora_demo.ui.parts import button, shown
from qlora_demo.ui.views_chat import Chat, against_of, own_answer, own_words, turns_for
from qlora_demo.ui.views_saved import Told, data, markdown

NOTHING_YET = "There is nothing to save yet. Ask something first."
DOWNLOAD = """file => {
  if (!file) return;
  const [name, kind, text] = JSON.parse(file);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], {type: kind}));
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}"""
"""The conversation is the browser's own, so it becomes a file there, and lies on the server nowhere."""

BROWSER = """() => {
  let inChat = false;
  const name = field => field.setAttribute('aria-label', 'Your question, in other words');
  document.addEventListener('click', event => {
    inChat = !!event.target.closest('#chat-base, #chat-yours');
    if (inChat) setTimeout(() => document.querySelectorAll('#chat .edit-textarea').forEach(name), 50);
  }, true);
  const signs = {'&lt;': '<', '&gt;': '>', '&amp;': '&'};
  const plain = text => text.replace(/<\\/?mark>/g, '').replace(/&(lt|gt|amp);/g, sign => signs[sign]);
  document.addEventListener('copy', event => {
    if (!inChat || event.target.tagName !== 'TEXTAREA' || event.target.parentNode !== document.body) return;
    event.clipboardData.setData('text/plain', plain(event.target.value));
    event.preventDefault();
  });
  if (!navigator.clipboard) return;
  const write = navigator.clipboard.writeText.bind(navigator.clipboard);
  navigator.clipboard.writeText = text => write(inChat ? plain(text) : text);
}"""
"""gradio gives the field of a question that is changed no name, and copies the html that a chat box was given. What a person copies is the text
that was read: without marks, and with its own signs. Where the page did not come over https, gradio copies out of a field right inside the body."""


def toggle(tab: ChatTab, run_id: str, chat: Chat, marking: bool, answering: Partial | None) -> Updates:
    """Marks the words that differ, or shows the answers as they are; not while an answer comes."""
    if answering:
        return {}
    told = {tab.tools.marking: not marking, tab.tools.differences: SHOW if marking else HIDE}
    return {**told, **drawn(tab, turns_for(chat, run_id), not marking)}


def offer_own(tab: ChatTab, visit: Visit, run_id: str, chat: Chat) -> Updates:
    """After an answer: the button, where the data has an answer to that question."""
    turns = turns_for(chat, run_id)
    known = bool(turns) and bool(own_answer(visit.studio.questions(visit.owner, run_id)[1], turns[-1][0]))
    return {tab.tools.own: button(OWN, known), tab.tools.own_answer: shown("")}


def show_own(tab: ChatTab, visit: Visit, run_id: str, chat: Chat) -> Updates:
    turns = turns_for(chat, run_id)
    answer = own_answer(visit.studio.questions(visit.owner, run_id)[1], turns[-1][0]) if turns else ""
    return {tab.tools.own: button(OWN, False), tab.tools.own_answer: shown(own_words(answer) if answer else "")}


def saved(tab: ChatTab, visit: Visit, values: tuple[str, Chat, str], as_text: bool) -> Updates:
    """The conversation as a file's name, kind and content. Raises BusyError where there is none yet."""
    run_id, chat, instruction = values
    turns, view = turns_for(chat, run_id), visit.studio.run(visit.owner, run_id)
    if not turns:
        raise BusyError(NOTHING_YET)
    against = against_of(chat, run_id)
    other = visit.studio.run(visit.owner, against).name if against else ""
    told = Told(view.name, view.model.id, METHOD_NAMES[view.recipe.method], instruction, time.strftime("%Y-%m-%d"), other)
    name, kind, write = ("md", "text/markdown", markdown) if as_text else ("json", "application/json", data)
    return {tab.tools.file: json.dumps([f"{safe_name(view.name)} chat.{name}", kind, write(told, turns)])}


def wire(tab: ChatTab, guard: Guard, asked: Sequence[gr.events.Dependency]) -> None:
    """`asked` are the events after which there is another answer."""
    tools, conversation = tab.tools, [tab.run, tab.kept]
    own = [tools.own, tools.own_answer]
    for event in asked:
        guard.on(event.then, lambda visit, *values: offer_own(tab, visit, *values), conversation, own)
    guard.on(tools.own.click, lambda visit, *values: show_own(tab, visit, *values), conversation, own)
    marks = [tools.marking, tools.differences, tab.base, tab.yours, tab.problem]
    flags = [*conversation, tools.marking, tab.partial]
    guard.on(tools.differences.click, lambda visit, *values: toggle(tab, *values), flags, marks, tab.problem)
    opened = {tools.formats: True, tools.save: False}
    guard.on(tools.save.click, lambda visit: {part: gr.update(visible=now) for part, now in opened.items()}, [], list(opened))
    for part, as_text in ((tools.as_text, True), (tools.as_data, False)):

        def save(visit: Visit, *values: object, as_text: bool = as_text) -> Updates:
            return saved(tab, visit, values, as_text)

        made = guard.on(part.click, save, [*conversation, tab.instruction], [tools.file, tab.problem], tab.problem)
        made.success(None, [tools.file], None, js=DOWNLOAD, **COMMON).then(lambda: "", None, [tools.file], **COMMON)
