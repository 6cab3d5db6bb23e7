"""The ways between the tabs, and the tick that keeps the page true to what is stored."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from qlora_demo.errors import BusyError
from qlora_demo.run_view import RunView
from qlora_demo.ui import chat_asking, chat_drawing, chat_tab, compare_box, data_tab, keeping, models_tab, train_filling, train_form, train_run
from qlora_demo.ui.chat_tab import Partial
from qlora_demo.ui.drawn import NOTHING, Drawn, drawn_now
from qlora_demo.ui.guard import Guard, Updates, Visit
from qlora_demo.ui.parts import button, esc
from qlora_demo.ui.shell import CHAT, DATA, MODELS, TRAIN, Shell
from qlora_demo.ui.views_chat import EMPTY, Chat
from qlora_demo.ui.views_models import activity, header
from qlora_demo.ui.views_run import phase


@dataclass(frozen=True)
class Page:
    """All tabs and what they act on."""

    guard: Guard
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
        asking = [self.chat.kept, self.chat.partial, self.chat.ask, self.chat.stop]
        return [*top, self.tabs, self.form.box, self.run.box, *asking, *inside]


def go(page: Page, tab: str) -> Updates:
    return {page.tabs: gr.update(selected=tab)}


def show_form(page: Page, dataset_id: str) -> Updates:
    """Tab 2 with the form, which was filled when the data was chosen; Data where none is."""
    return {**go(page, TRAIN if dataset_id else DATA), **_form_box(page)}


def _form_box(page: Page) -> Updates:
    return {page.form.box: gr.update(visible=True), page.run.box: gr.update(visible=False), page.shell.run_id: ""}


def show_run(page: Page, visit: Visit, run_id: str) -> Updates:
    """Tab 2 with a run. Raises NotFoundError."""
    view = visit.studio.run(visit.owner, run_id)
    return {**go(page, TRAIN), **run_box(page, visit, view), page.shell.run_id: run_id}


def run_box(page: Page, visit: Visit, view: RunView) -> Updates:
    """A run in place of the form."""
    return {page.form.box: gr.update(visible=False), page.run.box: gr.update(visible=True), **_run_inside(page, visit, view)}


def _run_inside(page: Page, visit: Visit, view: RunView, drawn: Drawn = NOTHING, moved_only: bool = False) -> Updates:
    """Without deciding what is shown: a tick that was on its way must not close a form that was just opened."""
    draw = train_run.draw_progress if moved_only else train_run.draw
    return {**draw(page.run, visit, view, drawn.strip_of(view.id)), page.shell.announcement: f"<p>{esc(phase(view))}</p>"}


def show_chat(page: Page, visit: Visit, run_id: str, chat: Chat, so_far: Partial | None) -> Updates:
    """Tab 3 with one model. An answer that was on its way ends; what there is of it stays, where it is this model's."""
    conversation = chat_asking.with_partial(chat, run_id, so_far)
    drawn = draw_chat(page, visit, visit.studio.runs(visit.owner), run_id, conversation)
    return {**go(page, CHAT), **chat_asking.leave(page.chat), page.chat.kept: conversation, **drawn}


def show_comparison(page: Page, visit: Visit, run_id: str) -> Updates:
    """My models with one run, beside those that were started together with it. Raises NotFoundError."""
    return {**go(page, MODELS), **models_tab.draw(page.models, visit, visit.studio.runs(visit.owner), run_id)}


def show_example(page: Page, visit: Visit, chat: Chat, so_far: Partial | None) -> Updates:
    """Tab 3 with everyone's example, while one's own run waits in line. Raises BusyError where it cannot answer any more."""
    example = chat_drawing.example_ready(visit)
    if example is None:
        raise BusyError("The example cannot answer right now: the machine needs its memory for training.")
    return show_chat(page, visit, example.id, chat, so_far)


def delete(page: Page, visit: Visit, run_id: str, shown_run: str, chat: Chat) -> Updates:
    """Deletes a run, and forgets it in every tab. Raises UserError."""
    visit.studio.delete(visit.owner, run_id)
    views = visit.studio.runs(visit.owner)
    forgotten = _form_box(page) if shown_run == run_id else {}
    return {**models_tab.draw(page.models, visit, views, None), **draw_chat(page, visit, views, chat["run"], chat), **forgotten}


def delete_everything(page: Page, visit: Visit) -> Updates:
    """All models and data of this visitor, and what every tab shows of them. Raises UserError."""
    visit.studio.delete_everything(visit.owner)
    views, chat = visit.studio.runs(visit.owner), EMPTY
    emptied = {**data_tab.draw(page.data, visit, ""), **train_filling.draw(page.form, visit, ""), page.shell.dataset_id: "", page.chat.kept: chat}
    models = {**models_tab.draw(page.models, visit, views, None), **keeping.gone(page.models.keeping)}
    return {**emptied, **models, **draw_chat(page, visit, views, None, chat), **_form_box(page)}


def rename(page: Page, visit: Visit, run_id: str, name: str, shown_run: str, chat: Chat) -> Updates:
    """Gives a run another name wherever it is shown. Raises UserError."""
    visit.studio.rename(visit.owner, run_id, name)
    views = visit.studio.runs(visit.owner)
    on_train = run_box(page, visit, visit.studio.run(visit.owner, run_id)) if shown_run == run_id else {}
    return {**models_tab.draw(page.models, visit, views, run_id), **draw_chat(page, visit, views, chat["run"], chat), **on_train}


def draw_chat(page: Page, visit: Visit, views: list[RunView], wanted: str | None, chat: Chat) -> Updates:
    """Which models can answer, and the conversation with the one that is wanted or else the newest."""
    chosen = chat_drawing.chosen_model(views, wanted)
    drawn = {**chat_drawing.draw(page.chat, visit, chosen, chat), **chat_drawing.draw_against(page.chat, views, chosen, chat)}
    return {**chat_drawing.draw_models(page.chat, views, chosen), **chat_drawing.draw_notice(page.chat, visit, views, chosen), **drawn}


def head(page: Page, visit: Visit, views: list[RunView]) -> Updates:
    """The header line, for the run that trains or else waits."""
    busy = _busy(visit, views)
    machine = visit.studio.machine
    doing = activity(busy, visit.studio.ledger.line_of_others(visit.owner))
    text = header(machine.title(), machine.free_bytes(), doing, visit.studio.storage.full())
    return {page.shell.header: text, page.shell.show: button("Show", busy is not None)}


def _busy(visit: Visit, views: list[RunView]) -> RunView | None:
    """The run of one's own, or the example, that trains or else is next."""
    return next((view for view in reversed(views) if view.active() and not view.guest(visit.owner)), None)


def show_active(page: Page, visit: Visit) -> Updates:
    """From the header to the run that it speaks of."""
    busy = _busy(visit, visit.studio.runs(visit.owner))
    return show_run(page, visit, busy.id) if busy else {page.shell.show: button("Show", False)}


def look(page: Page, visit: Visit, run_id: str, drawn: Drawn, noticed: int) -> Updates:
    """Whether anything has changed since the last drawing. It sets one value only: gradio takes time for every part that may be set, and a hundred
    visitors look all the time."""
    return {page.shell.noticed: noticed + 1} if drawn_now(visit, run_id) != drawn else {}


def redraw(page: Page, visit: Visit, run_id: str, drawn: Drawn, chosen: tuple[str | None, str | None, Chat]) -> Updates:
    """What has changed since the last drawing, nothing where nothing has. `chosen` are the model and the conversation in Chat, and the
    model in My models between them."""
    chatting, selected, chat = chosen
    now = drawn_now(visit, run_id)
    if now == drawn:
        return {}
    views = visit.studio.runs(visit.owner)
    shown_run = next((view for view in views if view.id == run_id), None)
    moved_only = (now.shown, now.states) == (drawn.shown, drawn.states)
    inside = _run_inside(page, visit, shown_run, drawn, moved_only) if shown_run else {}
    updates = {**head(page, visit, views), page.shell.drawn: now, **chat_drawing.draw_notice(page.chat, visit, views, chatting), **inside}
    if moved_only:
        return updates
    answering = chat_drawing.chosen_model(views, chatting)
    chats = chat_drawing.draw_models(page.chat, views, answering) if answering == chatting else draw_chat(page, visit, views, answering, chat)
    return {**updates, **chats, **_models(page, visit, views, selected, drawn.state_of(selected) != now.state_of(selected))}


def _models(page: Page, visit: Visit, views: list[RunView], selected: str | None, changed: bool) -> Updates:
    """The list; the panel too where it is of another state or another run than before, else somebody may be typing there."""
    if changed or selected not in [view.id for view in views]:
        return models_tab.draw(page.models, visit, views, selected)
    one = next(view for view in views if view.id == selected)
    beside = compare_box.draw(page.models.compare, visit, one) if one.job.set_id else {}  # another of those that it is held against may be done
    return {**models_tab.draw_list(page.models, views, selected), **beside}
