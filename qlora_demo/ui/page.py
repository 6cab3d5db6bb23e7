"""The whole page: the tabs, and the ways between them."""

from __future__ import annotations

from typing import Any

import gradio as gr

from qlora_demo.studio import Studio
from qlora_demo.ui import chat_asking, chat_tab, data_tab, data_wiring, flow, how_tab, models_tab, train_form, train_run
from qlora_demo.ui.drawn import Drawn
from qlora_demo.ui.flow import Page
from qlora_demo.ui.guard import Updates, as_message, shown_in
from qlora_demo.ui.shell import CHAT, DATA, HOW, LIVE_REGION, MODELS, TRAIN, build_shell
from qlora_demo.ui.views_place import banner

TITLE = "Train your own chat model"
TICK_SECONDS = 1.0
KEPT_UPLOADS = 86_400
"""Seconds after which an uploaded file in the temporary folder is deleted; what was read from it is kept elsewhere."""
PRIVATE = {"api_visibility": "private", "show_progress": "hidden"}


def build_page(studio: Studio) -> gr.Blocks:
    """The page of one studio. Everything on it can be drawn again from the studio alone."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(KEPT_UPLOADS, KEPT_UPLOADS)) as demo:
        shell = build_shell(banner(studio.settings, studio.machine))
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap") as tabs:
            with gr.Tab("1 Data", id=DATA, elem_id="tab-data"):
                data = data_tab.build(studio)
            with gr.Tab("2 Train", id=TRAIN, elem_id="tab-train"):
                form, run = train_form.build(), train_run.build()
            with gr.Tab("3 Chat", id=CHAT, elem_id="tab-chat"):
                chat = chat_tab.build(shell.chat)
            with gr.Tab("My models", id=MODELS, elem_id="tab-models"):
                models = models_tab.build()
            with gr.Tab("How it works", id=HOW, elem_id="tab-how") as how_place:
                how = how_tab.build(studio)
        page = Page(studio, shell, tabs, data, form, run, chat, models)
        _wire_tabs(page)
        how_tab.wire(how, how_place, studio)
        _wire_ways(page)
        _wire_drawing(page, demo)
    return demo


def _wire_tabs(page: Page) -> None:
    """What happens inside each tab; the form follows the data."""
    studio, shell, data, form = page.studio, page.shell, page.data, page.form
    fill = shown_in(form.problem, lambda dataset_id: train_form.draw(form, studio, dataset_id))

    def follow(dataset_id: str) -> Updates:
        return {data.to_training: gr.update(interactive=True), **fill(dataset_id)}

    for chosen in data_wiring.wire(data, shell, studio, form.controls["model"], form.start):
        chosen.then(follow, [shell.dataset_id], [*form.outputs(), data.to_training], **PRIVATE)
    train_form.wire(form, shell, studio)
    train_run.wire(page.run, shell, studio)
    chat_asking.wire(page.chat, studio)
    models_tab.wire(page.models, studio)


def _wire_ways(page: Page) -> None:
    """Buttons that lead to another tab."""
    shell, data, form, run, chat, models = page.shell, page.data, page.form, page.run, page.chat, page.models
    every = page.outputs()

    def to_data() -> Updates:
        return flow.go(page, DATA)

    def start(dataset_id: str, name: str, *values: Any) -> Updates:
        return flow.start(page, dataset_id, name, values)

    def to_chat(run_id: str, kept: dict) -> Updates:
        return flow.show_chat(page, run_id, kept)

    def delete(run_id: str, shown_run: str, kept: dict) -> Updates:
        return flow.delete(page, run_id, shown_run, kept)

    def rename(run_id: str, name: str, shown_run: str, kept: dict) -> Updates:
        return flow.rename(page, run_id, name, shown_run, kept)

    gr.on([form.change.click, chat.train_one.click, models.choose_data.click], to_data, None, [page.tabs], **PRIVATE)
    to_form = as_message(lambda dataset_id: flow.show_form(page, dataset_id))
    gr.on([data.to_training.click, data.other_model.click], to_form, [shell.dataset_id], every, **PRIVATE)
    form.start.click(shown_in(form.problem, start), [shell.dataset_id, form.name, *form.inputs()], every, **PRIVATE)
    run.ending.chat.click(shown_in(run.problem, to_chat), [shell.run_id, chat.kept], every, **PRIVATE)
    again = shown_in(run.problem, lambda run_id: flow.train_again(page, run_id))
    run.ending.again.click(again, [shell.run_id], every, **PRIVATE)
    better = shown_in(run.problem, lambda run_id: flow.better(page, run_id))
    run.ending.better.click(better, [shell.run_id], every, **PRIVATE)
    from_models = shown_in(models.problem, lambda run_id: flow.train_again(page, run_id))
    models.again.click(from_models, [models.runs], every, **PRIVATE)
    chat.example.click(as_message(lambda: flow.train_example(page)), None, every, **PRIVATE)
    saved = [models.runs, models.name, shell.run_id, chat.kept]
    gr.on([models.save_name.click, models.name.submit], shown_in(models.problem, rename), saved, every, **PRIVATE)
    models.chat.click(shown_in(models.problem, to_chat), [models.runs, chat.kept], every, **PRIVATE)
    models.open.click(shown_in(models.problem, lambda run_id: flow.show_run(page, run_id)), [models.runs], every, **PRIVATE)
    models.really.click(shown_in(models.problem, delete), [models.runs, shell.run_id, chat.kept], every, **PRIVATE)
    shell.show.click(as_message(lambda: flow.show_active(page)), None, every, **PRIVATE)


def _wire_drawing(page: Page, demo: gr.Blocks) -> None:
    """The first drawing, and the tick."""
    shell, chat, models = page.shell, page.chat, page.models

    def land(dataset_id: str, run_id: str, visited: float, kept: dict, request: gr.Request) -> Updates:
        return flow.land(page, (dataset_id, run_id, visited, kept), request.query_params.get("run", ""))

    def tick(run_id: str, drawn: Drawn, chatting: str | None, selected: str | None, kept: dict) -> Updates | dict:
        return flow.tick(page, run_id, drawn, chatting, selected, kept) or gr.skip()

    demo.load(None, js=LIVE_REGION)
    remembered = [shell.dataset_id, shell.run_id, shell.visited, chat.kept]
    demo.load(shown_in(shell.message, land), remembered, page.outputs(), **PRIVATE)
    timer = gr.Timer(TICK_SECONDS)
    seen = [shell.run_id, shell.drawn, chat.run, models.runs, chat.kept]
    timer.tick(as_message(tick), seen, page.outputs(), queue=False, **PRIVATE)
