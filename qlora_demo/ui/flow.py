"""The ways between the tabs, the first drawing of the page, and the tick that keeps it true to what is stored."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import gradio as gr

from qlora_demo.errors import NotFoundError
from qlora_demo.run_view import RunView
from qlora_demo.studio import LOCAL, Studio
from qlora_demo.ui import chat_tab, data_tab, models_tab, train_form, train_run
from qlora_demo.ui.drawn import NOTHING, Drawn, drawn_now
from qlora_demo.ui.guard import Updates
from qlora_demo.ui.parts import button, esc, note, shown
from qlora_demo.ui.shell import CHAT, DATA, TRAIN, Shell
from qlora_demo.ui.views_chat import Chat
from qlora_demo.ui.views_models import activity, header
from qlora_demo.ui.views_run import phase

GONE = "No model at this link. It was deleted."


@dataclass(frozen=True)
class Page:
    """All tabs and what they act on."""

    studio: Studio
    shell: Shell
    tabs: gr.Tabs
    data: data_tab.DataTab
    form: train_form.TrainForm
    run: train_run.TrainRun
    chat: chat_tab.ChatTab
    models: models_tab.ModelsTab

    def outputs(self) -> list:
        """Everything that a way between tabs may set."""
        shell = self.shell
        top = [shell.header, shell.show, shell.announcement, shell.message, shell.dataset_id, shell.run_id, shell.visited, shell.drawn]
        inside = [*self.data.outputs(), *self.form.outputs(), *self.run.outputs(), *self.chat.outputs(), *self.models.outputs()]
        return [*top, self.tabs, self.form.box, self.run.box, *inside]


def go(page: Page, tab: str) -> Updates:
    return {page.tabs: gr.update(selected=tab)}


def show_form(page: Page, dataset_id: str) -> Updates:
    """Tab 2 with the form, which was filled when the data was chosen; Data where none is."""
    return {**go(page, TRAIN if dataset_id else DATA), **_form_box(page)}


def _form_box(page: Page) -> Updates:
    return {page.form.box: gr.update(visible=True), page.run.box: gr.update(visible=False), page.shell.run_id: ""}


def show_run(page: Page, run_id: str) -> Updates:
    """Tab 2 with a run. Raises NotFoundError."""
    view = page.studio.run(LOCAL, run_id)
    return {**go(page, TRAIN), **_run_box(page, view), page.shell.run_id: run_id}


def _run_box(page: Page, view: RunView) -> Updates:
    return {page.form.box: gr.update(visible=False), page.run.box: gr.update(visible=True), **_run_inside(page, view)}


def _run_inside(page: Page, view: RunView, drawn: Drawn = NOTHING, moved_only: bool = False) -> Updates:
    """Without deciding what is shown: a tick that was on its way must not close a form that was just opened."""
    draw = train_run.draw_progress if moved_only else train_run.draw
    return {**draw(page.run, page.studio, view, drawn.strip_of(view.id)), page.shell.announcement: f"<p>{esc(phase(view))}</p>"}


def start(page: Page, dataset_id: str, name: str, values: tuple[Any, ...]) -> Updates:
    """Submits what is in the form. Raises UserError."""
    return show_run(page, train_form.submit(page.studio, dataset_id, name, values))


def better(page: Page, run_id: str) -> Updates:
    """Starts the run that a run's own advice asks for, and shows it. Raises UserError."""
    return show_run(page, page.studio.better(LOCAL, run_id))


def train_again(page: Page, run_id: str) -> Updates:
    """The run's data and settings, back in the form. Raises NotFoundError where the data is gone."""
    view = page.studio.run(LOCAL, run_id)
    dataset_id = page.studio.data_of(LOCAL, run_id)
    drawn = {**data_tab.draw(page.data, page.studio, dataset_id), **train_form.draw(page.form, page.studio, dataset_id, view.recipe)}
    return {**drawn, **show_form(page, dataset_id), page.shell.dataset_id: dataset_id}


def show_chat(page: Page, run_id: str, chat: Chat) -> Updates:
    """Tab 3 with one model."""
    return {**go(page, CHAT), **_chat(page, page.studio.runs(LOCAL), run_id, chat)}


def delete(page: Page, run_id: str, shown_run: str, chat: Chat) -> Updates:
    """Deletes a run, and forgets it in every tab. Raises UserError."""
    page.studio.delete(LOCAL, run_id)
    views = page.studio.runs(LOCAL)
    forgotten = _form_box(page) if shown_run == run_id else {}
    return {**models_tab.draw(page.models, page.studio, views, None), **_chat(page, views, chat["run"], chat), **forgotten}


def rename(page: Page, run_id: str, name: str, shown_run: str, chat: Chat) -> Updates:
    """Gives a run another name wherever it is shown. Raises UserError."""
    page.studio.rename(LOCAL, run_id, name)
    views = page.studio.runs(LOCAL)
    on_train = _run_box(page, page.studio.run(LOCAL, run_id)) if shown_run == run_id else {}
    return {**models_tab.draw(page.models, page.studio, views, run_id), **_chat(page, views, chat["run"], chat), **on_train}


def train_example(page: Page) -> Updates:
    """Trains everyone's example, and shows it. Raises UserError."""
    return show_run(page, page.studio.train_example())


def _chat(page: Page, views: list[RunView], wanted: str | None, chat: Chat) -> Updates:
    """Which models can answer, and the conversation with the one that is wanted or else the newest."""
    chosen = chat_tab.chosen_model(views, wanted)
    drawn = chat_tab.draw(page.chat, page.studio, chosen, chat)
    return {**chat_tab.draw_models(page.chat, views, chosen), **chat_tab.draw_notice(page.chat, page.studio, views, chosen), **drawn}


def land(page: Page, remembered: tuple[str, str, float, Chat], asked: str) -> Updates:
    """The first drawing: a run that is in the link, goes on, or ended since the last visit is shown in Train; else Data."""
    dataset_id, run_id, visited, chat = remembered
    views = page.studio.runs(LOCAL)
    ids = [view.id for view in views]
    linked = asked if asked in ids else ""
    going_on = next((view.id for view in reversed(views) if view.active()), "")
    ended = next((view.id for view in views if visited and (view.job.ended or 0) > visited), "")
    first = linked or going_on or ended
    run = first or (run_id if run_id in ids else "")
    kept_data = _still_there(page.studio, dataset_id)
    return {
        **data_tab.draw(page.data, page.studio, kept_data),
        **train_form.draw(page.form, page.studio, kept_data),
        **(_run_box(page, views[ids.index(run)]) if run else {}),
        **_chat(page, views, chat["run"], chat),
        **models_tab.draw(page.models, page.studio, views, run),
        **head(page, views),
        **go(page, TRAIN if first else DATA),
        page.shell.dataset_id: kept_data,
        page.shell.run_id: run,
        page.shell.visited: time.time(),
        page.shell.message: shown(note(GONE, "qd-warn") if asked and not linked else ""),
        page.shell.drawn: drawn_now(page.studio, run),
    }


def _still_there(studio: Studio, dataset_id: str) -> str:
    try:
        return dataset_id if dataset_id and studio.data.get(LOCAL, dataset_id) else ""
    except NotFoundError:
        return ""


def head(page: Page, views: list[RunView]) -> Updates:
    """The header line, for the run that trains or else waits."""
    busy = next((v for v in reversed(views) if v.active()), None)
    machine = page.studio.machine
    text = header(machine.title(), machine.free_bytes(), activity(busy), page.studio.storage.full())
    return {page.shell.header: text, page.shell.show: button("Show", busy is not None)}


def show_active(page: Page) -> Updates:
    """From the header to the run that it speaks of."""
    busy = next((view for view in reversed(page.studio.runs(LOCAL)) if view.active()), None)
    return show_run(page, busy.id) if busy else {page.shell.show: button("Show", False)}


def tick(page: Page, run_id: str, drawn: Drawn, chatting: str | None, selected: str | None, chat: Chat) -> Updates:
    """Redraws what has changed since the last drawing, nothing where nothing has."""
    now = drawn_now(page.studio, run_id)
    if now == drawn:
        return {}
    views = page.studio.runs(LOCAL)
    shown_run = next((view for view in views if view.id == run_id), None)
    moved_only = (now.shown, now.states) == (drawn.shown, drawn.states)
    inside = _run_inside(page, shown_run, drawn, moved_only) if shown_run else {}
    updates = {**head(page, views), page.shell.drawn: now, **chat_tab.draw_notice(page.chat, page.studio, views, chatting), **inside}
    if moved_only:
        return updates
    chosen = chat_tab.chosen_model(views, chatting)
    chats = chat_tab.draw_models(page.chat, views, chosen) if chosen == chatting else _chat(page, views, chosen, chat)
    return {**updates, **chats, **models_tab.draw_list(page.models, views, selected)}
