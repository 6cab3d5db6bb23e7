"""The whole page: the tabs, and the ways between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from qlora_demo.studio import Studio
from qlora_demo.ui import (
    blind_voting,
    chat_after,
    chat_asking,
    chat_model,
    chat_tab,
    data_tab,
    data_wiring,
    flow,
    how_tab,
    landing,
    models_tab,
    starting,
    train_filling,
    train_form,
    train_run,
)
from qlora_demo.ui.drawn import Drawn
from qlora_demo.ui.flow import Page
from qlora_demo.ui.guard import COMMON, Guard, Updates, Visit
from qlora_demo.ui.shell import ARRIVE, CHAT, DATA, HOW, LIVE_REGION, MODELS, TRAIN, build_shell
from qlora_demo.ui.views_place import banner

TITLE = "Train your own chat model"
TICK_SECONDS, SHARED_TICK_SECONDS = 1.0, 2.0
KEPT_UPLOADS = 86_400
"""Seconds after which an uploaded file in the temporary folder is deleted; what was read from it is kept elsewhere."""


def build_page(studio: Studio) -> gr.Blocks:
    """The page of one studio. Everything on it can be drawn again from the studio alone."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(KEPT_UPLOADS, KEPT_UPLOADS)) as demo:
        shell = build_shell(banner(studio.settings, studio.machine))
        # They appear with the first drawing, which chooses one: a click before that would be undone, and on a public page be nobody's.
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap", visible=False) as tabs:
            with gr.Tab("1 Data", id=DATA, elem_id="tab-data"):
                data = data_tab.build(studio)
            with gr.Tab("2 Train", id=TRAIN, elem_id="tab-train"):
                form, run = train_form.build(studio.settings.public()), train_run.build()
            with gr.Tab("3 Chat", id=CHAT, elem_id="tab-chat"):
                chat = chat_tab.build(shell.chat)
            with gr.Tab("My models", id=MODELS, elem_id="tab-models"):
                models = models_tab.build(studio.settings)
            with gr.Tab("How it works", id=HOW, elem_id="tab-how") as how_place:
                how = how_tab.build(studio)
        page = Page(Guard(studio, shell.key), shell, tabs, data, form, run, chat, models)
        answering = _wire_tabs(page)
        how_tab.wire(how, how_place, page.guard)
        _wire_ways(page, answering)
        _wire_drawing(page, demo)
    return demo


def _wire_tabs(page: Page) -> list[gr.events.Dependency]:
    """What happens inside each tab; the form follows the data. Returns the events that answer in Chat."""
    guard, shell, data, form = page.guard, page.shell, page.data, page.form

    def follow(visit: Visit, dataset_id: str) -> Updates:
        return train_filling.draw(form, visit, dataset_id)

    for chosen in data_wiring.wire(data, shell, guard, form.controls["model"], form.start):
        followed = guard.on(chosen.then, follow, [shell.dataset_id], form.outputs(), form.problem)
        followed.then(None, None, [data.to_training], js=data_wiring.ON, **COMMON)
    train_filling.wire(form, shell, guard)
    train_run.wire(page.run, shell, guard)
    answering = chat_asking.wire(page.chat, guard)
    chat_model.wire(page.chat, guard, answering)
    chat_after.wire(page.chat, guard, answering)
    blind_voting.wire(page.chat, guard)
    models_tab.wire(page.models, guard)
    return answering


def _wire_ways(page: Page, answering: list[gr.events.Dependency]) -> None:
    """Buttons that lead to another tab. `answering` ends where another model is shown in Chat."""
    guard, shell, data, form, run, chat, models = page.guard, page.shell, page.data, page.form, page.run, page.chat, page.models
    every = page.outputs()

    def way(triggers: Any, handler: Callable[..., Updates], inputs: list, place: gr.HTML | None = None, **options: Any) -> None:
        guard.on(triggers, lambda visit, *values: handler(page, visit, *values), inputs, every, place, **options)

    def start(page: Page, visit: Visit, dataset_id: str, name: str, *values: Any) -> Updates:
        return starting.start(page, visit, dataset_id, name, values)

    def start_methods(page: Page, visit: Visit, dataset_id: str, name: str, *values: Any) -> Updates:
        return starting.start_methods(page, visit, dataset_id, name, values)

    way([form.change.click, chat.train_one.click, models.choose_data.click], lambda page, visit: flow.go(page, DATA), [])
    way([data.to_training.click, data.other_model.click], lambda page, visit, dataset_id: flow.show_form(page, dataset_id), [shell.dataset_id])

    way(form.start.click, start, [shell.dataset_id, form.name, *form.inputs()], form.problem)
    way(form.methods.click, start_methods, [shell.dataset_id, form.name, *form.inputs()], form.problem)
    way(run.meanwhile.click, flow.show_example, [chat.kept, chat.partial], run.problem, cancels=answering)
    way(run.comparison.click, flow.show_comparison, [shell.run_id], run.problem)
    way(run.ending.chat.click, flow.show_chat, [shell.run_id, chat.kept, chat.partial], run.problem, cancels=answering)
    way(run.ending.again.click, starting.train_again, [shell.run_id], run.problem)
    way(run.ending.better.click, starting.better, [shell.run_id], run.problem)
    way(models.again.click, starting.train_again, [models.runs], models.problem)
    way(chat.example.click, starting.train_example, [])
    way([models.save_name.click, models.name.submit], flow.rename, [models.runs, models.name, shell.run_id, chat.kept], models.problem)
    way(models.chat.click, flow.show_chat, [models.runs, chat.kept, chat.partial], models.problem, cancels=answering)
    way(models.open.click, flow.show_run, [models.runs], models.problem)
    way(models.really.click, flow.delete, [models.runs, shell.run_id, chat.kept], models.problem)
    way(models.keeping.really.click, flow.delete_everything, [], models.keeping.said)
    way(shell.show.click, flow.show_active, [])


def _wire_drawing(page: Page, demo: gr.Blocks) -> None:
    """The first drawing, and the tick."""
    guard, shell, chat, models = page.guard, page.shell, page.chat, page.models

    def land(visit: Visit, asked: str, shared: str, *remembered: Any) -> Updates:
        return landing.land(page, visit, (asked, shared), remembered)

    def look(visit: Visit, *seen: Any) -> Updates | dict:
        return flow.look(page, visit, *seen) or gr.skip()

    def redraw(visit: Visit, run_id: str, drawn: Drawn, *chosen: Any) -> Updates | dict:
        return flow.redraw(page, visit, run_id, drawn, chosen) or gr.skip()

    def closed() -> Updates:
        return {shell.gate: gr.update(visible=True), page.tabs: gr.update(visible=False)}

    def in_trouble() -> Updates:  # a page without anything in it would leave no way out
        return {page.tabs: gr.update(visible=True)}

    demo.load(None, js=LIVE_REGION)
    demo.load(None, js=chat_after.BROWSER)
    remembered = [shell.code, shell.shared, shell.dataset_id, shell.run_id, shell.visited, chat.kept]
    outputs = [*page.outputs(), shell.gate]
    guard.arrive(demo.load, (land, closed, in_trouble), remembered, outputs, shell.message, js=ARRIVE)
    guard.arrive([shell.come_in.click, shell.code.submit], (land, closed, in_trouble), remembered, outputs, shell.message)
    timer = gr.Timer(SHARED_TICK_SECONDS if page.guard.studio.settings.public() else TICK_SECONDS)
    guard.tick(timer.tick, look, [shell.run_id, shell.drawn, shell.noticed], [shell.noticed], shell.message)
    seen = [shell.run_id, shell.drawn, chat.run, models.runs, chat.kept]
    guard.tick(shell.noticed.change, redraw, seen, page.outputs(), shell.message)
