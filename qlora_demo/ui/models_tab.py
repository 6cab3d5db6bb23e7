"""My models: every run, and what can be done with one."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from qlora_demo.run_view import RunView
from qlora_demo.settings import Settings
from qlora_demo.submission import LONGEST_NAME
from qlora_demo.ui import compare_box, host_box, keeping, report_fold, share_box, take_box, use_fold
from qlora_demo.ui.guard import Guard, Updates, Visit
from qlora_demo.ui.parts import button, esc, heading, shown, text
from qlora_demo.ui.train_run import command_box, settings
from qlora_demo.ui.views_data import questions_and_answers
from qlora_demo.ui.views_models import delete_question, detail, run_choices
from qlora_demo.ui.views_report import picked

NOTHING = "<p>Nothing here yet. Models you train appear here, also after you close the page.</p>"
DELETE = "Delete this model"
RENAME = "Rename"
FIRST_ROWS = 10


@dataclass(frozen=True)
class ModelsTab:
    none: gr.Column
    choose_data: gr.Button
    box: gr.Row
    runs: gr.Radio
    detail: gr.HTML
    problem: gr.HTML
    chat: gr.Button
    again: gr.Button
    open: gr.Button
    rename: gr.Button
    naming: gr.Row
    name: gr.Textbox
    save_name: gr.Button
    use: use_fold.UseFold
    report: report_fold.ReportFold
    settings: gr.HTML
    command: gr.Textbox
    data: gr.HTML
    aside: gr.HTML
    compare: compare_box.CompareBox
    delete: gr.Button
    confirm: gr.Column
    question: gr.HTML
    really: gr.Button
    keep: gr.Button
    take: take_box.TakeBox
    share: share_box.ShareBox
    keeping: keeping.Keeping
    host: host_box.HostBox

    def outputs(self) -> list:
        """Everything that `draw` may set."""
        one = [self.detail, self.problem, self.chat, self.again, self.rename, self.naming, self.name, *self.use.outputs()]
        data = [*self.report.outputs(), self.settings, self.command, self.data, self.aside, self.delete, self.confirm, self.question]
        boxes = [*self.take.outputs(), *self.compare.outputs(), *self.share.outputs(), *self.keeping.outputs(), *self.host.outputs()]
        return [self.none, self.box, self.runs, *one, *data, *boxes]


def build(settings: Settings) -> ModelsTab:
    parts: dict = {}
    with gr.Column(elem_id="models-none", elem_classes="qd-empty") as parts["none"]:
        text(NOTHING)
        parts["choose_data"] = gr.Button("Choose data", variant="primary", elem_id="choose-data", elem_classes="qd-narrow")
    with gr.Row(visible=False) as parts["box"]:
        with gr.Column(scale=5, min_width=300):
            text(heading("Your models"))
            parts["runs"] = gr.Radio([], label="Your models", show_label=False, elem_classes="qd-choices", elem_id="runs")
        with gr.Column(scale=7, min_width=320):
            parts |= _detail(settings)
    return ModelsTab(**parts, keeping=keeping.build(settings), host=host_box.build())


def _detail(settings: Settings) -> dict:
    parts: dict = {"detail": text("", elem_id="model-detail"), "problem": text("", visible=False, elem_id="models-problem")}
    with gr.Row(elem_classes="qd-line"):
        parts["chat"] = gr.Button("Chat with it", variant="primary", scale=0, min_width=180, elem_id="model-chat")
        parts["again"] = gr.Button("Train again with changes", scale=0, min_width=240, elem_id="model-again")
        parts["open"] = gr.Button("Show its training", scale=0, min_width=180, elem_id="model-open")
        parts["rename"] = gr.Button(RENAME, scale=0, min_width=120, elem_id="model-rename")
    with gr.Row(visible=False, elem_classes="qd-line") as parts["naming"]:
        parts["name"] = gr.Textbox("", label="New name", max_length=LONGEST_NAME, elem_id="model-name")
        parts["save_name"] = gr.Button("Save the name", scale=0, min_width=160, elem_id="save-name")
    parts["take"] = take_box.build(settings)
    parts["use"] = use_fold.build("model-use")
    parts["report"] = report_fold.build("model-report")
    with gr.Accordion("Settings used, and the command that repeats it", open=False, elem_id="model-settings-box"):
        parts["settings"] = text("", elem_id="model-settings")
        parts["command"] = command_box("model-command")
    with gr.Accordion("Data it learned from, and the rows set aside", open=False, elem_id="model-data-box"):
        parts["data"] = text("", elem_id="model-data")
        parts["aside"] = text("", elem_id="model-aside")
    parts["compare"] = compare_box.build()
    parts["share"] = share_box.build()
    parts["delete"] = gr.Button(DELETE, size="sm", elem_id="delete-model", elem_classes="qd-narrow")
    with gr.Column(visible=False, elem_classes="qd-card-box") as parts["confirm"]:
        parts["question"] = text("", elem_id="delete-question")
        with gr.Row(elem_classes="qd-line"):
            parts["really"] = gr.Button("Delete", variant="stop", scale=0, min_width=120, elem_id="delete-yes")
            parts["keep"] = gr.Button("Keep", scale=0, min_width=120, elem_id="delete-no")
    return parts


def draw_list(tab: ModelsTab, views: list[RunView], chosen: str | None) -> Updates:
    """The list; `chosen` stays where it can, else the newest is chosen."""
    ids = [view.id for view in views]
    value = chosen if chosen in ids else ids[0] if ids else None
    lists = gr.update(choices=run_choices(views), value=value)
    return {tab.none: gr.update(visible=not views), tab.box: gr.update(visible=bool(views)), tab.runs: lists}


def draw_one(tab: ModelsTab, visit: Visit, run_id: str | None) -> Updates:
    """The panel of one run. Raises NotFoundError."""
    if not run_id:
        return {tab.confirm: gr.update(visible=False), tab.naming: gr.update(visible=False)}
    view = visit.studio.run(visit.owner, run_id)
    learned, aside = visit.studio.questions(visit.owner, run_id)
    change = visit.studio.may_change(visit.owner, view.job)
    return {
        tab.confirm: gr.update(visible=False),
        tab.delete: button(DELETE, change),
        tab.naming: gr.update(visible=False),
        tab.rename: button(RENAME, change),
        tab.name: view.name,
        tab.detail: detail(view),
        **take_box.draw(tab.take, visit, view),
        **share_box.draw(tab.share, visit, view),
        **compare_box.draw(tab.compare, visit, view),
        tab.chat: button("Chat with it", view.usable()),
        tab.again: button("Train again with changes", not view.guest(visit.owner)),
        **use_fold.draw(tab.use, visit, view),
        **report_fold.draw(tab.report, view, visit.owner, picked(view)),
        tab.settings: settings(view),
        tab.command: view.command,
        tab.data: heading(f"The first of {len(learned):,} rows it learned from", 3) + questions_and_answers(learned[:FIRST_ROWS]),
        tab.aside: heading(f"{len(aside):,} set aside: it has never seen these", 3) + questions_and_answers(aside) if aside else "",
    }


def draw(tab: ModelsTab, visit: Visit, views: list[RunView], chosen: str | None) -> Updates:
    """The whole tab."""
    ids = [view.id for view in views]
    run_id = chosen if chosen in ids else ids[0] if ids else None
    return {**draw_list(tab, views, run_id), **draw_one(tab, visit, run_id), **keeping.draw(tab.keeping, visit), **host_box.draw(tab.host, visit)}


def wire(tab: ModelsTab, guard: Guard) -> None:
    """What happens inside this tab; renaming and deleting are wired by the page, as other tabs must follow."""

    def confirm(visit: Visit, run_id: str) -> Updates:
        question = f"<p>{esc(delete_question(visit.studio.run(visit.owner, run_id)))}</p>"
        return {tab.question: question, tab.confirm: gr.update(visible=True), tab.delete: button(DELETE, False)}

    def keep(visit: Visit) -> Updates:
        return {tab.confirm: gr.update(visible=False), tab.delete: button(DELETE, True), tab.problem: shown("")}

    def rename(visit: Visit) -> Updates:
        return {tab.naming: gr.update(visible=True), tab.rename: button(RENAME, False)}

    guard.on(tab.runs.input, lambda visit, run_id: draw_one(tab, visit, run_id), [tab.runs], tab.outputs(), tab.problem)
    guard.on(tab.delete.click, confirm, [tab.runs], tab.outputs(), tab.problem)
    guard.on(tab.rename.click, rename, [], tab.outputs(), tab.problem)
    guard.on(tab.keep.click, keep, [], tab.outputs(), tab.problem)
    take_box.wire(tab.take, guard, tab.runs)
    compare_box.wire(tab.compare, tab.runs, guard)
    use_fold.wire(tab.use, guard, tab.runs)
    report_fold.wire(tab.report, guard, tab.runs, tab.problem)
    share_box.wire(tab.share, tab.runs, guard)
    keeping.wire(tab.keeping, guard)
    host_box.wire(tab.host, guard)
